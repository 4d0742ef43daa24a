package sandbox_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"enilab/internal/nstest"
)

// share is what an environment in a user namespace may have of inotify: an eighth of what its user may have.
func share(t *testing.T, what string) (n int) {
	t.Helper()
	b, err := os.ReadFile("/proc/sys/fs/inotify/max_user_" + what)
	if err != nil {
		t.Skip(err)
	}
	if _, err := fmt.Sscan(string(b), &n); err != nil {
		t.Fatal(err)
	}
	return n / 8
}

// watcher is a bootstrap that makes as many inotify instances and watches as it may, and a few more than an environment's share
// at most; it prints their numbers and holds them.
func watcher(t *testing.T) string {
	instances, watches := share(t, "instances"), share(t, "watches")
	if instances > 500 {
		t.Skipf("%d instances are an environment's, more than it may have files", instances)
	}
	return python(t, fmt.Sprintf(`import ctypes, time
libc = ctypes.CDLL(None)
instances, watches, files = [], 0, 0
while len(instances) < %d:
    fd = libc.inotify_init()
    if fd < 0: break
    instances.append(fd)
full = not instances
while not full and watches < %d:
    name = b"/tmp/%%d" %% files
    files += 1
    open(name, "w").close()
    for fd in instances:
        full = full or libc.inotify_add_watch(fd, name, 0x100) < 0 # IN_CREATE
        watches += not full
print(len(instances), "instances", watches, "watches.", flush=True)
time.sleep(100000)`, instances+10, watches+1000))
}

// TestWatchersOfOneAreNotAnothers: an environment that makes all the inotify instances and watches that it may leaves as many to
// the next.
func TestWatchersOfOneAreNotAnothers(t *testing.T) {
	variants(t, func(t *testing.T, with func(setup) setup) {
		nstest.NoLeaks(t)
		var counts [2]string
		for i := range counts {
			o := newOutput()
			c := with(config(t, ""))
			c.Code, c.Output = watcher(t), o
			if c.UID != 0 {
				c.UID += uint32(i)
				c.GID += uint32(i)
			}
			start(t, c)
			o.await(t, "watches.")
			counts[i] = o.String()
		}
		if counts[0] != counts[1] || strings.HasPrefix(counts[0], "0 ") {
			t.Errorf("the first had %q, the second %q", counts[0], counts[1])
		}
	})
}

// TestWatchersAreBounded: where all environments have one user, who is somebody.
func TestWatchersAreBounded(t *testing.T) {
	nstest.NoLeaks(t)
	c, o := config(t, ""), newOutput()
	c.UID, c.GID = 0, 0
	c.Code, c.Output = watcher(t), o
	start(t, c)
	o.await(t, "watches.")
	if got, want := o.String(), fmt.Sprintf("%d instances %d watches.\n", share(t, "instances"), share(t, "watches")); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
