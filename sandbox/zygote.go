package sandbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"enilab/internal/netns"
	"enilab/internal/program"

	"golang.org/x/sys/unix"
)

// Zygote makes the processes of execution environments by forking itself: a process of this same program that has built,
// once, the root that they have in common. A fork costs a tenth of what it takes to execute a Go program anew. It is
// started by the first Park, and again should it die. The zero Zygote is ready; Close ends it. All methods are safe for
// concurrent use.
type Zygote struct {
	mounts netns.Visitor

	mu      sync.Mutex // held while it is asked: it does one thing at a time
	running *zygoteProcess
	closed  bool
}

// zygoteProcess is a running zygote.
type zygoteProcess struct {
	pid  int
	conn int // the socket on which it is asked
}

// answerWithin bounds, in seconds, how long the zygote may take to fork; it takes a millisecond.
const answerWithin = 20

var errZygoteClosed = errors.New("the zygote has been closed")

// fork has the zygote make a process: with the plan go its network namespace, its status socket and the ways into its
// control groups.
func (z *Zygote) fork(p *plan, files ...int) (pid int, pidfd *os.File, inbox uintptr, err error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.closed {
		return 0, nil, 0, errZygoteClosed
	}
	for range 2 { // one that dies with its question unread has not forked: another is asked
		if z.running == nil {
			if z.running, err = startZygote(); err != nil {
				return 0, nil, 0, err
			}
		}
		pid, pidfd, inbox, err = z.running.ask(p.encode(), files)
		if err == nil || errors.As(err, new(*StartError)) {
			break
		}
		unread := errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET)
		err = errors.Join(fmt.Errorf("zygote: %w", err), z.running.end()) // it did not answer
		z.running = nil
		if !unread {
			break
		}
	}
	return pid, pidfd, inbox, err
}

// Close ends the zygote. What was parked is not affected.
func (z *Zygote) Close() error {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.closed = true
	z.mounts.Close()
	if z.running == nil {
		return nil
	}
	err := z.running.end()
	z.running = nil
	return err
}

// startZygote executes this program anew and waits until it is ready to fork.
func startZygote() (_ *zygoteProcess, err error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	defer unix.Close(pair[1])
	p := &zygoteProcess{conn: pair[0]}
	// Until a stage has become the function it is this file: what a function can get hold of must be a copy.
	self, err := program.Open()
	if err != nil {
		unix.Close(pair[0])
		return nil, err
	}
	defer self.Close()
	p.pid, err = syscall.ForkExec(program.Exec(self), []string{"enilab", InitArg}, &syscall.ProcAttr{
		Files: []uintptr{null.Fd(), null.Fd(), null.Fd(), uintptr(pair[1])},
		Env:   []string{"GOMAXPROCS=1"},
		Sys:   &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Setsid: true},
	})
	if err != nil {
		unix.Close(pair[0])
		return nil, fmt.Errorf("start the zygote: %w", err)
	}
	if err := unix.SetsockoptTimeval(p.conn, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: answerWithin}); err != nil {
		return nil, errors.Join(os.NewSyscallError("setsockopt", err), p.end())
	}
	if _, err := p.answer(); err != nil {
		return nil, errors.Join(err, p.end())
	}
	return p, nil
}

// ask sends a plan and returns the process that was made of it.
func (p *zygoteProcess) ask(plan []byte, files []int) (pid int, pidfd *os.File, inbox uintptr, err error) {
	if err := unix.Sendmsg(p.conn, plan, unix.UnixRights(files...), nil, unix.MSG_NOSIGNAL); err != nil {
		return 0, nil, 0, os.NewSyscallError("sendmsg", err)
	}
	c, err := p.answer()
	if err != nil {
		return 0, nil, 0, err
	}
	if c.pid == 0 {
		return 0, nil, 0, errEnded
	}
	_ = unix.SetNonblock(c.pidfd, true) // fails for what is no descriptor only
	return c.pid, os.NewFile(uintptr(c.pidfd), "pidfd"), c.inbox, nil
}

// answer reads what reply has said; or what went wrong, as a StartError.
func (p *zygoteProcess) answer() (c child, err error) {
	b, fds, err := receive(p.conn, maxStatus, 1)
	switch {
	case err != nil:
		return c, err
	case len(b) != 17 || b[0] != 0:
		return c, parseStatus(b)
	case len(fds) > 0:
		c = child{int(binary.NativeEndian.Uint64(b[1:])), fds[0], uintptr(binary.NativeEndian.Uint64(b[9:]))}
	}
	return c, nil
}

// end kills it, if it lives, and waits for its end.
func (p *zygoteProcess) end() error {
	unix.Close(p.conn)
	if err := unix.Kill(p.pid, unix.SIGKILL); err != nil {
		return fmt.Errorf("end the zygote: %w", err)
	}
	for {
		if _, err := unix.Wait4(p.pid, nil, 0, nil); err != unix.EINTR {
			return os.NewSyscallError("wait4", err)
		}
	}
}

// receive takes a message and the descriptors that come with it from a blocking socket.
func receive(conn, size, files int) (message []byte, fds []int, err error) {
	b, rights := make([]byte, size), make([]byte, unix.CmsgSpace(files*4))
	for {
		n, rightsSize, _, _, err := unix.Recvmsg(conn, b, rights, unix.MSG_CMSG_CLOEXEC)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return nil, nil, fmt.Errorf("no answer within %d s", answerWithin)
		case err != nil:
			return nil, nil, os.NewSyscallError("recvmsg", err)
		case n == 0:
			return nil, nil, errEnded
		}
		if messages, err := unix.ParseSocketControlMessage(rights[:rightsSize]); err == nil && len(messages) == 1 {
			fds, _ = unix.ParseUnixRights(&messages[0])
		}
		return b[:n], fds, nil
	}
}

// errEnded is met by who reads from a socket whose other side is gone.
var errEnded = errors.New("the other side has ended")
