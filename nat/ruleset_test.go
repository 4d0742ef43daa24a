package nat_test

import (
	"flag"
	"net/netip"
	"os"
	"strings"
	"testing"

	"enilab/internal/nstest"
	"enilab/nat"
)

var update = flag.Bool("update", false, "write testdata/*.rules anew")

var plans = map[string]nat.Rules{
	"default": {Address: netip.MustParseAddr("10.0.1.10")},
	"small":   {Address: netip.MustParseAddr("10.0.1.10"), Ports: nat.Ports{First: 40000, Last: 40007}, Capacity: 5},
	"one":     {Address: netip.MustParseAddr("192.0.2.4"), Ports: nat.Ports{First: 5000, Last: 5000}, Capacity: 1},
}

func TestPlan(t *testing.T) {
	for name, r := range plans {
		got, file := r.Plan(), "testdata/"+name+".rules"
		if *update {
			must(t, os.WriteFile(file, []byte(got), 0o644))
		}
		want, err := os.ReadFile(file)
		must(t, err)
		if got != string(want) {
			t.Errorf("%s differs; if that is meant: go test -update\ngot:\n%s\nwant:\n%s", file, got, want)
		}
	}
}

// TestKernelTakesEveryPlan commits them one after the other in one namespace: a commit replaces the whole.
func TestKernelTakesEveryPlan(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	n := newNode(t, "rules")
	for name, r := range plans {
		if err := n.Apply(t.Context(), r.Plan()); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got, want := ruleCount(t, n), strings.Count(r.Plan(), "\n-A "); got != want {
			t.Errorf("%s: the kernel has %d rules, want %d", name, got, want)
		}
	}
}

func TestPortsCount(t *testing.T) {
	for want, p := range map[int]nat.Ports{64512: nat.DefaultPorts, 8: {First: 40000, Last: 40007}, 1: {First: 9, Last: 9}, 65536: {First: 0, Last: 65535}} {
		if got := p.Count(); got != want {
			t.Errorf("%v holds %d ports, want %d", p, got, want)
		}
	}
}
