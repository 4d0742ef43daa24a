package hoststate

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"enilab/internal/netns"
	"enilab/internal/nstest"

	"github.com/containernetworking/plugins/pkg/netlinksafe"
	"github.com/vishvananda/netlink"
	vnetns "github.com/vishvananda/netns"
)

// here are the kinds that belong to a test's own namespace. The machine's are other tests' too, which run beside.
var here = []Kind{Link, Address, Route, Rule, Queue, Neighbour, Setting, Table}

func takeIn(t *testing.T, ns *netns.NS) (s State) {
	t.Helper()
	err := ns.Do(func() (err error) {
		s, err = Take(t.Context())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func changesHere(before, after State) []string {
	var text []string
	for _, c := range Diff(before, after) {
		if slices.Contains(here, c.Kind) {
			text = append(text, c.String())
		}
	}
	return text
}

// scratch is a namespace with lo up and a handle on it.
func scratch(t *testing.T) (*netns.NS, netlinksafe.Handle) {
	t.Helper()
	ns := nstest.NS(t)
	h, err := netlinksafe.NewHandleAt(vnetns.NsHandle(ns.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	must(t, h.LinkSetUp(link(t, h, "lo")))
	return ns, h
}

func link(t *testing.T, h netlinksafe.Handle, name string) netlink.Link {
	t.Helper()
	l, err := h.LinkByName(name)
	must(t, err)
	return l
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func restore(t *testing.T, ns *netns.NS, rules string) error {
	return ns.Do(func() error {
		cmd := exec.CommandContext(t.Context(), "iptables-restore")
		cmd.Stdin = strings.NewReader(rules)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("iptables-restore: %w: %s", err, out)
		}
		return nil
	})
}

func TestTakeSeesEachChange(t *testing.T) {
	network := &net.IPNet{IP: net.IPv4(198, 51, 100, 0).To4(), Mask: net.CIDRMask(24, 32)}
	_, want6, _ := net.ParseCIDR("2001:db8::/32")
	for name, test := range map[string]struct {
		change func(*testing.T, *netns.NS, netlinksafe.Handle) error
		want   []string
	}{
		"nothing": {change: func(*testing.T, *netns.NS, netlinksafe.Handle) error { return nil }},
		"link": {
			change: func(_ *testing.T, _ *netns.NS, h netlinksafe.Handle) error {
				return h.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "v0"}, PeerName: "v1"})
			},
			want: []string{"link v0 appeared", "link v1 appeared"},
		},
		"link attribute": {
			change: func(t *testing.T, _ *netns.NS, h netlinksafe.Handle) error {
				return h.LinkSetMTU(link(t, h, "lo"), 9000)
			},
			want: []string{"link lo changed: mtu=65536 → mtu=9000", "setting net/ipv6/conf/lo/mtu changed: 65536 → 9000"},
		},
		"address": {
			change: func(t *testing.T, _ *netns.NS, h netlinksafe.Handle) error {
				return h.AddrAdd(link(t, h, "lo"), &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(203, 0, 113, 9), Mask: net.CIDRMask(32, 32)}})
			},
			want: []string{"address 203.0.113.9/32 on lo appeared", "route 203.0.113.9/32 dev lo src 203.0.113.9 type 2 table 255 metric 0 appeared"},
		},
		"route": {
			change: func(t *testing.T, _ *netns.NS, h netlinksafe.Handle) error {
				return h.RouteAdd(&netlink.Route{LinkIndex: 1, Dst: network, Table: 77})
			},
			want: []string{"route 198.51.100.0/24 dev lo type 1 table 77 metric 0 appeared"},
		},
		"route of IPv6": {
			change: func(t *testing.T, _ *netns.NS, h netlinksafe.Handle) error {
				return h.RouteAdd(&netlink.Route{LinkIndex: 1, Dst: want6})
			},
			want: []string{"route 2001:db8::/32 dev lo type 1 table 254 metric 1024 appeared"},
		},
		"rule": {
			change: func(t *testing.T, _ *netns.NS, h netlinksafe.Handle) error {
				r := netlink.NewRule()
				r.Family, r.Priority, r.Table, r.Src, r.IifName = netlink.FAMILY_V4, 500, 77, network, "lo"
				return h.RuleAdd(r)
			},
			want: []string{"rule 500 of IPv4 from 198.51.100.0/24 to all table 77 iif lo appeared"},
		},
		"queue": {
			change: func(t *testing.T, _ *netns.NS, h netlinksafe.Handle) error {
				return h.QdiscAdd(&netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{LinkIndex: 1, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT}})
			},
			want: []string{"queue ffff:0 parent ingress on lo appeared"},
		},
		"neighbour": {
			change: func(t *testing.T, _ *netns.NS, h netlinksafe.Handle) error {
				must(t, h.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "v0"}, PeerName: "v1"}))
				return h.NeighSet(&netlink.Neigh{
					LinkIndex: link(t, h, "v0").Attrs().Index, IP: net.IPv4(203, 0, 113, 9),
					State: netlink.NUD_PERMANENT, HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 1},
				})
			},
			want: []string{"link v0 appeared", "link v1 appeared", "neighbour 203.0.113.9 on v0 appeared"},
		},
		"setting": {
			change: func(t *testing.T, ns *netns.NS, _ netlinksafe.Handle) error {
				return ns.Set(netns.Sysctl{Key: "net/ipv4/ip_default_ttl", Value: "63"})
			},
			want: []string{"setting net/ipv4/ip_default_ttl changed: 64 → 63"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			nstest.NoLeaks(t)
			ns, h := scratch(t)
			before := takeIn(t, ns)
			must(t, test.change(t, ns, h))
			if got := changesHere(before, takeIn(t, ns)); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestTakeSeesTables(t *testing.T) {
	nstest.NoLeaks(t)
	ns, _ := scratch(t)
	must(t, restore(t, ns, "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"))
	before := takeIn(t, ns)
	if notes := before.Notes(); len(notes) > 0 {
		t.Fatalf("could not see tables: %q", notes)
	}
	must(t, restore(t, ns, "*filter\n:INPUT ACCEPT [5:500]\n-A INPUT -s 203.0.113.9 -j DROP\nCOMMIT\n"))
	got := changesHere(before, takeIn(t, ns))
	if len(got) != 1 || !strings.Contains(got[0], "filter changed") || !strings.Contains(got[0], "203.0.113.9") {
		t.Errorf("got %q, want the one rule that was added", got)
	}
}

func TestTakeSeesTheMachine(t *testing.T) {
	nstest.NoLeaks(t)
	ns, _ := scratch(t)
	unique := fmt.Sprintf("enilab-hoststate-%d", os.Getpid())
	before := takeIn(t, ns)

	file := filepath.Join(os.TempDir(), unique)
	must(t, os.WriteFile(file, nil, 0o600))
	t.Cleanup(func() { os.Remove(file) })

	child := exec.CommandContext(t.Context(), "sleep", "1000")
	must(t, child.Start())
	stop := func() {
		child.Process.Kill()
		child.Wait() //nolint:errcheck // killed
	}
	t.Cleanup(stop)

	want := []string{
		"enilab file " + file + " appeared",
		fmt.Sprintf("enilab process sleep (pid %d) appeared", child.Process.Pid),
	}
	if unpin, err := ns.Pin(unique); err == nil { // without root, /run is not ours
		t.Cleanup(func() { unpin() }) //nolint:errcheck // again, below
		want = append(want, "namespace "+unique+" appeared", "mount "+filepath.Join(netns.PinDir, unique)+" appeared")
		defer func() { must(t, unpin()) }()
	} else if os.Getenv("CI") != "" && privileged() {
		t.Fatal(err)
	}
	if dir, err := makeCgroup(unique); err == nil {
		t.Cleanup(func() { os.Remove(dir) })
		want = append(want, "enilab cgroup "+dir+" appeared")
	} else if os.Getenv("CI") != "" && privileged() {
		t.Fatal(err)
	}
	var got []string
	for _, c := range Diff(before, takeIn(t, ns)) {
		got = append(got, c.String())
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("missing %q in %q", w, got)
		}
	}

	stop()
	must(t, os.Remove(file))
	for _, c := range Diff(before, takeIn(t, ns)) {
		if c.Kind == File && c.Name == file || c.Kind == Process && strings.Contains(c.Name, fmt.Sprint(child.Process.Pid)) {
			t.Errorf("gone, but still seen: %s", c)
		}
	}
}

// privileged tells root from the root of a user namespace.
func privileged() bool {
	text, _ := os.ReadFile("/proc/self/uid_map")
	return strings.Join(strings.Fields(string(text)), " ") == "0 0 4294967295"
}

// makeCgroup makes an empty cgroup in the first hierarchy that lets us.
func makeCgroup(name string) (dir string, err error) {
	all, err := mountTable()
	for _, m := range all {
		if strings.HasPrefix(m.fstype, "cgroup") {
			dir = filepath.Join(m.point, name)
			if err = os.Mkdir(dir, 0o755); err == nil {
				return dir, nil
			}
		}
	}
	return "", fmt.Errorf("no cgroup could be made: %w", err)
}

func BenchmarkTake(b *testing.B) {
	for b.Loop() {
		if _, err := Take(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// The kernel's log is not to be told of every comparison: settings that are deprecated are compared under their present names.
func TestTakeReadsNothingDeprecated(t *testing.T) {
	s := State{things: map[Kind]map[string]string{}}
	if err := settings(t.Context(), &s); err != nil {
		t.Fatal(err)
	}
	present := 0
	for key := range s.things[Setting] {
		switch filepath.Base(key) {
		case "base_reachable_time", "retrans_time":
			t.Errorf("%s is read", key)
		case "base_reachable_time_ms", "retrans_time_ms":
			present++
		}
	}
	if present == 0 {
		t.Error("the test is blind")
	}
}
