package hoststate

import (
	"slices"
	"testing"
)

type things = map[Kind]map[string]string

func TestDiff(t *testing.T) {
	for name, test := range map[string]struct {
		before, after State
		changes, news []string
	}{
		"nothing": {
			before: State{things: things{Link: {"lo": "up"}}},
			after:  State{things: things{Link: {"lo": "up"}}},
		},
		"appeared and vanished, by kind and name": {
			before: State{things: things{Link: {"lo": "up"}, Route: {"default via 192.0.2.1": ""}}},
			after:  State{things: things{Link: {"lo": "up", "b": "up", "a": "up"}, Route: {}}},
			changes: []string{
				"link a appeared",
				"link b appeared",
				"route default via 192.0.2.1 vanished",
			},
		},
		"changed shows what differs": {
			before:  State{things: things{Link: {"eth0": "up mtu=1500 group=0"}, Setting: {"net/ipv4/ip_forward": "0"}}},
			after:   State{things: things{Link: {"eth0": "down mtu=1400 group=0"}, Setting: {"net/ipv4/ip_forward": "1"}}},
			changes: []string{"link eth0 changed: up; mtu=1500 → down; mtu=1400", "setting net/ipv4/ip_forward changed: 0 → 1"},
		},
		"a rule more": {
			before:  State{things: things{Table: {"ip nat": "chain a {\n}\n"}}},
			after:   State{things: things{Table: {"ip nat": "chain a {\ncounter masquerade\n}\n"}}},
			changes: []string{"table ip nat changed: + counter masquerade"},
		},
		"rules in another order": {
			before:  State{things: things{Table: {"ip nat": "drop\naccept\n"}}},
			after:   State{things: things{Table: {"ip nat": "accept\ndrop\n"}}},
			changes: []string{"table ip nat changed: order"},
		},
		"long differences are cut": {
			before:  State{things: things{Table: {"ip nat": "x\n"}}},
			after:   State{things: things{Table: {"ip nat": "x\n1\n2\n3\n4\n5\n6\n"}}},
			changes: []string{"table ip nat changed: + 1; 2; 3; 4 and 2 more"},
		},
		"a link's settings go with it": {
			before:  State{things: things{Link: {}, Setting: {}}},
			after:   State{things: things{Link: {"v": "up"}, Setting: {"net/ipv4/conf/v/forwarding": "1", "net/ipv6/neigh/v/gc_stale_time": "60"}}},
			changes: []string{"link v appeared"},
		},
		"another link's settings do not": {
			before:  State{things: things{Link: {}, Setting: {}}},
			after:   State{things: things{Link: {"v": "up"}, Setting: {"net/ipv4/conf/w/forwarding": "1"}}},
			changes: []string{"link v appeared", "setting net/ipv4/conf/w/forwarding appeared"},
		},
		"a module's settings are news": {
			before: State{things: things{Setting: {"a": "1"}}, modules: map[string]bool{"veth": true}},
			after:  State{things: things{Setting: {"a": "1", "b": "2"}}, modules: map[string]bool{"veth": true, "vxlan": true, "nf_conntrack": true}},
			news:   []string{"kernel modules loaded, with 1 setting of theirs: nf_conntrack, vxlan"},
		},
		"a module excuses no changed value": {
			before:  State{things: things{Setting: {"a": "1", "gone": "1"}}},
			after:   State{things: things{Setting: {"a": "2"}}, modules: map[string]bool{"vxlan": true}},
			changes: []string{"setting a changed: 1 → 2", "setting gone vanished"},
			news:    []string{"kernel modules loaded, with 0 settings of theirs: vxlan"},
		},
		"what one state could not see is not compared": {
			before: State{things: things{Link: {"lo": ""}}},
			after:  State{things: things{Link: {"lo": ""}, Table: {"ip nat": "x"}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var changes []string
			for _, c := range Diff(test.before, test.after) {
				changes = append(changes, c.String())
			}
			if !slices.Equal(changes, test.changes) {
				t.Errorf("changes %q, want %q", changes, test.changes)
			}
			if news := News(test.before, test.after); !slices.Equal(news, test.news) {
				t.Errorf("news %q, want %q", news, test.news)
			}
		})
	}
}

func TestSummary(t *testing.T) {
	s := State{things: things{Link: {"lo": "", "eth0": ""}, Address: {"a": ""}, Process: {}, Setting: {}}}
	for i := range 1234 {
		s.add(Setting, thousands(i), "")
	}
	const want = "2 links, 1 address, 1,234 settings, 0 enilab processes"
	if got := s.Summary(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSameNameTwice(t *testing.T) {
	var s State
	s.things = things{}
	s.add(Mount, "/mnt", "tmpfs")
	s.add(Mount, "/mnt", "ext4")
	if n := s.Counts()[0].N; n != 2 {
		t.Errorf("a mount over a mount: %d seen, want 2", n)
	}
}
