package floor

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"enilab/internal/netns"

	"golang.org/x/sys/unix"
)

// Spawner starts programs in namespaces and a control group as an environment's process is: pid, mount, uts and ipc
// namespaces of its own, a network namespace that is there. What it leaves out is what isolates: a root of its own, ids,
// a filter of system calls.
type Spawner struct {
	Program   string   // absolute path of what is executed
	Directory *os.File // ways into the control group; see sandbox.Cgroup.Entry
	Tasks     []*os.File
	User      bool // in a user namespace, for a caller without rights

	waiter int
}

// Open makes the program that waits. Close ends it.
func (s *Spawner) Open() (err error) {
	s.waiter, err = program()
	return err
}

// Close closes the program; the ways into the control group stay the caller's.
func (s *Spawner) Close() error { return unix.Close(s.waiter) }

// Whole times all of it, from clone until the program is executed.
func (s *Spawner) Whole() (took time.Duration, err error) {
	p, err := s.prepare()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if err := p.channel.tell(); err != nil { // so that it never waits
		return 0, err
	}
	err = p.start(func(start func() error) error {
		began := time.Now()
		if err := start(); err != nil {
			return err
		}
		if err := p.channel.parked(); err != nil {
			return err
		}
		err := p.channel.executed()
		took = time.Since(began)
		return err
	})
	return took, err
}

// Park starts a process up to where it waits.
func (s *Spawner) Park() (_ *Parked, err error) {
	p, err := s.prepare()
	if err != nil {
		return nil, err
	}
	err = p.start(func(start func() error) error { return start() })
	if err == nil {
		err = p.channel.parked()
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Parked is a process that waits, in namespaces of its own.
type Parked struct {
	spawner *Spawner
	ns      *netns.NS
	channel channel
	inside  int // its end; -1 once it has that
	pid     int
}

// Start times what is left to do: it is told to go on, and executes the program. It ends with Close.
func (p *Parked) Start() (took time.Duration, err error) {
	began := time.Now()
	if err := p.channel.tell(); err != nil {
		return 0, err
	}
	err = p.channel.executed()
	return time.Since(began), err
}

// Pid is the process's id as the caller sees it.
func (p *Parked) Pid() int { return p.pid }

// Close ends the process, whatever it has become, and its namespaces.
func (p *Parked) Close() (err error) {
	if p.pid > 0 {
		err = end(p.pid)
	}
	if p.inside >= 0 {
		err = errors.Join(err, unix.Close(p.inside))
	}
	return errors.Join(err, unix.Close(int(p.channel)), p.ns.Close())
}

// prepare makes what a process is started with: a network namespace and a socket that keeps messages apart.
func (s *Spawner) prepare() (*Parked, error) {
	ns, err := netns.New()
	if err != nil {
		return nil, fmt.Errorf("floor: spawn: %w", err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, errors.Join(os.NewSyscallError("socketpair", err), ns.Close())
	}
	return &Parked{spawner: s, ns: ns, channel: channel(pair[0]), inside: pair[1]}, nil
}

// start lets use start the process, on a thread in its network namespace.
func (p *Parked) start(use func(start func() error) error) error {
	s := p.spawner
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close() //nolint:errcheck // nothing was written
	attr := &syscall.ProcAttr{
		Files: []uintptr{null.Fd(), null.Fd(), null.Fd(), uintptr(p.inside)},
		Sys:   &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC, Setsid: true},
	}
	if s.User {
		attr.Sys.Cloneflags |= unix.CLONE_NEWUSER
		attr.Sys.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		attr.Sys.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	if s.Directory != nil {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, int(s.Directory.Fd())
	}
	for _, f := range s.Tasks {
		attr.Files = append(attr.Files, f.Fd())
	}
	path := "/proc/self/fd/" + strconv.Itoa(s.waiter)
	return p.ns.Do(func() error {
		return use(func() (err error) {
			if p.pid, err = syscall.ForkExec(path, []string{"floor", s.Program}, attr); err != nil {
				return fmt.Errorf("floor: create process: %w", err)
			}
			err = unix.Close(p.inside) // so that its end is the last
			p.inside = -1
			return err
		})
	})
}

// end kills a process, which has begun to run its program, and waits until it is gone.
func end(pid int) error {
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		return os.NewSyscallError("kill", err)
	}
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("wait4", err)
		}
	}
}

// channel is our end of what a waiter is spoken to through.
type channel int

var errWaiter = errors.New("floor: the program could not be executed")

func (c channel) tell() error {
	_, err := unix.Write(int(c), []byte{'0'})
	return os.NewSyscallError("write", err)
}

// read tells how much it says: nothing once the other end is closed.
func (c channel) read() (n int, err error) {
	for {
		if n, err = unix.Read(int(c), make([]byte, 1)); !errors.Is(err, unix.EINTR) {
			return n, os.NewSyscallError("read", err)
		}
	}
}

// parked waits until it says that it waits.
func (c channel) parked() error {
	n, err := c.read()
	if err == nil && n == 0 {
		err = errWaiter
	}
	return err
}

// executed waits until its end closes, as it does when it becomes another program.
func (c channel) executed() error {
	n, err := c.read()
	if err == nil && n != 0 {
		err = errWaiter
	}
	return err
}
