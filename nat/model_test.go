package nat_test

import (
	"fmt"
	"net/netip"
	"testing"

	"enilab/nat"
)

// model is a source NAT in memory: the oracle for the kernel's. Which port a flow gets is left open, as it is with
// --random-fully; whether it gets one is not.
type model struct {
	address  netip.Addr
	ports    nat.Ports
	capacity int

	byFlow  map[flow]netip.AddrPort // the ENI's side of each
	byBack  map[back]flow
	noPort  uint64 // flows lost because no port was left
	refused nat.Refused
}

// flow is a connection as its slot knows it; back is where its replies come from and go to.
type flow struct {
	network     string
	source, dst netip.AddrPort
}

type back struct {
	network     string
	source, dst netip.AddrPort
}

func newModel(address netip.Addr, ports nat.Ports, capacity int) *model {
	return &model{address: address, ports: ports, capacity: capacity, byFlow: map[flow]netip.AddrPort{}, byBack: map[back]flow{}}
}

// fate of a new flow.
type fate int

const (
	passes fate = iota
	noPort
	overCapacity
)

func (f fate) String() string {
	return [...]string{"passes", "finds no port", "is above the capacity"}[f]
}

// fate says what becomes of a new flow to a target. The capacity is of the whole ENI; ports are of each target.
func (m *model) fate(network string, dst netip.AddrPort) fate {
	if len(m.byFlow) >= m.capacity {
		return overCapacity
	}
	if m.inUse(network, dst) >= m.ports.Count() {
		return noPort
	}
	return passes
}

func (m *model) inUse(network string, dst netip.AddrPort) (n int) {
	for f := range m.byFlow {
		if f.network == network && f.dst == dst {
			n++
		}
	}
	return n
}

// add takes over what the NAT chose for a flow, or says why it may not have.
func (m *model) add(f flow, eni netip.AddrPort) error {
	b := back{f.network, f.dst, eni}
	switch other, taken := m.byBack[b]; {
	case eni.Addr() != m.address:
		return fmt.Errorf("%v leaves as %s, not as the ENI's %s", f, eni, m.address)
	case eni.Port() < m.ports.First || eni.Port() > m.ports.Last:
		return fmt.Errorf("%v leaves by port %d, outside %v", f, eni.Port(), m.ports)
	case taken:
		return fmt.Errorf("%v leaves as %s, and so does %v", f, eni, other)
	}
	m.byFlow[f], m.byBack[b] = eni, f
	return nil
}

// forget drops what a slot has.
func (m *model) forget(slot netip.Addr) {
	for f, eni := range m.byFlow {
		if f.source.Addr() == slot {
			delete(m.byFlow, f)
			delete(m.byBack, back{f.network, f.dst, eni})
		}
	}
}

func TestModel(t *testing.T) {
	at := netip.MustParseAddrPort
	eni, web, db := netip.MustParseAddr("10.0.1.10"), at("10.0.1.20:80"), at("10.0.1.30:5432")
	m := newModel(eni, nat.Ports{First: 40000, Last: 40001}, 5)
	open := func(network, source string, dst netip.AddrPort, port uint16, want fate) {
		t.Helper()
		if got := m.fate(network, dst); got != want {
			t.Errorf("%s from %s to %s %v, want %v", network, source, dst, got, want)
		}
		if want == passes {
			must(t, m.add(flow{network, at(source), dst}, netip.AddrPortFrom(eni, port)))
		}
	}
	open("tcp", "100.64.0.1:1", web, 40000, passes)
	for _, bad := range []netip.AddrPort{at("10.0.1.10:40000"), at("10.0.1.10:40002"), at("10.0.1.11:40001")} {
		if m.add(flow{"tcp", at("100.64.0.2:1"), web}, bad) == nil {
			t.Errorf("%s was taken", bad)
		}
	}
	open("tcp", "100.64.0.2:1", web, 40001, passes)
	open("tcp", "100.64.0.2:2", web, 0, noPort)
	open("udp", "100.64.0.2:2", web, 40000, passes) // another protocol, another target
	open("tcp", "100.64.0.2:2", db, 40000, passes)
	open("tcp", "100.64.0.3:2", db, 40001, passes)
	open("udp", "100.64.0.3:3", web, 0, overCapacity)
	m.forget(netip.MustParseAddr("100.64.0.2"))
	if len(m.byFlow) != 2 || len(m.byBack) != 2 {
		t.Errorf("%d flows left, want 2", len(m.byFlow))
	}
	open("tcp", "100.64.0.3:4", web, 40001, passes)
}
