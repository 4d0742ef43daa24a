package netlab_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"enilab/internal/nstest"
	"enilab/netlab"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

var open = netlab.InterfaceSpec{Subnet: "subnet-a", SecurityGroups: []string{"sg-open"}}

// attach does by steps what [netlab.VPC.Connect] does: in place, or by EC2's two calls.
func attach(t testing.TB, v *netlab.VPC, owner *netlab.Node, s netlab.InterfaceSpec, inPlace bool) *netlab.Interface {
	t.Helper()
	i, err := v.NewInterface(t.Context(), s)
	must(t, err)
	if inPlace {
		must(t, i.CreateIn(owner))
	} else {
		must(t, i.Create())
		must(t, i.Attach(owner))
	}
	must(t, i.Configure(owner))
	must(t, i.Publish())
	must(t, i.AwaitUp(t.Context(), owner))
	return i
}

// view is what the owner of an interface sees of it, and the VPC's end, in words.
func view(t testing.TB, v *netlab.VPC, owner *netlab.Node, i *netlab.Interface) string {
	t.Helper()
	var b strings.Builder
	link := func(n *netlab.Node, name string) netlink.Link {
		l, err := n.Link.LinkByName(name)
		must(t, err)
		a := l.Attrs()
		fmt.Fprintf(&b, "%s %s mac %s mtu %d txqlen %d queues %d/%d group %d alias %q %s\n", l.Type(), a.Name, a.HardwareAddr, a.MTU, a.TxQLen, a.NumTxQueues, a.NumRxQueues, a.Group, a.Alias, a.OperState)
		return l
	}
	end := link(owner, netlab.OwnerLink)
	addresses, err := owner.Link.AddrList(end, unix.AF_UNSPEC)
	must(t, err)
	for _, a := range addresses {
		fmt.Fprintf(&b, "address %s broadcast %s\n", a.IPNet, a.Broadcast)
	}
	routes, err := owner.Link.RouteList(end, unix.AF_UNSPEC)
	must(t, err)
	for _, r := range routes {
		fmt.Fprintf(&b, "route %s via %v\n", r.Dst, r.Gw)
	}
	end = link(v.Node, i.LinkName())
	routes, err = v.Node.Link.RouteList(end, unix.AF_UNSPEC)
	must(t, err)
	for _, r := range routes {
		fmt.Fprintf(&b, "VPC's route %s\n", r.Dst)
	}
	must(t, v.Node.NS.Do(func() error {
		delay, err := os.ReadFile("/proc/sys/net/ipv4/neigh/" + i.LinkName() + "/proxy_delay")
		fmt.Fprintf(&b, "proxy_delay %s", delay)
		return err
	}))
	return b.String()
}

// TestBothWaysToAttach: EC2's two calls and the same in one give the owner the same, which is what AWS shows.
func TestBothWaysToAttach(t *testing.T) {
	nstest.NoLeaks(t)
	spec := open
	spec.ID, spec.Address = "eni-0123456789abcdef0", netip.MustParseAddr("10.0.1.10")
	const want = `veth eth0 mac 0a:58:0a:00:01:0a mtu 1500 txqlen 1000 queues 1/1 group 0 alias "" up
address 10.0.1.10/24 broadcast 10.0.1.255
route 0.0.0.0/0 via 10.0.1.1
veth eni-0123456789a mac 0a:00:00:00:00:01 mtu 1500 txqlen 1000 queues 1/1 group 16 alias "eni-0123456789abcdef0" up
VPC's route 10.0.1.10/32
proxy_delay 0
`
	for name, inPlace := range map[string]bool{"CreateIn": true, "Create and Attach": false} {
		vpc, owner := newVPC(t, plain("vpc-blue")), newNode(t, "owner")
		if got := view(t, vpc, owner, attach(t, vpc, owner, spec, inPlace)); got != want {
			t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
		}
	}
}

func TestNewInterface(t *testing.T) {
	nstest.NoLeaks(t)
	vpc := newVPC(t, plain("vpc-blue"))
	i, err := vpc.NewInterface(t.Context(), open)
	must(t, err)
	if len(i.ID) != 21 || !strings.HasPrefix(i.ID, "eni-") || len(i.LinkName()) != 15 || !strings.HasPrefix(i.ID, i.LinkName()) {
		t.Errorf("id %q, link %q", i.ID, i.LinkName())
	}
	fixed := open
	fixed.Address = i.Address
	twin := open
	twin.ID = i.ID
	for want, s := range map[string]netlab.InterfaceSpec{
		`vpc vpc-blue: subnet subnet-a: address 10.0.1.4 is in use`:                            fixed,
		`vpc vpc-blue: there is an interface ` + i.ID + ` already`:                             twin,
		`vpc vpc-blue: there is no subnet "x"; it has subnet-a, subnet-tiny, subnet-wide`:      {Subnet: "x"},
		`vpc vpc-blue: has 0 security groups; an interface takes 1 to 5`:                       {Subnet: "subnet-a"},
		`vpc vpc-blue: there is no security group "sg-x" in this VPC; it has sg-open, sg-shut`: {Subnet: "subnet-a", SecurityGroups: []string{"sg-x"}},
		`vpc vpc-blue: subnet subnet-a: address 10.0.1.1 is one of the five that AWS keeps in 10.0.1.0/24 (the first four and the last)`: {
			Subnet: "subnet-a", SecurityGroups: []string{"sg-open"}, Address: netip.MustParseAddr("10.0.1.1"),
		},
	} {
		if _, err := vpc.NewInterface(t.Context(), s); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	if _, used, capacity, ok := vpc.Subnet("subnet-a"); used != 1 || capacity != 251 || !ok {
		t.Errorf("after refusals %d of %d are in use, want 1 of 251", used, capacity)
	}
	if all := vpc.Interfaces(); len(all) != 1 || all[0] != i {
		t.Errorf("interfaces %v", all)
	}
}

// TestGroupSetsHaveNumbers: a set is known by its members alone, and a link carries the number of its set.
func TestGroupSetsHaveNumbers(t *testing.T) {
	nstest.NoLeaks(t)
	vpc := newVPC(t, plain("vpc-blue"))
	for i, c := range []struct {
		groups []string
		want   uint32
	}{{[]string{"sg-open"}, 16}, {[]string{"sg-shut", "sg-open"}, 17}, {[]string{"sg-open", "sg-shut", "sg-open"}, 17}, {[]string{"sg-open"}, 16}} {
		eni := attach(t, vpc, newNode(t, fmt.Sprintf("owner-%d", i)), netlab.InterfaceSpec{Subnet: "subnet-a", SecurityGroups: c.groups}, true)
		l, err := vpc.Node.Link.LinkByName(eni.LinkName())
		must(t, err)
		if l.Attrs().Group != c.want {
			t.Errorf("%v: link group %d, want %d", c.groups, l.Attrs().Group, c.want)
		}
	}
}

func TestFullSubnet(t *testing.T) {
	nstest.NoLeaks(t)
	vpc := newVPC(t, plain("vpc-blue"))
	tiny := netlab.InterfaceSpec{Subnet: "subnet-tiny", SecurityGroups: []string{"sg-open"}}
	var last *netlab.Interface
	for range 11 {
		var err error
		last, err = vpc.NewInterface(t.Context(), tiny)
		must(t, err)
	}
	const want = "vpc vpc-blue: subnet subnet-tiny (10.0.2.0/28): no address left: all 11 are taken"
	if _, err := vpc.NewInterface(t.Context(), tiny); !errors.Is(err, netlab.ErrSubnetFull) || err.Error() != want {
		t.Errorf("the twelfth: %v, want %s", err, want)
	}
	if _, err := vpc.Connect(t.Context(), newNode(t, "owner"), tiny); !errors.Is(err, netlab.ErrSubnetFull) {
		t.Errorf("Connect: %v", err)
	}
	last.Forget()
	last.Forget() // must not give back what is somebody else's by then
	again, err := vpc.NewInterface(t.Context(), tiny)
	must(t, err)
	last.Forget()
	if again.Address != last.Address {
		t.Errorf("address %s, want the one given back, %s", again.Address, last.Address)
	}
	if _, used, _, _ := vpc.Subnet("subnet-tiny"); used != 11 {
		t.Errorf("%d in use, want 11", used)
	}
}

// TestNeighborsFindEachOther: by their router.
func TestNeighborsFindEachOther(t *testing.T) {
	nstest.NoLeaks(t)
	spec := plain("vpc-blue")
	spec.Resources = []netlab.ResourceSpec{whoami(t, "server", "subnet-a", "10.0.1.200", []string{"sg-open"}, 80)}
	vpc := newVPC(t, spec)
	for n := range 3 {
		owner := newNode(t, fmt.Sprintf("owner-%d", n))
		i := attach(t, vpc, owner, open, n%2 == 0)
		from, _, err := reach(owner, "tcp4", netip.MustParseAddrPort("10.0.1.200:80"), answerWithin)
		must(t, err)
		if from != i.Address {
			t.Errorf("seen as %s, want %s", from, i.Address)
		}
	}
}

// TestScanLeavesNoQuestions: who tries a whole subnet, by routes and past them, leaves nothing in the kernel's table of
// neighbours, which all namespaces share, but what makes room at once: neither in its own namespace nor in the VPC's.
func TestScanLeavesNoQuestions(t *testing.T) {
	nstest.NoLeaks(t)
	vpc, owner := newVPC(t, plain("vpc-blue")), newNode(t, "owner")
	attach(t, vpc, owner, open, true)
	r, err := vpc.AddResource(t.Context(), whoami(t, "server", "subnet-a", "10.0.1.200", []string{"sg-open"}, 80))
	must(t, err)
	t.Cleanup(func() { must(t, r.Close()) })
	for name, from := range map[string]*netlab.Node{"an owner": owner, "a server": r.Node} {
		t.Run(name, func(t *testing.T) {
			nstest.Scan(t, from.NS, netip.MustParseAddr("10.0.1.2"))
			_, _, err := reach(from, "tcp4", netip.MustParseAddrPort("10.0.1.200:80"), answerWithin) // behind all that
			must(t, err)
			nstest.AsksNobody(t, vpc.Node.NS)
		})
	}
}

func TestDeleteAndForget(t *testing.T) {
	nstest.NoLeaks(t)
	vpc := newVPC(t, plain("vpc-blue"))
	gone := func(i *netlab.Interface) error {
		_, err := vpc.Node.Link.LinkByName(i.LinkName())
		if missing := (netlink.LinkNotFoundError{}); !errors.As(err, &missing) {
			return fmt.Errorf("link %s is there: %v", i.LinkName(), err)
		}
		return nil
	}
	inUse := func() int {
		_, used, _, _ := vpc.Subnet("subnet-a")
		return used
	}

	i := attach(t, vpc, newNode(t, "owner"), open, true)
	must(t, i.Delete())
	must(t, gone(i))
	must(t, i.Delete()) // twice is no error
	if inUse() != 0 || len(vpc.Interfaces()) != 0 {
		t.Errorf("after Delete %d in use", inUse())
	}

	owner, err := netlab.NewNode("short-lived")
	must(t, err)
	i = attach(t, vpc, owner, open, true)
	must(t, owner.Close())
	i.Forget()
	if inUse() != 0 {
		t.Errorf("after Forget %d in use", inUse())
	}
	nstest.Eventually(t, 10*time.Second, func() error { return gone(i) })
	must(t, i.Delete()) // the link is gone already

	i, err = vpc.NewInterface(t.Context(), open)
	must(t, err)
	must(t, i.Create()) // available, and never attached
	must(t, i.Delete())
	must(t, gone(i))
}

// TestAddressMovesOn: the next owner of an address gets the packets, also while the former's link still exists.
func TestAddressMovesOn(t *testing.T) {
	nstest.NoLeaks(t)
	spec := plain("vpc-blue")
	spec.Resources = []netlab.ResourceSpec{whoami(t, "server", "subnet-a", "10.0.1.200", []string{"sg-open"}, 80)}
	vpc := newVPC(t, spec)
	s := open
	s.Address = netip.MustParseAddr("10.0.1.10")
	before := newNode(t, "before")
	attach(t, vpc, before, s, true).Forget()
	after := newNode(t, "after")
	attach(t, vpc, after, s, true)
	if from, _, err := reach(after, "tcp4", netip.MustParseAddrPort("10.0.1.200:80"), answerWithin); err != nil || from != s.Address {
		t.Errorf("the new owner is seen as %s: %v", from, err)
	}
	silent(t, before, "tcp4", netip.MustParseAddrPort("10.0.1.200:80"))
}

// TestFailedConnectGivesBack: the owner has an eth0 already.
func TestFailedConnectGivesBack(t *testing.T) {
	nstest.NoLeaks(t)
	vpc, owner := newVPC(t, plain("vpc-blue")), newNode(t, "owner")
	attach(t, vpc, owner, open, true)
	if _, err := vpc.Connect(t.Context(), owner, open); !errors.Is(err, unix.EEXIST) || !strings.HasPrefix(err.Error(), "eni-") {
		t.Errorf("a second eth0: %v", err)
	}
	if _, used, _, _ := vpc.Subnet("subnet-a"); used != 1 || len(vpc.Interfaces()) != 1 {
		t.Errorf("%d addresses in use, want 1", used)
	}
	links, err := vpc.Node.Link.LinkList()
	must(t, err)
	if len(links) != 2 { // lo and the first interface's
		t.Errorf("%d links left", len(links))
	}
}

// TestTakenIndexes: a link that is none of the lab's has the index that an interface's end was to get, on either side.
func TestTakenIndexes(t *testing.T) {
	nstest.NoLeaks(t)
	vpc, owner := newVPC(t, plain("vpc-blue")), newNode(t, "owner")
	index := func(n *netlab.Node, name string) int {
		l, err := n.Link.LinkByName(name)
		must(t, err)
		return l.Attrs().Index
	}
	stranger := func(n *netlab.Node, at int) {
		must(t, n.Link.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: fmt.Sprintf("stranger%d", at), Index: at}, PeerName: fmt.Sprintf("peer%d", at)}))
	}
	first := index(vpc.Node, attach(t, vpc, newNode(t, "before"), open, true).LinkName())
	stranger(vpc.Node, first+2)
	stranger(owner, first+5)
	i := attach(t, vpc, owner, open, true)
	if got := index(vpc.Node, i.LinkName()); got != first+6 || index(owner, netlab.OwnerLink) != got+1 {
		t.Errorf("ends %d and %d, want %d and the next", got, index(owner, netlab.OwnerLink), first+6)
	}

	i, err := vpc.NewInterface(t.Context(), open)
	must(t, err)
	must(t, i.Create())
	busy := newNode(t, "busy")
	stranger(busy, index(vpc.Node, i.LinkName())+1)
	if err := i.Attach(busy); !errors.Is(err, unix.EBUSY) || !strings.HasPrefix(err.Error(), i.ID+": attach: move to busy as eth0: ") {
		t.Errorf("moved to where the index is in use: %v", err)
	}
	must(t, i.Delete())
}

// TestErrorsNameTheStep: steps are sent to the kernel together, and yet it is known which failed.
func TestErrorsNameTheStep(t *testing.T) {
	nstest.NoLeaks(t)
	vpc, owner := newVPC(t, plain("vpc-blue")), newNode(t, "owner")
	i := attach(t, vpc, owner, open, true)
	refused := func(err error, want string) {
		t.Helper()
		if err == nil || err.Error() != i.ID+": "+want {
			t.Errorf("got  %v\nwant %s: %s", err, i.ID, want)
		}
	}
	refused(i.Configure(owner), "address 10.0.1.4/24: file exists")
	end, err := owner.Link.LinkByName(netlab.OwnerLink)
	must(t, err)
	must(t, owner.Link.AddrDel(end, &netlink.Addr{IPNet: netlab.IPNet(netip.PrefixFrom(i.Address, 24))}))
	must(t, owner.Request(netlab.Route{Link: end.Attrs().Index}.Add()))
	refused(i.Configure(owner), "default route via 10.0.1.1: file exists")
	must(t, i.Delete())
	refused(i.Publish(), "up: no such device")
}

// TestThousandInterfaces: one VPC holds more than the 1,024 ports of a bridge would leave room for, on the same rules.
func TestThousandInterfaces(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 1,100 namespaces")
	}
	nstest.NoLeaks(t)
	spec := plain("vpc-blue")
	spec.Resources = []netlab.ResourceSpec{whoami(t, "server", "subnet-a", "10.0.1.200", []string{"sg-open"}, 80)}
	vpc := newVPC(t, spec)
	rules := func() (count int) {
		must(t, vpc.Node.NS.Do(func() error {
			out, err := exec.CommandContext(t.Context(), "iptables-save").Output()
			count = strings.Count(string(out), "\n-A ")
			return err
		}))
		return count
	}
	before := rules()
	var owners [1100]*netlab.Node
	for n := range owners {
		owners[n] = newNode(t, fmt.Sprintf("owner-%d", n))
		i, err := vpc.NewInterface(t.Context(), netlab.InterfaceSpec{Subnet: "subnet-wide", SecurityGroups: []string{"sg-open"}})
		must(t, err)
		must(t, i.CreateIn(owners[n]))
		must(t, i.Configure(owners[n]))
		must(t, i.Publish())
	}
	if after := rules(); after != before || before == 0 {
		t.Errorf("%d rules, before %d", after, before)
	}
	for _, n := range []int{0, 500, 1099} {
		if _, _, err := reach(owners[n], "tcp4", netip.MustParseAddrPort("10.0.1.200:80"), answerWithin); err != nil {
			t.Errorf("owner %d: %v", n, err)
		}
	}
}

// BenchmarkAttach compares EC2's two calls with the same in one; both until it can send.
func BenchmarkAttach(b *testing.B) {
	for name, inPlace := range map[string]bool{"CreateIn": true, "CreateThenAttach": false} {
		b.Run(name, func(b *testing.B) {
			vpc := newVPC(b, plain("vpc-blue"))
			spec := netlab.InterfaceSpec{Subnet: "subnet-wide", SecurityGroups: []string{"sg-open"}}
			must(b, vpc.UseGroups(b.Context(), spec.SecurityGroups))
			for b.Loop() {
				b.StopTimer()
				owner, err := netlab.NewNode("owner")
				must(b, err)
				b.StartTimer()
				i := attach(b, vpc, owner, spec, inPlace)
				b.StopTimer()
				must(b, owner.Close())
				i.Forget()
				b.StartTimer()
			}
		})
	}
}
