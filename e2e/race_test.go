package e2e_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"enilab/internal/nstest"
)

// The program has no data race in a demo and a comparison. A race makes the program exit 66, and says so.
func TestNoRaces(t *testing.T) {
	nstest.OnlyThorough(t, "the program is built anew")
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("the race detector needs gcc")
	}
	who := identities(t)[0]
	raced := filepath.Join(filepath.Dir(enilab), "enilab-raced")
	if err := goBuild(raced, "./cmd/enilab", "CGO_ENABLED=1", "-race"); err != nil {
		t.Fatal(err)
	}
	keepsMachine(t)
	for _, args := range [][]string{
		{"demo", "--environments", "3", "--runs", "1", "--burst", "5"}, {"compare", "--runs", "1", "--burst", "5", "--format", "json"},
	} {
		r := who.other(raced, args...).do(t).want(t, 0)
		if strings.Contains(r.stderr, "DATA RACE") {
			t.Error(r)
		}
	}
}
