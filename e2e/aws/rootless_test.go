package aws_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"enilab/internal/nstest"
)

// rootless is a lab of nobody's that is not up yet. In the topology STORE is where the functions are, and DIR a directory of
// nobody's.
func rootless(t *testing.T, topology string) *lab {
	t.Helper()
	nstest.NeedRoot(t)
	const nobody = 65534
	credential := &syscall.Credential{Uid: nobody, Gid: nobody}
	try := exec.Command("unshare", "--user", "--map-root-user", "--net", "true")
	try.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	if out, err := try.CombinedOutput(); err != nil {
		t.Skipf("user namespaces are not allowed to ordinary users here: %v: %s", err, out)
	}
	dir, err := os.MkdirTemp("", "rootless-") // others cannot get into t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	const provide = `cp -r "$1" "$2" "$3"; chmod -R a+rX "$3"; chown 65534 "$3"`
	if out, err := exec.Command("sh", "-ec", provide, "sh", enilab, functions, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	l := planned(t, dir, strings.NewReplacer("STORE", filepath.Join(dir, "functions"), "DIR", dir).Replace(topology))
	l.program, l.credential = filepath.Join(dir, "enilab"), credential
	return l
}

// greedy takes all the inotify instances and watches that it may have, and keeps them; modest takes one of each.
const watching = `import ctypes

libc = ctypes.CDLL(None, use_errno=True)
held = []


def watch(n):
    while len(held) < n:
        fd = libc.inotify_init()
        if fd < 0:
            return
        held.append(fd)


def greedy(event, context):
    watch(500)
    names = 0
    while held:
        names += 1
        name = b"/tmp/%d" % names
        open(name, "w").close()
        for fd in held:
            if libc.inotify_add_watch(fd, name, 0x100) < 0:
                return len(held)
    return 0


def modest(event, context):
    watch(1)
    return held and libc.inotify_add_watch(held[0], b"/tmp", 0x100) > 0
`

// Without root all environments are one user to the kernel, and the lab is the same. One that takes all that it may leaves
// enough for the next; if several do, the lab goes on all the same, and so do other programs of the user.
func TestRootlessWatchers(t *testing.T) {
	const python = "/usr/bin/python3"
	if _, err := os.Stat(python); err != nil {
		t.Skip(err)
	}
	const greedy = 8 // so many would have all that their user may have
	topology := "store: STORE\nfunctions:\n  go: {code: go.zip, timeout: 60s}\n"
	add := func(name, handler string) {
		topology += fmt.Sprintf("  %s: {code: DIR/watching, runtime: python3.13, handler: app.%s, timeout: 60s, memory: 512}\n", name, handler)
	}
	add("modest", "modest")
	for i := range greedy {
		add(fmt.Sprintf("greedy-%d", i), "greedy")
	}
	l := rootless(t, topology)
	app := filepath.Join(filepath.Dir(l.file), "watching", "app.py")
	if err := errors.Join(os.Mkdir(filepath.Dir(app), 0o755), os.WriteFile(app, []byte(watching), 0o644)); err != nil {
		t.Fatal(err)
	}
	l.up()
	takes := func(function string) string {
		t.Helper()
		return strings.TrimSpace(l.say(t, "invoke", function))
	}
	if got := takes("greedy-0"); got == "0" {
		t.Error("greedy takes nothing")
	}
	if got := takes("modest"); got != "true" {
		t.Errorf("beside one that takes all that it may, another gets nothing: %s", got)
	}
	for i := range greedy { // together they have the lab's half
		takes(fmt.Sprintf("greedy-%d", i))
	}
	outside := exec.Command(python, "-c", "import ctypes; exit(ctypes.CDLL(None).inotify_init() < 0)")
	outside.SysProcAttr = &syscall.SysProcAttr{Credential: l.credential}
	if out, err := outside.CombinedOutput(); err != nil {
		t.Errorf("a program of the user's gets nothing: %v: %s", err, out)
	}
	takes("go")
	l.kill()
	l.up()
	takes("go")
}
