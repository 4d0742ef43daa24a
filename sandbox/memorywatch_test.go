package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"enilab/internal/nstest"

	"golang.org/x/sys/unix"
)

// fakeMemory is a group whose files the test writes.
type fakeMemory struct {
	*Cgroup
	t *testing.T
}

func newFakeMemory(t *testing.T, unified bool) fakeMemory {
	t.Helper()
	dir := t.TempDir()
	return fakeMemory{&Cgroup{dirs: []cgroupDir{{hierarchy{mount: dir, unified: unified, controllers: []string{"memory"}}, dir}}}, t}
}

func (g fakeMemory) write(name, text string) {
	g.t.Helper()
	if err := os.WriteFile(filepath.Join(g.dirs[0].path, name), []byte(text), 0o644); err != nil {
		g.t.Error(err)
	}
}

// use has the group use so much memory, in bytes, cached files included.
func (g fakeMemory) use(total, cache int) {
	g.t.Helper()
	name, prefix := "memory.current", ""
	if !g.dirs[0].unified {
		name, prefix = "memory.usage_in_bytes", "total_"
	}
	g.write("memory.stat", fmt.Sprintf("anon 1\nactive_file 77\ninactive_file 77\n%[1]sactive_file %[2]d\n%[1]sinactive_file %[3]d\n", prefix, cache/4, cache-cache/4))
	g.write(name, fmt.Sprintln(total))
}

const mib = 1 << 20

// TestUntold: a kernel that refuses to tell of memory is found out beforehand.
func TestUntold(t *testing.T) {
	for version, unified := range map[string]bool{"version 1": false, "version 2": true} {
		g := newFakeMemory(t, unified)
		if unified {
			g.write("memory.events", "high 0\n")
			g.write("memory.high", "")
		}
		g.use(50*mib, 0)
		if err := g.untold(64 * mib); err == nil {
			t.Errorf("%s: files are waited for that are none of the kernel's", version)
		}
	}
}

// TestMemoryIsWatchedWithoutEvents: where the kernel refuses to tell of a mark, the lab looks from time to time.
func TestMemoryIsWatchedWithoutEvents(t *testing.T) {
	for version, unified := range map[string]bool{
		"version 1": false, // without cgroup.event_control
		"version 2": true,  // with a memory.events that cannot be waited for
	} {
		t.Run(version, func(t *testing.T) {
			nstest.NoLeaks(t)
			g := newFakeMemory(t, unified)
			if unified {
				g.write("memory.events", "high 0\n")
				g.write("memory.high", "")
			}
			g.use(50*mib, 0)
			synctest.Test(t, func(t *testing.T) {
				w := memoryWatch{mark: g.memoryMark(), look: g.memory, limit: 64 * mib}
				defer w.mark.Close()
				exceeded := make(chan error, 1)
				go func() { exceeded <- w.untilExceeded(t.Context()) }()
				if err := sleep(t.Context(), firstLook/2); err != nil { // so that nothing is written while it looks
					t.Fatal(err)
				}
				for _, total := range []int{60, 90, 64} { // of the 90 a half is cached
					g.use(total*mib, max(0, total-45)*mib)
					if err := sleep(t.Context(), 4*firstLook); err != nil || len(exceeded) > 0 {
						t.Fatalf("at %d MiB: %v", total, <-exceeded)
					}
				}
				g.use(65*mib, 0)
				if err := <-exceeded; err != nil || w.mark.refused == nil {
					t.Errorf("%v; the kernel: %v", err, w.mark.refused)
				}
			})
		})
	}
}

// TestMemoryIsRead: what is cached is no memory of the function's, and is read from one file at once.
func TestMemoryIsRead(t *testing.T) {
	for _, unified := range []bool{false, true} {
		g := newFakeMemory(t, unified)
		g.use(100*mib, 30*mib)
		if u, err := g.memory(); err != nil || u != (memoryUse{total: 100 * mib, cache: 30 * mib}) {
			t.Errorf("unified %t: %+v, %v", unified, u, err)
		}
		for name, text := range map[string]string{"nothing of it": "anon 1\n", "no number": "active_file x\ntotal_active_file x\n"} {
			g.write("memory.stat", text)
			if u, err := g.memory(); err == nil {
				t.Errorf("unified %t, %s: %+v", unified, name, u)
			}
		}
	}
}

// TestTwoLooksAgree: an environment does not end for what a look found while the kernel was dropping cached files.
func TestTwoLooksAgree(t *testing.T) {
	nstest.NoLeaks(t)
	use := func(total, cache int64) memoryUse { return memoryUse{total: total * mib, cache: cache * mib} }
	var reclaim []memoryUse // which goes on
	for i := range int64(maxAgain + 10) {
		reclaim = append(reclaim, use(200-i, 100-i))
	}
	for name, c := range map[string]struct {
		found []memoryUse // by each look; the last from then on
		looks int
		over  bool
	}{
		"little":                           {[]memoryUse{use(50, 0)}, 1, false},
		"the limit":                        {[]memoryUse{use(100, 36)}, 1, false},
		"too much":                         {[]memoryUse{use(80, 0)}, 2, true},
		"too much beside files":            {[]memoryUse{use(180, 100)}, 2, true},
		"files were dropped between":       {[]memoryUse{use(100, 0), use(50, 0)}, 2, false},
		"more and more are dropped":        {[]memoryUse{use(100, 30), use(90, 20), use(80, 10), use(60, 10)}, 4, false},
		"they are dropped, and it was own": {[]memoryUse{use(100, 30), use(90, 20), use(90, 20)}, 3, true},
		"dropping does not end":            {reclaim, 1 + maxAgain, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				looks := 0
				w := memoryWatch{limit: 64 * mib, look: func() (memoryUse, error) {
					looks++
					return c.found[min(looks, len(c.found))-1], nil
				}}
				used, err := w.lookTwice(t.Context())
				if over := used.own() > w.limit; err != nil || over != c.over || looks != c.looks {
					t.Errorf("over the limit: %t after %d looks, %v; want %t after %d", over, looks, err, c.over, c.looks)
				}
			})
		})
	}
}

// TestMemoryThatCannotBeSeen: looks may fail for a while, but not for good; and a watch ends with its environment.
func TestMemoryThatCannotBeSeen(t *testing.T) {
	nstest.NoLeaks(t)
	for _, failing := range []int{maxBlind - 1, maxBlind} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			looks := 0
			w := memoryWatch{mark: newFakeMemory(t, false).memoryMark(), limit: 64 * mib, look: func() (memoryUse, error) {
				if looks++; looks <= failing {
					return memoryUse{}, unix.EMFILE
				}
				return memoryUse{total: 1}, nil
			}}
			defer w.mark.Close()
			watched := make(chan error, 1)
			go func() { watched <- w.untilExceeded(ctx) }()
			if err := sleep(ctx, 2*maxBlind*firstLook); err != nil {
				t.Fatal(err)
			}
			cancel()
			want := context.Canceled
			if failing == maxBlind {
				want = unix.EMFILE
			}
			if err := <-watched; !errors.Is(err, want) {
				t.Errorf("after %d looks that failed: %v, want %v", failing, err, want)
			}
		})
	}
}

// TestUnwatchedIsSaid: who is ended because the lab cannot watch it is not said to have died by itself.
func TestUnwatchedIsSaid(t *testing.T) {
	nstest.NoLeaks(t)
	var pidfd int
	child, err := os.StartProcess("/bin/sleep", []string{"sleep", "1000"}, &os.ProcAttr{Sys: &syscall.SysProcAttr{PidFD: &pidfd}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = child.Release() }() // reaped here
	if err := unix.SetNonblock(pidfd, true); err != nil {
		t.Fatal(err)
	}
	p := newProcess(nil)
	p.pid, p.pidfd = child.Pid, os.NewFile(uintptr(pidfd), "pidfd")
	p.watch.Go(func() { p.giveUp(unix.EMFILE) })
	go p.wait()
	if x := p.Exit(); !errors.Is(x.Unwatched, unix.EMFILE) || x.OOM || !strings.Contains(x.String(), "too many open files") {
		t.Errorf("%+v: %s", x, x)
	}
	if err := p.Close(); !errors.Is(err, unix.EMFILE) {
		t.Errorf("Close: %v", err)
	}
}
