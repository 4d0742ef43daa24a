package labs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"enilab/internal/labs"
	"enilab/internal/nstest"
)

const victimText = "precious"

// foreign are ways in which another user, 23664, prepares /tmp/x for this one. They all lead to the file precious being
// written to, or to a socket that another user serves, if what is there is believed.
var foreign = map[string]func(t *testing.T, top, precious string) labs.Roots{
	"a directory of another user": func(t *testing.T, top, precious string) labs.Roots {
		run := filepath.Join(top, "run")
		mkdir(t, run, 0o777)
		link(t, precious, filepath.Join(run, "demo.lock"))
		chown(t, run)
		return labs.Roots{Run: run, State: filepath.Join(top, "state")}
	},
	"a home of another user": func(t *testing.T, top, precious string) labs.Roots {
		home := filepath.Join(top, "home")
		mkdir(t, filepath.Join(home, "run"), 0o700)
		link(t, precious, filepath.Join(home, "run", "demo.lock"))
		chown(t, home) // what is in it is this user's
		return labs.Roots{Run: filepath.Join(home, "run"), State: filepath.Join(home, "state")}
	},
	"a link of another user": func(t *testing.T, top, precious string) labs.Roots {
		mkdir(t, filepath.Join(top, "theirs"), 0o777)
		link(t, precious, filepath.Join(top, "theirs", "demo.lock"))
		run := filepath.Join(top, "run")
		link(t, filepath.Join(top, "theirs"), run)
		chown(t, run)
		return labs.Roots{Run: run, State: filepath.Join(top, "state")}
	},
	"a directory that all may write to": func(t *testing.T, top, precious string) labs.Roots {
		run := filepath.Join(top, "run")
		mkdir(t, run, 0o777)
		link(t, precious, filepath.Join(run, "demo.lock"))
		return labs.Roots{Run: run, State: filepath.Join(top, "state")}
	},
	"a home that all may write to": func(t *testing.T, top, precious string) labs.Roots {
		home := filepath.Join(top, "home")
		mkdir(t, filepath.Join(home, "run"), 0o700)
		link(t, precious, filepath.Join(home, "run", "demo.lock"))
		if err := os.Chmod(home, 0o777); err != nil {
			t.Fatal(err)
		}
		return labs.Roots{Run: filepath.Join(home, "run"), State: filepath.Join(home, "state")}
	},
	"a state of another user": func(t *testing.T, top, precious string) labs.Roots {
		state := filepath.Join(top, "state")
		mkdir(t, state, 0o755)
		chown(t, state)
		return labs.Roots{Run: filepath.Join(top, "run"), State: state}
	},
	"a lab's directory of another user": func(t *testing.T, top, precious string) labs.Roots {
		run := filepath.Join(top, "run")
		mkdir(t, filepath.Join(run, "demo"), 0o700)
		chown(t, filepath.Join(run, "demo"))
		return labs.Roots{Run: run, State: filepath.Join(top, "state")}
	},
}

// TestForeignDirectories: whatever somebody else has prepared, nothing in it is opened, and nothing beside it is made.
func TestForeignDirectories(t *testing.T) {
	if os.Geteuid() != 0 || nstest.Rootless() {
		t.Skip("needs root, to be another user as well")
	}
	for name, prepare := range foreign {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			precious := filepath.Join(top, "precious")
			if err := os.WriteFile(precious, []byte(victimText), 0o600); err != nil {
				t.Fatal(err)
			}
			roots := prepare(t, top, precious)
			p, err := roots.Of("demo")
			if err == nil {
				t.Error("its place may be believed")
				_, err = p.Lock("up")
			}
			if err == nil || !strings.Contains(err.Error(), "ENILAB_HOME") {
				t.Errorf("got %v", err)
			}
			if all, err := roots.All(); err == nil {
				t.Errorf("labs: %v", all)
			}
			if stale := roots.Stale(); len(stale) > 0 && name != "a lab's directory of another user" {
				t.Errorf("locks to remove: %v", stale)
			}
			if b, err := os.ReadFile(precious); err != nil || string(b) != victimText {
				t.Errorf("the victim's file has %q (%v)", b, err)
			}
		})
	}
}

// TestLockThatAppears: between the look and the lock somebody has been there.
func TestLockThatAppears(t *testing.T) {
	if os.Geteuid() != 0 || nstest.Rootless() {
		t.Skip("needs root, to be another user as well")
	}
	top := t.TempDir()
	precious := filepath.Join(top, "precious")
	if err := os.WriteFile(precious, []byte(victimText), 0o600); err != nil {
		t.Fatal(err)
	}
	roots := labs.Roots{Run: filepath.Join(top, "run"), State: filepath.Join(top, "state")}
	p, err := roots.Of("demo")
	if err != nil {
		t.Fatal(err)
	}
	mkdir(t, roots.Run, 0o777)
	link(t, precious, filepath.Join(roots.Run, "demo.lock"))
	chown(t, roots.Run)
	if _, err := p.Lock("up"); err == nil || !strings.Contains(err.Error(), roots.Run) {
		t.Errorf("got %v", err)
	}
	if err := os.Chown(roots.Run, 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(roots.Run, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Lock("up"); err == nil {
		t.Error("a lock is a link")
	}
	if b, err := os.ReadFile(precious); err != nil || string(b) != victimText {
		t.Errorf("the victim's file has %q (%v)", b, err)
	}
}

// TestCallerOfSudo may own what leads to root's labs, and nobody else.
func TestCallerOfSudo(t *testing.T) {
	if os.Geteuid() != 0 || nstest.Rootless() {
		t.Skip("needs root, to be another user as well")
	}
	home := filepath.Join(t.TempDir(), "home")
	mkdir(t, home, 0o755)
	chown(t, home)
	for caller, may := range map[string]bool{"23664": true, "23665": false, "": false} {
		env := map[string]string{"ENILAB_HOME": home, "SUDO_UID": caller}
		_, err := labs.RootsOf(0, func(k string) string { return env[k] }).Of("demo")
		if (err == nil) != may {
			t.Errorf("%q: %v", caller, err)
		}
	}
}

func mkdir(t *testing.T, dir string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, mode); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, to, name string) {
	t.Helper()
	if err := os.Symlink(to, name); err != nil {
		t.Fatal(err)
	}
}

func chown(t *testing.T, path string) {
	t.Helper()
	if err := os.Lchown(path, 23664, 23664); err != nil {
		t.Fatal(err)
	}
}
