package sandbox_test

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"enilab/internal/netns"
	"enilab/internal/nstest"
	"enilab/netlab"
	"enilab/sandbox"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

var (
	lambdaVPC = netip.MustParsePrefix("100.64.0.0/10")
	routerMAC = net.HardwareAddr{0x02, 0x01, 0, 0, 0, 1}
)

const tunnelPort = 4789

// worker is a worker on an underlay whose other end is the hub.
func worker(t testing.TB) (w *sandbox.Worker, hub *netlab.Node) {
	t.Helper()
	nstest.NeedRoot(t)
	nodes := map[string]*netlab.Node{}
	for _, name := range []string{"worker", "hyperplane"} {
		n, err := netlab.NewNode(name)
		must(t, err)
		t.Cleanup(func() { n.Close() })
		nodes[name] = n
	}
	underlay, err := netlab.NewUnderlay(nodes["hyperplane"])
	must(t, err)
	vtep, err := underlay.Connect(t.Context(), nodes["worker"])
	must(t, err)
	return &sandbox.Worker{Node: nodes["worker"], VTEP: vtep, Tunnels: sandbox.TunnelConfig{Network: lambdaVPC, RouterMAC: routerMAC, Port: tunnelPort}}, nodes["hyperplane"]
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func slot(t testing.TB, make func(int) (*sandbox.Slot, error), index int) *sandbox.Slot {
	t.Helper()
	s, err := make(index)
	must(t, err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// inside lists all that a slot's namespace holds, in words.
func inside(t *testing.T, s *sandbox.Slot) (list []string) {
	t.Helper()
	add := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	links, err := s.Node.Link.LinkList()
	must(t, err)
	slices.SortFunc(links, func(a, b netlink.Link) int { return strings.Compare(b.Attrs().Name, a.Attrs().Name) }) // kernels differ
	for _, l := range links {
		a := l.Attrs()
		if x, ok := l.(*netlink.Vxlan); ok {
			add("link %s %s %s mtu %d up %t queues %d/%d vni %d from %s port %d learning %t", a.Name, l.Type(), a.HardwareAddr,
				a.MTU, a.Flags&net.FlagUp != 0, a.NumTxQueues, a.NumRxQueues, x.VxlanId, x.SrcAddr, x.Port, x.Learning)
		} else {
			add("link %s up %t", a.Name, a.Flags&net.FlagUp != 0)
		}
		addresses, err := s.Node.Link.AddrList(l, netlink.FAMILY_ALL)
		must(t, err)
		for _, at := range addresses {
			if !at.IP.IsLoopback() {
				add("address %s on %s", at.IPNet, a.Name)
			}
		}
	}
	routes, err := s.Node.Link.RouteList(nil, netlink.FAMILY_V4)
	must(t, err)
	for _, r := range routes {
		add("route %s via %s onlink %t", r.Dst, r.Gw, r.Flags&int(netlink.FLAG_ONLINK) != 0)
	}
	for _, family := range []int{unix.AF_INET, unix.AF_INET6, unix.AF_BRIDGE} {
		neighbors, err := s.Node.Link.NeighList(0, family)
		must(t, err)
		for _, n := range neighbors {
			add("neighbor %s at %s permanent %t", n.IP, n.HardwareAddr, n.State&netlink.NUD_PERMANENT != 0)
		}
	}
	return list
}

// TestScanLeavesNoQuestions: as of a legacy interface.
func TestScanLeavesNoQuestions(t *testing.T) {
	nstest.NoLeaks(t)
	w, _ := worker(t)
	nstest.Scan(t, slot(t, w.NewSlot, 1).NS(), netip.MustParseAddr("10.0.1.2"))
}

// A slot holds what was promised and nothing more: nothing in it depends on a customer.
func TestSlotHasWhatWasPromised(t *testing.T) {
	nstest.NoLeaks(t)
	w, _ := worker(t)
	s := slot(t, w.NewSlot, 0x010203)
	if s.Address.String() != "100.65.2.3" || s.MAC.String() != "02:00:64:41:02:03" || s.VNI != 0x010203 || s.Index != 0x010203 {
		t.Errorf("%s %s %d", s.Address, s.MAC, s.VNI)
	}
	want := []string{
		"link lo up true",
		fmt.Sprintf("link eth0 vxlan 02:00:64:41:02:03 mtu 1500 up true queues 1/1 vni 66051 from %s port 4789 learning false", w.VTEP),
		"address 100.65.2.3/32 on eth0",
		"route 0.0.0.0/0 via 169.254.1.1 onlink true",
		"neighbor 169.254.1.1 at 02:01:00:00:00:01 permanent true",
		"neighbor 192.0.0.8 at 02:01:00:00:00:01 permanent true", // the forwarding entry that Bind replaces
	}
	if got := inside(t, s); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("a slot holds\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	link, err := s.Node.Link.LinkByIndex(s.Device)
	if err != nil || link.Attrs().Name != "eth0" {
		t.Errorf("device %d: %v", s.Device, err)
	}
	bare := slot(t, sandbox.NewBareSlot, 7)
	if got := inside(t, bare); len(got) != 1 || got[0] != "link lo up true" || bare.Address.IsValid() {
		t.Errorf("a bare slot holds %v", got)
	}
}

// The Runtime API is on the slot's loopback, and on no other.
func TestSlotListensForItsRuntime(t *testing.T) {
	nstest.NoLeaks(t)
	w, _ := worker(t)
	one := slot(t, w.NewSlot, 1)
	ask := func(ns *netns.NS, to netip.AddrPort, within time.Duration) error {
		return ns.Do(func() error {
			c, err := net.DialTimeout("tcp4", to.String(), within)
			if err != nil {
				return err
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(within))
			fmt.Fprintf(c, "POST /2018-06-01/runtime/invocation/x/response HTTP/1.0\r\n\r\n")
			b := make([]byte, 12)
			if _, err = c.Read(b); err == nil && !strings.HasSuffix(string(b), fmt.Sprint(http.StatusBadRequest)) {
				err = fmt.Errorf("answer %q", b)
			}
			return err
		})
	}
	if err := ask(one.NS(), sandbox.RuntimeAPIAddress, time.Minute); err != nil {
		t.Errorf("inside: %v", err)
	}
	for name, c := range map[string]struct {
		from *netns.NS
		to   netip.AddrPort
	}{
		"its tunnel address":      {one.NS(), netip.AddrPortFrom(one.Address, sandbox.RuntimeAPIAddress.Port())},
		"the worker":              {w.NS, sandbox.RuntimeAPIAddress},
		"the slot's, from beside": {w.NS, netip.AddrPortFrom(one.Address, sandbox.RuntimeAPIAddress.Port())},
	} {
		if err := ask(c.from, c.to, 200*time.Millisecond); err == nil {
			t.Errorf("%s reaches the Runtime API", name)
		}
	}
}

// Two slots of one worker cannot talk, even if one of them aims its tunnel at the other: a slot's own VNI goes nowhere,
// and frames for another come back from nobody.
func TestSlotsCannotTalk(t *testing.T) {
	nstest.NoLeaks(t)
	w, hub := worker(t)
	one, two := slot(t, w.NewSlot, 1), slot(t, w.NewSlot, 2)
	at := netip.AddrPortFrom(two.Address, 7777)
	l, err := two.NS().Listen(at)
	must(t, err)
	defer l.Close()
	reaches := func(from *netns.NS) bool {
		return from.Do(func() error {
			c, err := net.DialTimeout("tcp4", at.String(), 200*time.Millisecond)
			if err == nil {
				c.Close()
			}
			return err
		}) == nil
	}
	if !reaches(two.NS()) {
		t.Fatal("the listener does not answer its own slot: the test would prove nothing")
	}
	for name, ns := range map[string]*netns.NS{"a slot": one.NS(), "the worker": w.NS, "the Hyperplane node": hub.NS} {
		if reaches(ns) {
			t.Errorf("%s reaches an unbound slot", name)
		}
	}
}

func TestSlotIndexes(t *testing.T) {
	nstest.NoLeaks(t)
	w, _ := worker(t)
	for _, index := range []int{-1, 0, 1<<22 - 1, 1 << 22} {
		if s, err := w.NewSlot(index); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("slot %d", index)) || !strings.Contains(err.Error(), "100.64.0.0/10") {
			t.Errorf("index %d: %+v, %v", index, s, err)
		}
	}
	last := slot(t, w.NewSlot, 1<<22-2)
	if !lambdaVPC.Contains(last.Address) || last.Address.String() != "100.127.255.254" {
		t.Errorf("the last slot is %s", last.Address)
	}
	// An index that is in use is refused whole, and works when it is free again.
	if _, err := w.NewSlot(last.Index); err == nil || !strings.Contains(err.Error(), "tunnel") {
		t.Errorf("the same index twice: %v", err)
	}
	must(t, last.Close())
	must(t, last.Close())
	nstest.Eventually(t, 5*time.Second, func() error { // the kernel ends the device some time after the namespace
		s, err := w.NewSlot(last.Index)
		if err == nil {
			err = s.Close()
		}
		return err
	})
}

// Those who lodge in a namespace have a Runtime API each, and the namespace outlives them until its slot is closed.
func TestSlotLodgers(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	home := slot(t, sandbox.NewBareSlot, 1)
	listens := func(at netip.AddrPort) bool {
		return home.NS().Do(func() error {
			c, err := net.DialTimeout("tcp4", at.String(), time.Second)
			if err == nil {
				c.Close()
			}
			return err
		}) == nil
	}
	if home.APIAddress != sandbox.RuntimeAPIAddress || !listens(home.APIAddress) {
		t.Errorf("the slot's Runtime API is at %s", home.APIAddress)
	}
	second, err := home.Lodge(2)
	must(t, err)
	if second.Node != home.Node || second.APIAddress.String() != "127.0.0.2:9001" || !listens(second.APIAddress) {
		t.Errorf("a lodger's Runtime API is at %s", second.APIAddress)
	}
	for _, n := range []int{0, 1, 2, sandbox.MaxLodgers + 1} {
		if s, err := home.Lodge(n); err == nil {
			t.Errorf("lodging %d is free: %+v", n, s)
		}
	}
	must(t, home.Vacate())
	if listens(home.APIAddress) || !listens(second.APIAddress) {
		t.Error("to vacate a slot ends its own Runtime API, and no other")
	}
	again, err := home.Lodge(1)
	must(t, err)
	must(t, second.Close())
	if !listens(again.APIAddress) || listens(second.APIAddress) {
		t.Error("a lodger's end is its own")
	}
	parking := &sandbox.Parking{}
	defer parking.Close()
	must(t, parking.Park(t.Context(), again))
	o := newOutput()
	p, err := again.Launcher.Start(t.Context(), sandbox.Config{Code: code(t, "#!/bin/bash\necho hello"), Output: o})
	must(t, err)
	await(t, p)
	if strings.TrimSpace(o.String()) != "hello" {
		t.Errorf("a lodger says %q", o)
	}
	must(t, p.Close())
	must(t, again.Close())
	must(t, again.Close())
}

func TestSlotsOfWorkersInTurn(t *testing.T) {
	nstest.NoLeaks(t)
	one, _ := worker(t)
	two, _ := worker(t)
	maker := sandbox.InTurn([]*sandbox.Worker{one, two})
	count := map[*sandbox.Worker]int{}
	for i := 1; i <= 6; i++ {
		s := slot(t, maker, i)
		if s.Index != i || s.Address.As4()[3] != byte(i) {
			t.Errorf("slot %d is %d at %s", i, s.Index, s.Address)
		}
		count[s.Worker]++
	}
	if count[one] != 3 || count[two] != 3 {
		t.Errorf("slots by worker: %v", count)
	}
}
