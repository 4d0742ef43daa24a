package labs_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"enilab/internal/labs"
)

func TestRoots(t *testing.T) {
	env := func(m map[string]string) func(string) string { return func(k string) string { return m[k] } }
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		uid  int
		env  map[string]string
		want labs.Roots
	}{
		"root":       {0, nil, labs.Roots{Run: "/run/enilab", State: "/var/lib/enilab"}},
		"home":       {0, map[string]string{"ENILAB_HOME": "/x"}, labs.Roots{Run: "/x/run", State: "/x/state"}},
		"relative":   {0, map[string]string{"ENILAB_HOME": "x"}, labs.Roots{Run: filepath.Join(wd, "x/run"), State: filepath.Join(wd, "x/state")}},
		"xdg":        {7, map[string]string{"XDG_RUNTIME_DIR": "/run/user/7", "HOME": "/home/a"}, labs.Roots{Run: "/run/user/7/enilab", State: "/home/a/.local/state/enilab"}},
		"bare user":  {7, nil, labs.Roots{Run: filepath.Join(os.TempDir(), "enilab-7"), State: filepath.Join(os.TempDir(), "enilab-7-state")}},
		"state home": {7, map[string]string{"XDG_STATE_HOME": "/s"}, labs.Roots{Run: filepath.Join(os.TempDir(), "enilab-7"), State: "/s/enilab"}},
	} {
		if got := labs.RootsOf(c.uid, env(c.env)); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestPlaceComesAndGoesWhole(t *testing.T) {
	roots := labs.Roots{Run: filepath.Join(t.TempDir(), "run"), State: filepath.Join(t.TempDir(), "state")}
	for _, bad := range []string{"", "Blue", "../x", "-a", "a/b", strings.Repeat("a", 41)} {
		if _, err := roots.Of(bad); err == nil {
			t.Errorf("%q passed as a name", bad)
		}
	}
	p, err := roots.Of("blue")
	if err != nil {
		t.Fatal(err)
	}
	if p.Exists() {
		t.Error("it exists before it is made")
	}
	if err := p.Make(); err != nil {
		t.Fatal(err)
	}
	if all, err := roots.All(); err != nil || len(all) != 1 || all[0] != p {
		t.Errorf("all: %v, %v", all, err)
	}
	if err := p.Remove(); err != nil {
		t.Fatal(err)
	}
	if err := p.Remove(); err != nil {
		t.Errorf("a second time: %v", err)
	}
	for _, root := range []string{roots.Run, roots.State} {
		if _, err := os.Stat(root); err == nil {
			t.Errorf("%s is left", root)
		}
	}
}

func TestLockNamesItsHolder(t *testing.T) {
	roots := labs.Roots{Run: filepath.Join(t.TempDir(), "run"), State: t.TempDir()}
	p, err := roots.Of("blue")
	if err != nil {
		t.Fatal(err)
	}
	lock, err := p.Lock("up")
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Lock("down")
	locked := new(labs.LockedError)
	if !errors.As(err, &locked) || locked.Verb != "up" || locked.PID != os.Getpid() || locked.Since.IsZero() {
		t.Errorf("a second one got %v", err)
	}
	other, err := roots.Of("green")
	if err != nil {
		t.Fatal(err)
	}
	if second, err := other.Lock("up"); err != nil {
		t.Errorf("another lab: %v", err)
	} else if err := second.Unlock(); err != nil {
		t.Error(err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := p.Lock("down")
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Unlock(); err != nil {
		t.Fatal(err)
	}
}

// Who looks for stale locks never keeps anybody from taking one.
func TestLookingTakesNoLock(t *testing.T) {
	roots := labs.Roots{Run: filepath.Join(t.TempDir(), "run"), State: t.TempDir()}
	p, err := roots.Of("lab")
	if err != nil {
		t.Fatal(err)
	}
	stop, looked := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(looked)
		for {
			select {
			case <-stop:
				return
			default:
				roots.Stale()
			}
		}
	}()
	for range 1_000 {
		lock, err := p.Lock("up")
		if err != nil {
			t.Error(err)
			break
		}
		if err := lock.Unlock(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	<-looked
}

// A lock is stale if its holder was killed before the lab had anything else.
func TestStaleLocks(t *testing.T) {
	roots := labs.Roots{Run: filepath.Join(t.TempDir(), "run"), State: t.TempDir()}
	var held *labs.Lock
	for _, name := range []string{"killed", "at-work", "there"} {
		p, err := roots.Of(name)
		if err != nil {
			t.Fatal(err)
		}
		lock, err := p.Lock("up")
		if err != nil {
			t.Fatal(err)
		}
		if name == "at-work" {
			held = lock
			continue
		}
		if name == "there" {
			if err := p.Make(); err != nil {
				t.Fatal(err)
			}
		}
		if err := lock.Unlock(); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.MkdirAll(roots.Run, 0o700), os.WriteFile(p.Run+".lock", nil, 0o600)); err != nil { // as the killed leave it
			t.Fatal(err)
		}
	}
	stale := roots.Stale()
	if len(stale) != 1 || stale[0].Name != "killed" {
		t.Fatalf("stale are %v", stale)
	}
	if err := stale[0].RemoveLock(); err != nil {
		t.Error(err)
	}
	if left := roots.Stale(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if err := held.Unlock(); err != nil {
		t.Error(err)
	}
}
