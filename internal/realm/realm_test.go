package realm_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"enilab/internal/nstest"
	"enilab/internal/realm"
)

// endOnWrite ends the inside once it has said something.
type endOnWrite struct {
	got string
	end func()
}

func (e *endOnWrite) Write(b []byte) (int, error) {
	e.got += string(b)
	e.end()
	return len(b), nil
}

func TestRunTellsItsInsideToEnd(t *testing.T) {
	nstest.NeedRoot(t)
	nstest.NoLeaks(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	result := &endOnWrite{end: cancel}
	code, err := realm.Run(ctx, realm.Config{Args: []string{runArg}, Result: result})
	pid, pidErr := strconv.Atoi(result.got)
	if code != 5 && err == nil || pidErr != nil || pid < 2 {
		t.Errorf("exit code %d, %v; result %q", code, err, result.got)
	}
}

func TestLabsName(t *testing.T) {
	l, err := realm.ThisLab("demo")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := realm.ParseLab(l.String()); err != nil || got != l || l.Dead() {
		t.Errorf("%v became %v, %v", l, got, err)
	}
	l.Start++
	if !l.Dead() {
		t.Error("another process with its id counts as the owner")
	}
	for _, bad := range []string{"", "demo", "demo-1-2", "-1-2-3", "demo-1-0-3", "demo-1-02-3", "a-b-1-2-3"} {
		if l, err := realm.ParseLab(bad); err == nil {
			t.Errorf("%q passed as %v", bad, l)
		}
	}
}

// A realm bounds what it takes of inotify instances and watches in its own user namespace, and changes nothing in one that it
// was started in.
func TestWatchersAreBounded(t *testing.T) {
	nstest.NeedRoot(t)
	if realm.Rootless() {
		t.Skip("there is one user id here")
	}
	nstest.NoLeaks(t)
	var most [2]int
	for i, what := range []string{"instances", "watches"} {
		b, err := os.ReadFile("/proc/sys/fs/inotify/max_user_" + what)
		must(t, err)
		_, err = fmt.Sscan(string(b), &most[i])
		must(t, err)
	}
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 65536}} // from 0 on, so that it may read what it executes
	for name, c := range map[string]struct {
		attr syscall.SysProcAttr
		own  bool
	}{
		"root":                {syscall.SysProcAttr{}, false},
		"user":                {syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}, true},
		"root of a container": {syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids, GidMappingsEnableSetgroups: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("/proc/self/exe", boundArg, boundArg)
			cmd.Env = append(os.Environ(), "ENILAB_OWN_USER_NAMESPACE=true") // whatever the caller's says
			cmd.SysProcAttr = &c.attr
			out, err := cmd.CombinedOutput()
			var before, inside, after [2]int
			_, scanErr := fmt.Sscan(string(out), &before[0], &before[1], &inside[0], &inside[1], &after[0], &after[1])
			if err != nil || scanErr != nil {
				t.Fatalf("%v, %v: %s", err, scanErr, out)
			}
			want := before
			if c.own {
				want = [2]int{most[0] / 2, most[1] / 2}
			}
			if inside != want || after != before {
				t.Errorf("%d before, %d inside, want %d, and %d after", before, inside, want, after)
			}
		})
	}
}

// In a chroot a realm is refused before it has made anything, whether the chroot's root is a mount or not.
func TestChrootIsRefused(t *testing.T) {
	nstest.NeedRoot(t)
	if realm.Rootless() {
		t.Skip("in a chroot the kernel itself refuses user namespaces")
	}
	nstest.NoLeaks(t)
	exe, err := os.Executable()
	must(t, err)
	for name, root := range map[string]string{
		"a mount":     `mount --rbind / "$1"`,
		"a directory": `for d in /*; do if [ -d "$d" ]; then mkdir "$1$d"; mount --rbind "$d" "$1$d"; fi; done`,
	} {
		t.Run(name, func(t *testing.T) {
			script := `set -e; mount --make-rprivate /; ` + root + `; exec chroot "$@"`
			cmd := exec.Command("/bin/sh", "-c", script, "sh", t.TempDir(), exe, chrootArg, chrootArg)
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), realm.ErrChroot.Error()) {
				t.Errorf("%v: %s", err, out)
			}
			cmd = exec.Command("/bin/sh", "-c", script, "sh", t.TempDir(), exe, startArg, startArg, t.TempDir())
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
			out, err = cmd.CombinedOutput()
			if want := "code 3\nrealm: keeper of test: " + realm.ErrChroot.Error() + "\n"; err == nil || string(out) != want {
				t.Errorf("a keeper: %v: %s\nwant %s", err, out, want)
			}
		})
	}
}
