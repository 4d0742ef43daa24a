package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"enilab/internal/nstest"
	"enilab/internal/runtimes"
)

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
		if c.Status != OK && c.Detail == "" {
			t.Errorf("says nothing: %+v", c)
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
