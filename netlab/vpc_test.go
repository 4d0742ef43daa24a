package netlab_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"enilab/internal/nstest"
	"enilab/netlab"

	"github.com/vishvananda/netlink"
)

// TestSecurityGroupMatrix tries every kind of rule, from members and others, in the same subnet and across.
func TestSecurityGroupMatrix(t *testing.T) {
	nstest.NoLeaks(t)
	subnetB := netip.MustParsePrefix("10.0.2.0/24")
	client := []string{"sg-client"}
	lab := build(t, netlab.Spec{VPCs: []netlab.VPCSpec{{
		ID: "vpc-blue", CIDR: netip.MustParsePrefix("10.0.0.0/16"),
		Subnets: []netlab.SubnetSpec{{ID: "subnet-a", CIDR: netip.MustParsePrefix("10.0.1.0/24")}, {ID: "subnet-b", CIDR: subnetB}},
		SecurityGroups: []netlab.SecurityGroupSpec{
			{ID: "sg-client"},
			{ID: "sg-web", Ingress: []netlab.Rule{
				{Protocol: "tcp", FromPort: 80, CIDR: netlab.All.CIDR},
				{Protocol: "udp", FromPort: 8000, ToPort: 8001, CIDR: subnetB},
				{Protocol: "icmp", CIDR: subnetB},
			}},
			{ID: "sg-data", Ingress: []netlab.Rule{{Protocol: "tcp", FromPort: 6379, Group: "sg-client"}, {Protocol: "icmp", Group: "sg-client"}}},
			{ID: "sg-narrow", Egress: []netlab.Rule{{Protocol: "tcp", FromPort: 80, CIDR: subnetB}, {Protocol: "tcp", FromPort: 6379, Group: "sg-data"}}},
			{ID: "sg-mute", Egress: []netlab.Rule{}},
		},
		Resources: []netlab.ResourceSpec{
			whoami(t, "client", "subnet-a", "", client, 80),
			whoami(t, "client-b", "subnet-b", "", []string{"sg-client", "sg-web"}, 80),
			whoami(t, "narrow", "subnet-a", "", []string{"sg-narrow"}, 80),
			whoami(t, "narrow-client", "subnet-a", "", []string{"sg-narrow", "sg-mute"}, 80),
			whoami(t, "mute", "subnet-a", "", []string{"sg-mute"}, 80),
			whoami(t, "web-a", "subnet-a", "", []string{"sg-web"}, 80, 81, 8000, 8001, 8002),
			whoami(t, "web-b", "subnet-b", "", []string{"sg-web"}, 80, 8000),
			whoami(t, "data-a", "subnet-a", "", []string{"sg-data"}, 6379, 80),
			whoami(t, "data-b", "subnet-b", "", []string{"sg-data"}, 6379),
			whoami(t, "both", "subnet-b", "", []string{"sg-data", "sg-web"}, 6379, 80),
		},
	}}})
	for _, c := range []struct {
		from, network, to string
		port              uint16
		passes            bool
	}{
		{"client", "tcp4", "web-a", 80, true},
		{"client", "tcp4", "web-b", 80, true},
		{"mute", "tcp4", "web-a", 80, false},   // its set lets nothing out
		{"client", "tcp4", "web-a", 81, false}, // no rule for the port
		{"client", "tcp4", "client-b", 80, true},
		{"client-b", "tcp4", "client", 80, false}, // no rule lets anything in
		{"web-a", "tcp4", "client", 80, false},    // not even from whom it calls
		{"client", "tcp4", "data-a", 6379, true},  // by group
		{"client", "tcp4", "data-b", 6379, true},
		{"client-b", "tcp4", "data-a", 6379, true}, // a member by another set
		{"client", "tcp4", "data-a", 80, false},
		{"web-a", "tcp4", "data-a", 6379, false}, // not a member
		{"web-b", "tcp4", "data-a", 6379, false},
		{"client", "tcp4", "both", 6379, true}, // rules of several groups add up
		{"client", "tcp4", "both", 80, true},
		{"web-a", "tcp4", "both", 6379, false},
		{"web-a", "tcp4", "both", 80, true},
		{"narrow", "tcp4", "web-b", 80, true},
		{"narrow", "tcp4", "web-a", 80, false},    // goes out to another subnet alone
		{"narrow", "tcp4", "data-a", 6379, false}, // it may go out, it may not come in
		{"narrow-client", "tcp4", "web-b", 80, true},
		{"client-b", "udp4", "web-a", 8000, true},
		{"client-b", "udp4", "web-a", 8001, true},
		{"client-b", "udp4", "web-a", 8002, false},
		{"client", "udp4", "web-a", 8000, false}, // not of the range
		{"client-b", "udp4", "web-a", 80, false}, // the port is TCP's
		{"client-b", "icmp", "web-a", 0, true},
		{"client", "icmp", "web-a", 0, false},
		{"client", "icmp", "data-b", 0, true},
		{"web-b", "icmp", "data-b", 0, false},
		{"client", "icmp", "client-b", 0, false},
	} {
		t.Run(fmt.Sprintf("%s %s %s:%d", c.from, c.network, c.to, c.port), func(t *testing.T) {
			t.Parallel()
			from, to := lab.Resource("vpc-blue", c.from), lab.Resource("vpc-blue", c.to)
			at := netip.AddrPortFrom(to.Interface.Address, c.port)
			if !c.passes {
				silent(t, from.Node, c.network, at)
				return
			}
			seen, name, err := reach(from.Node, c.network, at, answerWithin)
			must(t, err)
			if c.network != "icmp" && (seen != from.Interface.Address || name != c.to) {
				t.Errorf("%s says it sees %s, want %s", name, seen, from.Interface.Address)
			}
		})
	}
}

func TestChangedGroupLeavesTrackedConnections(t *testing.T) {
	nstest.NoLeaks(t)
	spec := plain("vpc-blue")
	spec.SecurityGroups = append(spec.SecurityGroups, netlab.SecurityGroupSpec{ID: "sg-web", Ingress: []netlab.Rule{netlab.All}})
	spec.Resources = []netlab.ResourceSpec{
		whoami(t, "client", "subnet-a", "", []string{"sg-open"}, 80), whoami(t, "web", "subnet-a", "", []string{"sg-web"}, 80),
	}
	lab := build(t, netlab.Spec{VPCs: []netlab.VPCSpec{spec}})
	vpc, client := lab.VPC("vpc-blue"), lab.Resource("vpc-blue", "client").Node
	at := netip.AddrPortFrom(lab.Resource("vpc-blue", "web").Interface.Address, 80)
	var c net.Conn
	must(t, client.NS.Do(func() (err error) {
		c, err = net.DialTimeout("tcp4", at.String(), answerWithin)
		return err
	}))
	defer c.Close()
	c.SetDeadline(time.Now().Add(answerWithin))
	if _, err := readLine(c); err != nil {
		t.Fatal(err)
	}

	must(t, vpc.SetSecurityGroup(t.Context(), netlab.SecurityGroupSpec{ID: "sg-web"}))
	silent(t, client, "tcp4", at)
	if _, err := c.Write([]byte("still there?\n")); err != nil {
		t.Fatal(err)
	}
	if got, err := readLine(c); err != nil || got != "still there?" {
		t.Errorf("the tracked connection: %q, %v", got, err)
	}

	must(t, vpc.SetSecurityGroup(t.Context(), netlab.SecurityGroupSpec{ID: "sg-web", Ingress: []netlab.Rule{netlab.All}}))
	if _, _, err := reach(client, "tcp4", at, answerWithin); err != nil {
		t.Errorf("opened again: %v", err)
	}

	bad := netlab.SecurityGroupSpec{ID: "sg-web", Ingress: []netlab.Rule{{Protocol: "no-such", CIDR: netlab.All.CIDR}}}
	if err := vpc.SetSecurityGroup(t.Context(), bad); err == nil {
		t.Error("a protocol that does not exist was taken")
	}
	if err := vpc.UseGroups(t.Context(), []string{"sg-web", "sg-shut"}); err != nil { // commits what is in force
		t.Errorf("a refused change stayed: %v", err)
	}
	if _, _, err := reach(client, "tcp4", at, answerWithin); err != nil {
		t.Errorf("after a refused change: %v", err)
	}
}

func TestIdenticalVPCsNeverMeet(t *testing.T) {
	nstest.NoLeaks(t)
	var s netlab.Spec
	for _, tenant := range []string{"blue", "green"} {
		v := plain("vpc-" + tenant)
		v.Resources = []netlab.ResourceSpec{
			whoami(t, "client", "subnet-a", "10.0.1.10", []string{"sg-open"}, 80),
			whoami(t, tenant, "subnet-a", "10.0.1.20", []string{"sg-open"}, 80),
		}
		s.VPCs = append(s.VPCs, v)
	}
	// What green alone has, blue must not find.
	s.VPCs[1].Resources = append(s.VPCs[1].Resources, whoami(t, "secret", "subnet-a", "10.0.1.30", []string{"sg-open"}, 80))
	lab := build(t, s)
	for _, tenant := range []string{"blue", "green"} {
		from, name, err := reach(lab.Resource("vpc-"+tenant, "client").Node, "tcp4", netip.MustParseAddrPort("10.0.1.20:80"), answerWithin)
		if err != nil || name != tenant || from.String() != "10.0.1.10" {
			t.Errorf("%s reaches %q as %s: %v", tenant, name, from, err)
		}
	}
	silent(t, lab.Resource("vpc-blue", "client").Node, "tcp4", netip.MustParseAddrPort("10.0.1.30:80"))
	if _, name, err := reach(lab.Resource("vpc-green", "client").Node, "tcp4", netip.MustParseAddrPort("10.0.1.30:80"), answerWithin); name != "secret" {
		t.Errorf("green: %q, %v", name, err)
	}
	if len(lab.VPCs()) != 2 || lab.VPC("vpc-red") != nil || lab.Resource("vpc-blue", "secret") != nil {
		t.Error("the lab knows what was not asked for")
	}
}

// TestRouterIsSilent: a VPC's router forwards and answers ARP, and is no host.
func TestRouterIsSilent(t *testing.T) {
	nstest.NoLeaks(t)
	vpc := newVPC(t, plain("vpc-blue"))
	n := newNode(t, "client")
	_, err := vpc.Connect(t.Context(), n, netlab.InterfaceSpec{Subnet: "subnet-a", SecurityGroups: []string{"sg-open"}})
	must(t, err)
	for _, router := range []string{"10.0.1.1", "10.0.2.1"} {
		l, err := vpc.Node.NS.Listen(netip.MustParseAddrPort(router + ":22")) // even if somebody listened
		must(t, err)
		t.Cleanup(func() { l.Close() })
		for _, network := range []string{"tcp4", "udp4", "icmp"} {
			t.Run(router+" "+network, func(t *testing.T) {
				t.Parallel()
				silent(t, n, network, netip.MustParseAddrPort(router+":22"))
			})
		}
	}
}

// TestSourceCheck: what an owner sends under an address that is not its own does not arrive. The packet sent after it,
// on the same path, does.
func TestSourceCheck(t *testing.T) {
	nstest.NoLeaks(t)
	vpc := newVPC(t, plain("vpc-blue"))
	connect := func(name, address string) *netlab.Node {
		n := newNode(t, name)
		_, err := vpc.Connect(t.Context(), n, netlab.InterfaceSpec{Subnet: "subnet-a", SecurityGroups: []string{"sg-open"}, Address: netip.MustParseAddr(address)})
		must(t, err)
		return n
	}
	server, client := connect("server", "10.0.1.20"), connect("client", "10.0.1.10")
	connect("victim", "10.0.1.30")
	to := &net.UDPAddr{IP: net.IPv4(10, 0, 1, 20), Port: 99}
	var arrivals *net.UDPConn
	must(t, server.NS.Do(func() (err error) {
		arrivals, err = net.ListenUDP("udp4", to)
		return err
	}))
	defer arrivals.Close()
	arrivals.SetDeadline(time.Now().Add(answerWithin))
	send := func(from string) {
		t.Helper()
		must(t, client.NS.Do(func() error {
			c, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.ParseIP(from)}, to)
			if err != nil {
				return err
			}
			defer c.Close()
			_, err = c.Write([]byte(from))
			return err
		}))
	}
	lo, err := client.Link.LinkByName("lo")
	must(t, err)
	for _, foreign := range []string{"10.0.1.30", "10.0.1.77", "10.0.2.7", "203.0.113.9", "100.64.0.1"} {
		must(t, client.Link.AddrAdd(lo, &netlink.Addr{IPNet: netlab.IPNet(netlab.Host(netip.MustParseAddr(foreign)))}))
		send(foreign)
		send("10.0.1.10")
		b := make([]byte, 100)
		n, from, err := arrivals.ReadFromUDPAddrPort(b)
		must(t, err)
		if string(b[:n]) != "10.0.1.10" || from.Addr().Unmap().String() != "10.0.1.10" {
			t.Errorf("a packet said to be from %s arrived", b[:n])
		}
	}
}

// TestInheritedSettings: namespaces take over the host's settings, and some hosts have others than this one.
func TestInheritedSettings(t *testing.T) {
	nstest.NoLeaks(t)
	vpc := newVPC(t, plain("vpc-blue"))
	must(t, vpc.Node.NS.Do(func() error {
		for key, want := range map[string]string{
			"ip_forward": "1", "conf/all/rp_filter": "0", "conf/default/rp_filter": "1", "conf/all/arp_ignore": "0", "conf/default/arp_ignore": "0",
		} {
			got, err := os.ReadFile("/proc/sys/net/ipv4/" + key)
			if strings.TrimSpace(string(got)) != want {
				t.Errorf("%s is %s (%v), want %s", key, got, err, want)
			}
		}
		return nil
	}))
}
