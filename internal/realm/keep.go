package realm

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// keeper is the first process of a realm that stays up. It knows next to nothing, so that nothing can go wrong with it:
// the realm ends with it.
type keeper struct {
	self    *os.File // its pidfd
	stop    chan struct{}
	clients clients

	mu      sync.Mutex // also over every start, so that reap never meets a child that is not yet known
	lab     string
	process *os.File // the live daemon's pidfd, or nil
	daemon  DaemonStatus
}

// ready is what the keeper writes to its result once it serves.
const ready = "ready"

// maxClients are connected at once.
const maxClients = 32

// Keep is the whole life of a keeper. It reaps the realm's orphans, serves its socket and starts the daemon, until it is
// told to stop; nothing else ends it but SIGTERM, which a machine sends that shuts down. The realm ends with the process.
func Keep(in *Inside) error {
	if os.Getpid() != 1 || !isSocket(keeperFD) {
		return errors.New("realm: no keeper: 'enilab up' starts one")
	}
	l, err := keeperSocket()
	if err != nil {
		return err
	}
	defer l.Close()
	self, err := openProcess(1)
	if err != nil {
		return fmt.Errorf("realm: keeper: %w", err)
	}
	// It does little and lives for days.
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(20)

	// Handled and not ignored: what is ignored would be so in the daemon as well.
	signals, children := make(chan os.Signal, 8), make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE, syscall.SIGUSR1, syscall.SIGUSR2)
	signal.Notify(children, syscall.SIGCHLD)
	k := &keeper{self: self, stop: make(chan struct{}, 1)}
	go func() {
		for range children {
			k.reap()
		}
	}()
	k.reap() // who ended before

	// Until here stderr was whoever started this, who wants to know what went wrong.
	if err := unix.Dup3(unix.Stdout, unix.Stderr, 0); err != nil {
		return fmt.Errorf("realm: keeper: stderr: %w", err)
	}
	if _, err := in.Result.WriteString(ready); err != nil {
		return fmt.Errorf("realm: keeper: nobody waits for it: %w", err)
	}
	in.Result.Close() //nolint:errcheck // a pipe
	go k.accept(l)    // and not before: who had been answered would count on a keeper whose starter had just been killed
	debug.FreeOSMemory()
	for {
		select {
		case <-k.stop:
			return nil
		case s := <-signals:
			if s == syscall.SIGTERM {
				k.say("told to end (%v)", s)
				return nil
			}
		}
	}
}

// keeperSocket takes over the listener that was passed.
func keeperSocket() (*net.UnixListener, error) {
	file := os.NewFile(keeperFD, "keeper.sock")
	defer file.Close()
	// Listening again makes this process the one that clients see as their peer.
	if err := unix.Listen(keeperFD, unix.SOMAXCONN); err != nil {
		return nil, fmt.Errorf("realm: keeper: listen: %w", err)
	}
	l, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("realm: keeper: socket: %w", err)
	}
	u, ok := l.(*net.UnixListener)
	if !ok {
		return nil, fmt.Errorf("realm: keeper: %v is no unix socket", l.Addr())
	}
	return u, nil
}

func isSocket(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFSOCK
}

func (k *keeper) say(format string, args ...any) {
	fmt.Printf("%s keeper: %s\n", time.Now().Format(time.RFC3339), fmt.Sprintf(format, args...))
}

// accept serves clients until the listener is closed.
func (k *keeper) accept(l *net.UnixListener) {
	for {
		c, err := l.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(100 * time.Millisecond) // no descriptor or memory just now
			continue
		}
		k.clients.add(c)
		go func() {
			defer k.clients.remove(c)
			defer func() {
				if p := recover(); p != nil {
					k.say("a request panicked: %v", p)
				}
			}()
			k.talk(c)
		}()
	}
}

// clients are the connections that are open. When there are too many, the one makes room that has not asked anything for
// longest: a client that hangs does, and one that is only slow asks again. Who has asked is answered.
type clients struct {
	mu     sync.Mutex // guards the others
	silent []*net.UnixConn
	asked  []*net.UnixConn
	left   chan struct{} // closed when one of asked is served; nil if nobody waits for that
}

// add waits while all have asked and are not served yet.
func (l *clients) add(c *net.UnixConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.asked) >= maxClients {
		if l.left == nil {
			l.left = make(chan struct{})
		}
		left := l.left
		l.mu.Unlock()
		<-left
		l.mu.Lock()
	}
	if l.silent = append(l.silent, c); len(l.silent)+len(l.asked) > maxClients {
		l.silent[0].Close() //nolint:errcheck // who serves it finds it closed
		l.silent = l.silent[1:]
	}
}

// asks notes that a client has asked. It is false if that had to make room, and believes that nothing is done for it.
func (l *clients) asks(c *net.UnixConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.silent, c)
	if i < 0 {
		return false
	}
	l.silent = slices.Delete(l.silent, i, i+1)
	l.asked = append(l.asked, c)
	return true
}

func (l *clients) remove(c *net.UnixConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.Close() //nolint:errcheck // all is said
	is := func(o *net.UnixConn) bool { return o == c }
	l.silent, l.asked = slices.DeleteFunc(l.silent, is), slices.DeleteFunc(l.asked, is)
	if l.left != nil {
		close(l.left)
		l.left = nil
	}
}

// talk serves a client: one request, one answer.
func (k *keeper) talk(c *net.UnixConn) {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return
	}
	var r request
	var files []*os.File
	err := allowed(c)
	if err == nil {
		files, err = receive(c, &r)
	}
	defer closeAll(files)
	if !k.clients.asks(c) {
		return
	}
	if err == nil {
		err = k.do(r, files)
	}
	if err == nil && r.Do == doStop {
		defer k.end() // after the answer
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reapLocked() // a client that has seen the daemon end must not be told that it lives
	a, processes := answer{Lab: k.lab, Daemon: k.daemon}, []*os.File{k.self}
	if err != nil {
		a.Error = err.Error()
	}
	if k.process != nil {
		processes = append(processes, k.process)
	}
	_ = c.SetDeadline(time.Now().Add(patience)) // what was asked may have taken long
	_ = send(c, a, processes...)                // the client may have gone
}

func (k *keeper) end() {
	select {
	case k.stop <- struct{}{}:
	default: // told already
	}
}

// allowed tells whether a client is the keeper's own user or root. In a user namespace all others look alike; there the
// socket's mode alone decides, which says the same.
func allowed(c *net.UnixConn) error {
	if Rootless() {
		return nil
	}
	cred, err := peer(c)
	if err != nil {
		return err
	}
	if int(cred.Uid) != os.Geteuid() && cred.Uid != 0 {
		return errors.New("only its own user may ask")
	}
	return nil
}

func (k *keeper) do(r request, files []*os.File) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reapLocked()
	if k.lab == "" {
		if _, err := ParseLab(r.Lab); err == nil {
			k.lab = r.Lab
		}
	}
	switch r.Do {
	case doStatus, doStop:
		return nil
	case doStart:
		if len(files) == 0 {
			return errors.New("start: no program was passed")
		}
		return k.startLocked(r.Args, files[0], files[1:])
	}
	return fmt.Errorf("there is no request %q", r.Do)
}

// startLocked starts the daemon. The program is the client's, which may be newer than this one.
func (k *keeper) startLocked(args []string, program *os.File, files []*os.File) error {
	if k.process != nil {
		return fmt.Errorf("start: a daemon lives, process %d of the realm", k.daemon.PID)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	defer null.Close()
	pidfd := -1
	// The program by this process's table of descriptors: in its own the child rearranges them.
	process, err := os.StartProcess(fmt.Sprintf("/proc/1/fd/%d", program.Fd()), slices.Concat([]string{os.Args[0], Arg}, args), &os.ProcAttr{
		Dir: "/", Files: append([]*os.File{null, os.Stdout, os.Stdout}, files...),
		Sys: &syscall.SysProcAttr{Setsid: true, PidFD: &pidfd},
	})
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	if pidfd < 0 {
		return errors.Join(errors.New("start: this kernel has no pidfds"), process.Kill())
	}
	k.process = os.NewFile(uintptr(pidfd), "pidfd")
	k.daemon = DaemonStatus{Alive: true, PID: process.Pid, Starts: k.daemon.Starts + 1, Started: time.Now()}
	return process.Release() // reap waits for it
}

// reap takes leave of all children that have ended: the daemon, and orphans of which nobody wants to know.
func (k *keeper) reap() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reapLocked()
}

func (k *keeper) reapLocked() {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil || pid <= 0:
			return
		case k.process != nil && pid == k.daemon.PID:
			k.process.Close() //nolint:errcheck // a pidfd
			k.process = nil
			k.daemon.Alive, k.daemon.PID = false, 0
			k.daemon.Code, k.daemon.Exit = status.ExitStatus(), fmt.Sprintf("exit code %d", status.ExitStatus())
			if status.Signaled() {
				k.daemon.Code, k.daemon.Exit = 128+int(status.Signal()), fmt.Sprintf("signal %d (%v)", status.Signal(), status.Signal())
			}
			k.say("daemon %d ended: %s", k.daemon.Starts, k.daemon.Exit)
		}
	}
}

// peer is who is at the other end, by ids of this process's namespaces.
func peer(c *net.UnixConn) (cred *unix.Ucred, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	controlErr := raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	return cred, errors.Join(controlErr, err)
}

// CheckPeer refuses a server that is not this user's own: what it says, and the processes that it names, are believed.
func CheckPeer(c *net.UnixConn) error {
	cred, err := peer(c)
	if err != nil {
		return fmt.Errorf("whose server %s is: %w", c.RemoteAddr(), err)
	}
	if int(cred.Uid) != os.Geteuid() {
		return fmt.Errorf("%s is served by user %d, and not by this one; remove it", c.RemoteAddr(), cred.Uid)
	}
	return nil
}
