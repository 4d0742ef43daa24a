package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Freezing takes the freezer of control groups, version 2: it stops all processes of a group at once, new ones too, and
// what is frozen still dies of SIGKILL. Every kernel that the lab runs on has it, also where version 1 limits memory and
// CPU: the hierarchy needs no controller. Version 1's freezer is not used: what it holds does not die until it is thawed,
// so that a lab whose processes are all killed would not end.
//
// Without a right to control groups SIGSTOP does the same, process by process. It is seen from inside, by parents that ask
// for their children's stops; the freezer is not.

// Freeze stops every process of the environment until Thaw. It does not wait until they stand still: see Frozen. Callers
// take turns with Freeze, Thaw and Frozen, and call none of them after Close.
func (p *Process) Freeze() error {
	dir := p.cgroup.freezer()
	if dir == "" {
		return p.stop()
	}
	if err := write(filepath.Join(dir, "cgroup.freeze"), "1"); err != nil {
		return fmt.Errorf("sandbox: freeze process %d: %w", p.pid, err)
	}
	return nil
}

// Thaw lets the environment go on. One that is not frozen is not affected.
func (p *Process) Thaw() error {
	dir := p.cgroup.freezer()
	if dir == "" {
		return p.resume()
	}
	if err := write(filepath.Join(dir, "cgroup.freeze"), "0"); err != nil {
		return fmt.Errorf("sandbox: thaw process %d: %w", p.pid, err)
	}
	return nil
}

// Frozen tells whether every process of the environment stands still.
func (p *Process) Frozen() (bool, error) {
	if dir := p.cgroup.freezer(); dir != "" {
		n, err := counter(dir, "cgroup.events", "frozen")
		return n == 1, err
	}
	if len(p.stopped) == 0 {
		return false, nil
	}
	for _, pid := range p.stopped {
		if still, err := isStill(pid); !still || err != nil {
			return false, err
		}
	}
	return true, nil
}

// freezer is the directory that freezes the group; empty if there is none.
func (g *Cgroup) freezer() string {
	if g == nil {
		return ""
	}
	for _, d := range g.dirs {
		if d.unified {
			return d.path
		}
	}
	return ""
}

// Processes that fork while they are stopped one after the other are found by another look. One that has its signal stops
// when it gets a processor, which on a busy machine takes a while.
const (
	stopLooks    = 20 // that find new processes
	stopPause    = 200 * time.Microsecond
	stopPatience = 2 * time.Second
)

// stop sends SIGSTOP to the first process and to all that descend from it, which is all there are in its pid namespace.
// It is done when a look finds no new one after all those that are known stood still: until then each may have made more.
func (p *Process) stop() error {
	fail := func(err error) error {
		return errors.Join(fmt.Errorf("sandbox: stop process %d: %w", p.pid, err), p.resume())
	}
	looks := 0
	for began := time.Now(); time.Since(began) < stopPatience; time.Sleep(stopPause) {
		still, err := p.Frozen()
		if err != nil {
			return fail(err)
		}
		grown, err := p.stopOnce()
		switch {
		case err != nil:
			return fail(err)
		case still && !grown:
			return nil
		case grown:
			if looks++; looks == stopLooks {
				return fail(errors.New("it makes processes faster than they are stopped"))
			}
		}
	}
	return fail(fmt.Errorf("it does not stop within %v", stopPatience))
}

func (p *Process) stopOnce() (grown bool, err error) {
	family := []int{p.pid}
	for i := 0; i < len(family); i++ {
		pid := family[i]
		if !slices.Contains(p.stopped, pid) {
			if err := p.signalMember(pid, unix.SIGSTOP); err != nil {
				return grown, err
			}
			p.stopped, grown = append(p.stopped, pid), true
		}
		children, err := childrenOf(pid)
		if err != nil {
			return grown, err
		}
		family = append(family, children...)
	}
	return grown, nil
}

// resume sends SIGCONT to what stop has stopped, parents last.
func (p *Process) resume() (err error) {
	for _, pid := range slices.Backward(p.stopped) {
		err = errors.Join(err, p.signalMember(pid, unix.SIGCONT))
	}
	p.stopped = nil
	return err
}

// signalMember takes one that has ended for done.
func (p *Process) signalMember(pid int, s unix.Signal) error {
	var err error
	if pid == p.pid { // its id may have passed to another, its descriptor not
		err = unix.PidfdSendSignal(int(p.pidfd.Fd()), s, nil, 0)
	} else {
		err = unix.Kill(pid, s)
	}
	if err != nil && err != unix.ESRCH {
		return fmt.Errorf("send %v to process %d: %w", s, pid, err)
	}
	return nil
}

// childrenOf lists a process's children; one that has ended has none. https://man7.org/linux/man-pages/man5/proc_tid_children.5.html
func childrenOf(pid int) (children []int, err error) {
	tasks := filepath.Join("/proc", strconv.Itoa(pid), "task")
	threads, err := os.ReadDir(tasks)
	if gone(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	for _, t := range threads {
		b, err := os.ReadFile(filepath.Join(tasks, t.Name(), "children"))
		if gone(err) {
			continue
		} else if err != nil {
			return nil, err
		}
		for field := range strings.FieldsSeq(string(b)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				return nil, fmt.Errorf("children of process %d: %w", pid, err)
			}
			children = append(children, child)
		}
	}
	return children, nil
}

// isStill tells whether a process is stopped, or has ended. https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
func isStill(pid int) (bool, error) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if gone(err) {
		return true, nil
	} else if err != nil {
		return false, err
	}
	stat := string(b)
	state := strings.TrimSpace(stat[strings.LastIndexByte(stat, ')')+1:]) // the name may hold anything
	return state != "" && strings.Contains("TtZX", state[:1]), nil
}

// gone tells of a file below /proc that its process has ended.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) }
