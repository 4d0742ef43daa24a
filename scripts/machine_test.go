// Package scripts_test tests the scripts that set a machine up, on one that is made of fakes: nothing is installed or fetched,
// and nothing of this machine's is written to.
package scripts_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"enilab/internal/nstest"
)

// machine has the programs that a test gives it, in one directory, and no others in sight. Each notes in a log who has called it,
// "user" or "root", and how.
type machine struct {
	t    *testing.T
	dir  string // a temporary one with all of it
	user string // who calls: user or root
	env  []string
}

// tools are those of this machine that the scripts use, and whose work is the same everywhere.
var tools = []string{
	"awk", "bash", "cat", "chmod", "cp", "cut", "dirname", "env", "grep", "head", "mkdir", "mv", "realpath", "rm", "sed", "sh",
	"sort", "tail", "tr", "true", "wc",
}

// newMachine has a user who may use sudo, apt, and a Go that is new enough.
func newMachine(t *testing.T) *machine {
	t.Helper()
	nstest.NeedRoot(t)
	m := &machine{t: t, dir: t.TempDir(), user: "user"}
	for _, dir := range []string{"bin", "shelf"} {
		if err := os.Mkdir(m.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range tools {
		path, err := exec.LookPath(name)
		if err == nil {
			err = os.Symlink(path, m.path("bin", name))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	m.fake("id", `if [ "$WHO" = root ]; then echo 0; else echo 1000; fi`)
	m.fake("sudo", `if [ "$1" = -n ]; then shift; else note "sudo $*"; fi; if [ "$1" = -- ]; then shift; fi; WHO=root exec "$@"`)
	m.fake("apt-cache", `
if [ -z "$APT_LISTS" ]; then exit; fi
version=1.0-1
if [ "$2" = golang-go ]; then version=$GO_OFFERED; fi
case " $UNKNOWN " in *" $2 "*) version='(none)' ;; esac
echo "  Candidate: $version"
i=0 # more than a pipe holds
while [ $i -lt 2000 ]; do echo '        500 https://deb.example/debian stable/main amd64 Packages'; i=$((i + 1)); done`)
	// What is installed comes from the shelf, if it is there.
	m.fake("apt-get", `
note "apt-get $*"
if [ "$1" = indextargets ]; then echo "$(. /etc/os-release && echo "$VERSION_CODENAME") https://deb.example/debian"; exit; fi
if [ "$WHO" != root ]; then echo 'E: Could not open lock file' >&2; exit 100; fi
if [ -e /usr/sbin/policy-rc.d ]; then note "services: $(tail -n 1 /usr/sbin/policy-rc.d)"; fi
for p; do if [ -d "$SHELF/$p" ]; then cp "$SHELF/$p"/* "$BIN"; fi; done`)
	m.fake("update-rc.d", `note "update-rc.d $*"`)
	m.fake("systemctl", `note "systemctl $*"`)
	for _, name := range []string{"iptables-restore", "ip", "redis-server"} {
		m.fake(name, "")
	}
	m.fake("go", fakeGo)
	m.set("APT_LISTS=1", "GO_OFFERED=2:1.23~1~bpo12+1", "GO_HAS="+neededGo(t))
	return m
}

// neededGo is the version that go.mod names, such as go1.26.0.
func neededGo(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\ngo ")
	version, _, found := strings.Cut(rest, "\n")
	if !found {
		t.Fatal("go.mod names no version of Go")
	}
	return "go" + version
}

// fakeGo fetches the version that go.mod names when it is asked for its own in the module.
const fakeGo = `
note "go $* in $PWD"
case "$*" in
'env GOVERSION') echo "$GO_HAS" ;;
'env GOTOOLCHAIN') echo "${GO_TOOLCHAIN:-auto}" ;;
version)
  if [ -n "$OFFLINE" ]; then echo 'go: download go1.26.0: dial tcp: no route to host' >&2; exit 1; fi
  echo 'go: downloading go1.26.0 (linux/amd64)' >&2
  echo 'go version go1.26.0 linux/amd64' ;;
esac`

// goThatHas is a fakeGo of a version.
func goThatHas(version string) string { return strings.ReplaceAll(fakeGo, "$GO_HAS", version) }

func (m *machine) path(parts ...string) string {
	return filepath.Join(append([]string{m.dir}, parts...)...)
}

// fake makes a program of a shell script, in which note adds a line to the log.
func (m *machine) fake(name, script string) { m.write(m.path("bin", name), script) }

// shelve has a package bring a program.
func (m *machine) shelve(pkg, name, script string) { m.write(m.path("shelf", pkg, name), script) }

func (m *machine) write(path, script string) {
	m.t.Helper()
	text := "#!/bin/sh\nnote() { echo \"$WHO: $*\" >>\"$LOG\"; }\n" + script + "\n"
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755)); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) remove(names ...string) {
	m.t.Helper()
	for _, name := range names {
		if err := os.Remove(m.path("bin", name)); err != nil {
			m.t.Fatal(err)
		}
	}
}

// set gives the programs variables.
func (m *machine) set(variables ...string) { m.env = append(m.env, variables...) }

// outcome is how a script went.
type outcome struct {
	code      int
	out, said string // stdout, stderr
	log       string
}

// hidden are directories of this machine's that scripts look into, or write to, by name: each is an empty one in a mount
// namespace that ends with the script.
const hidden = `
for d in /usr/sbin /sbin /usr/local/go/bin /etc/apt/sources.list.d; do
  if [ -d $d ] && [ ! -L $d ]; then $MOUNT -t tmpfs -o mode=755 fakes $d; fi
done
status=0
"$@" || status=$?
for f in /usr/sbin/*; do if [ -e "$f" ]; then echo "left: $f" >>"$LOG"; fi; done
exit $status`

// run runs a script of this repository, or another program.
func (m *machine) run(program string, args ...string) outcome {
	m.t.Helper()
	mount, err := exec.LookPath("mount")
	if err != nil {
		m.t.Fatal(err)
	}
	if program, err = filepath.Abs(program); err != nil {
		m.t.Fatal(err)
	}
	cmd := exec.Command("unshare", append([]string{"--mount", "/bin/sh", "-euc", hidden, "sh", program}, args...)...)
	cmd.Env = append([]string{
		"PATH=" + m.path("bin"), "BIN=" + m.path("bin"), "SHELF=" + m.path("shelf"), "LOG=" + m.path("log"), "HOME=" + m.dir,
		"WHO=" + m.user, "MOUNT=" + mount,
	}, m.env...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		m.t.Fatal(err)
	}
	log, err := os.ReadFile(m.path("log"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		m.t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), out.String(), said.String(), string(log)}
}

// want fails the test unless the script ended with a code and its two outputs, one after the other, contain these texts in this
// order.
func (o outcome) want(t *testing.T, code int, texts ...string) {
	t.Helper()
	if o.code != code {
		t.Errorf("exit code %d, want %d", o.code, code)
	}
	inOrder(t, o.out+o.said, texts...)
	if t.Failed() {
		t.Logf("stdout:\n%sstderr:\n%slog:\n%s", o.out, o.said, o.log)
	}
}

// did fails the test unless the log has these lines, or their beginnings, in this order.
func (o outcome) did(t *testing.T, lines ...string) {
	t.Helper()
	for i := range lines {
		lines[i] = "\n" + lines[i]
	}
	inOrder(t, "\n"+o.log, lines...)
}

// count is how often the log has a line that begins so.
func (o outcome) count(line string) int { return strings.Count("\n"+o.log, "\n"+line) }

func inOrder(t *testing.T, text string, parts ...string) {
	t.Helper()
	rest := text
	for _, part := range parts {
		_, after, found := strings.Cut(rest, part)
		if !found {
			t.Errorf("no %q, or not in this order, in\n%s", part, text)
			return
		}
		rest = after
	}
}
