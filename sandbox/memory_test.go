package sandbox_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"enilab/internal/nstest"
	"enilab/sandbox"

	"golang.org/x/sys/unix"
)

// limited is an environment with 64 MB of memory and 256 MB in /tmp.
func limited(t *testing.T, script string) (setup, *output) {
	t.Helper()
	g, _ := groups(t)
	o := newOutput()
	c := config(t, script)
	c.Output, c.TmpSize = o, 256<<20
	c.Cgroup = group(t, g, sandbox.Limits{Memory: 64 << 20, Tmp: 256 << 20})
	return c, o
}

// grow has bash take 200 MB of memory, and hold it.
const grow = `x=xxxxxxxxxxxxxxxx; while [ ${#x} -lt 200000000 ]; do x=$x$x; done; echo grown; sleep 1000`

// What is in /tmp is bounded by its own size, and is no memory.
func TestTmpIsNoMemory(t *testing.T) {
	nstest.NoLeaks(t)
	c, o := limited(t, `head -c 200M /dev/zero > /tmp/a && echo written; head -c 100M /dev/zero > /tmp/b; stat -c %s /tmp/b; sleep 1000`)
	p := start(t, c)
	o.await(t, "\n58720256\n") // 256 MB less 200
	if got := o.String(); !strings.HasPrefix(got, "written\n") || !strings.Contains(got, "No space left on device") {
		t.Error(got)
	}
	if used, err := p.MaxMemory(); err != nil || used < 1<<20 || used > 64<<20 {
		t.Errorf("used %d bytes of memory: %v", used, err)
	}
	if usage, err := p.Usage(); err != nil || usage.MaxMemory < 256<<20 {
		t.Errorf("with /tmp it used %d bytes: %v", usage.MaxMemory, err)
	}
}

// Memory has its own limit, whatever is, or was, in /tmp.
func TestMemoryBesideTmp(t *testing.T) {
	nstest.NoLeaks(t)
	for name, before := range map[string]string{
		"nothing in /tmp":           ``,
		"much in /tmp":              `head -c 200M /dev/zero > /tmp/a;`,
		"much that was, in /tmp":    `head -c 200M /dev/zero > /tmp/a; rm /tmp/a;`,
		"many times a little there": `for i in {1..20}; do head -c 10M /dev/zero > /tmp/$i; done;`,
	} {
		t.Run(name, func(t *testing.T) {
			c, o := limited(t, before+grow)
			e := await(t, start(t, c))
			if !e.OOM || e.Killed || e.Signal != unix.SIGKILL {
				t.Errorf("%+v: %s", e, o)
			}
		})
	}
}

// What the kernel keeps of files that were read is nobody's memory.
func TestFilesThatAreReadAreNoMemory(t *testing.T) {
	nstest.NoLeaks(t)
	c, o := limited(t, "cat /var/task/big > /dev/null; cat /var/task/big > /dev/null; echo read")
	f, err := os.Create(filepath.Join(c.Code, "big"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 96 {
		if _, err := f.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil { // who reads it next keeps it
		t.Fatal(err)
	}
	if e := await(t, start(t, c)); e.Code != 0 || o.String() != "read\n" {
		t.Errorf("%+v: %s", e, o)
	}
}

// The size of /tmp is the function's, and known when it starts.
func TestTmpIsResized(t *testing.T) {
	nstest.NoLeaks(t)
	variants(t, func(t *testing.T, with func(setup) setup) {
		o := newOutput()
		c := with(config(t, "head -c 1M /dev/zero > /tmp/a; head -c 3M /dev/zero > /tmp/b; stat -c %s /tmp/a /tmp/b; grep ' /tmp ' /proc/mounts"))
		c.TmpSize, c.Tmp, c.Output = 1<<20, 2<<20, o
		await(t, start(t, c))
		if got := o.String(); !strings.Contains(got, "1048576\n1048576\n") || !strings.Contains(got, "nosuid,nodev") {
			t.Error(got)
		}
	})
}
