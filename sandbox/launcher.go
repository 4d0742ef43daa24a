package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"enilab/internal/netns"

	"golang.org/x/sys/unix"
)

// ParkConfig says where a function will run: all that is known before there is one. Zero fields mean what their
// comments say.
type ParkConfig struct {
	NetNS    *netns.NS // where the process lives; needed
	Hostname string    // empty means "sandbox"

	// UID and GID are the ids to run as. Give each environment its own where there are several to give: the number
	// of processes is then bounded for each, even without a Cgroup. Both zero means uid 0 of a user namespace of its own,
	// which maps to the caller: that also works for a caller who has no other id to give. (The kernel exempts the machine's
	// root from the bound, in whatever namespace.)
	UID, GID uint32

	Pids    int     // processes and threads, also as a resource limit; zero means Lambda's 1,024
	TmpSize int64   // bytes in /tmp, which is memory and counts as such; zero means Lambda's 512 MB
	Cgroup  *Cgroup // bounds memory, processes, CPU; nil means unbounded. Park takes it over, whatever comes of it
}

// Config says what to run.
type Config struct {
	Code    string   // directory, seen read-only at /var/task; needed
	Command []string // what to execute, by its absolute path inside; nil means /var/task/bootstrap, else /opt/bootstrap
	Env     []string // the exact environment
	Limits  Limits   // what of the control group's limits is to change; zero fields stay. Nothing without a Cgroup

	// Output gets stdout and stderr, copied by one goroutine; nil means nobody does. While a Write takes its time, the
	// environment waits and nothing else does, but it must return. After a Write failed the output is discarded.
	Output io.Writer
}

// Launcher is an execution environment without its function: a process in namespaces, root and control group of its own
// that has done whatever needs no function, given up its rights, and waits. Its first thread, the one that becomes the
// function, is as confined as the function will be; another keeps the right to mount until the code is in place.
//
// It ends by Start, by Close, or with the process that parked it.
type Launcher struct {
	process *Process
	status  *os.File // the socket to the init stage; belongs to who sets used
	used    atomic.Bool
}

var errUsed = errors.New("sandbox: the launcher has started its function already, or is closed")

// Park starts an environment up to the point where it needs its function. If that fails, the error is a [*StartError]
// for what went wrong in the sandbox, and nothing is left. ctx bounds the call only.
func Park(ctx context.Context, c ParkConfig) (*Launcher, error) {
	l := &Launcher{process: &Process{cgroup: c.Cgroup, done: make(chan struct{})}}
	if err := l.park(ctx, &c); err != nil {
		return nil, errors.Join(fmt.Errorf("sandbox: park: %w", err), l.Close())
	}
	return l, nil
}

func (l *Launcher) park(ctx context.Context, c *ParkConfig) error {
	plan, err := c.plan()
	if err != nil {
		return err
	}
	if err := l.spawn(c, plan); err != nil {
		return err
	}
	return await(ctx, l.status, func(status io.Reader) error { return expect(status, parked) })
}

// Start hands over the function and returns when its bootstrap has been executed. Whatever comes of it, the launcher is
// used up. If it fails, the error is a [*StartError] for what went wrong in the sandbox, and nothing is left. ctx bounds
// the start only.
func (l *Launcher) Start(ctx context.Context, c Config) (_ *Process, err error) {
	if l.used.Swap(true) {
		return nil, errUsed
	}
	defer l.status.Close()
	err = l.process.handOver(l.status, &c)
	go l.process.wait()
	if err == nil {
		err = await(ctx, l.status, executed)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sandbox: start: %w", err), l.process.Close())
	}
	return l.process, nil
}

// Close ends an unused launcher and removes its control group. What was started is not affected.
func (l *Launcher) Close() error {
	if l.used.Swap(true) {
		return nil
	}
	l.status.Close() // nil-safe
	if l.process.pidfd == nil {
		return l.process.cgroup.Close()
	}
	go l.process.wait()
	return l.process.Close()
}

// Pid is the waiting process's id as the lab sees it.
func (l *Launcher) Pid() int { return l.process.pid }

// plan checks the configuration and makes of it what the init stage needs.
func (c *ParkConfig) plan() (*plan, error) {
	if c.NetNS == nil {
		return nil, errors.New("no network namespace given")
	}
	if (c.UID == 0) != (c.GID == 0) {
		return nil, fmt.Errorf("uid %d with gid %d: give both or neither", c.UID, c.GID)
	}
	if c.Pids < 0 || c.TmpSize < 0 {
		return nil, fmt.Errorf("%d processes and %d bytes in /tmp: neither can be negative", c.Pids, c.TmpSize)
	}
	p := &plan{uid: uint64(c.UID), gid: uint64(c.GID), processes: uint64(c.Pids), tmp: uint64(c.TmpSize), hostname: c.Hostname}
	if p.processes == 0 {
		p.processes = maxProcesses
	}
	if p.tmp == 0 {
		p.tmp = defaultTmp
	}
	if p.hostname == "" {
		p.hostname = "sandbox"
	}
	return p, nil
}

// spawn starts the init stage and gives it the plan.
func (l *Launcher) spawn(c *ParkConfig, plan *plan) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	// A socket that keeps messages apart: each side says one thing at a time.
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	defer unix.Close(pair[1])
	_ = unix.SetNonblock(pair[0], true) // fails for what is no descriptor only
	l.status = os.NewFile(uintptr(pair[0]), "status")

	files := []uintptr{null.Fd(), null.Fd(), null.Fd(), uintptr(pair[1])}
	pidfd := -1
	attr := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
		Setsid:     true,
		PidFD:      &pidfd,
	}
	if c.UID == 0 {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	entry, err := c.Cgroup.open()
	if err != nil {
		return err
	}
	defer entry.Close()
	if entry.directory != nil {
		attr.UseCgroupFD, attr.CgroupFD = true, int(entry.directory.Fd())
	}
	for _, f := range entry.tasks {
		files = append(files, f.Fd())
	}
	plan.joins = uint64(len(entry.tasks))
	if err := send(l.status, plan.encode()); err != nil {
		return err
	}

	err = c.NetNS.Do(func() (err error) {
		l.process.pid, err = syscall.ForkExec("/proc/self/exe", []string{"enilab", InitArg}, &syscall.ProcAttr{
			Files: files,
			Env:   []string{"GOMAXPROCS=1", "GOGC=off"}, // fewer threads to end at exec, and no collection before it
			Sys:   attr,
		})
		return err
	})
	if l.process.pid != 0 { // also if Do could not find home again
		_ = unix.SetNonblock(pidfd, true) // fails for what is no descriptor only
		l.process.pidfd = os.NewFile(uintptr(pidfd), "pidfd")
	}
	if err != nil {
		return fmt.Errorf("create process: %w", err)
	}
	return nil
}

// handOver sets the limits and gives the init stage the function.
func (p *Process) handOver(status *os.File, c *Config) error {
	if c.Code == "" {
		return errors.New("no code directory given")
	}
	order := (&order{c.Command, c.Env}).encode()
	if len(order) > maxMessage {
		return fmt.Errorf("command and environment take %d bytes, the limit is %d", len(order), maxMessage)
	}
	if err := p.cgroup.limit(c.Limits); err != nil {
		return err
	}
	code, err := openCode(c.Code)
	if err != nil {
		return err
	}
	defer unix.Close(code)
	give := []int{code}
	if c.Output != nil {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		defer w.Close()
		p.output = &output{pipe: r, to: c.Output}
		give = append(give, int(w.Fd()))
	}
	return send(status, order, give...)
}

// openCode takes a directory, with what is mounted below it, out of the lab's mounts and makes it read-only: a mount of
// its own that is nowhere yet, and ends with its last descriptor unless the init stage mounts it.
func openCode(path string) (int, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return 0, err
	}
	failed := func(op string, err unix.Errno) error {
		return &StartError{Step: "code", Reason: fail(op, path, err).Error(), Errno: err}
	}
	dir, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, failed("bind", err.(unix.Errno))
	}
	defer unix.Close(dir)
	const flags = unix.AT_EMPTY_PATH | unix.AT_RECURSIVE
	tree, err := unix.OpenTree(dir, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|flags)
	if err != nil {
		return 0, failed("bind", err.(unix.Errno))
	}
	if err := unix.MountSetattr(tree, "", flags, &unix.MountAttr{Attr_set: readOnly}); err != nil {
		unix.Close(tree)
		return 0, failed("make read-only", err.(unix.Errno))
	}
	return tree, nil
}

// send writes one message. The socket's buffer is empty, and fits it.
func send(status *os.File, message []byte, files ...int) error {
	var rights []byte
	if len(files) > 0 {
		rights = unix.UnixRights(files...)
	}
	conn, err := status.SyscallConn()
	if err != nil {
		return err
	}
	var sendErr error
	err = conn.Control(func(fd uintptr) { sendErr = unix.Sendmsg(int(fd), message, rights, nil, unix.MSG_NOSIGNAL) })
	switch sendErr {
	case nil:
		return err
	case unix.EPIPE, unix.ECONNRESET:
		return parseStatus(nil)
	}
	return fmt.Errorf("send the init stage %d bytes: %w", len(message), sendErr)
}

// await reads from the socket while ctx allows.
func await(ctx context.Context, status *os.File, read func(io.Reader) error) error {
	stop := context.AfterFunc(ctx, func() { _ = status.SetReadDeadline(time.Unix(1, 0)) })
	err := read(status)
	if !stop() {
		return context.Cause(ctx)
	}
	return err
}

// executed waits until the socket tells that the code runs, or why not.
func executed(status io.Reader) error {
	if err := expect(status, ready); err != nil {
		return err
	}
	b := make([]byte, maxStatus)
	n, err := status.Read(b)
	if err == io.EOF {
		return nil
	}
	return failed(b[:n], err)
}

// expect reads one message, which must be what is wanted: else it tells what failed.
func expect(status io.Reader, want byte) error {
	b := make([]byte, maxStatus)
	n, err := status.Read(b)
	if err == nil && n == 1 && b[0] == want {
		return nil
	}
	return failed(b[:n], err)
}

func failed(message []byte, err error) error {
	if err != nil && err != io.EOF && !errors.Is(err, unix.ECONNRESET) {
		return err
	}
	return parseStatus(message)
}
