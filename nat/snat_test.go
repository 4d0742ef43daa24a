package nat_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"

	"enilab/internal/netns"
	"enilab/internal/nstest"
	"enilab/nat"
	"enilab/netlab"
)

// trial drives the same flows through the kernel and through the model, and compares after every step.
type trial struct {
	t       *testing.T
	eni     *nat.ENI
	model   *model
	servers map[netip.Addr]*server
	slots   []*netlab.Node
	tunnels []nat.Tunnel
	conns   map[netip.Addr]map[flow]net.Conn // by slot
}

// Two servers with two ports each are four targets for each protocol.
var (
	webA = netip.MustParseAddrPort("10.0.1.20:80")
	webB = netip.MustParseAddrPort("10.0.1.20:81")
	data = netip.MustParseAddrPort("10.0.1.30:80")
)

func newTrial(t *testing.T, ports nat.Ports, capacity, slots int) *trial {
	t.Helper()
	b, v := newBed(t), newVPC(t, "vpc-blue")
	tr := &trial{t: t, servers: map[netip.Addr]*server{}, conns: map[netip.Addr]map[flow]net.Conn{}}
	for _, at := range []netip.AddrPort{webA, data} {
		tr.servers[at.Addr()] = newServer(t, v, at.Addr().String(), "server", 80, 81)
	}
	tr.eni = b.eni(v, nat.ENIConfig{Ports: ports, Capacity: capacity})
	// The model forgets nothing by itself; on a busy machine the kernel's half minute is over before the test is.
	for _, key := range []string{"udp_timeout", "udp_timeout_stream"} {
		must(t, tr.eni.Node.NS.Set(netns.Sysctl{Key: "net/netfilter/nf_conntrack_" + key, Value: "3600"}))
	}
	tr.model = newModel(tr.eni.Address, ports, capacity)
	for range slots {
		slot, tunnel := b.slot()
		must(t, tr.eni.Bind(tunnel))
		tr.slots, tr.tunnels = append(tr.slots, slot), append(tr.tunnels, tunnel)
		tr.conns[tunnel.Address] = map[flow]net.Conn{}
	}
	t.Cleanup(func() {
		for _, of := range tr.conns {
			for _, c := range of {
				hangUp(c)
			}
		}
	})
	return tr
}

// open makes a new flow and compares its fate.
func (tr *trial) open(slot int, network string, dst netip.AddrPort) {
	tr.t.Helper()
	want := tr.model.fate(network, dst)
	within := answerWithin
	if want != passes {
		within = silence
	}
	c, seen, _, err := open(tr.slots[slot], network+"4", dst, within)
	switch {
	case err == nil && want == passes:
		f := flow{network, netip.MustParseAddrPort(c.LocalAddr().String()), dst}
		tr.conns[tr.tunnels[slot].Address][f] = c
		if err := tr.model.add(f, seen); err != nil {
			tr.t.Error(err)
		}
	case err == nil:
		hangUp(c)
		tr.t.Fatalf("%s from slot %d to %s passes as %s; it %s", network, slot, dst, seen, want)
	case want == passes:
		tr.t.Fatalf("%s from slot %d to %s: %v; it passes", network, slot, dst, err)
	case want == noPort:
		tr.model.noPort++
	case want == overCapacity && network == "tcp":
		tr.model.refused.TCP++
	case want == overCapacity:
		tr.model.refused.UDP++
	}
	tr.compare()
}

// forget ends all that a slot has, in the ENI first, so that the ends' farewells find no flow.
func (tr *trial) forget(slot int) {
	tr.t.Helper()
	of := tr.tunnels[slot].Address
	must(tr.t, tr.eni.Forget(of))
	for f, c := range tr.conns[of] {
		if f.network == "tcp" {
			tr.servers[f.dst.Addr()].drop(ends{tr.model.byFlow[f], f.dst})
		}
		hangUp(c)
	}
	clear(tr.conns[of])
	tr.model.forget(of)
	tr.compare()
}

func (tr *trial) compare() {
	tr.t.Helper()
	flows, err := tr.eni.Flows()
	must(tr.t, err)
	for _, f := range flows {
		if want := tr.model.byFlow[flow{f.Protocol, f.Source, f.Target}]; f.ENI != want {
			tr.t.Errorf("the kernel has %s, the model %s", f, want)
		}
		if f.Protocol == "tcp" && f.State != "ESTABLISHED" {
			tr.t.Errorf("%s is %s", f, f.State)
		}
	}
	u, err := tr.eni.Usage()
	must(tr.t, err)
	inUse := map[netip.AddrPort]int{}
	for f := range tr.model.byFlow {
		inUse[f.dst]++
	}
	if len(flows) != len(tr.model.byFlow) || u.Connections != len(flows) ||
		u.Dropped < tr.model.noPort || u.Refused.TCP < tr.model.refused.TCP || u.Refused.UDP != tr.model.refused.UDP || // TCP asks again on a machine that is slow
		u.Capacity != tr.model.capacity || u.Ports != tr.model.ports.Count() || fmt.Sprint(u.InUse) != fmt.Sprint(inUse) {
		tr.t.Fatalf("usage %+v with %d flows; the model has %d flows, %d lost, %+v, in use %v", u, len(flows), len(tr.model.byFlow), tr.model.noPort, tr.model.refused, inUse)
	}
}

// TestKernelAgreesWithModel drives random flows.
func TestKernelAgreesWithModel(t *testing.T) {
	nstest.NoLeaks(t)
	for seed := range uint64(3) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 0))
			tr := newTrial(t, nat.Ports{First: 40000, Last: 40003}, 9+int(seed), 3)
			lost := map[fate]int{}
			for range 32 {
				slot := random.IntN(len(tr.slots))
				if random.IntN(12) == 0 {
					tr.forget(slot)
					continue
				}
				network := []string{"tcp", "tcp", "udp"}[random.IntN(3)]
				dst := []netip.AddrPort{webA, webA, webB, data}[random.IntN(4)]
				lost[tr.model.fate(network, dst)]++
				tr.open(slot, network, dst)
			}
			if lost[passes] == 0 || lost[noPort]+lost[overCapacity] == 0 {
				t.Errorf("a tame sequence: %v", lost)
			}
		})
	}
}

// TestPortsRunOutExactly: eight ports are eight connections to one target; other targets have the same eight.
func TestPortsRunOutExactly(t *testing.T) {
	nstest.NoLeaks(t)
	tr := newTrial(t, nat.Ports{First: 40000, Last: 40007}, 1000, 2)
	for _, network := range []string{"tcp", "udp"} {
		for i := range 9 {
			tr.open(i%2, network, webA)
		}
		tr.open(0, network, webB)
		tr.open(0, network, data)
	}
	if tr.model.noPort != 2 {
		t.Errorf("%d lost, want the ninth of each protocol", tr.model.noPort)
	}
	tr.forget(0)
	tr.open(1, "tcp", webA)
	tr.open(1, "udp", webA)
}

// TestCapacityIsExact: five at once, to whatever target by whatever protocol.
func TestCapacityIsExact(t *testing.T) {
	nstest.NoLeaks(t)
	tr := newTrial(t, nat.DefaultPorts, 5, 2)
	tr.open(0, "tcp", webA)
	tr.open(0, "tcp", webB)
	tr.open(0, "udp", data)
	tr.open(1, "tcp", webA)
	tr.open(1, "udp", webA)
	tr.open(0, "tcp", data) // the sixth
	tr.open(1, "udp", data)
	tr.open(1, "tcp", webA)
	tr.forget(1)
	tr.open(0, "tcp", data)
	tr.open(1, "udp", data)
	tr.open(0, "tcp", webA)
	for f, c := range tr.conns[tr.tunnels[0].Address] { // closed by its owner, a connection makes room as well
		if f.network == "tcp" {
			hangUp(c)
			break
		}
	}
	if _, _, err := ask(tr.slots[1], "tcp4", webB); err != nil {
		t.Errorf("after a connection was closed: %v", err)
	}
}

// TestOneFlowIsOneConnection: however many packets of it wait for an answer, and whatever is refused beside it.
func TestOneFlowIsOneConnection(t *testing.T) {
	nstest.NoLeaks(t)
	tr := newTrial(t, nat.DefaultPorts, 5, 1)
	var mute net.Conn // nobody answers at this port
	var pings *net.IPConn
	must(t, tr.slots[0].NS.Do(func() (err error) {
		if mute, err = net.Dial("udp4", "10.0.1.99:9"); err != nil {
			return err
		}
		pings, err = net.DialIP("ip4:icmp", nil, &net.IPAddr{IP: webA.Addr().AsSlice()})
		return err
	}))
	defer mute.Close()
	defer pings.Close()
	for i := range uint16(2000) {
		mute.Write([]byte("?")) // an error tells of an earlier packet that was lost; that is what is wanted
		pings.Write(echoRequest(i))
	}
	for _, dst := range []netip.AddrPort{webA, webB, data, webA} {
		c, _, _, err := open(tr.slots[0], "tcp4", dst, silence)
		if err != nil {
			t.Fatalf("with one flow of five under way: %v", err)
		}
		defer hangUp(c)
	}
	silent(t, tr.slots[0], "tcp4", webB)
}
