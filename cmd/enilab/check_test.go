package main

import (
	"strings"
	"testing"

	"enilab/internal/daemon"
	"enilab/netlab"
)

// TestSayMended: a line for each object, however much of it was mended.
func TestSayMended(t *testing.T) {
	finding := func(object, name, what string) daemon.Finding {
		return daemon.Finding{Object: object, Name: name, Drift: netlab.Drift{Kind: "rule", What: what, Is: "missing"}}
	}
	var out strings.Builder
	streams{out: &out}.sayMended("mended", []daemon.Finding{
		finding("vpc", "vpc-a", "one"), finding("eni", "eni-a", "only"), finding("vpc", "vpc-a", "two"), finding("vpc", "vpc-a", "three"), finding("vpc", "vpc-b", "1\x1b"), finding("vpc", "vpc-b", "2"),
	})
	const want = `mended vpc vpc-a: rule missing: one, and 2 differences more
mended eni eni-a: rule missing: only
mended vpc vpc-b: rule missing: 1\u001b, and 1 difference more
`
	if out.String() != want {
		t.Errorf("said\n%swant\n%s", out.String(), want)
	}
}
