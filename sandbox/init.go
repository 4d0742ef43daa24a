package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// InitArg is the first argument of a process that Park made of this same program. Its main must call Init then, before
// anything else.
const InitArg = "__sandbox"

// Descriptors of the init stage, after the three standard ones.
const (
	statusFD  = 3 // a socket to the lab: plan and order come in, how it goes goes out
	firstJoin = 4 // the tasks files of control groups (version 1) to join
)

// What the init stage says when all is well. Parked means that it waits for its order. Ready is sent right before exec,
// with which the socket closes: ready and then the end means that the code runs; ready and more, that exec failed; the
// end alone, that the init stage died.
const (
	parked = 'p'
	ready  = 'r'
)

var bootstraps = []string{"/var/task/bootstrap", "/opt/bootstrap"}

// Init is the whole life of a process whose first argument is InitArg: it confines itself, waits for its order and becomes
// the function's bootstrap. It never returns.
//
// Only the calling thread is confined: it alone outlives exec.
func Init() {
	runtime.LockOSThread()
	step, err := initStage()
	_, _ = unix.Write(statusFD, statusError(step, err)) // the reader finds the end of the stream if this fails
	os.Exit(1)
}

// initStage returns the step that failed, if it returns.
func initStage() (string, error) {
	unix.CloseOnExec(statusFD) // it alone stays open meanwhile
	buffer := make([]byte, maxMessage)
	message, _, err := receive(buffer)
	if err != nil {
		return "configuration", err
	}
	var p plan
	if err := p.decode(message); err != nil {
		return "configuration", err
	}
	for _, s := range []struct {
		name string
		run  func() error
	}{
		{"cgroup", p.joinCgroups},
		{"root", p.buildRoot},
		{"hostname", func() error { return unix.Sethostname([]byte(p.hostname)) }},
		{"limits", func() error { return setLimits(int64(p.processes), int64(p.tmp)) }},
		{"privileges", func() error { return dropPrivileges(uint32(p.uid), uint32(p.gid)) }},
		{"descriptors", func() error { return unix.CloseRange(statusFD+1, ^uint(0), 0) }},
		{"seccomp", loadSeccomp},
	} {
		if err := s.run(); err != nil {
			return s.name, err
		}
	}
	delivered := make(chan delivery)
	go func() { delivered <- deliver(buffer) }()
	shrink()
	if _, err := unix.Write(statusFD, []byte{parked}); err != nil {
		return "configuration", err
	}
	d := <-delivered
	if d.err != nil {
		return d.step, d.err
	}
	if err := os.Chdir("/var/task"); err != nil { // as the user, so that a directory closed to it is found here
		return "code", err
	}
	return "exec", d.order.exec()
}

// delivery is an order whose code and output are in place, or the step that failed.
type delivery struct {
	order order
	step  string
	err   error
}

// deliver waits for the order and puts in place what comes with it. It runs on a thread that has kept its rights: those of
// the thread that will be the function are gone by now.
func deliver(buffer []byte) delivery {
	message, files, err := receive(buffer)
	if err != nil {
		return delivery{step: "configuration", err: err}
	}
	var d delivery
	if err := d.order.decode(message); err != nil || len(files) == 0 {
		return delivery{step: "configuration", err: errMessage}
	}
	if err := attach(files[0], "/var/task"); err != nil {
		return delivery{step: "code", err: fail("bind", "/var/task", err)}
	}
	for _, output := range files[1:] {
		for _, fd := range []int{1, 2} {
			if err := unix.Dup3(output, fd, 0); err != nil {
				return delivery{step: "descriptors", err: os.NewSyscallError("dup3", err)}
			}
		}
	}
	return d
}

// receive takes a message and the descriptors that come with it, which close with exec. It does without the poller, whose
// start would cost more.
func receive(buffer []byte) (message []byte, files []int, err error) {
	rights := make([]byte, unix.CmsgSpace(2*4))
	for {
		n, size, _, _, err := unix.Recvmsg(statusFD, buffer, rights, unix.MSG_CMSG_CLOEXEC)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return nil, nil, os.NewSyscallError("recvmsg", err)
		case n == 0:
			return nil, nil, io.EOF // the lab has gone, or needs this environment no more
		}
		if messages, err := unix.ParseSocketControlMessage(rights[:size]); err == nil && len(messages) == 1 {
			files, _ = unix.ParseUnixRights(&messages[0])
		}
		return buffer[:n], files, nil
	}
}

// joinCgroups moves this thread into the version 1 groups: "0" means the writer, and writing to tasks instead of
// cgroup.procs spares a wait for an RCU grace period in each. What the thread becomes, and forks, stays there.
func (p *plan) joinCgroups() error {
	for i := range int(p.joins) {
		if _, err := unix.Write(firstJoin+i, []byte("0")); err != nil {
			return fmt.Errorf("join: %w", err)
		}
	}
	// The groups that it is in now become the root of those that it sees.
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return os.NewSyscallError("unshare control groups", err)
	}
	return nil
}

func (o *order) exec() error {
	if _, err := unix.Write(statusFD, []byte{ready}); err != nil {
		return err
	}
	if len(o.command) > 0 {
		return execError(o.command[0], execute(o.command[0], o.command, o.env))
	}
	for _, path := range bootstraps {
		err := execute(path, []string{path}, o.env)
		if _, missing := os.Lstat(path); missing == nil || err != syscall.ENOENT {
			return execError(path, err)
		}
	}
	return fmt.Errorf("none of %s: %w", strings.Join(bootstraps, ", "), fs.ErrNotExist)
}

// execute is exec that waits while somebody has the file open for writing. The lab had when it unpacked the code; a child
// that it started at that moment for other work has inherited that until its own exec, and nobody tells when that is.
func execute(path string, argv, env []string) error {
	const pause, patience = time.Millisecond, 2 * time.Second
	for began := time.Now(); ; time.Sleep(pause) {
		if err := syscall.Exec(path, argv, env); err != syscall.ETXTBSY || time.Since(began) > patience {
			return err
		}
	}
}

// execError says more than exec does. ENOENT for a file that is there means the interpreter that it names.
func execError(path string, err error) error {
	switch err {
	case syscall.ENOENT:
		if f, err := os.Open(path); err == nil {
			defer f.Close()
			line, _ := bufio.NewReader(io.LimitReader(f, 256)).ReadString('\n')
			if interpreter, ok := strings.CutPrefix(line, "#!"); ok {
				interpreter, _, _ = strings.Cut(strings.TrimSpace(interpreter), " ")
				return fmt.Errorf("%s: its interpreter %q is not in the sandbox: %w", path, interpreter, fs.ErrNotExist)
			}
			return fmt.Errorf("%s: its dynamic loader is not in the sandbox: %w", path, fs.ErrNotExist)
		}
	case syscall.EACCES:
		return fmt.Errorf("%s is not a file that the function's user may execute: %w", path, syscall.EACCES)
	case syscall.ENOEXEC:
		return fmt.Errorf("%s is neither a program for %s nor a script that starts with #!: %w", path, runtime.GOARCH, err)
	}
	return &fs.PathError{Op: "exec", Path: path, Err: err}
}

// StartError says that an environment could not start: at which step, and why.
type StartError struct {
	Step   string // "configuration", "cgroup", "root", "hostname", "limits", "privileges", "code", "descriptors", "seccomp" or "exec"
	Reason string // what was tried on what
	Errno  syscall.Errno
}

func (e *StartError) Error() string { return e.Step + ": " + e.Reason }

// Unwrap lets errors.Is find the system's error, such as fs.ErrNotExist.
func (e *StartError) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return e.Errno
}

// maxStatus bounds what is read of an init stage that failed.
const maxStatus = 4 << 10

func statusError(step string, err error) []byte {
	var errno syscall.Errno
	if !errors.As(err, &errno) && errors.Is(err, fs.ErrNotExist) {
		errno = syscall.ENOENT
	}
	return fmt.Appendf(nil, "%d\x00%s\x00%v", int(errno), step, err)
}

// parseStatus is the other side of statusError. Without a status there is no telling what happened.
func parseStatus(b []byte) *StartError {
	var errno int
	number, rest, ok := strings.Cut(string(b), "\x00")
	step, reason, ok2 := strings.Cut(rest, "\x00")
	if _, err := fmt.Sscanf(number, "%d", &errno); err != nil || !ok || !ok2 {
		return &StartError{Step: "init", Reason: "the init stage died without a word"}
	}
	return &StartError{Step: step, Reason: reason, Errno: syscall.Errno(errno)}
}
