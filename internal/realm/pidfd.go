package realm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// openProcess holds on to a process by its id.
func openProcess(pid int) (*os.File, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("pidfd_open %d: %w", pid, err)
	}
	return os.NewFile(uintptr(fd), "pidfd"), nil
}

// pidOf is the id of a pidfd's process in this pid namespace: 0 if it has none there, -1 if it has ended.
func pidOf(process *os.File) (int, error) {
	fd, err := number(process)
	if err != nil {
		return 0, err
	}
	info, err := os.Open(fmt.Sprintf("/proc/thread-self/fdinfo/%d", fd))
	if err != nil {
		return 0, err
	}
	defer info.Close()
	for lines := bufio.NewScanner(info); lines.Scan(); {
		if pid, ok := strings.CutPrefix(lines.Text(), "Pid:"); ok {
			return strconv.Atoi(strings.TrimSpace(pid))
		}
	}
	return 0, fmt.Errorf("descriptor %d is no process", fd)
}

// waitEnd returns when the process of a pidfd has ended, whoever its parent is.
func waitEnd(ctx context.Context, process *os.File) error {
	return waitUntil(ctx, process, func() bool { return false })
}

// waitRealm returns when a keeper has ended, and all of its realm with it; or all of it but what nobody takes leave of. The
// kernel does not let go of a pid namespace's first process as long as there are others, and one that was entered from outside
// is there, dead, until its parent out there has heard of it: that may be stopped (Ctrl-Z in 'enilab exec'), or be the first
// process of a container that is no init. Nothing is left by then but numbers: what the dead had, the kernel has taken back.
func waitRealm(ctx context.Context, process *os.File, pid int) error {
	ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
	if err != nil {
		return waitEnd(ctx, process) // it has ended already, or nothing is known of it
	}
	dead := 0 // looks in a row
	return waitUntil(ctx, process, func() bool {
		if dead++; !isDead(pid, ns) {
			dead = 0
		}
		return dead == 2
	})
}

// waitUntil returns when the process has ended, or enough says that it is.
func waitUntil(ctx context.Context, process *os.File, enough func() bool) error {
	fd, err := number(process)
	if err != nil {
		return err
	}
	const look = 100 // milliseconds, at ctx and whether it is enough
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, look)
		switch {
		case n > 0:
			return nil
		case err != nil && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("wait for a process: %w", err)
		case ctx.Err() != nil:
			return ctx.Err()
		case enough():
			return nil
		}
	}
}

// hasEnded tells whether the process of a pidfd has.
func hasEnded(process *os.File) bool {
	fd, err := number(process)
	if err != nil {
		return true
	}
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	return err != nil || n > 0
}

// isDead tells whether a pid namespace's first process is ending, and there are others there, all of them dead and all of them
// somebody's outside. Of its own dead the first process takes leave itself before it has ended.
func isDead(first int, ns string) bool {
	if !isEnding(first) {
		return false
	}
	all, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	inside := func(pid string) bool {
		of, err := os.Readlink("/proc/" + pid + "/ns/pid")
		return err == nil && of == ns
	}
	others := 0
	for _, entry := range all {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == first || !inside(entry.Name()) {
			continue
		}
		const state, parent = 0, 1
		switch fields := fieldsOf(entry.Name()); {
		case len(fields) <= parent || fields[state] == "X": // it has gone meanwhile
		case fields[state] != "Z" || inside(fields[parent]):
			return false
		default:
			others++
		}
	}
	return others > 0
}

// kill ends a process however it is.
func kill(process *os.File) error {
	fd, err := number(process)
	if err != nil {
		return err
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill: %w", err)
	}
	return nil
}
