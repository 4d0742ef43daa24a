// Package nstest is for tests that touch the kernel: each gets namespaces of its own and fails if it leaves anything.
package nstest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"enilab/internal/netns"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// NeedRoot skips a test that needs rights over namespaces. CI runs them always. With -short, only the first one of a
// test program runs: `make quick` is to show that the kernel side works at all.
func NeedRoot(tb testing.TB) {
	tb.Helper()
	if testing.Short() && !first(tb) {
		tb.Skip("-short: another kernel test of this package runs")
	}
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") != "" {
		tb.Fatal("CI must run the kernel tests as root")
	}
	tb.Skip("needs rights over namespaces: sudo, or go test -exec 'unshare -Urnmpf --mount-proc'")
}

// short is the one test that runs with -short: a test program is one package.
var short struct {
	sync.Mutex
	name string
}

// first tells whether tb belongs to the first test that asked.
func first(tb testing.TB) bool {
	name, _, _ := strings.Cut(tb.Name(), "/")
	short.Lock()
	defer short.Unlock()
	if short.name == "" {
		short.name = name
	}
	return short.name == name
}

// Rootless tells whether the machine's ids are out of reach: then environments share uid 0 of a user namespace.
func Rootless() bool {
	b, _ := os.ReadFile("/proc/self/uid_map")
	f := strings.Fields(string(b))
	return len(f) == 3 && f[2] != "4294967295"
}

// NoLeaks fails the test if, after all its clean-ups, a file descriptor, a goroutine, a child process or a network
// namespace of this process is left over. Call it first. Namespaces end asynchronously, so it waits for that.
func NoLeaks(tb testing.TB) {
	tb.Helper()
	goroutines := goleak.IgnoreCurrent()
	before := descriptors()
	tb.Cleanup(func() {
		if tb.Failed() || tb.Skipped() {
			return
		}
		if err := goleak.Find(goroutines); err != nil {
			tb.Errorf("leaked goroutines: %v", err)
		}
		Eventually(tb, 5*time.Second, func() error {
			if extra := without(descriptors(), before); len(extra) > 0 {
				return fmt.Errorf("leaked descriptors: %v", extra)
			}
			if kids := children(); len(kids) > 0 {
				reapOrphans()
				return fmt.Errorf("leaked processes: %v", kids)
			}
			return nil
		})
	})
}

// NS makes a network namespace that ends with the test.
func NS(tb testing.TB) *netns.NS {
	tb.Helper()
	NeedRoot(tb)
	ns, err := netns.New()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { ns.Close() })
	return ns
}

// patience bounds a wait for what does not come. It says nothing of how long things take: a machine may be slow.
const patience = 2 * time.Minute

// Thorough is what CI sets ENILAB_THOROUGH for: tests that take long.
func Thorough() bool { return os.Getenv("ENILAB_THOROUGH") != "" }

// Times is how often a test tries what is to hold at every moment.
func Times(seldom, often int) int {
	if Thorough() {
		return often
	}
	return seldom
}

// OnlyThorough skips a test that takes long, for this reason.
func OnlyThorough(tb testing.TB, reason string) {
	tb.Helper()
	if !Thorough() {
		tb.Skip("ENILAB_THOROUGH is not set: " + reason)
	}
}

// Eventually polls check until it returns nil, and fails the test with its last error when that does not happen within
// two minutes, or longer if more is allowed. It is for what the kernel does asynchronously and announces to nobody, such
// as the end of a namespace.
func Eventually(tb testing.TB, allowed time.Duration, check func() error) {
	tb.Helper()
	deadline := time.Now().Add(max(allowed, patience))
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			tb.Error(err)
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// descriptors lists what this process has open, as "kind:target" strings; epoll and eventfd belong to the Go runtime.
func descriptors() []string {
	entries, _ := os.ReadDir("/proc/self/fd")
	var open []string
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name()))
		if err != nil || strings.HasPrefix(target, "anon_inode:[event") || strings.HasPrefix(target, "/proc/") {
			continue
		}
		open = append(open, target)
	}
	return open
}

// without returns the elements of a that b does not have, counting repetitions.
func without(a, b []string) []string {
	count := map[string]int{}
	for _, s := range b {
		count[s]++
	}
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool {
		count[s]--
		return count[s] >= 0
	})
}

// reapOrphans ends zombies that nobody waits for. The first process of a pid namespace inherits orphans, and under
// scripts/as-user.sh that is the test.
func reapOrphans() {
	if os.Getpid() != 1 {
		return
	}
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		if pid <= 0 || err != nil {
			return
		}
	}
}

func children() []string {
	var kids []string
	tasks, _ := os.ReadDir("/proc/self/task")
	for _, t := range tasks {
		b, _ := os.ReadFile(filepath.Join("/proc/self/task", t.Name(), "children"))
		for pid := range strings.FieldsSeq(string(b)) {
			n, _ := strconv.Atoi(pid)
			comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", n))
			kids = append(kids, pid+" "+strings.TrimSpace(string(comm)))
		}
	}
	return kids
}
