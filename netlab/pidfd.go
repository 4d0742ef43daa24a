package netlab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// pidfd holds one process by descriptor: unlike its number it never becomes another's. The process need not be a child.
type pidfd struct {
	pid  int
	file *os.File
}

// openProcess expects a number that is this process's child's, or checks afterwards what it opened.
func openProcess(pid int) (pidfd, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return pidfd{}, fmt.Errorf("process %d: %w", pid, os.NewSyscallError("pidfd_open", err))
	}
	return pidfd{pid, os.NewFile(uintptr(fd), "pidfd")}, nil
}

// wait returns when the process has ended, true, or the descriptor has been closed. It holds no thread meanwhile.
func (p pidfd) wait() bool {
	raw, err := p.file.SyscallConn()
	if err != nil {
		return false
	}
	return raw.Read(func(fd uintptr) bool { return p.endedAt(int(fd)) }) == nil
}

// ended tells whether it has.
func (p pidfd) ended() (yes bool) {
	raw, err := p.file.SyscallConn()
	if err != nil {
		return true
	}
	return raw.Control(func(fd uintptr) { yes = p.endedAt(int(fd)) }) != nil || yes
}

func (pidfd) endedAt(fd int) bool { // a pidfd is readable from then on
	list := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := again(func() (int, error) { return unix.Poll(list, 0) })
	return n > 0 || err != nil
}

// kill ends the one process.
func (p pidfd) kill() error { return p.signal(0) }

// killGroup ends the process group that the process leads or has led. Kernels before 6.9 cannot do that by descriptor.
// There the number serves: it cannot be anybody else's while the process or one of the group is there, and after that
// not before all other numbers have had their turn.
func (p pidfd) killGroup() {
	if err := p.signal(unix.PIDFD_SIGNAL_PROCESS_GROUP); errors.Is(err, unix.EINVAL) {
		_ = unix.Kill(-p.pid, unix.SIGKILL) // fails if nobody is left
	}
}

func (p pidfd) signal(flags int) error {
	raw, err := p.file.SyscallConn()
	if err != nil {
		return err
	}
	failed := raw.Control(func(fd uintptr) { err = unix.PidfdSendSignal(int(fd), unix.SIGKILL, nil, flags) })
	if errors.Is(err, unix.ESRCH) {
		err = nil
	}
	return errors.Join(failed, err)
}

// startTime is when a process started, in ticks since boot: with its number it names the process for good.
func startTime(pid int) (uint64, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // from the third on: the name may hold spaces; proc_pid_stat(5)
	if len(fields) < 20 {
		return 0, fmt.Errorf("process %d: /proc says %q", pid, stat)
	}
	return strconv.ParseUint(string(fields[22-3]), 10, 64)
}
