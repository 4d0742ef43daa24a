package nat_test

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"enilab/internal/nstest"
	"enilab/nat"
	"enilab/netlab"

	"github.com/vishvananda/netlink"
)

// TestSlotReachesNothingElse: not by ICMP, not the ENI, not the Hyperplane node or a worker, not another slot.
func TestSlotReachesNothingElse(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	v := newVPC(t, "vpc-blue")
	at := newServer(t, v, "10.0.1.20", "server", 80).at(80)
	eni := b.eni(v, nat.ENIConfig{})
	slot, tunnel := b.slot()
	other, neighbor := b.slot()
	must(t, eni.Bind(tunnel))
	must(t, eni.Bind(neighbor))
	if _, _, err := ask(slot, "tcp4", at); err != nil {
		t.Fatal(err)
	}
	listen := func(n *netlab.Node, address netip.Addr) { // so that what is not heard is refused by nobody
		t.Helper()
		l, err := n.NS.Listen(netip.AddrPortFrom(address, 80))
		must(t, err)
		t.Cleanup(func() { l.Close() })
	}
	listen(eni.Node, eni.Address)
	listen(b.hub.Node, b.hub.VTEP)
	listen(b.worker, b.vtep)
	listen(other, neighbor.Address)
	for name, c := range map[string]struct {
		network string
		to      netip.Addr
	}{
		"ICMP to the server":       {"icmp", at.Addr()},
		"the ENI":                  {"tcp4", eni.Address},
		"the ENI by ICMP":          {"icmp", eni.Address},
		"the Hyperplane node":      {"tcp4", b.hub.VTEP},
		"the Hyperplane node, UDP": {"udp4", b.hub.VTEP},
		"the worker":               {"tcp4", b.vtep},
		"another slot":             {"tcp4", neighbor.Address},
		"another slot by ICMP":     {"icmp", neighbor.Address},
		"the VPC's router":         {"tcp4", netip.MustParseAddr("10.0.1.1")},
		"its own router":           {"udp4", netip.MustParseAddr("169.254.1.1")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			silent(t, slot, c.network, netip.AddrPortFrom(c.to, 80))
		})
	}
}

// TestNobodyReachesASlot: the ENI's neighbour on the wire is an attacker who knows where slots are and routes to them.
func TestNobodyReachesASlot(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	attacker := newNode(t, "attacker")
	wire := func(_ context.Context, n *netlab.Node) (netip.Addr, error) {
		must(t, attacker.Link.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "eth0", PeerNamespace: netlink.NsFd(n.NS.Fd())}))
		for node, address := range map[*netlab.Node]string{attacker: "10.0.1.20/24", n: "10.0.1.10/24"} {
			l, err := node.Link.LinkByName("eth0")
			must(t, err)
			must(t, node.Link.AddrAdd(l, &netlink.Addr{IPNet: netlab.IPNet(netip.MustParsePrefix(address))}))
			must(t, node.Link.LinkSetUp(l))
		}
		return netip.MustParseAddr("10.0.1.10"), nil
	}
	eni := b.eni(nil, nat.ENIConfig{Name: "eni-x", Uplink: wire})
	must(t, attacker.Link.RouteAdd(&netlink.Route{Dst: netlab.IPNet(nat.LambdaVPC), Gw: net.IP(eni.Address.AsSlice())}))
	slot, tunnel := b.slot()
	must(t, eni.Bind(tunnel))

	target, err := attacker.NS.Listen(netip.MustParseAddrPort("10.0.1.20:80"))
	must(t, err)
	defer target.Close()
	var out net.Conn // the other direction works, and opens no way back but its own
	must(t, slot.NS.Do(func() (err error) {
		out, err = net.DialTimeout("tcp4", "10.0.1.20:80", answerWithin)
		return err
	}))
	defer hangUp(out)
	in, err := target.Accept()
	must(t, err)
	defer hangUp(in)
	seen := in.RemoteAddr().(*net.TCPAddr).AddrPort()

	own := out.LocalAddr().(*net.TCPAddr).AddrPort().Port()
	for _, port := range []uint16{80, own} {
		at := netip.AddrPortFrom(tunnel.Address, port)
		l, err := slot.NS.Listen(at)
		if port == own { // the connection has it
			at, err = netip.AddrPortFrom(tunnel.Address, own), nil
		} else if must(t, err); err == nil {
			t.Cleanup(func() { l.Close() })
		}
		must(t, err)
		for _, network := range []string{"tcp4", "udp4", "icmp"} {
			t.Run(network+" "+at.String(), func(t *testing.T) {
				t.Parallel()
				silent(t, attacker, network, at)
			})
		}
	}
	l, err := eni.Node.NS.Listen(netip.AddrPortFrom(eni.Address, 80))
	must(t, err)
	t.Cleanup(func() { l.Close() })
	for _, at := range []netip.AddrPort{netip.AddrPortFrom(eni.Address, 80), seen} {
		for _, network := range []string{"tcp4", "udp4", "icmp"} {
			t.Run(network+" "+at.String(), func(t *testing.T) {
				t.Parallel()
				silent(t, attacker, network, at)
			})
		}
	}
}
