package doctor

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"enilab/internal/nstest"
	"enilab/internal/runtimes"
)

func TestHierarchies(t *testing.T) {
	v2 := func(controllers string) string {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "cgroup.controllers"), controllers)
		return dir
	}
	full, empty := v2("cpuset cpu io memory pids\n"), v2("\n")
	const v1 = "cgroup /c/cpu cgroup rw,cpu,cpuacct 0 0\ncgroup /c/memory cgroup rw,memory 0 0\ncgroup /c/pids cgroup rw,pids 0 0\n"
	for name, test := range map[string]struct {
		mounts, version string
		dirs            []string
		err             string
	}{
		"version 2":              {mounts: "none " + full + " cgroup2 rw 0 0\n", version: "version 2", dirs: []string{full}},
		"version 1":              {mounts: v1, version: "version 1", dirs: []string{"/c/cpu", "/c/memory", "/c/pids"}},
		"version 1, 2 is empty":  {mounts: v1 + "none " + empty + " cgroup2 rw 0 0\n", version: "version 1", dirs: []string{"/c/cpu", "/c/memory", "/c/pids"}},
		"one group for all":      {mounts: "x /c cgroup rw,cpu,memory,pids 0 0\n", version: "version 1", dirs: []string{"/c"}},
		"a controller is absent": {mounts: "x /c cgroup rw,cpu,memory 0 0\n", err: "controller pids is in no hierarchy that is mounted"},
		"nothing is mounted":     {err: "controller cpu is in no hierarchy that is mounted"},
	} {
		t.Run(name, func(t *testing.T) {
			version, dirs, err := hierarchies(test.mounts)
			if test.err != "" {
				if err == nil || err.Error() != test.err {
					t.Errorf("got %v, want %q", err, test.err)
				}
				return
			}
			if err != nil || version != test.version || !slices.Equal(dirs, test.dirs) {
				t.Errorf("got %s %s %v, want %s %s", version, dirs, err, test.version, test.dirs)
			}
		})
	}
}

func TestUserNamespaceFix(t *testing.T) {
	for name, test := range map[string]struct{ key, value, want string }{
		"Debian":    {"kernel/unprivileged_userns_clone", "0\n", "use sudo, or: sudo sysctl kernel.unprivileged_userns_clone=1"},
		"Ubuntu":    {"kernel/apparmor_restrict_unprivileged_userns", "1\n", "use sudo, or: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
		"allowed":   {"kernel/unprivileged_userns_clone", "1\n", "use sudo"},
		"elsewhere": {"kernel/other", "0\n", "use sudo"},
	} {
		t.Run(name, func(t *testing.T) {
			proc := t.TempDir()
			write(t, filepath.Join(proc, test.key), test.value)
			if got := userNamespaceFix(proc); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestHostLeavesNothing(t *testing.T) {
	nstest.NoLeaks(t)
	for _, c := range Host(t.Context()) {
		if c.Name == "cgroups" && c.Status == Fail {
			t.Errorf("a lab runs without cgroups: %+v", c)
		}
		if c.Status != OK && c.Detail == "" {
			t.Errorf("says nothing: %+v", c)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	_, dirs, _ := hierarchies(string(mounts))
	for _, dir := range dirs {
		if left, _ := filepath.Glob(filepath.Join(dir, "enilab-doctor-*")); len(left) > 0 {
			t.Errorf("left %s", strings.Join(left, ", "))
		}
	}
}

func TestProgramMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, c := range Host(t.Context()) {
		if p := c.Name; (p == "redis-server" || p == "iptables-restore") && (c.Status != Fail || c.Fix == "") {
			t.Errorf("not reported: %+v", c)
		}
	}
}

func TestOldRedis(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	for version, want := range map[string]Status{"6.0.16": Fail, "7.0.15": OK, "10.2.0": OK, "unstable": OK} {
		says := "Redis server v=" + version + " sha=00000000:0 malloc=libc bits=64 build=1"
		if err := os.WriteFile(filepath.Join(dir, "redis-server"), []byte("#!/bin/sh\necho '"+says+"'\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		c := run(t.Context(), []probe{redisServer})[0]
		if c.Status != want || !strings.HasPrefix(c.Detail, says) || want == Fail && !strings.Contains(c.Fix, "newer") {
			t.Errorf("%s: %+v", version, c)
		}
	}
}

func TestManagedRuntimes(t *testing.T) {
	root := t.TempDir()
	for name, says := range map[string]string{"node": "v20.11.0", "python3": "Python 3.11.2", "python3.13": "Python 3.13.1"} {
		if err := os.MkdirAll(filepath.Join(root, "usr/bin"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "usr/bin", name), []byte("#!/bin/sh\necho "+says+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	got := managedRuntimes(t.Context(), runtimes.NewMachine(root))
	want := []Check{
		{Name: "Node.js runtimes", Status: OK, Detail: "20.11.0 (/usr/bin/node)"},
		{Name: "Python runtimes", Status: OK, Detail: "3.13.1 (/usr/bin/python3.13), 3.11.2 (/usr/bin/python3)"},
		{Name: "Java runtimes", Status: Info, Fix: "sudo apt-get install default-jre-headless"},
	}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i, c := range got {
		if want[i].Detail == "" && strings.HasPrefix(c.Detail, "functions of java25, java21, java17, java11 are refused: java25 needs Java, and this machine has none") {
			c.Detail = ""
		}
		if c != want[i] {
			t.Errorf("%+v\nwant %+v", c, want[i])
		}
	}
}
