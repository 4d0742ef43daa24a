package scripts_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// certificates is how deps.sh sees, by a path of this machine's, that there are some.
const certificates = "/etc/ssl/certs/ca-certificates.crt"

func deps(t *testing.T, m *machine, args ...string) outcome {
	t.Helper()
	if _, err := os.Stat(certificates); err != nil {
		t.Skip(err)
	}
	return m.run("deps.sh", args...)
}

// top is the checkout.
func top(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestDepsAllThere(t *testing.T) {
	m := newMachine(t)
	o := deps(t, m, "demo")
	if o.code != 0 || o.out+o.said != "" || strings.Contains(o.log, "apt-get") || o.count("user: go version") > 0 {
		t.Errorf("it had nothing to do: %+v", o)
	}
}

// notStarted is what is said of a Redis that is new.
const notStarted = "deps: redis-server is installed, not started, and disabled at boot\n"

// What is missing is installed by root, and said; no service starts meanwhile, and a Redis that is new does not start at boot.
func TestDepsInstall(t *testing.T) {
	for _, who := range []string{"user", "root"} {
		t.Run(who, func(t *testing.T) {
			m := newMachine(t)
			m.user = who
			m.remove("redis-server", "iptables-restore")
			o := deps(t, m, "demo")
			o.want(t, 0, "deps: needs Debian packages: iptables redis-server\n", notStarted)
			o.did(t, "root: apt-get update", "root: services: exit 101", "root: apt-get install", "root: services: exit 101",
				"root: systemctl --quiet disable redis-server.service", "root: update-rc.d redis-server disable")
			if !strings.Contains(o.log, " iptables redis-server\n") || o.count("root: apt-get install") != 1 ||
				o.count("user: apt-get") > 0 || o.count("left: ") > 0 {
				t.Errorf("log:\n%s", o.log)
			}
			if via := o.count("user: sudo "); via != map[string]int{"user": 1}[who] {
				t.Errorf("sudo was used %d times by %s:\n%s", via, who, o.log)
			}
		})
	}
}

func TestDepsWithoutRights(t *testing.T) {
	m := newMachine(t)
	m.remove("redis-server", "sudo")
	o := deps(t, m, "demo")
	o.want(t, 3, "deps: needs Debian packages: redis-server\n",
		"deps: no rights to install. Have an administrator run: "+filepath.Join(top(t), "scripts/deps.sh")+" demo\n")
	if strings.Contains(o.log, "apt-get") {
		t.Errorf("log:\n%s", o.log)
	}
}

func TestDepsWithoutApt(t *testing.T) {
	m := newMachine(t)
	m.remove("redis-server", "apt-get", "apt-cache")
	deps(t, m, "demo").want(t, 3, "deps: there is no apt-get here. Install what corresponds to: redis-server\n")
}

// Without Go, or with an old one, root installs the distribution's and the user has that fetch the one of go.mod: once, where the
// user's Go will look for it, and it says so.
func TestDepsGo(t *testing.T) {
	for name, old := range map[string]string{"none": "", "too old to fetch another": "go1.19.8"} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.remove("go")
			if old != "" {
				m.fake("go", goThatHas(old))
			}
			m.shelve("golang-go", "go", goThatHas("go1.23.4"))
			o := deps(t, m, "demo")
			o.want(t, 0, "deps: needs Debian packages: golang-go\n", "deps: installs this distribution's Go\n", "go: downloading go1.26.0")
			o.did(t, "user: sudo", "root: apt-get install", "user: go version in "+top(t))
			if o.count("root: go ") > 0 || o.count("user: go version") != 1 {
				t.Errorf("log:\n%s", o.log)
			}
		})
	}
}

// A distribution whose Go is too old has a newer one in its backports, from the mirror that the machine has.
func TestDepsGoOfBackports(t *testing.T) {
	text, err := os.ReadFile("/etc/os-release")
	if err != nil {
		t.Skip(err)
	}
	_, rest, found := strings.Cut(string(text), "\nVERSION_CODENAME=")
	release, _, _ := strings.Cut(rest, "\n")
	if !found || release == "" {
		t.Skip("this distribution's releases have no names")
	}
	m := newMachine(t)
	m.set("GO_OFFERED=2:1.19~1")
	m.remove("go")
	m.shelve("golang-go", "go", goThatHas("go1.23.4")+`
if [ "$1" = version ]; then note "source: $(cat /etc/apt/sources.list.d/*)"; fi`)
	if _, err := os.Stat("/etc/apt/sources.list.d"); err != nil {
		t.Skip(err)
	}
	o := deps(t, m, "demo")
	o.want(t, 0, "deps: installs Go from "+release+"-backports, which is new here: /etc/apt/sources.list.d/enilab-backports.list\n")
	o.did(t, "root: apt-get update", "root: apt-get indextargets", "root: apt-get update", "root: apt-get install",
		"user: source: deb https://deb.example/debian "+release+"-backports main\n")
	if !strings.Contains(o.log, " -t "+release+"-backports golang-go\n") {
		t.Errorf("log:\n%s", o.log)
	}
}

// A toolchain that cannot be fetched is no Go that is not installed: what Go says of it is shown.
func TestDepsToolchainFails(t *testing.T) {
	for name, c := range map[string]struct{ variable, want string }{
		"no network": {"OFFLINE=1", "and it could not fetch that: see the lines above\n"},
		"not wanted": {"GO_TOOLCHAIN=local", "and GOTOOLCHAIN=local keeps it from fetching that. Try: go env -w GOTOOLCHAIN=auto\n"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.set("GO_HAS=go1.23.4", c.variable)
			o := deps(t, m, "demo")
			want := []string{"deps: " + neededGo(t) + " is needed, this is go1.23.4, ", c.want}
			if name == "no network" {
				want = append([]string{"go: download go1.26.0: dial tcp: no route to host\n"}, want...)
			}
			o.want(t, 3, want...)
			if strings.Contains(o.out+o.said, "not installed") || strings.Contains(o.log, "apt-get") {
				t.Errorf("%+v", o)
			}
		})
	}
}

// What some distributions do not have is not asked of them, and what they have is, however much apt says of it.
func TestDepsOptional(t *testing.T) {
	const missing = "deps: this distribution has no package chromium; the tests that want it are skipped\n"
	m := newMachine(t)
	needs := func() string {
		t.Helper()
		o := deps(t, m, "ci")
		_, rest, _ := strings.Cut(o.out, "deps: needs Debian packages: ")
		line, _, _ := strings.Cut(rest, "\n")
		if told := strings.Contains(o.out, missing); o.code != 0 || told == strings.Contains(line+" ", "chromium ") {
			t.Errorf("exit code %d, needs %q: %s%s", o.code, line, o.out, o.said)
		}
		return line + " "
	}
	if got := needs(); !strings.Contains(got, "chromium ") || !strings.Contains(got, "gcc ") {
		t.Errorf("needs %q", got)
	}
	m.set("UNKNOWN=chromium")
	if got := needs(); strings.Contains(got, "chromium ") || !strings.Contains(got, "gcc ") {
		t.Errorf("needs %q", got)
	}
	m.set("APT_LISTS=") // a fresh image: nobody knows before `apt-get update`
	if got := needs(); !strings.Contains(got, "chromium ") {
		t.Errorf("needs %q", got)
	}
}

func TestDepsUsage(t *testing.T) {
	m := newMachine(t)
	m.run("deps.sh", "dmeo").want(t, 2, "scripts/deps.sh demo", "Exit codes:")
}
