package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"enilab/internal/nstest"
)

func TestParseCgroupMounts(t *testing.T) {
	for name, tt := range map[string]struct {
		mountinfo string
		want      []hierarchy
	}{
		"version 2": {
			`25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 24 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot`,
			[]hierarchy{{mount: "/sys/fs/cgroup", unified: true}},
		},
		"hybrid": {
			`33 32 0:29 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw
34 32 0:30 / /sys/fs/cgroup/systemd rw shared:11 - cgroup cgroup rw,xattr,name=systemd
36 32 0:32 / /sys/fs/cgroup/cpu,cpuacct rw shared:12 - cgroup cgroup rw,cpu,cpuacct
37 32 0:33 / /sys/fs/cgroup/memory rw shared:13 - cgroup cgroup rw,memory
38 32 0:34 / /sys/fs/cgroup/a\040b\134 rw - cgroup cgroup rw,pids`,
			[]hierarchy{
				{mount: "/sys/fs/cgroup/unified", unified: true},
				{mount: "/sys/fs/cgroup/cpu,cpuacct", controllers: []string{"cpu"}},
				{mount: "/sys/fs/cgroup/memory", controllers: []string{"memory"}},
				{mount: `/sys/fs/cgroup/a b\`, controllers: []string{"pids"}},
			},
		},
		"none":    {"25 1 8:1 / / rw - ext4 /dev/sda1 rw\n", nil},
		"garbage": {"x\n - \n1 2 - cgroup2\n", nil},
	} {
		got, err := parseCgroupMounts(strings.NewReader(tt.mountinfo))
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestChooseHierarchies(t *testing.T) {
	cpu, memory := hierarchy{mount: "c", controllers: []string{"cpu"}}, hierarchy{mount: "m", controllers: []string{"memory"}}
	v2 := func(has ...string) hierarchy { return hierarchy{mount: "u", unified: true, controllers: has} }
	for name, tt := range map[string]struct {
		mounts, want []hierarchy
		err          string
	}{
		"version 2":       {[]hierarchy{v2("cpu", "memory", "pids")}, []hierarchy{v2("cpu", "memory", "pids")}, ""},
		"empty version 2": {[]hierarchy{v2(), cpu, memory}, nil, "has the controllers pids"},
		"one each":        {[]hierarchy{cpu, memory, v2("pids")}, []hierarchy{cpu, memory, v2("pids")}, ""},
		"mounted twice":   {[]hierarchy{v2("cpu", "memory", "pids"), v2("cpu", "memory", "pids")}, []hierarchy{v2("cpu", "memory", "pids")}, ""},
		"none":            {nil, nil, "has the controllers cpu, memory, pids"},
	} {
		got, err := choose(tt.mounts)
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}

func TestSettings(t *testing.T) {
	l := Limits{Memory: 128 << 20, Pids: 1024, VCPUs: 0.5, Weight: 200}
	text := func(h hierarchy, l Limits) string {
		var lines []string
		for _, s := range h.settings(l) {
			lines = append(lines, s.file+"="+s.value)
		}
		return strings.Join(lines, "\n")
	}
	v1 := hierarchy{controllers: controllers}
	v2 := hierarchy{controllers: controllers, unified: true}
	for _, tt := range []struct {
		h    hierarchy
		l    Limits
		want string
	}{
		{v1, l, "cpu.cfs_period_us=20000\ncpu.cfs_quota_us=10000\ncpu.shares=2048\nmemory.limit_in_bytes=134217728\nmemory.memsw.limit_in_bytes=134217728\npids.max=1024"},
		{v2, l, "cpu.max=10000 20000\ncpu.weight=200\nmemory.max=134217728\nmemory.swap.max=0\nmemory.oom.group=1\npids.max=1024"},
		{v1, Limits{}, ""},
		{v2, Limits{}, ""},
		{v2, Limits{VCPUs: 0.001}, "cpu.max=1000 20000"},
	} {
		if got := text(tt.h, tt.l); got != tt.want {
			t.Errorf("%+v: got\n%s\nwant\n%s", tt.l, got, tt.want)
		}
	}
}

// unused finds a controller of version 2 that nobody has enabled: what it controls does not matter here.
func unused(t *testing.T) hierarchy {
	t.Helper()
	return unified(t, "that is not enabled", func(_ string, enabled bool) bool { return !enabled })
}

// unified is version 2 with a controller that fits.
func unified(t *testing.T, which string, fits func(controller string, enabled bool) bool) hierarchy {
	t.Helper()
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	mounts, err := parseCgroupMounts(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mounts {
		if m.unified {
			has, _ := os.ReadFile(m.mount + "/cgroup.controllers")
			enabled, _ := os.ReadFile(m.mount + "/cgroup.subtree_control")
			for c := range strings.FieldsSeq(string(has)) {
				if fits(c, slices.Contains(strings.Fields(string(enabled)), c)) && syscall.Access(m.mount+"/cgroup.subtree_control", 2) == nil {
					m.controllers = []string{c}
					return m
				}
			}
		}
	}
	t.Skip("no version 2 hierarchy with a controller " + which + ", or no right to enable it")
	return hierarchy{}
}

// What a lab enables at the root of version 2 is disabled again with the last lab, also by one that finds it dead.
func TestUnifiedControllersAreGivenBack(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	h := unused(t)
	control := filepath.Join(h.mount, "cgroup.subtree_control")
	enabled := func(file string) bool {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
		}
		return slices.Contains(strings.Fields(string(b)), h.controllers[0])
	}
	for _, lab := range []string{"test-a", "test-b"} {
		if err := h.addLab(lab); err != nil {
			t.Fatal(err)
		}
		defer h.removeLab(lab)
		if !enabled(control) || !enabled(filepath.Join(h.mount, cgroupTop, lab, "cgroup.subtree_control")) {
			t.Error("not enabled for environments of " + lab)
		}
	}
	if err := h.addLab("test-a"); err == nil {
		t.Error("the name is taken")
	}
	if err := h.removeLab("test-a"); err != nil {
		t.Error(err)
	}
	if !enabled(control) {
		t.Error("taken from the lab that still lives")
	}
	if err := h.removeLab("test-b"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(h.mount, cgroupTop)); err == nil {
		t.Skip("another lab is alive on this machine")
	}
	if enabled(control) {
		t.Error("still enabled at the root")
	}
}

// A child is created in the group and, when that is removed, killed: the event of version 2 tells when it is empty.
func TestUnifiedGroupIsEmptied(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	h := unused(t)
	if err := h.addLab("test-c"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.removeLab("test-c"); err != nil {
			t.Error(err)
		}
	}()
	dir := filepath.Join(h.mount, cgroupTop, "test-c", "env")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	g := &Cgroup{dirs: []cgroupDir{{h, dir}}}
	in, err := g.open()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	child := exec.CommandContext(t.Context(), "sleep", "1000")
	child.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(in.directory.Fd())}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if pids, err := groupPids(dir); err != nil || !slices.Contains(pids, child.Process.Pid) {
		t.Errorf("the group has %v, not %d: %v", pids, child.Process.Pid, err)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	if err := child.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("the child: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the group: %v", err)
	}
}

// TestRootWithProcesses: in a container with a cgroup namespace of its own the mount is a group with processes, for whose
// children the kernel enables nothing. It is told how to get out of that, and nothing is left.
func TestRootWithProcesses(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	h := unified(t, "that processes are in the way of", func(c string, _ bool) bool {
		return slices.Contains([]string{"memory", "io", "hugetlb", "rdma", "misc"}, c)
	})
	if err := h.addLab("test-d"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.removeLab("test-d"); err != nil {
			t.Error(err)
		}
	}()
	container := hierarchy{mount: filepath.Join(h.mount, cgroupTop, "test-d", "container"), unified: true, controllers: h.controllers}
	if err := os.Mkdir(container.mount, 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := os.Open(container.mount)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	child := exec.CommandContext(t.Context(), "sleep", "1000")
	child.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(child.Process.Kill(), h.remove(container.mount)); err != nil {
			t.Error(err)
		}
		_ = child.Wait() // it was killed
	}()
	if err := container.addLab("inside"); !errors.Is(err, syscall.EBUSY) || !strings.Contains(err.Error(), "move them to a group below it, or start the container with --cgroupns=host") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(filepath.Join(container.mount, cgroupTop)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a group is left: %v", err)
	}
}

// TestControllerInUse: a controller that we enabled stays on while a group directly below the root has a setting of it.
func TestControllerInUse(t *testing.T) {
	for _, c := range []struct {
		name, file, value string
		used              []string // controllers
	}{
		{"nothing is set", "user.slice/cpu.weight", "100\n", nil},
		{"CPUWeight", "user.slice/cpu.weight", "50\n", []string{"cpu"}},
		{"CPUQuota", "user.slice/cpu.max", "50000 100000\n", []string{"cpu"}},
		{"idle", "system.slice/cpu.idle", "1\n", []string{"cpu"}},
		{"MemoryLow", "system.slice/memory.low", "4096\n", []string{"memory"}},
		{"MemoryMax", "system.slice/memory.max", "4096\n", []string{"memory"}},
		{"TasksMax", "user.slice/pids.max", "100\n", []string{"pids"}},
		{"further down, where the kernel refuses", "user.slice/user-1.slice/cpu.weight", "50\n", nil},
		{"the root's own", "cpu.weight", "50\n", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			for file, value := range map[string]string{
				"user.slice/cpu.weight": "100\n", "user.slice/cpu.max": "max 100000\n", "user.slice/memory.max": "max\n",
				"system.slice/cpu.weight": "100\n", "system.slice/pids.max": "max\n", "init.scope/cgroup.procs": "1\n", c.file: c.value,
			} {
				path := filepath.Join(root, file)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(value), 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range controllers {
				used, err := inUse(root, name)
				if err != nil || used != slices.Contains(c.used, name) {
					t.Errorf("%s in use: %t, %v", name, used, err)
				}
			}
		})
	}
}

// TestRemoveTopKeepsWhatIsUsed: with the last lab a controller that we enabled is disabled, unless a setting of somebody else's
// would go with it.
func TestRemoveTopKeepsWhatIsUsed(t *testing.T) {
	for name, c := range map[string]struct {
		weight string // of user.slice
		want   string // what is written to the root's cgroup.subtree_control
	}{
		"nobody uses it": {"100\n", "-cpu"},
		"CPUWeight":      {"50\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := hierarchy{mount: t.TempDir(), unified: true, controllers: controllers}
			top, slice := filepath.Join(h.mount, cgroupTop), filepath.Join(h.mount, "user.slice")
			control := filepath.Join(h.mount, "cgroup.subtree_control")
			if err := errors.Join(
				os.Mkdir(top, 0o755), os.Mkdir(slice, 0o755), os.WriteFile(control, nil, 0o644),
				os.WriteFile(filepath.Join(slice, "cpu.weight"), []byte(c.weight), 0o644),
			); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Setxattr(top, enabledByUs, []byte("cpu"), 0); errors.Is(err, syscall.ENOTSUP) {
				t.Skip("no user attributes on this filesystem")
			} else if err != nil {
				t.Fatal(err)
			}
			if err := h.removeTop(); err != nil {
				t.Error(err)
			}
			if got, err := os.ReadFile(control); err != nil || string(got) != c.want {
				t.Errorf("written to the root: %q, %v; want %q", got, err, c.want)
			}
			if _, err := os.Stat(top); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the top directory: %v", err)
			}
		})
	}
}

// TestKillWithoutCgroupKill: Linux before 5.14 has no such file in version 2.
func TestKillWithoutCgroupKill(t *testing.T) {
	nstest.NoLeaks(t)
	child := exec.CommandContext(t.Context(), "sleep", "1000")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := errors.Join(
		os.WriteFile(filepath.Join(dir, "cgroup.events"), []byte("populated 1\nfrozen 0\n"), 0o644),
		os.WriteFile(filepath.Join(dir, "cgroup.procs"), fmt.Appendln(nil, child.Process.Pid), 0o644),
	); err != nil {
		t.Error(err)
	}
	if err := killUnified(dir, time.Now().Add(endTime)); err != nil {
		t.Error(err)
	}
	if err := child.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("the member: %v", err)
	}
}
