package sandbox_test

import (
	"strings"
	"testing"

	"enilab/internal/nstest"
)

// watchers makes as many inotify instances as it may, prints their number and holds them.
const watchers = `import ctypes, time
n = 0
while n < 1000 and ctypes.CDLL(None).inotify_init() >= 0: n += 1
print(n, "instances", flush=True)
time.sleep(100000)`

// TestWatchersOfOneAreNotAnothers: an environment that makes all the inotify instances that it may leaves as many to the next.
func TestWatchersOfOneAreNotAnothers(t *testing.T) {
	nstest.NoLeaks(t)
	var counts [2]string
	for i := range counts {
		c, o := config(t, ""), newOutput()
		c.Code, c.Output = python(t, watchers), o
		if !nstest.Rootless() {
			c.UID += uint32(i)
			c.GID += uint32(i)
		}
		start(t, c)
		o.await(t, "instances")
		counts[i] = o.String()
	}
	if counts[0] != counts[1] || strings.HasPrefix(counts[0], "0 ") {
		t.Errorf("the first had %q, the second %q", counts[0], counts[1])
	}
}

// TestWatchersAreBounded: where all environments have one user, who is somebody.
func TestWatchersAreBounded(t *testing.T) {
	nstest.NoLeaks(t)
	c, o := config(t, ""), newOutput()
	c.UID, c.GID = 0, 0
	c.Code, c.Output = python(t, watchers), o
	start(t, c)
	o.await(t, "instances")
	if got := o.String(); got != "16 instances\n" {
		t.Errorf("%q", got)
	}
}
