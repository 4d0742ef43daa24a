package nat_test

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"enilab/internal/nstest"
	"enilab/nat"
	"enilab/netlab"
)

// TestIdenticalTenantsNeverMeet: two customers with the same CIDR, the same server address and the same ENI address.
func TestIdenticalTenantsNeverMeet(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	type tenant struct {
		eni    *nat.ENI
		slot   *netlab.Node
		tunnel nat.Tunnel
	}
	tenants := map[string]tenant{}
	at := netip.MustParseAddrPort("10.0.1.20:80")
	for _, id := range []string{"blue", "green"} {
		v := newVPC(t, "vpc-"+id)
		newServer(t, v, "10.0.1.20", id, 80)
		c := tenant{eni: b.eni(v, nat.ENIConfig{})}
		c.slot, c.tunnel = b.slot()
		tenants[id] = c
	}
	for _, c := range tenants {
		silent(t, c.slot, "tcp4", at)
	}
	for _, c := range tenants {
		must(t, c.eni.Bind(c.tunnel))
	}
	for id, c := range tenants {
		for _, network := range []string{"tcp4", "udp4"} {
			seen, name, err := ask(c.slot, network, at)
			must(t, err)
			if name != id || seen.Addr() != c.eni.Address {
				t.Errorf("%s's slot reaches %s, which sees %s; want the ENI's %s", id, name, seen, c.eni.Address)
			}
		}
		flows, err := c.eni.Flows()
		must(t, err)
		for _, f := range flows {
			if f.Source.Addr() != c.tunnel.Address || f.Target != at || f.ENI.Addr() != c.eni.Address {
				t.Errorf("%s's ENI has the flow %s", id, f)
			}
		}
		if len(flows) != 2 {
			t.Errorf("%s's ENI has %d flows, want 2: %v", id, len(flows), flows)
		}
	}
	for _, c := range tenants {
		must(t, c.eni.Unbind(c.tunnel))
		noFlows(t, c.eni)
		silent(t, c.slot, "tcp4", at)
	}
}

// noFlows waits until all connections through an ENI are forgotten: a moment after their slots were unbound.
func noFlows(t *testing.T, eni *nat.ENI) {
	t.Helper()
	nstest.Eventually(t, 5*time.Second, func() error {
		flows, err := eni.Flows()
		if err == nil && len(flows) > 0 {
			err = fmt.Errorf("flows of slots that were unbound: %v", flows)
		}
		return err
	})
}

// TestRebindForgets: a slot that is bound again has none of its former connections, and keeps its new ones.
func TestRebindForgets(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	v := newVPC(t, "vpc-blue")
	at := newServer(t, v, "10.0.1.20", "blue", 80).at(80)
	eni := b.eni(v, nat.ENIConfig{})
	slot, tunnel := b.slot()
	other, neighbor := b.slot()
	must(t, eni.Bind(neighbor))
	must(t, eni.Bind(tunnel))
	for _, s := range []*netlab.Node{slot, other} {
		if _, _, err := ask(s, "tcp4", at); err != nil {
			t.Fatal(err)
		}
	}
	must(t, eni.Unbind(tunnel))
	must(t, eni.Bind(tunnel))
	flows, err := eni.Flows()
	must(t, err)
	if len(flows) != 1 || flows[0].Source.Addr() != neighbor.Address {
		t.Errorf("after the slot was bound again: %v", flows)
	}
	if _, _, err := ask(slot, "tcp4", at); err != nil {
		t.Error(err)
	}
	time.Sleep(400 * time.Millisecond) // longer than a sweep may wait: nothing is to happen
	if flows, err = eni.Flows(); err != nil || len(flows) != 2 {
		t.Errorf("later: %v, %v", flows, err)
	}
}

// TestRebindReplaces: the slot of one customer becomes another's.
func TestRebindReplaces(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	at := netip.MustParseAddrPort("10.0.1.20:80")
	slot, tunnel := b.slot()
	enis := map[string]*nat.ENI{}
	for _, id := range []string{"blue", "green"} {
		v := newVPC(t, "vpc-"+id)
		newServer(t, v, "10.0.1.20", id, 80)
		enis[id] = b.eni(v, nat.ENIConfig{})
	}
	for _, id := range []string{"blue", "green", "blue", "blue"} {
		must(t, enis[id].Bind(tunnel))
		if _, name, err := ask(slot, "tcp4", at); err != nil || name != id {
			t.Errorf("bound to %s, reaches %q: %v", id, name, err)
		}
	}
}

func TestUnbindTwice(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	eni := b.eni(newVPC(t, "vpc-blue"), nat.ENIConfig{})
	slot, tunnel := b.slot()
	must(t, eni.Unbind(tunnel)) // never bound
	must(t, eni.Bind(tunnel))
	must(t, eni.Bind(tunnel))
	must(t, eni.Unbind(tunnel))
	must(t, eni.Unbind(tunnel))
	must(t, eni.Bind(tunnel))
	dev, err := slot.Link.LinkByName("eth0")
	must(t, err)
	must(t, slot.Link.LinkDel(dev))
	must(t, eni.Unbind(tunnel)) // the slot is gone
}

// TestWrongVNI: a tunnel hears nothing but its own network, on either side.
func TestWrongVNI(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	blue, green := newVPC(t, "vpc-blue"), newVPC(t, "vpc-green")
	at := newServer(t, blue, "10.0.1.20", "blue", 80).at(80)
	eni, other := b.eni(blue, nat.ENIConfig{}), b.eni(green, nat.ENIConfig{})
	slot, tunnel := b.slot()

	must(t, eni.Bind(tunnel))
	wrong := tunnel
	wrong.VNI += 1000
	must(t, eni.Return(wrong)) // the ENI answers under a number that is not the slot's
	silent(t, slot, "tcp4", at)

	must(t, eni.Bind(tunnel))
	must(t, other.Forward(tunnel)) // the slot sends under a number that is not the ENI's
	silent(t, slot, "tcp4", at)

	must(t, eni.Forward(tunnel))
	if _, _, err := ask(slot, "tcp4", at); err != nil {
		t.Error(err)
	}
}

// TestManySlotsAtOnce: bindings are made concurrently, all reach the server, and no rule is added.
func TestManySlotsAtOnce(t *testing.T) {
	nstest.NoLeaks(t)
	const slots = 200
	b := newBed(t)
	v := newVPC(t, "vpc-blue")
	at := newServer(t, v, "10.0.1.20", "blue", 80).at(80)
	eni := b.eni(v, nat.ENIConfig{})
	before := ruleCount(t, eni.Node)
	var nodes [slots]*netlab.Node
	var tunnels [slots]nat.Tunnel
	for i := range slots {
		nodes[i], tunnels[i] = b.slot()
	}
	each := func(do func(i int) error) {
		var wg sync.WaitGroup
		for i := range slots {
			wg.Go(func() {
				if err := do(i); err != nil {
					t.Errorf("slot %d: %v", i, err)
				}
			})
		}
		wg.Wait()
	}
	each(func(i int) error { return eni.Bind(tunnels[i]) })
	each(func(i int) error {
		seen, _, err := ask(nodes[i], "tcp4", at)
		if err == nil && seen.Addr() != eni.Address {
			err = fmt.Errorf("seen as %s", seen)
		}
		return err
	})
	flows, err := eni.Flows()
	must(t, err)
	sources := map[netip.Addr]bool{}
	for _, f := range flows {
		sources[f.Source.Addr()] = true
	}
	if len(sources) != slots {
		t.Errorf("flows of %d slots, want %d", len(sources), slots)
	}
	if after := ruleCount(t, eni.Node); after != before || before == 0 {
		t.Errorf("%d rules, before %d", after, before)
	}
	each(func(i int) error { return eni.Unbind(tunnels[i]) })
	noFlows(t, eni)
}

func TestClosedENIIsSilent(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	v := newVPC(t, "vpc-blue")
	at := newServer(t, v, "10.0.1.20", "blue", 80).at(80)
	eni := b.eni(v, nat.ENIConfig{})
	slot, tunnel := b.slot()
	must(t, eni.Bind(tunnel))
	if _, _, err := ask(slot, "tcp4", at); err != nil {
		t.Fatal(err)
	}
	must(t, eni.Close())
	nstest.Eventually(t, answerWithin, func() error { // the kernel ends a namespace when it has time
		c, _, _, err := open(slot, "tcp4", at, silence)
		if err == nil {
			hangUp(c)
			return errors.New("the slot reaches the server through an ENI that was closed")
		}
		return nil
	})
}

// TestNewENIFails: an uplink that cannot be had leaves nothing; NoLeaks looks.
func TestNewENIFails(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	v := newVPC(t, "vpc-blue")
	_, err := b.hub.NewENI(t.Context(), nat.ENIConfig{Name: "eni-x", Uplink: attach(v, "10.0.1.1")})
	const want = "eni eni-x: vpc vpc-blue: subnet subnet-a: address 10.0.1.1 is one of the five that AWS keeps in 10.0.1.0/24 (the first four and the last)"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// BenchmarkBind measures the three messages that connect a slot, with 200 slots bound.
func BenchmarkBind(b *testing.B) {
	bed := newBed(b)
	eni := bed.eni(newVPC(b, "vpc-blue"), nat.ENIConfig{})
	var tunnels [201]nat.Tunnel // the last is bound and unbound
	for i := range tunnels {
		_, tunnels[i] = bed.slot()
		must(b, eni.Bind(tunnels[i]))
	}
	var binding time.Duration // StopTimer stops the world each time, and what follows is slow
	for b.Loop() {
		t := tunnels[len(tunnels)-1]
		must(b, eni.Unbind(t))
		start := time.Now()
		must(b, eni.Bind(t))
		binding += time.Since(start)
	}
	b.ReportMetric(float64(binding.Nanoseconds())/float64(b.N), "ns/bind")
}
