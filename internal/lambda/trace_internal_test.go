package lambda

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

var (
	began  = time.Unix(0x6736a5ff, 0)
	header = regexp.MustCompile(`^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=[01];Lineage=[0-9a-f:|]+$`)
)

const (
	root   = "1-5759e988-bd862e3fe1be46a994272793"
	parent = "53995c3f42cd8ad8"
)

func TestTraceIsPassedOn(t *testing.T) {
	for name, c := range map[string]struct {
		header string
		want   trace // fields that are empty may be anything but the caller's
	}{
		"nothing":           {"", trace{sampled: "0"}},
		"all":               {"Root=" + root + ";Parent=" + parent + ";Sampled=0;Lineage=1:d0782663:0", trace{root, parent, "0", "1:d0782663:0"}},
		"root alone":        {"Root=" + root, trace{root: root, sampled: "0"}},
		"as old SDKs do":    {"root=" + root + ";sampled=0", trace{root: root, sampled: "0"}},
		"spaces":            {"Root=" + root + "; Parent=" + parent + "; Sampled=0", trace{root: root, parent: parent, sampled: "0"}},
		"sampled":           {"Root=" + root + ";Parent=" + parent + ";Sampled=1", trace{root: root, sampled: "1"}},
		"to be decided":     {"Root=" + root + ";Sampled=?", trace{root: root, sampled: "0"}},
		"a balancer's":      {"Self=1-67891234-12456789abcdef012345678;Root=" + root + ";CalledFrom=app", trace{root: root, sampled: "0"}},
		"a lineage of many": {"Root=" + root + ";Sampled=0;Lineage=a87bd80c:1|68fd508a:5|c512fbe3:2", trace{root: root, sampled: "0", lineage: "a87bd80c:1|68fd508a:5|c512fbe3:2"}},
		"no root":           {"Parent=" + parent + ";Sampled=1", trace{sampled: "0"}},
		"a bad root":        {"Root=1-5759e988-bd862e3fe1be46a99427279;Parent=" + parent + ";Sampled=1", trace{sampled: "0"}},
		"a bad parent":      {"Root=" + root + ";Parent=53995C3F42CD8AD8", trace{root: root, sampled: "0"}},
		"a line's end":      {"Root=" + root + ";Parent=" + parent + "\r\nx: y", trace{root: root, sampled: "0"}},
		"too much":          {"Root=" + root + strings.Repeat(";x=y", maxTrace), trace{sampled: "0"}},
	} {
		got, decided := newTrace(c.header, began)
		if want := strings.Contains(strings.ToLower(c.header), "sampled=") && !strings.Contains(c.header, "?") && got.root == root; decided != want {
			t.Errorf("%s: %q decides: %v", name, c.header, decided)
		}
		if !header.MatchString(got.String()) {
			t.Errorf("%s: %q is no tracing header", name, got)
		}
		for _, f := range []struct{ what, got, want, foreign string }{
			{"root", got.root, c.want.root, root},
			{"parent", got.parent, c.want.parent, parent},
			{"decision", got.sampled, c.want.sampled, ""},
			{"lineage", got.lineage, c.want.lineage, ""},
		} {
			if f.want != "" && f.got != f.want {
				t.Errorf("%s: the %s of %q is %q, want %q", name, f.what, c.header, f.got, f.want)
			}
			if f.want == "" && f.got == f.foreign {
				t.Errorf("%s: the %s of %q was taken, want one made by Lambda", name, f.what, c.header)
			}
		}
	}
}

func TestTraceBeginsWithTheRequest(t *testing.T) {
	a, _ := newTrace("", began)
	b, _ := newTrace("", began)
	if !strings.HasPrefix(a.root, "1-6736a5ff-") {
		t.Errorf("root %q does not say %x", a.root, began.Unix())
	}
	if a.root == b.root || a.parent == b.parent {
		t.Errorf("two requests have %q and %q", a, b)
	}
}

// Of requests whose callers have not decided, the first of each second and a twentieth of the others are traced.
func TestSampler(t *testing.T) {
	var s sampler
	for i, c := range []struct {
		after  time.Duration
		chance float64
		want   bool
	}{
		{0, 0.9, true},
		{time.Millisecond, 0.9, false},
		{time.Millisecond, 0.05, false},
		{time.Millisecond, 0.0499, true},
		{999 * time.Millisecond, 0.9, false},
		{time.Second, 0.9, true},
		{time.Second, 0.9, false},
		{time.Minute, 0.9, true},
		{time.Minute + time.Millisecond, 0, true},
	} {
		if got := s.samples(began.Add(c.after), c.chance); got != c.want {
			t.Errorf("request %d, after %v and with the chance %v, is traced: %v", i, c.after, c.chance, got)
		}
	}
	undecided, _ := newTrace("Root="+root+";Parent="+parent, began)
	if got := undecided.sample(); got.root != root || got.parent == parent || got.sampled != "1" || !header.MatchString(got.String()) {
		t.Errorf("%q, traced, is %q", undecided, got)
	}
}

// Whatever a caller sends, the function gets a header, and a runtime that passes it on gets the same again.
func FuzzTrace(f *testing.F) {
	f.Add("Root=" + root + ";Parent=" + parent + ";Sampled=0;Lineage=1:d0782663:0")
	f.Add("Root=;Parent=;Sampled=;Lineage=")
	f.Fuzz(func(t *testing.T, sent string) {
		got, _ := newTrace(sent, began)
		if !header.MatchString(got.String()) {
			t.Fatalf("%q becomes %q", sent, got)
		}
		if again := parseTrace(got.String()); again != got {
			t.Fatalf("%q is read as %q", got, again)
		}
	})
}
