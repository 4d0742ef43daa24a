package netlab

import (
	"flag"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"enilab/internal/nstest"
)

var update = flag.Bool("update", false, "write testdata/*.rules anew")

func group(id string, ingress ...Rule) SecurityGroupSpec {
	return SecurityGroupSpec{ID: id, Ingress: ingress}
}

func set(n uint32, groups ...string) groupSet { return groupSet{firstGroupSet + n, groups} }

func TestPlanFilter(t *testing.T) {
	data := netip.MustParsePrefix("10.0.2.0/24")
	for name, c := range map[string]struct {
		groups []SecurityGroupSpec
		sets   []groupSet
	}{
		"empty":  {},
		"unused": {groups: []SecurityGroupSpec{group("sg-open", All)}},
		"open":   {groups: []SecurityGroupSpec{group("sg-open", All)}, sets: []groupSet{set(0, "sg-open")}},
		"reference": { // sg-data is open to the members of sg-app, whichever set they have it in, and to nobody of sg-idle
			groups: []SecurityGroupSpec{
				group("sg-app"), group("sg-other"), group("sg-idle"),
				group("sg-data", Rule{Protocol: "tcp", FromPort: 6379, Group: "sg-app"}, Rule{Protocol: "-1", Group: "sg-idle"}),
			},
			sets: []groupSet{set(0, "sg-app"), set(1, "sg-data"), set(2, "sg-app", "sg-other"), set(3, "sg-other")},
		},
		"egress": {
			groups: []SecurityGroupSpec{
				{ID: "sg-mute", Egress: []Rule{}},
				{ID: "sg-narrow", Egress: []Rule{{Protocol: "tcp", FromPort: 443, CIDR: data}, {Protocol: "udp", FromPort: 53, Group: "sg-dns"}}},
				group("sg-dns", Rule{Protocol: "udp", FromPort: 53, CIDR: All.CIDR}),
			},
			sets: []groupSet{set(0, "sg-mute"), set(1, "sg-narrow"), set(2, "sg-dns"), set(3, "sg-mute", "sg-narrow")},
		},
		"protocols": {
			groups: []SecurityGroupSpec{group("sg-a",
				Rule{Protocol: "tcp", CIDR: data}, Rule{Protocol: "tcp", FromPort: 80, ToPort: 80, CIDR: data},
				Rule{Protocol: "tcp", FromPort: 8000, ToPort: 8999, CIDR: data}, Rule{Protocol: "tcp", ToPort: 1023, CIDR: data},
				Rule{Protocol: "udp", FromPort: 53, CIDR: All.CIDR}, Rule{Protocol: "icmp", CIDR: All.CIDR}, Rule{Protocol: "-1", CIDR: data},
				Rule{Protocol: "icmp", Group: "sg-a"}, Rule{Protocol: "-1", Group: "sg-a"},
			)},
			sets: []groupSet{set(0, "sg-a")},
		},
		"icmp": { // and protocols that have a number alone
			groups: []SecurityGroupSpec{group("sg-a",
				Rule{Protocol: "icmp", ICMP: "8", CIDR: All.CIDR}, Rule{Protocol: "icmp", ICMP: "3/4", CIDR: data},
				Rule{Protocol: "icmp", ICMP: "0/0", Group: "sg-a"}, Rule{Protocol: "50", CIDR: data}, Rule{Protocol: "132", Group: "sg-a"},
			)},
			sets: []groupSet{set(0, "sg-a")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			groups := map[string]SecurityGroupSpec{}
			for _, g := range c.groups {
				groups[g.ID] = g
			}
			got, file := planFilter(groups, c.sets).text(), "testdata/"+name+".rules"
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s differs; if that is meant: go test -update\ngot:\n%s\nwant:\n%s", file, got, want)
			}
		})
	}
}

// TestKernelTakesEveryPlan commits each golden file, one after the other in one namespace: a commit replaces the whole.
// (iptables-restore --test would let a rule of a chain that does not exist pass.)
func TestKernelTakesEveryPlan(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	n, err := NewNode("rules")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	rules := func() (count int) {
		err := n.NS.Do(func() error {
			saved, err := exec.CommandContext(t.Context(), "iptables-save", "-t", "filter").Output()
			count = strings.Count(string(saved), "\n-A ")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return count
	}
	files, err := filepath.Glob("testdata/*.rules")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Apply(t.Context(), string(text)); err != nil {
			t.Errorf("%s: %v", file, err)
		} else if got, want := rules(), strings.Count(string(text), "\n-A "); got != want {
			t.Errorf("%s: the kernel has %d rules, want %d", file, got, want)
		}
	}
	before := rules()
	err = n.Apply(t.Context(), "*filter\n-A FORWARD -j ACCEPT\n-A nowhere -j ACCEPT\nCOMMIT\n")
	if err == nil || !strings.HasPrefix(err.Error(), "rules: iptables-restore: ") {
		t.Errorf("a bad ruleset: %v", err)
	}
	if rules() != before {
		t.Error("a bad ruleset was committed in part")
	}
}

func TestCanonical(t *testing.T) {
	given := []string{"sg-b", "sg-a", "sg-b"}
	if got := strings.Join(canonical(given), " "); got != "sg-a sg-b" {
		t.Errorf("got %s", got)
	}
	if given[0] != "sg-b" {
		t.Error("the caller's slice changed")
	}
}
