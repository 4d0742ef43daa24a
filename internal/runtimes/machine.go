package runtimes

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Interpreter is a program that runs a runtime.
type Interpreter struct {
	Path    string // as sandboxes see it
	Version string // such as "20.11.1"
	Tag     string // runtime and version as AWS's log has them, such as "nodejs:20.11.1"
	Note    string // what to say of one that is not of the runtime's version; empty if it is
}

// Machine finds interpreters where sandboxes of this machine see them. All methods are safe for concurrent use.
type Machine struct {
	root string

	mu     sync.Mutex // guards all below
	asked  map[string]program
	chosen map[string]choice // by runtime
}

// choice is what Find has found for a runtime.
type choice struct {
	Interpreter
	path string // as asked has it
}

// program is what was found out about a file, and the file that it was then.
type program struct {
	info    fs.FileInfo
	version version
}

// same tells whether a file is still the one that was asked.
func (p program) same(info fs.FileInfo) bool {
	return os.SameFile(p.info, info) && p.info.ModTime().Equal(info.ModTime()) && p.info.Size() == info.Size()
}

// NewMachine is a machine whose files are below root, which is "/" but in tests. It has not looked at anything yet.
func NewMachine(root string) *Machine {
	return &Machine{root: root, asked: map[string]program{}, chosen: map[string]choice{}}
}

// patience bounds how long a program may take to say its version.
const patience = 30 * time.Second

// Again is Find for when there is no time to search: as long as the program that was found last is the same, it is that one,
// even if there is a better one by now.
func (m *Machine) Again(ctx context.Context, r Runtime) (Interpreter, error) {
	m.mu.Lock()
	c, ok := m.chosen[r.Name]
	known := m.asked[c.path]
	m.mu.Unlock()
	if ok {
		if info, err := m.look(c.path); err == nil && known.same(info) {
			return c.Interpreter, nil
		}
	}
	return m.Find(ctx, r)
}

// Find returns the interpreter for a runtime: one of its version, or else the nearest that the lab's own part runs on. What
// it has found it looks at again by a few system calls only.
func (m *Machine) Find(ctx context.Context, r Runtime) (Interpreter, error) {
	l := r.language
	var found, why string
	var best version
	for _, pattern := range l.programs(r.version) {
		paths, err := filepath.Glob(filepath.Join(m.root, pattern))
		if err != nil {
			return Interpreter{}, fmt.Errorf("%s: look for %s: %w", r.Name, pattern, err)
		}
		for _, path := range paths {
			v, err := m.version(ctx, path, l.complete)
			switch {
			case ctx.Err() != nil:
				return Interpreter{}, context.Cause(ctx)
			case err != nil:
				why = fmt.Sprintf("; %s is none: %v", m.inside(path), err)
			case slices.Compare(v, l.least) < 0:
				why = fmt.Sprintf("; %s is %s %v, and the lab's part needs %v", m.inside(path), l.name, v, l.least)
			case best == nil || v.nearer(best, r.version):
				found, best = path, v
			}
		}
		if best.is(r.version) {
			break // what comes later is the same under another name
		}
	}
	if best == nil {
		return Interpreter{}, fmt.Errorf("%s needs %s, and this machine has none below /usr, where functions see it%s; install it: apt-get install %s", r.Name, l.name, why, l.brings)
	}
	i := Interpreter{Path: m.inside(found), Version: best.String(), Tag: l.tag + ":" + best.String()}
	if !best.is(r.version) {
		i.Note = fmt.Sprintf("%s runs on %s %s (%s): this machine has no %s %v", r.Name, l.name, i.Version, i.Path, l.name, r.version)
	}
	m.mu.Lock()
	m.chosen[r.Name] = choice{i, found}
	m.mu.Unlock()
	return i, nil
}

// Language is what a machine has for the runtimes of a language.
type Language struct {
	Name         string
	Runtimes     []string      // names
	Interpreters []Interpreter // that run them, one of each version; none: Missing says why, and Package brings one
	Missing      error
	Package      string // Debian's
}

// Languages tells which managed runtimes a machine can run.
func (m *Machine) Languages(ctx context.Context) (list []Language) {
	for _, of := range []*language{&node, &python, &java} {
		l := Language{Name: of.name, Package: of.brings}
		for _, r := range all {
			if r.language != of {
				continue
			}
			l.Runtimes = append(l.Runtimes, r.Name)
			i, err := m.Find(ctx, r)
			if err != nil {
				l.Missing = cmp.Or(l.Missing, err)
			} else if !slices.ContainsFunc(l.Interpreters, func(known Interpreter) bool { return known.Version == i.Version }) {
				l.Interpreters = append(l.Interpreters, i)
			}
		}
		list = append(list, l)
	}
	return list
}

// inside is a path as sandboxes have it.
func (m *Machine) inside(path string) string {
	return "/" + strings.TrimPrefix(strings.TrimPrefix(path, m.root), "/")
}

var errOutside = errors.New("it leads to a place that functions do not see")

// version asks a program for its version, if that was not done before, and whether it has what else the lab's part needs:
// with these arguments it does nothing, and fails if it has not.
func (m *Machine) version(ctx context.Context, path string, complete []string) (version, error) {
	info, err := m.look(path)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	known, ok := m.asked[path]
	m.mu.Unlock()
	if ok && known.same(info) {
		return known.version, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ask := func(arguments ...string) (string, error) {
		cmd := exec.CommandContext(ctx, path, arguments...)
		cmd.Env = []string{"PATH=/usr/bin:/bin"} // nothing of the lab's own environment is for it, such as NODE_OPTIONS
		var said, complaint bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &complaint
		if err := cmd.Run(); err != nil {
			last := strings.TrimSpace(complaint.String())
			return "", fmt.Errorf("%s %s: %w %.200s", path, strings.Join(arguments, " "), err, last[strings.LastIndexByte(last, '\n')+1:])
		}
		return said.String(), nil
	}
	said, err := ask("--version")
	if err != nil {
		return nil, err
	}
	v := parseVersion(said)
	if v == nil {
		return nil, fmt.Errorf("%s --version says no version, but %.64q", path, said)
	}
	if complete != nil {
		if _, err := ask(complete...); err != nil {
			return nil, fmt.Errorf("it is not complete: %w", err)
		}
	}
	m.mu.Lock()
	m.asked[path] = program{info, v}
	m.mu.Unlock()
	return v, nil
}

// look finds the file of a program, wherever it leads, if a function can execute that.
func (m *Machine) look(path string) (fs.FileInfo, error) {
	file, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	usr, err := filepath.EvalSymlinks(filepath.Join(m.root, "usr"))
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(file, usr+"/") {
		return nil, errOutside
	}
	info, err := os.Stat(file)
	if err == nil && (!info.Mode().IsRegular() || info.Mode()&0o001 == 0) {
		err = fmt.Errorf("%v is no program that everybody may execute", info.Mode())
	}
	return info, err
}
