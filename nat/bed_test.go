package nat_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"enilab/internal/nstest"
	"enilab/nat"
	"enilab/netlab"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// bed is a Hyperplane node and a worker on one underlay, with nothing of a customer's.
type bed struct {
	t      testing.TB
	hub    *nat.Node
	worker *netlab.Node
	vtep   netip.Addr // the worker's
	slots  uint16
}

func newBed(t testing.TB) *bed {
	t.Helper()
	nstest.NeedRoot(t)
	b := &bed{t: t, worker: newNode(t, "worker")}
	hub := newNode(t, "hyperplane")
	underlay, err := netlab.NewUnderlay(hub)
	must(t, err)
	b.vtep, err = underlay.Connect(t.Context(), b.worker)
	must(t, err)
	b.hub = nat.NewNode(hub, underlay.HubVTEP)
	return b
}

func newNode(t testing.TB, name string) *netlab.Node {
	t.Helper()
	n, err := netlab.NewNode(name)
	must(t, err)
	t.Cleanup(func() { n.Close() })
	return n
}

// slot makes a slot as package sandbox does, which this package does not know.
func (b *bed) slot() (*netlab.Node, nat.Tunnel) {
	b.t.Helper()
	b.slots++
	n := newNode(b.t, fmt.Sprintf("slot-%d", b.slots))
	t := nat.Tunnel{
		Address: netip.AddrFrom4([4]byte{100, 64, byte(b.slots >> 8), byte(b.slots)}), VNI: nat.VNI(b.slots), Worker: b.vtep, Slot: n,
	}
	t.MAC = netlab.MAC(0x02, 0x00, t.Address)
	var err error
	t.Device, err = n.AddTunnel(b.worker, netlab.TunnelSpec{Name: "eth0", VNI: uint32(t.VNI), MAC: t.MAC, Local: b.vtep, Port: nat.TunnelPort})
	must(b.t, err)
	link := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: t.Device}}
	router := net.IPv4(169, 254, 1, 1).To4()
	must(b.t, n.Link.AddrAdd(link, &netlink.Addr{IPNet: netlab.IPNet(netlab.Host(t.Address))}))
	must(b.t, n.Link.NeighSet(&netlink.Neigh{LinkIndex: t.Device, Family: unix.AF_INET, IP: router, HardwareAddr: nat.ENIMAC, State: netlink.NUD_PERMANENT}))
	must(b.t, n.Link.RouteAdd(&netlink.Route{LinkIndex: t.Device, Gw: router, Flags: int(netlink.FLAG_ONLINK)}))
	return n, t
}

// eni makes a Hyperplane ENI at 10.0.1.10 of a VPC.
func (b *bed) eni(v *netlab.VPC, c nat.ENIConfig) *nat.ENI {
	b.t.Helper()
	if c.Name == "" {
		c.Name = "eni-" + v.ID
	}
	if c.Uplink == nil {
		c.Uplink = attach(v, "10.0.1.10")
	}
	e, err := b.hub.NewENI(b.t.Context(), c)
	must(b.t, err)
	b.t.Cleanup(func() { must(b.t, e.Close()) })
	return e
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newVPC is a customer's network with one subnet and one open group.
func newVPC(t testing.TB, id string) *netlab.VPC {
	t.Helper()
	nstest.NeedRoot(t)
	v, err := netlab.NewVPC(t.Context(), netlab.VPCSpec{
		ID: id, CIDR: netip.MustParsePrefix("10.0.0.0/16"),
		Subnets:        []netlab.SubnetSpec{{ID: "subnet-a", CIDR: netip.MustParsePrefix("10.0.1.0/24")}},
		SecurityGroups: []netlab.SecurityGroupSpec{{ID: "sg-open", Ingress: []netlab.Rule{netlab.All}}},
	})
	must(t, err)
	t.Cleanup(func() { v.Close() })
	return v
}

func attach(v *netlab.VPC, address string) func(context.Context, *netlab.Node) (netip.Addr, error) {
	return func(ctx context.Context, n *netlab.Node) (netip.Addr, error) {
		i, err := v.Connect(ctx, n, netlab.InterfaceSpec{Subnet: "subnet-a", SecurityGroups: []string{"sg-open"}, Address: netip.MustParseAddr(address)})
		if err != nil {
			return netip.Addr{}, err
		}
		return i.Address, nil
	}
}

// server is one in a VPC that tells every caller the address that it sees, and its own name. It holds TCP connections
// until it is told to drop them.
type server struct {
	node *netlab.Node
	name string
	addr netip.Addr

	mu    sync.Mutex // guards held
	held  map[ends]net.Conn
	tasks sync.WaitGroup
}

// ends of a connection, as the server sees them: one caller's address and port may call several of its ports.
type ends struct{ client, server netip.AddrPort }

func newServer(t testing.TB, v *netlab.VPC, address, name string, ports ...uint16) *server {
	t.Helper()
	s := &server{node: newNode(t, name), name: name, addr: netip.MustParseAddr(address), held: map[ends]net.Conn{}}
	_, err := attach(v, address)(t.Context(), s.node)
	must(t, err)
	t.Cleanup(s.tasks.Wait)
	t.Cleanup(func() {
		for c := range s.held {
			s.drop(c)
		}
	})
	for _, port := range ports {
		at := s.at(port)
		l, err := s.node.NS.Listen(at)
		must(t, err)
		t.Cleanup(func() { l.Close() })
		s.tasks.Go(func() { s.serveTCP(l) })
		var packets *net.UDPConn
		must(t, s.node.NS.Do(func() (err error) {
			packets, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
			return err
		}))
		t.Cleanup(func() { packets.Close() })
		s.tasks.Go(func() { s.serveUDP(packets) })
	}
	return s
}

func (s *server) at(port uint16) netip.AddrPort { return netip.AddrPortFrom(s.addr, port) }

func (s *server) serveTCP(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.held[ends{c.RemoteAddr().(*net.TCPAddr).AddrPort(), c.LocalAddr().(*net.TCPAddr).AddrPort()}] = c
		s.mu.Unlock()
		fmt.Fprintf(c, "%s %s", c.RemoteAddr(), s.name)
	}
}

func (s *server) serveUDP(c *net.UDPConn) {
	b := make([]byte, 100)
	for {
		_, from, err := c.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		c.WriteToUDPAddrPort(fmt.Appendf(nil, "%s %s", from, s.name), from)
	}
}

// drop ends a connection, if the server has it.
func (s *server) drop(e ends) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.held[e]; c != nil {
		hangUp(c)
		delete(s.held, e)
	}
}

// hangUp closes a connection with a reset, so that neither end waits for the other.
func hangUp(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.Close()
}

// What is lost is lost without a word, so a loss is a silence. A connection that passes takes a thousandth of it. It is
// shorter than TCP's first retransmission (1 s), but on a busy machine one lost connection can be several lost packets.
const silence = 300 * time.Millisecond

// answerWithin bounds what has to succeed, on a machine however busy.
const answerWithin = time.Minute

// open makes a connection or UDP flow from a node and returns how the server sees it. The caller closes it.
func open(n *netlab.Node, network string, at netip.AddrPort, within time.Duration) (c net.Conn, seen netip.AddrPort, name string, err error) {
	deadline := time.Now().Add(within)
	err = n.NS.Do(func() (err error) {
		c, err = net.DialTimeout(network, at.String(), within)
		return err
	})
	if err != nil {
		return nil, seen, "", err
	}
	b := make([]byte, 100)
	k, again := 0, deadline
	for {
		if network == "udp4" { // ask, and ask again if there is time: nobody else would
			if _, err = c.Write([]byte("?")); err != nil {
				break
			}
			again = time.Now().Add(silence)
		}
		c.SetReadDeadline(again)
		var timeout net.Error
		if k, err = c.Read(b); errors.As(err, &timeout) && timeout.Timeout() && time.Now().Before(deadline) {
			continue
		}
		break
	}
	if err == nil {
		text, rest, _ := strings.Cut(string(b[:k]), " ")
		name = rest
		seen, err = netip.ParseAddrPort(text)
	}
	if err != nil {
		hangUp(c)
		return nil, seen, "", err
	}
	return c, seen, name, nil
}

// ask makes a connection for one answer.
func ask(n *netlab.Node, network string, at netip.AddrPort) (seen netip.AddrPort, name string, err error) {
	c, seen, name, err := open(n, network, at, answerWithin)
	if err == nil {
		hangUp(c)
	}
	return seen, name, err
}

// silent fails the test unless a call meets silence: neither an answer nor a refusal.
func silent(t testing.TB, n *netlab.Node, network string, at netip.AddrPort) {
	t.Helper()
	var err error
	switch network {
	case "icmp":
		err = n.NS.Do(func() error { return nstest.Ping(at.Addr(), silence) })
	case "tcp4": // the listener need not say anything
		err = n.NS.Do(func() error {
			c, err := net.DialTimeout("tcp4", at.String(), silence)
			if err == nil {
				hangUp(c)
			}
			return err
		})
	default:
		var c net.Conn
		if c, _, _, err = open(n, network, at, silence); err == nil {
			hangUp(c)
		}
	}
	timeout := net.Error(nil)
	if err == nil {
		t.Errorf("%s reaches %s %s", n.Name, network, at)
	} else if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("%s: %s %s answers with a refusal: %v", n.Name, network, at, err)
	}
}

func echoRequest(id uint16) []byte {
	request := []byte{8, 0, 0, 0, 0, 0, 0, 1}
	binary.BigEndian.PutUint16(request[4:], id)
	sum := 0x0800 + uint32(id) + 1
	binary.BigEndian.PutUint16(request[2:], ^uint16(sum+sum>>16))
	return request
}

// ruleCount is how many iptables rules a namespace has.
func ruleCount(t testing.TB, n *netlab.Node) (count int) {
	t.Helper()
	must(t, n.NS.Do(func() error {
		out, err := exec.CommandContext(t.Context(), "iptables-save").Output()
		count = strings.Count(string(out), "\n-A ")
		return err
	}))
	return count
}
