package sandbox_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"enilab/internal/netns"
	"enilab/internal/nstest"
	"enilab/sandbox"

	"golang.org/x/sys/unix"
)

func park(t *testing.T, c setup) *sandbox.Launcher {
	t.Helper()
	l, err := c.zygote.Park(t.Context(), c.ParkConfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// What is not used leaves nothing when it is closed, and cannot be used then; what is used is used once.
func TestLauncherIsUsedOnce(t *testing.T) {
	nstest.NoLeaks(t)
	variants(t, func(t *testing.T, with func(setup) setup) {
		c := with(config(t, "sleep 1000"))
		unused := park(t, c)
		for range 2 {
			if err := unused.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := unix.Kill(unused.Pid(), 0); err != unix.ESRCH {
			t.Errorf("its process is left: %v", err)
		}
		if _, err := unused.Start(t.Context(), c.Config); err == nil || !strings.Contains(err.Error(), "or is closed") {
			t.Errorf("closed and started: %v", err)
		}

		l := park(t, c)
		p, err := l.Start(t.Context(), c.Config)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if _, err := l.Start(t.Context(), c.Config); err == nil || !strings.Contains(err.Error(), "has started its function already") {
			t.Errorf("started twice: %v", err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		select {
		case <-p.Done():
			t.Error("closing the launcher ended its function")
		default:
		}
	})
}

// Somebody may kill what waits. Then Start says so, and leaves nothing; nor does Close.
func TestLauncherIsKilled(t *testing.T) {
	nstest.NoLeaks(t)
	c := config(t, "sleep 1000")
	closed, started := park(t, c), park(t, c)
	for _, l := range []*sandbox.Launcher{closed, started} {
		if err := unix.Kill(l.Pid(), unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	if err := closed.Close(); err != nil {
		t.Error(err)
	}
	_, err := started.Start(t.Context(), c.Config)
	var step *sandbox.StartError
	if !errors.As(err, &step) || step.Step != "init" || !strings.Contains(err.Error(), "died without a word") {
		t.Errorf("%v", err)
	}
}

// A zygote may die, as any process may: another takes its place, and who parks meanwhile does not notice.
func TestZygoteDies(t *testing.T) {
	nstest.NoLeaks(t)
	c := config(t, "exit 0")
	if err := park(t, c).Close(); err != nil {
		t.Fatal(err)
	}
	children, err := exec.CommandContext(t.Context(), "ps", "-o", "pid=,args=", "--ppid", strconv.Itoa(os.Getpid())).Output()
	if err != nil {
		t.Fatal(err)
	}
	killed := 0
	for line := range strings.Lines(string(children)) { // nothing is parked: this is the zygote
		if pid, args, _ := strings.Cut(strings.TrimSpace(line), " "); args == "enilab "+sandbox.InitArg {
			n, _ := strconv.Atoi(pid)
			fd, err := unix.PidfdOpen(n, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
			if err := unix.Kill(n, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1); err != nil {
				t.Fatal(err)
			}
			killed++
		}
	}
	if killed != 1 {
		t.Fatalf("%d zygotes killed, want 1, among:\n%s", killed, children)
	}
	if err := park(t, c).Close(); err != nil {
		t.Error(err)
	}
}

// labArg makes this test program a lab that parks a launcher in each way, tells their ids, and does nothing more.
const labArg = "__lab"

func shortLab() {
	ns, err := netns.New()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	configs := []sandbox.ParkConfig{{NetNS: ns}}
	if !nstest.Rootless() {
		configs = append(configs, sandbox.ParkConfig{NetNS: ns, UID: 61001, GID: 61001})
	}
	var z sandbox.Zygote
	for _, c := range configs {
		l, err := z.Park(context.Background(), c)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(l.Pid())
	}
	fmt.Println("parked")
	select {}
}

func TestLauncherEndsWithItsLab(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	lab := exec.Command("/proc/self/exe", labArg)
	out, err := lab.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := lab.Start(); err != nil {
		t.Fatal(err)
	}
	var pids []int
	var ended []unix.PollFd
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "parked" {
		pid, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Error(lines.Text())
			break
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			t.Error(err)
			break
		}
		defer unix.Close(fd)
		pids = append(pids, pid)
		ended = append(ended, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	if err := lab.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = lab.Wait() // killed
	if len(ended) == 0 {
		t.Fatal("it parked nothing")
	}
	for i := range ended {
		n, err := unix.Poll(ended[i:i+1], 120_000)
		for err == unix.EINTR {
			n, err = unix.Poll(ended[i:i+1], 120_000)
		}
		if n != 1 || err != nil {
			t.Errorf("launcher %d outlives its lab: %v", i, err)
		}
		// The first process of a pid namespace inherits orphans; if that is this test, it has to reap them.
		_, _ = unix.Wait4(pids[i], nil, unix.WNOHANG, nil)
	}
}

// What waits holds nothing of its lab, has one thread and no right left.
func TestParkedLauncherHoldsNothing(t *testing.T) {
	nstest.NoLeaks(t)
	t.Setenv("LAB_SECRET", "hush")
	fd, err := unix.Open("/etc/passwd", unix.O_RDONLY, 0) // without close-on-exec
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	variants(t, func(t *testing.T, with func(setup) setup) {
		c := with(config(t, ""))
		l := park(t, c)
		proc := fmt.Sprintf("/proc/%d/", l.Pid())
		var open []string
		entries, err := os.ReadDir(proc + "fd")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			target, _ := os.Readlink(proc + "fd/" + e.Name())
			target, _, _ = strings.Cut(target, "[")
			open = append(open, target)
		}
		if want := []string{"/dev/null", "/dev/null", "/dev/null", "socket:"}; !slices.Equal(open, want) {
			t.Errorf("open: %v", open)
		}
		environment, err := os.ReadFile(proc + "environ")
		if err != nil || string(environment) != "GOMAXPROCS=1\x00" {
			t.Errorf("environment: %q, %v", environment, err)
		}
		for _, path := range []string{"root", "home", "run", "sys"} {
			if _, err := os.Stat(filepath.Join(proc, "root", path)); err == nil {
				t.Errorf("it sees the host's /%s", path)
			}
		}
		b, err := os.ReadFile(proc + "task/" + strconv.Itoa(l.Pid()) + "/status")
		if err != nil {
			t.Fatal(err)
		}
		status := map[string]string{}
		for line := range strings.Lines(string(b)) {
			k, v, _ := strings.Cut(line, ":")
			status[k] = strings.TrimSpace(v)
		}
		for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
			if status[set] != "0000000000000000" {
				t.Errorf("%s is %s", set, status[set])
			}
		}
		if status["NoNewPrivs"] != "1" || status["Seccomp"] != "2" {
			t.Errorf("no_new_privs %s, seccomp %s", status["NoNewPrivs"], status["Seccomp"])
		}
		if ids := strings.Fields(status["Uid"]); c.UID != 0 && slices.ContainsFunc(ids, func(id string) bool { return id != strconv.Itoa(int(c.UID)) }) {
			t.Errorf("ids %v", ids)
		}
	})
}

// The code may appear, change owner, or be mounted after its environment was parked; what is mounted in it comes along.
func TestCodeComesAfterParking(t *testing.T) {
	nstest.NoLeaks(t)
	variants(t, func(t *testing.T, with func(setup) setup) {
		c := with(config(t, ""))
		l := park(t, c)
		c.Code = code(t, "#!/bin/bash\ncat /var/task/part/file; grep -E ' /var/task(/part)? ' /proc/self/mounts | grep -v noexec; > /var/task/part/new")
		part := filepath.Join(c.Code, "part")
		if err := os.Mkdir(part, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("part", part, "tmpfs", 0, "mode=755"); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := unix.Unmount(part, 0); err != nil { // would be busy if a copy were the same mount
				t.Error(err)
			}
		}()
		if err := os.WriteFile(filepath.Join(part, "file"), []byte("late\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		o := newOutput()
		c.Output = o
		p, err := l.Start(t.Context(), c.Config)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		await(t, p)
		if got := o.String(); !strings.HasPrefix(got, "late\n") || strings.Count(got, " ro,nosuid,nodev,") != 2 || !strings.Contains(got, "Read-only file system") {
			t.Error(got)
		}
	})
}

func TestParkIsBoundedByContext(t *testing.T) {
	nstest.NoLeaks(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("changed my mind")
	cancel(why)
	c := config(t, "")
	if _, err := c.zygote.Park(ctx, c.ParkConfig); !errors.Is(err, why) {
		t.Error(err)
	}
}

// Limits that Start sets hold for the function, be they lower than those parked with or higher.
func TestLimitsOfStart(t *testing.T) {
	nstest.NoLeaks(t)
	for _, tt := range []struct{ parked, started, min, max int64 }{
		{256 << 20, 64 << 20, 32 << 20, 64 << 20},
		{0, 64 << 20, 32 << 20, 64 << 20},
		{64 << 20, 128 << 20, 65 << 20, 128 << 20},
		{64 << 20, 0, 32 << 20, 64 << 20}, // stays
	} {
		t.Run(fmt.Sprintf("%d to %d", tt.parked>>20, tt.started>>20), func(t *testing.T) {
			g, _ := groups(t)
			c := config(t, "head -c 1000000000 /dev/zero > /tmp/x")
			c.TmpSize = 1 << 30
			c.Cgroup = group(t, g, sandbox.Limits{Memory: tt.parked, Pids: 20})
			l := park(t, c)
			c.Limits = sandbox.Limits{Memory: tt.started, VCPUs: 1.5, Weight: 50}
			p, err := l.Start(t.Context(), c.Config)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if e := await(t, p); !e.OOM || e.Usage.MaxMemory < tt.min || e.Usage.MaxMemory > tt.max {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestStartFailsOnLimits(t *testing.T) {
	nstest.NoLeaks(t)
	g, lab := groups(t)
	c := config(t, "")
	c.Cgroup = group(t, g, sandbox.Limits{})
	l := park(t, c)
	c.Limits.Pids = 1 << 30
	if _, err := l.Start(t.Context(), c.Config); !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), "pids.max") {
		t.Errorf("more processes than there can be: %v", err)
	}
	for _, dir := range labDirs(t, lab) {
		if _, err := os.Stat(filepath.Join(dir, "env")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s/env: %v", dir, err)
		}
	}
}
