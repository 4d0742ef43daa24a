package e2e_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"enilab/internal/nstest"

	"golang.org/x/sys/unix"
)

// machine is what a lab could leave on it.
type machine struct {
	whose []identity          // none: everybody's
	found map[string][]string // kind → names
}

// look takes stock of what is somebody's, or everybody's. Processes are the descendants of this one, to which orphans
// come, too. A network namespace lives as long as a process or a mount holds it: of those that live only in processes,
// each is named with its holder.
func look(t *testing.T, whose ...identity) machine {
	t.Helper()
	m := machine{whose, map[string][]string{"file": nil, "mount": nil, "link": nil, "process": nil, "cgroup": nil, "namespace": nil}}
	owned := func(path string) bool {
		var st unix.Stat_t
		return len(whose) == 0 || unix.Lstat(path, &st) == nil && whose[0].owns(st.Uid)
	}
	for _, pattern := range []string{"/run/enilab*", "/var/lib/enilab*", "/tmp/enilab*", "/dev/shm/enilab*", "/run/netns/*"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		m.found["file"] = append(m.found["file"], slices.DeleteFunc(found, func(path string) bool { return !owned(path) })...)
	}
	for line := range strings.Lines(read(t, "/proc/self/mountinfo")) {
		field := strings.Fields(line)
		m.found["mount"] = append(m.found["mount"], field[4]+" (id "+field[0]+")")
	}
	for line := range strings.Lines(read(t, "/proc/self/net/dev")) {
		if name, _, ok := strings.Cut(line, ":"); ok {
			m.found["link"] = append(m.found["link"], strings.TrimSpace(name))
		}
	}
	home, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range descendants(os.Getpid()) {
		if !owned(fmt.Sprintf("/proc/%d", pid)) {
			continue
		}
		m.found["process"] = append(m.found["process"], describe(pid))
		if ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid)); err == nil && ns != home {
			m.found["namespace"] = append(m.found["namespace"], ns+" of "+describe(pid))
		}
	}
	if len(whose) == 0 || !whose[0].noGroups {
		m.found["cgroup"] = cgroups(t)
	}
	return m
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// cgroups lists those of labs that these tests started. Those of others may come and go beside them.
func cgroups(t *testing.T) (found []string) {
	t.Helper()
	var home unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &home); err != nil {
		t.Fatal(err)
	}
	pids := strconv.FormatUint(home.Ino, 10)
	err := filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil // they come and go
		}
		if name := strings.Split(d.Name(), "-"); len(name) == 4 && name[1] == pids && started.has(name[2]) { // verb, pid namespace, pid, start
			found = append(found, path)
		}
		if d.Name() == "enilab" {
			if kids, err := os.ReadDir(path); err == nil && !slices.ContainsFunc(kids, fs.DirEntry.IsDir) {
				found = append(found, path) // nobody's
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// descendants lists the living processes below pid, parents first.
func descendants(pid int) (all []int) {
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid)) // it may have ended
	for _, task := range tasks {
		kids, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		for kid := range strings.FieldsSeq(string(kids)) {
			n, err := strconv.Atoi(kid)
			if err != nil || !alive(n) {
				continue
			}
			all = append(append(all, n), descendants(n)...)
		}
	}
	return all
}

// alive is false for zombies: they hold nothing any more.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	after := strings.LastIndexByte(string(stat), ')') + 2
	return err == nil && after > 1 && after < len(stat) && stat[after] != 'Z' && stat[after] != 'X'
}

func describe(pid int) string {
	comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return fmt.Sprintf("%d (%s)", pid, strings.TrimSpace(string(comm)))
}

// diff says what came and went between two looks, but for the kinds that may differ.
func (before machine) diff(after machine, but ...string) []string {
	var changes []string
	for _, kind := range slices.Sorted(maps.Keys(after.found)) {
		if slices.Contains(but, kind) {
			continue
		}
		for _, name := range after.found[kind] {
			if !slices.Contains(before.found[kind], name) {
				changes = append(changes, kind+" "+name+" is left over")
			}
		}
		if kind == "process" || kind == "namespace" {
			continue // of an earlier test that failed: well if they go
		}
		for _, name := range before.found[kind] {
			if !slices.Contains(after.found[kind], name) {
				changes = append(changes, kind+" "+name+" is gone")
			}
		}
	}
	return changes
}

// nothingLeft fails the test unless the machine becomes what it was, but for the kinds that may differ. What the kernel
// kills takes a moment to go.
func nothingLeft(t *testing.T, before machine, but ...string) {
	t.Helper()
	nstest.Eventually(t, 10*time.Second, func() error {
		if changes := before.diff(look(t, before.whose...), but...); len(changes) > 0 {
			return fmt.Errorf("the machine is not as it was:\n  %s", strings.Join(changes, "\n  "))
		}
		return nil
	})
}

// keepsMachine has the end of the test check that the machine, or what is somebody's of it, is as it is now. Call it before
// anything is started.
func keepsMachine(t *testing.T, whose ...identity) {
	t.Helper()
	before := look(t, whose...)
	t.Cleanup(func() {
		if !t.Failed() {
			nothingLeft(t, before)
		}
	})
}

// TestLookSees keeps the look honest: it must see what it is there to see.
func TestLookSees(t *testing.T) {
	before := look(t)
	file := filepath.Join("/tmp", "enilab-e2e-"+strconv.Itoa(os.Getpid()))
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(file)
	r := identities(t)[0].other("unshare", "--user", "--map-root-user", "--net", "--fork", "sleep", "60")
	r.Stdout, r.Stderr = nil, nil // else its end would wait for the orphan's
	r.start(t)
	r.until(t, "the sleep is in its namespace", func() bool {
		below := descendants(r.Process.Pid)
		return len(below) == 1 && strings.HasSuffix(describe(below[0]), "(sleep)")
	})
	changes := strings.Join(before.diff(look(t)), "\n")
	for _, want := range []string{"file " + file, "(unshare) is left over", "(sleep) is left over", "namespace net:["} {
		if !strings.Contains(changes, want) {
			t.Errorf("not seen: %s; seen:\n%s", want, changes)
		}
	}
	r.signal(t, false, 9) // the sleep is an orphan now
	if r.result(t); len(look(t).found["process"]) != 1 {
		t.Errorf("an orphan is not seen: %v", look(t).found["process"])
	}
	for _, pid := range descendants(os.Getpid()) {
		p, _ := os.FindProcess(pid) // never fails on Unix
		p.Kill()
	}
	os.Remove(file)
	nothingLeft(t, before)
}
