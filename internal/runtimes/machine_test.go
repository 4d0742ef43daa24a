package runtimes

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fake is a machine with programs that say what they are; a version that starts with / is where a link leads.
func fake(t *testing.T, programs map[string]string) *Machine {
	t.Helper()
	root := t.TempDir()
	for path, says := range programs {
		file := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, link := strings.CutPrefix(says, "/"); link {
			err = os.Symlink(filepath.Join(root, target), file)
		} else {
			err = os.WriteFile(file, []byte(strings.Replace(`#!/bin/sh
[ -z "$NODE_OPTIONS" ] || exit 3
case "$1 SAYS" in
  "-IBc "*minimal) echo 'Traceback
ModuleNotFoundError: No module named json' >&2; exit 1 ;;
  --version*) echo "SAYS" ;;
  "-IBc "*) ;;
  *) exit 3
esac
`, "SAYS", says, -1)), 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return NewMachine(root)
}

func TestFind(t *testing.T) {
	t.Setenv("NODE_OPTIONS", "--bad") // it is not for the question
	debian := map[string]string{"usr/bin/node": "v18.20.4", "usr/bin/python3": "/usr/bin/python3.11", "usr/bin/python3.11": "Python 3.11.2"}
	for _, c := range []struct {
		runtime  string
		programs map[string]string
		want     Interpreter // Note: what it must say
		err      string
	}{
		{runtime: "nodejs18.x", programs: debian, want: Interpreter{Path: "/usr/bin/node", Version: "18.20.4", Tag: "nodejs:18.20.4"}},
		{runtime: "nodejs22.x", programs: debian, want: Interpreter{"/usr/bin/node", "18.20.4", "nodejs:18.20.4", "nodejs22.x runs on Node.js 18.20.4 (/usr/bin/node): this machine has no Node.js 22"}},
		{runtime: "python3.11", programs: debian, want: Interpreter{Path: "/usr/bin/python3.11", Version: "3.11.2", Tag: "python:3.11.2"}},
		{runtime: "python3.13", programs: debian, want: Interpreter{"/usr/bin/python3", "3.11.2", "python:3.11.2", "python3.13 runs on Python 3.11.2 (/usr/bin/python3): this machine has no Python 3.13"}},
		{
			runtime:  "python3.13",
			programs: map[string]string{"usr/bin/python3": "Python 3.11.2", "usr/local/bin/python3.13": "Python 3.13.1"},
			want:     Interpreter{Path: "/usr/local/bin/python3.13", Version: "3.13.1", Tag: "python:3.13.1"},
		},
		{
			runtime:  "python3.12",
			programs: map[string]string{"usr/bin/python3": "Python 3.11.2", "usr/bin/python3.13": "Python 3.13.1", "usr/bin/python3.13-config": "Python 3.12.0"},
			want:     Interpreter{"/usr/bin/python3.13", "3.13.1", "python:3.13.1", "runs on Python 3.13.1"},
		},
		{ // what is newer does what is asked for more likely
			runtime:  "nodejs20.x",
			programs: map[string]string{"usr/local/bin/node": "v18.0.0", "usr/bin/node": "v24.1.0"},
			want:     Interpreter{"/usr/bin/node", "24.1.0", "nodejs:24.1.0", "runs on Node.js 24.1.0"},
		},
		{runtime: "nodejs22.x", err: "nodejs22.x needs Node.js, and this machine has none below /usr, where functions see it; install it: apt-get install nodejs"},
		{runtime: "python3.9", programs: map[string]string{"usr/bin/python3": "Python 3.7.3"}, err: "/usr/bin/python3 is Python 3.7.3, and the lab's part needs 3.9; install"},
		{
			runtime:  "nodejs22.x",
			programs: map[string]string{"root/.nvm/node": "v22.0.0", "usr/local/bin/node": "/root/.nvm/node"},
			err:      "/usr/local/bin/node is none: it leads to a place that functions do not see",
		},
		{ // as python3-minimal is
			runtime:  "python3.11",
			programs: map[string]string{"usr/bin/python3": "Python 3.11.2 minimal"},
			err:      "exit status 1 ModuleNotFoundError: No module named json; install it: apt-get install python3",
		},
		{runtime: "nodejs22.x", programs: map[string]string{"usr/bin/node": "hello"}, err: `says no version, but "hello\n"`},
	} {
		r, ok := Lookup(c.runtime)
		if !ok {
			t.Fatalf("no runtime %s", c.runtime)
		}
		got, err := fake(t, c.programs).Find(t.Context(), r)
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) || !strings.HasPrefix(err.Error(), c.runtime) {
				t.Errorf("%s on %v: error %v, want %s", c.runtime, c.programs, err, c.err)
			}
		case err != nil:
			t.Errorf("%s on %v: %v", c.runtime, c.programs, err)
		case (got.Note == "") != (c.want.Note == "") || !strings.Contains(got.Note, c.want.Note):
			t.Errorf("%s on %v: note %q, want %q", c.runtime, c.programs, got.Note, c.want.Note)
		default:
			got.Note = c.want.Note
			if got != c.want {
				t.Errorf("%s on %v: %+v, want %+v", c.runtime, c.programs, got, c.want)
			}
		}
	}
}

// A program is asked once, and again when it is another.
func TestFindAgain(t *testing.T) {
	m := fake(t, map[string]string{"usr/bin/node": "v20.0.0"})
	r, _ := Lookup("nodejs20.x")
	find := func() string {
		t.Helper()
		i, err := m.Find(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return i.Version
	}
	find()
	path := filepath.Join(m.root, "usr/bin/node")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	// The same file with other words: nobody would write to a program, but it shows who was asked.
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexit 1 #"+strings.Repeat(" ", int(info.Size())-len("#!/bin/sh\nexit 1 #"))), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if v := find(); v != "20.0.0" {
		t.Errorf("asked again: %s", v)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho v22.3.1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if v := find(); v != "22.3.1" {
		t.Errorf("after an upgrade: %s", v)
	}
	again := func() string {
		t.Helper()
		i, err := m.Again(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return i.Version
	}
	better := filepath.Join(m.root, "usr/bin/node-20")
	if err := os.WriteFile(better, []byte("#!/bin/sh\necho v20.9.0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if v := again(); v != "22.3.1" {
		t.Errorf("in a hurry: %s", v)
	}
	if v := find(); v != "20.9.0" {
		t.Errorf("with time: %s", v)
	}
	if v := again(); v != "20.9.0" {
		t.Errorf("in a hurry after that: %s", v)
	}
	if err := os.Remove(better); err != nil {
		t.Fatal(err)
	}
	if v := again(); v != "22.3.1" {
		t.Errorf("after it has gone: %s", v)
	}
	if v, err := NewMachine(m.root).Again(t.Context(), r); err != nil || v.Version != "22.3.1" {
		t.Errorf("for the first time: %v, %v", v, err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := NewMachine(m.root).Find(cancelled, r); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestVersions(t *testing.T) {
	for text, want := range map[string]string{
		"v20.11.1\n": "20.11.1", "Python 3.11.2": "3.11.2", "openjdk 21 2023-09-19": "21", "openjdk 17.0.15 2025-04-15": "17.0.15",
		"Python 3.14.0rc1": "3.14.0", "none": "", "": "", "3.": "3",
	} {
		if got := parseVersion(text).String(); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if v := (version{3, 1, 1}); v.is(version{3, 11}) || !v.is(version{3, 1}) || version(nil).is(version{3}) {
		t.Error("3.1.1 is a release of 3.1, and of nothing else")
	}
}
