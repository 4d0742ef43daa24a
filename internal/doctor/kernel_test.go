package doctor

import (
	"errors"
	"strings"
	"testing"

	"enilab/internal/nstest"
)

// The machine that runs the kernel tests can run the lab, so every check must pass on it.
func TestKernel(t *testing.T) {
	nstest.NeedRoot(t)
	nstest.NoLeaks(t)
	for _, c := range Kernel(t.Context()) {
		if c.Status != OK {
			t.Errorf("%+v", c)
		}
	}
}

func TestPreflight(t *testing.T) {
	nstest.NeedRoot(t)
	nstest.NoLeaks(t)
	if err := Preflight(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestPreflightNamesWhatIsMissing(t *testing.T) {
	nstest.NoLeaks(t)
	t.Setenv("PATH", t.TempDir())
	err := Preflight(t.Context())
	var unmet *UnmetError
	if !errors.As(err, &unmet) || len(unmet.Checks) != 1 {
		t.Fatalf("got %v, want one unmet check", err)
	}
	const want = "iptables-restore: not found in PATH (fix: sudo apt-get install iptables)"
	if err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

func TestRulesReportWhatIptablesSays(t *testing.T) {
	nstest.NeedRoot(t)
	nstest.NoLeaks(t)
	_, err := rules("filter", "-A FORWARD -m nosuchmatch -j ACCEPT")(t.Context())
	if err == nil || !strings.Contains(err.Error(), "nosuchmatch") {
		t.Errorf("got %v, want the name of the match", err)
	}
}

func TestScratchPassesTheError(t *testing.T) {
	nstest.NeedRoot(t)
	nstest.NoLeaks(t)
	want := errors.New("no")
	if _, err := inScratch(func(*scratch) error { return want })(t.Context()); !errors.Is(err, want) {
		t.Errorf("got %v", err)
	}
}

func BenchmarkPreflight(b *testing.B) {
	nstest.NeedRoot(b)
	for b.Loop() {
		if err := Preflight(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
