package sandbox_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"enilab/internal/nstest"
	"enilab/sandbox"

	"golang.org/x/sys/unix"
)

// ways runs a test with the freezer and without a control group, where signals stop the processes.
func ways(t *testing.T, test func(t *testing.T, with func(setup) setup)) {
	t.Run("freezer", func(t *testing.T) {
		g, _ := groups(t)
		test(t, func(c setup) setup { c.Cgroup = group(t, g, sandbox.Limits{Pids: 1000}); return c })
	})
	t.Run("signals", func(t *testing.T) {
		nstest.NeedRoot(t)
		test(t, func(c setup) setup { return c })
	})
}

// ran is the processor time that a process and its descendants have had, in nanoseconds, and how many they are.
// https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat
func ran(t *testing.T, pid int) (spent int64, processes int) {
	t.Helper()
	family := []int{pid}
	for i := 0; i < len(family); i++ {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", family[i]))
		for _, thread := range threads {
			b, err := os.ReadFile(thread + "/schedstat")
			if err != nil {
				continue // ended
			}
			n, err := strconv.ParseInt(strings.Fields(string(b))[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			spent += n
			b, _ = os.ReadFile(thread + "/children")
			for child := range strings.FieldsSeq(string(b)) {
				n, err := strconv.Atoi(child)
				if err != nil {
					t.Fatal(err)
				}
				family = append(family, n)
			}
		}
	}
	return spent, len(family)
}

func freeze(t *testing.T, p *sandbox.Process) {
	t.Helper()
	if err := p.Freeze(); err != nil {
		t.Fatal(err)
	}
	nstest.Eventually(t, 2*time.Minute, func() error {
		if still, err := p.Frozen(); err != nil || !still {
			return fmt.Errorf("frozen: %v, %w", still, errors.Join(err, errors.New("not yet")))
		}
		return nil
	})
}

// What is frozen gets no processor time, while another environment lives its whole life; thawed, it goes on.
func TestFrozen(t *testing.T) {
	nstest.NoLeaks(t)
	for name, script := range map[string]string{
		"busy":    "while :; do :; done & echo ready; while :; do :; done",
		"forking": "while :; do (:); done & echo ready; while :; do (:); done",
		"nested":  "(while :; do (:); done & while :; do :; done) & (sleep 1000 & exec sleep 1000) & echo ready; wait",
	} {
		t.Run(name, func(t *testing.T) {
			ways(t, func(t *testing.T, with func(setup) setup) {
				o := newOutput()
				c := with(config(t, script))
				c.Output = o
				p := start(t, c)
				o.await(t, "ready")
				for range 3 {
					freeze(t, p)
					before, some := ran(t, p.Pid())
					other := config(t, "for ((i = 0; i < 20000; i++)); do :; done")
					other.UID, other.GID = other.UID+min(other.UID, 1), other.GID+min(other.GID, 1)
					await(t, start(t, other))
					// The kernel charges a frozen process for noting a child's end: microseconds, of the milliseconds that the
					// other one has run.
					if after, all := ran(t, p.Pid()); after-before > time.Millisecond.Nanoseconds() || all != some {
						t.Errorf("%d processes had %d ns more, and are %d now", some, after-before, all)
					}
					if err := p.Thaw(); err != nil {
						t.Fatal(err)
					}
					nstest.Eventually(t, 2*time.Minute, func() error {
						if after, _ := ran(t, p.Pid()); after <= before {
							return errors.New("it does not go on")
						}
						return nil
					})
				}
				if err := p.Thaw(); err != nil { // of what is not frozen
					t.Error(err)
				}
			})
		})
	}
}

// A frozen environment ends like any other: by Close, by who removes a dead lab's groups, and with its first process.
func TestFrozenEnds(t *testing.T) {
	nstest.NoLeaks(t)
	const script = "sleep 1000 & echo ready; while :; do :; done"
	begin := func(t *testing.T, c setup) *sandbox.Process {
		o := newOutput()
		c.Output = o
		p := start(t, c)
		o.await(t, "ready")
		freeze(t, p)
		return p
	}
	t.Run("Close", func(t *testing.T) {
		ways(t, func(t *testing.T, with func(setup) setup) {
			p := begin(t, with(config(t, script)))
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			if e := p.Exit(); e.Signal != unix.SIGKILL {
				t.Errorf("%+v", e)
			}
		})
	})
	t.Run("kill -9", func(t *testing.T) {
		ways(t, func(t *testing.T, with func(setup) setup) {
			p := begin(t, with(config(t, script)))
			if err := unix.Kill(p.Pid(), unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if e := await(t, p); e.Signal != unix.SIGKILL {
				t.Errorf("%+v", e)
			}
		})
	})
	t.Run("RemoveCgroups", func(t *testing.T) {
		g, lab := groups(t)
		c := config(t, script)
		c.Cgroup = group(t, g, sandbox.Limits{Pids: 100})
		p := begin(t, c)
		if err := sandbox.RemoveCgroups(lab); err != nil {
			t.Error(err)
		}
		await(t, p)
	})
}

// Slots whose process has died are not handed out.
func TestPoolPassesOverTheDead(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	parking := new(sandbox.Parking)
	defer parking.Close()
	if !nstest.Rootless() {
		parking.FirstUID = 61000
	}
	pool := sandbox.NewPool(parking.Slots(sandbox.NewBareSlot))
	defer func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	}()
	var dead []*sandbox.Slot
	for range 2 {
		s, err := pool.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		dead = append(dead, s)
	}
	if err := pool.Fill(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for _, s := range dead {
		if !s.Launcher.Waits() {
			t.Error("a parked process is taken for dead")
		}
		if err := unix.Kill(s.Launcher.Pid(), unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		nstest.Eventually(t, 2*time.Minute, func() error {
			if s.Launcher.Waits() {
				return errors.New("a dead process is taken for a parked one")
			}
			return nil
		})
		pool.Put(s)
	}
	s, err := pool.Take(t.Context())
	if err != nil || !s.Launcher.Waits() {
		t.Fatalf("%v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
