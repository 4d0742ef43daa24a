package hoststate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"enilab/internal/netns"
)

// own is what names of the lab's objects begin with.
const own = "enilab"

// mountTable is one mountinfo, as proc_pid_mountinfo(5) has it.
func mountTable() ([]mount, error) {
	text, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return nil, err
	}
	var all []mount
	for line := range strings.Lines(string(text)) {
		left, right, _ := strings.Cut(line, " - ")
		before, after := strings.Fields(left), strings.Fields(right)
		if len(before) < 6 || len(after) < 2 {
			return nil, fmt.Errorf("mountinfo: cannot read %q", line)
		}
		all = append(all, mount{root: before[3], point: before[4], options: before[5], fstype: after[0], source: after[1]})
	}
	return all, nil
}

type mount struct{ root, point, options, fstype, source string }

func mounts(_ context.Context, s *State) error {
	s.saw(Mount)
	all, err := mountTable()
	for _, m := range all {
		s.add(Mount, m.point, fmt.Sprintf("%s of %s from %s %s", m.fstype, m.source, m.root, m.options))
	}
	return err
}

// namespaces reads the names under /run/netns, with the inode that tells one namespace from the next of its name.
func namespaces(_ context.Context, s *State) error {
	s.saw(Namespace)
	entries, err := os.ReadDir(netns.PinDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil { // else it went meanwhile
			s.add(Namespace, e.Name(), fmt.Sprintf("inode=%d", info.Sys().(*syscall.Stat_t).Ino))
		}
	}
	return err
}

// cgroups looks through every hierarchy that is mounted, of either version.
func cgroups(_ context.Context, s *State) error {
	s.saw(Cgroup)
	all, err := mountTable()
	for _, m := range all {
		if strings.HasPrefix(m.fstype, "cgroup") {
			findCgroups(m.point, s)
		}
	}
	return err
}

func findCgroups(dir string, s *State) {
	entries, _ := os.ReadDir(dir) // cgroups come and go
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if strings.HasPrefix(e.Name(), own) {
			s.add(Cgroup, path, "")
		}
		findCgroups(path, s)
	}
}

// files looks where a lab may keep some.
func files(_ context.Context, s *State) error {
	s.saw(File)
	for _, dir := range []string{"/run", "/var/lib", os.TempDir(), os.Getenv("XDG_RUNTIME_DIR")} {
		if dir == "" {
			continue
		}
		found, err := filepath.Glob(filepath.Join(dir, own+"*"))
		if err != nil {
			return err
		}
		for _, path := range found {
			s.add(File, path, "")
		}
	}
	return nil
}

// processes finds this process's descendants and those that bear the lab's name. This process itself and its ancestors,
// such as the sudo that started it, are not among them.
func processes(_ context.Context, s *State) error {
	s.saw(Process)
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	type process struct {
		parent int
		name   string
	}
	all := map[int]process{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		// "pid (name) state parent …"; the name may hold anything, parentheses too
		stat, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		head, tail, ok := cutLast(string(stat), ") ")
		fields := strings.Fields(tail)
		if !ok || len(fields) < 2 {
			continue // it went meanwhile
		}
		parent, _ := strconv.Atoi(fields[1])
		_, name, _ := strings.Cut(head, "(")
		all[pid] = process{parent, name}
	}
	self := os.Getpid()
	ancestors := map[int]bool{}
	for pid := self; pid != 0 && !ancestors[pid]; pid = all[pid].parent {
		ancestors[pid] = true
	}
	for pid, p := range all {
		if ancestors[pid] {
			continue
		}
		descends := false
		for up := p.parent; up != 0 && !descends; up = all[up].parent {
			descends = up == self
		}
		if descends || strings.HasPrefix(p.name, own) {
			s.add(Process, fmt.Sprintf("%s (pid %d)", p.name, pid), "")
		}
	}
	return nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// modules reads which kernel modules are loaded; a kernel without modules has no such file.
func modules(_ context.Context, s *State) error {
	text, err := os.ReadFile("/proc/modules")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	s.modules = map[string]bool{}
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(line, " ")
		s.modules[name] = true
	}
	return err
}
