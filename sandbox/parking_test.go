package sandbox_test

import (
	"strings"
	"testing"

	"enilab/internal/nstest"
	"enilab/internal/testlab"
	"enilab/sandbox"
)

// Pools that share a Parking never give two environments the same name, user or control group, and what is not taken
// ends with them.
func TestParking(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	parking := &sandbox.Parking{Limits: sandbox.Limits{Pids: 100}}
	defer parking.Close()
	if !nstest.Rootless() {
		parking.FirstUID = 61000
	}
	if sandbox.CheckCgroups() == nil {
		parking.Cgroups, _ = groups(t)
	}
	seen := map[string]bool{}
	dir := code(t, "#!/bin/bash\necho $(hostname) $UID")
	for range 2 {
		pool := sandbox.NewPool(parking.Slots(sandbox.NewBareSlot))
		defer func() {
			if err := pool.Close(); err != nil {
				t.Error(err)
			}
		}()
		if err := pool.Fill(t.Context(), 3); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			s, err := pool.Take(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			o := newOutput()
			p, err := s.Launcher.Start(t.Context(), sandbox.Config{Code: dir, Output: o})
			if err != nil {
				t.Fatal(err)
			}
			await(t, p)
			name, uid, _ := strings.Cut(strings.TrimSpace(o.String()), " ")
			if seen[name] || seen[uid] && parking.FirstUID != 0 || !strings.HasPrefix(name, "env-") {
				t.Errorf("%q, after %v", o, seen)
			}
			seen[name], seen[uid] = true, true
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestLabsHaveUserIDsOfTheirOwn: two labs that run, and a third after one of them has gone.
func TestLabsHaveUserIDsOfTheirOwn(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	if err := sandbox.CheckCgroups(); err != nil {
		t.Skip(err)
	}
	const base, ranges = 2_000_000_000, 100
	lab := func(name string) (*sandbox.Cgroups, uint32) {
		g, err := sandbox.NewCgroups(testlab.Name(t, name))
		must(t, err)
		first, err := g.ClaimUIDs(base, ranges)
		must(t, err)
		return g, first
	}
	a, first := lab("a")
	b, second := lab("b")
	if first == second || (first-base)%sandbox.UIDs != 0 || (second-base)%sandbox.UIDs != 0 {
		t.Errorf("ranges from %d and %d on", first, second)
	}
	if _, err := a.ClaimUIDs(base, ranges); err == nil {
		t.Error("one lab has two ranges")
	}
	must(t, a.Close())
	c, third := lab("c")
	if third == second {
		t.Errorf("the range from %d on twice", third)
	}
	must(t, b.Close())
	must(t, c.Close())
}
