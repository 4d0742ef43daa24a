package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
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
	TmpSize int64   // bytes in /tmp, unless Config says otherwise; zero means Lambda's 512 MB
	Cgroup  *Cgroup // bounds memory, processes, CPU; nil means unbounded. Park takes it over, whatever comes of it
}

// Config says what to run.
type Config struct {
	Code    string   // directory, seen read-only at /var/task; needed
	Layers  string   // directory, seen read-only at /opt; empty: nothing is there
	Command []string // what to execute, by its absolute path inside; nil means /var/task/bootstrap
	Env     []string // the exact environment
	Limits  Limits   // what of the control group's limits is to change; zero fields stay. Nothing without a Cgroup
	Tmp     int64    // bytes in /tmp; zero: as parked

	// Output gets stdout and stderr, copied by one goroutine; nil means nobody does. While a Write takes its time, the
	// environment waits and nothing else does, but it must return. After a Write failed the output is discarded.
	Output io.Writer
}

// Launcher is an execution environment without its function: a process in namespaces, root and control group of its own
// that has done whatever needs no function, given up its rights, and waits, as confined as the function will be.
//
// It ends by Start, by Close, or with the process that parked it.
type Launcher struct {
	zygote  *Zygote
	process *Process
	status  *os.File // the socket to the stage; belongs to who sets used
	inbox   uintptr  // where the stage receives its order
	tmp     uint64   // bytes in /tmp
	used    atomic.Bool
}

var errUsed = errors.New("sandbox: the launcher has started its function already, or is closed")

// Park starts an environment up to the point where it needs its function. If that fails, the error is a [*StartError]
// for what went wrong in the sandbox, and nothing is left. ctx bounds the call only.
func (z *Zygote) Park(ctx context.Context, c ParkConfig) (*Launcher, error) {
	l := &Launcher{zygote: z, process: newProcess(c.Cgroup)}
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
	if err := l.fork(c, plan); err != nil {
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
	err = l.handOver(&c)
	l.process.watchLimits()
	go l.process.wait()
	if err == nil {
		err = await(ctx, l.status, executed)
	}
	if e := (*StartError)(nil); errors.As(err, &e) && e.Step == "exec" {
		err = execError(c.Command, c.Code, e.Errno)
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

// Waits tells whether the process is there. The kernel may have killed it, for want of memory.
func (l *Launcher) Waits() bool {
	ended, err := false, error(nil)
	conn, err := l.process.pidfd.SyscallConn()
	if err == nil {
		err = conn.Control(func(fd uintptr) { // a pidfd can be read once its process has ended
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			ended = err == nil && n > 0
		})
	}
	return err == nil && !ended
}

// Pid is the waiting process's id as the lab sees it.
func (l *Launcher) Pid() int { return l.process.pid }

// plan checks the configuration and makes of it what the zygote needs.
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
	const longest = 255 // the kernel takes 64
	if len(c.Hostname) > longest {
		return nil, fmt.Errorf("host name of %d bytes: no more than %d", len(c.Hostname), longest)
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

// fork has the zygote make the process.
func (l *Launcher) fork(c *ParkConfig, plan *plan) error {
	// A socket that keeps messages apart: each side says one thing at a time.
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	defer unix.Close(pair[1])
	_ = unix.SetNonblock(pair[0], true) // fails for what is no descriptor only
	l.status = os.NewFile(uintptr(pair[0]), "status")
	entry, err := c.Cgroup.open()
	if err != nil {
		return err
	}
	defer entry.Close()
	files := []int{c.NetNS.Fd(), pair[1]}
	if entry.directory != nil {
		plan.unified = 1
		files = append(files, int(entry.directory.Fd()))
	}
	for _, f := range entry.tasks {
		files = append(files, int(f.Fd()))
	}
	l.tmp = plan.tmp
	l.process.pid, l.process.pidfd, l.inbox, err = l.zygote.fork(plan, files...)
	return err
}

// bootstrap is what a function's code is to have.
const bootstrap = "/var/task/bootstrap"

// handOver sets the limits, gives the stage its order, and puts the code in place.
func (l *Launcher) handOver(c *Config) error {
	if c.Code == "" {
		return errors.New("no code directory given")
	}
	command := c.Command
	if len(command) == 0 {
		command = []string{bootstrap}
	}
	order, err := (&order{command, c.Env}).encode(l.inbox)
	if err != nil {
		return err
	}
	if err := l.process.cgroup.limit(c.Limits); err != nil {
		return err
	}
	end, err := l.process.newOutput(c.Output)
	if err != nil {
		return err
	}
	defer end.Close()
	if err := send(l.status, order, int(end.Fd())); err != nil {
		return err
	}
	return l.mount(c)
}

// mount makes the code the environment's /var/task, and its layers /opt, gives /tmp its size, and says so. The process that waits there has no right to; it could
// have kept one, but what waits with rights is worth more to whoever gets at it.
func (l *Launcher) mount(c *Config) error {
	code, err := openCode(c.Code)
	if err != nil {
		return err
	}
	defer unix.Close(code)
	layers := -1
	if c.Layers != "" {
		if layers, err = openCode(c.Layers); err != nil {
			return err
		}
		defer unix.Close(layers)
	}
	var said error
	err = l.zygote.mounts.In(l.process.pidfd, func() error {
		err := attach(code, "/var/task")
		if err == nil && layers >= 0 {
			err = attach(layers, "/opt")
		}
		if err == nil && c.Tmp != 0 && uint64(c.Tmp) != l.tmp {
			err = resizeTmp(c.Tmp)
		}
		if err == nil {
			said = send(l.status, []byte{mounted}) // from here: whoever visits has a way back
		}
		return err
	})
	if errors.Is(err, unix.ESRCH) {
		return parseStatus(nil)
	}
	if err != nil {
		return fmt.Errorf("mount %s on /var/task: %w", c.Code, err)
	}
	return said
}

// resizeTmp changes what there is room for in the /tmp that the calling thread sees, in bytes.
func resizeTmp(size int64) error {
	err := unix.Mount("", "/tmp", "", unix.MS_REMOUNT|unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("size=%d", size))
	if err != nil {
		return fail("resize", "/tmp", err)
	}
	return nil
}

// openCode takes a directory, with what is mounted below it, out of the lab's mounts and makes it read-only: a mount of
// its own that is nowhere yet, and ends with its last descriptor unless it is mounted.
func openCode(path string) (int, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return 0, err
	}
	failed := func(op string, err unix.Errno) error {
		return &StartError{Step: "mount", Reason: fail(op, path, err).Error(), Errno: err}
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
	return fmt.Errorf("send the parked process %d bytes: %w", len(message), sendErr)
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
