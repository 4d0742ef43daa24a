package sandbox_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"enilab/internal/nstest"
	"enilab/internal/testlab"
	"enilab/sandbox"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// groups makes a lab's control groups, and checks that none is left after the test.
func groups(t *testing.T) (*sandbox.Cgroups, string) {
	t.Helper()
	nstest.NeedRoot(t)
	if err := sandbox.CheckCgroups(); err != nil {
		t.Skip(err)
	}
	lab := testlab.Name(t, "test")
	t.Cleanup(func() {
		if left := labDirs(t, lab); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})
	g, err := sandbox.NewCgroups(lab)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g, lab
}

func labDirs(t *testing.T, lab string) []string {
	t.Helper()
	v1, _ := filepath.Glob("/sys/fs/cgroup/*/enilab/" + lab)
	v2, _ := filepath.Glob("/sys/fs/cgroup/enilab/" + lab)
	return append(v1, v2...)
}

func group(t *testing.T, g *sandbox.Cgroups, l sandbox.Limits) *sandbox.Cgroup {
	t.Helper()
	c, err := g.New("env", l)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMemoryHogIsKilled(t *testing.T) {
	nstest.NoLeaks(t)
	g, _ := groups(t)
	o := newOutput()
	// bash dies of it and not only a child: it is the variable that grows.
	c := config(t, "x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done")
	c.Output, c.Cgroup = o, group(t, g, sandbox.Limits{Memory: 64 << 20})
	e := await(t, start(t, c))
	if !e.OOM || e.Usage.OOMKills < 1 || e.Killed || e.Signal != unix.SIGKILL {
		t.Errorf("%+v", e)
	}
	if e.Usage.MaxMemory < 32<<20 || e.Usage.MaxMemory > 64<<20 {
		t.Errorf("used %d bytes at the peak, with a limit of 64 MiB", e.Usage.MaxMemory)
	}
}

func TestFilesInTmpCountAsMemory(t *testing.T) {
	nstest.NoLeaks(t)
	g, _ := groups(t)
	c := config(t, "head -c 100000000 /dev/zero > /tmp/x")
	c.Cgroup = group(t, g, sandbox.Limits{Memory: 64 << 20})
	if e := await(t, start(t, c)); !e.OOM {
		t.Errorf("%+v", e)
	}
}

const forkBomb = `import os, time
n = 0
while True:
    try:
        if os.fork() == 0:
            time.sleep(1000)
    except OSError:
        break
    n += 1
    if n > 3000: break
print(n, flush=True)
time.sleep(1000)`

func TestForkBombIsBounded(t *testing.T) {
	nstest.NoLeaks(t)
	variants(t, func(t *testing.T, with func(setup) setup) {
		t.Run("cgroup", func(t *testing.T) {
			g, _ := groups(t)
			o := newOutput()
			c := with(config(t, ""))
			c.Code, c.Output, c.Cgroup = python(t, forkBomb), o, group(t, g, sandbox.Limits{Pids: 20})
			start(t, c)
			o.await(t, "\n")
			if o.String() != "19\n" {
				t.Errorf("it could fork %s times, with a limit of 20 processes", o)
			}
		})
		// Without a control group the resource limit holds, and two environments have a count each.
		t.Run("rlimit", func(t *testing.T) {
			if machineRoot() && with(setup{ParkConfig: sandbox.ParkConfig{UID: 1}}).UID == 0 {
				t.Skip("the machine's root is exempt")
			}
			for i := range 2 {
				o := newOutput()
				c := with(config(t, ""))
				c.Code, c.Output, c.Pids = python(t, forkBomb), o, 50
				if c.UID != 0 {
					c.UID, c.GID = uint32(63000+i), uint32(63000+i)
				}
				start(t, c)
				o.await(t, "\n")
				if o.String() != "49\n" {
					t.Errorf("environment %d could fork %s times, with a limit of 50 processes", i, o)
				}
			}
		})
	})
}

func TestQuotaThrottles(t *testing.T) {
	nstest.NoLeaks(t)
	g, _ := groups(t)
	c := config(t, "for ((i = 0; i < 100000; i++)); do :; done")
	c.Cgroup = group(t, g, sandbox.Limits{VCPUs: 0.1, Weight: 50})
	if e := await(t, start(t, c)); e.Usage.Throttled == 0 || e.OOM || e.Code != 0 {
		t.Errorf("%+v", e)
	}
}

// An environment's group is gone with it, and a start that fails takes its group along.
func TestGroupGoesWithItsEnvironment(t *testing.T) {
	nstest.NoLeaks(t)
	g, lab := groups(t)
	isEmpty := func() {
		t.Helper()
		for _, dir := range labDirs(t, lab) {
			if _, err := os.Stat(filepath.Join(dir, "env")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s/env: %v", dir, err)
			}
		}
	}
	c := config(t, "sleep 1000 & sleep 1000 & wait")
	c.Cgroup = group(t, g, sandbox.Limits{Pids: 10})
	p := start(t, c)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	isEmpty()
	for _, change := range []func(*setup){
		func(c *setup) { c.NetNS = nil },
		func(c *setup) { c.Env = []string{strings.Repeat("x", 1<<20)} },
		func(c *setup) { c.Code = "/nonexistent" },
		func(c *setup) { c.Command = []string{"/nonexistent"} },
	} {
		c := c
		c.Cgroup = group(t, g, sandbox.Limits{Pids: 10})
		change(&c)
		if _, err := launch(t.Context(), c); err == nil {
			t.Error("started")
		}
		isEmpty()
	}
}

// A lab that was killed leaves its groups, with processes in them even: the next one removes them by name, and no others.
func TestRemoveCgroups(t *testing.T) {
	nstest.NoLeaks(t)
	g, lab := groups(t)
	second := testlab.Name(t, "second")
	other, err := sandbox.NewCgroups(second)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	group(t, g, sandbox.Limits{Pids: 10})
	kept := group(t, other, sandbox.Limits{Pids: 10})
	defer kept.Close()

	stray := exec.CommandContext(t.Context(), "sleep", "1000")
	if err := stray.Start(); err != nil {
		t.Fatal(err)
	}
	dirs := labDirs(t, lab)
	for _, dir := range dirs {
		if err := os.WriteFile(filepath.Join(dir, "env", "cgroup.procs"), fmt.Append(nil, stray.Process.Pid), 0); err != nil {
			t.Fatal(err)
		}
	}
	removed := make(chan error, 1)
	go func() { removed <- sandbox.RemoveCgroups(lab) }()
	var ended *exec.ExitError
	if err := stray.Wait(); !errors.As(err, &ended) || ended.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the process in the group: %v", err)
	}
	if err := <-removed; err != nil {
		t.Error(err)
	}
	if left := labDirs(t, lab); len(dirs) == 0 || len(left) > 0 {
		t.Errorf("had %v, left %v", dirs, left)
	}
	if len(labDirs(t, second)) != len(dirs) {
		t.Error("the other lab's groups are gone too")
	}
	if err := sandbox.RemoveCgroups(lab); err != nil {
		t.Errorf("again: %v", err)
	}
}

func TestCgroupNames(t *testing.T) {
	nstest.NoLeaks(t)
	for _, name := range []string{"", ".", "..", "../x", "a/b", "cgroup.procs", "tasks", strings.Repeat("x", 65), "a b"} {
		if _, err := sandbox.NewCgroups(name); err == nil || !strings.Contains(err.Error(), "is no name for a group") {
			t.Errorf("NewCgroups(%q): %v", name, err)
		}
		if err := sandbox.RemoveCgroups(name); err == nil || !strings.Contains(err.Error(), "is no name for a group") {
			t.Errorf("RemoveCgroups(%q): %v", name, err)
		}
	}
	g, lab := groups(t)
	if _, err := sandbox.NewCgroups(lab); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a lab of the same name: %v", err)
	}
	if len(labDirs(t, lab)) == 0 {
		t.Error("the second lab of the name took the first one's groups")
	}
	if _, err := g.New("../x", sandbox.Limits{}); err == nil {
		t.Error("made an environment outside")
	}
}

// What other users can lock keeps no lab from coming and going, nor from having user ids of its own: in the root of a hierarchy
// that is all there is.
func TestOthersLocksHinderNobody(t *testing.T) {
	nstest.NoLeaks(t)
	_, first := groups(t) // so that there is a hierarchy, and the directory of all labs
	found := 0
	for _, pattern := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/*", "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/*/cgroup.procs", "/sys/fs/cgroup/enilab", "/sys/fs/cgroup/*/enilab"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm()&0o004 == 0 {
				if filepath.Base(path) == "enilab" {
					found++
				}
				continue // others cannot open it
			}
			f, err := os.Open(path)
			if err != nil {
				continue // nobody can
			}
			defer f.Close()
			all := unix.Flock_t{Type: unix.F_RDLCK}
			_ = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) // fails where somebody else has locked it, which is as good
			_ = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &all)
		}
	}
	if found < len(labDirs(t, first)) {
		t.Errorf("others can open %d of %d directories of labs", len(labDirs(t, first))-found, len(labDirs(t, first)))
	}
	done := make(chan error, 1)
	go func() {
		done <- func() error {
			g, err := sandbox.NewCgroups(testlab.Name(t, "hindered"))
			if err != nil {
				return err
			}
			_, err = g.ClaimUIDs(2_000_000_000, 100)
			return errors.Join(err, g.Close())
		}()
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(2 * time.Minute):
		t.Fatal("a lab waits for what others have locked")
	}
}

// Labs that come and go at the same time do not take from each other what they share.
func TestLabsComeAndGo(t *testing.T) {
	nstest.NoLeaks(t)
	g, _ := groups(t) // checks the rights
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	var labs errgroup.Group
	for n := range 4 {
		name := testlab.Name(t, fmt.Sprintf("goes%d", n))
		labs.Go(func() error {
			for range 25 {
				g, err := sandbox.NewCgroups(name)
				if err != nil {
					return err
				}
				env, err := g.New("env", sandbox.Limits{Pids: 10})
				if err := errors.Join(err, env.Close(), g.Close()); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := labs.Wait(); err != nil {
		t.Error(err)
	}
}

// What doctor says is what there is.
func TestTryCgroups(t *testing.T) {
	nstest.NoLeaks(t)
	g, lab := groups(t)
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	version, untold, err := sandbox.TryCgroups(lab)
	if err != nil {
		t.Fatal(err)
	}
	_, one := os.Stat("/sys/fs/cgroup/memory/cgroup.event_control")
	_, two := os.Stat("/sys/fs/cgroup/cgroup.controllers")
	if tells := one == nil || two == nil; tells != (untold == nil) {
		t.Errorf("the kernel tells of memory: %t, but %v", tells, untold)
	}
	if want := map[bool]string{true: "version 2", false: "version 1"}[two == nil]; version != want {
		t.Errorf("%s, want %s", version, want)
	}
}

// Where there are no rights over control groups, the reason is said, and environments run without.
func TestNoCgroups(t *testing.T) {
	nstest.NoLeaks(t)
	if machineRoot() {
		t.Skip("root may make control groups")
	}
	if err := sandbox.CheckCgroups(); err == nil || !strings.Contains(err.Error(), "only root can limit") {
		t.Errorf("%v", err)
	}
	if g, err := sandbox.NewCgroups("test"); err == nil {
		t.Error("made groups", g.Close())
	}
	if err := (*sandbox.Cgroup)(nil).Close(); err != nil {
		t.Error(err)
	}
}
