package nat

import (
	"net/netip"
	"testing"

	"enilab/netlab"
)

func TestSumColumn(t *testing.T) {
	const table = "entries  searched insert_failed drop\n00000003  00000000 0000000a 00000001\n00000003  00000000 00000010 00000000\n"
	for _, c := range []struct {
		table, column string
		want          uint64
		fails         bool
	}{
		{table, "insert_failed", 26, false},
		{table, "drop", 1, false},
		{table, "insert", 0, true}, // a name is a whole word
		{"", "drop", 0, true},
		{"entries drop\n00000001\n", "drop", 0, true},
		{"drop\nxyz\n", "drop", 0, true},
		{"drop\n", "drop", 0, false}, // no CPU
	} {
		got, err := sumColumn(c.table, c.column)
		if got != c.want || (err != nil) != c.fails {
			t.Errorf("%s of %q: %d, %v; want %d", c.column, c.table, got, err, c.want)
		}
	}
}

func FuzzSumColumn(f *testing.F) {
	f.Add("entries drop\n00000001 ffffffff\n", "drop")
	f.Add("", "")
	f.Fuzz(func(_ *testing.T, table, column string) { sumColumn(table, column) }) // whatever the kernel says, no panic
}

func TestFlowString(t *testing.T) {
	at := netip.MustParseAddrPort
	f := Flow{Protocol: "tcp", Source: at("100.64.0.1:40000"), ENI: at("10.0.1.10:5000"), Target: at("10.0.1.20:80")}
	if got := f.String(); got != "tcp 100.64.0.1:40000 → 10.0.1.10:5000 → 10.0.1.20:80" {
		t.Error(got)
	}
}

func TestVNIsEnd(t *testing.T) {
	n := &Node{Node: &netlab.Node{Name: "hyperplane"}, next: 1<<24 - 1}
	if v, err := n.takeVNI(); err != nil || v != 1<<24-1 {
		t.Errorf("the last VNI: %d, %v", v, err)
	}
	if v, err := n.takeVNI(); err == nil {
		t.Errorf("a VNI of 25 bits: %d", v)
	}
}
