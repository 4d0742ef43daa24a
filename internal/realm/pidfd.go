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
	fd, err := number(process)
	if err != nil {
		return err
	}
	const look = 100 // milliseconds, at ctx
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, look)
		switch {
		case n > 0:
			return nil
		case err != nil && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("wait for a process: %w", err)
		case ctx.Err() != nil:
			return ctx.Err()
		}
	}
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
