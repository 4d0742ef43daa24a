package realm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"enilab/internal/program"
)

// keeperVerb is that of a keeper's Lab: who owns what the lab makes.
const keeperVerb = "up"

// Errors that a caller may branch on.
var (
	ErrNoKeeper    = errors.New("no keeper lives")
	ErrKeeperAlive = errors.New("a keeper lives already")
	ErrSilent      = errors.New("it does not answer") // a keeper that lives, and that Stop can end all the same
)

// Keeper is the first process of a realm that stays up, as seen from outside.
type Keeper struct {
	dir    string
	pid    int
	lab    Lab
	silent bool          // it is not to be asked
	done   chan struct{} // closed when this process has waited for it; nil if it is no child of ours

	program *os.File // the copy that it was started from, for its first daemon: a lab has the program in memory once
}

// DaemonStatus is how the daemon is that a keeper has started.
type DaemonStatus struct {
	Alive   bool      `json:"alive"`
	PID     int       `json:"pid,omitempty"` // in the caller's pid namespace; 0 if it is not alive, or not to be seen there
	Starts  int       `json:"starts"`        // so many daemons have been started
	Started time.Time `json:"started"`       // the last of them
	Exit    string    `json:"exit,omitempty"`
	Code    int       `json:"code,omitempty"` // of its end; 128 and the signal's number as shells have it
}

// OpenKeeper finds the keeper whose socket is in dir; ErrNoKeeper if none lives, nor anything of the realm that one had.
func OpenKeeper(dir string) (*Keeper, error) {
	k := &Keeper{dir: dir}
	err := k.hello(context.Background())
	if errors.Is(err, ErrNoKeeper) {
		if endErr := awaitEnd(dir); endErr != nil {
			err = endErr
		}
	}
	if err != nil {
		return nil, fmt.Errorf("realm: %w", err)
	}
	return k, nil
}

// RecordedKeeper finds the keeper that was started in dir without asking it, to Stop one that is silent. It is ErrNoKeeper if
// none is recorded there, or lives in this pid namespace; one may live in another.
func RecordedKeeper(dir string) (*Keeper, error) {
	none := fmt.Errorf("realm: %w in %s", ErrNoKeeper, dir)
	name, err := os.ReadFile(ownerIn(dir))
	if err != nil {
		return nil, none
	}
	lab, err := ParseLab(string(name))
	if err != nil || lab.Dead() {
		return nil, none
	}
	if ns, err := pidNamespace(); err != nil || ns != lab.PIDNS {
		return nil, none
	}
	return &Keeper{dir: dir, pid: lab.PID, lab: lab, silent: true}, nil
}

// awaitEnd returns when the last keeper there has ended. It closes its socket first, then the kernel ends its realm, and
// only then is it dead to whoever removes control groups.
func awaitEnd(dir string) error {
	name, err := os.ReadFile(ownerIn(dir))
	if err != nil {
		return nil //nolint:nilerr // it is gone, or has made nothing
	}
	lab, err := ParseLab(string(name))
	if err != nil {
		return nil //nolint:nilerr // half written: it has made nothing
	}
	process := (&Keeper{pid: lab.PID, lab: lab}).process()
	if process == nil {
		return nil
	}
	defer process.Close()
	if ns, err := pidNamespace(); err != nil || ns != lab.PIDNS {
		return err // of other namespaces nothing is known here
	}
	ctx, cancel := context.WithTimeout(context.Background(), endPatience)
	defer cancel()
	if err := waitRealm(ctx, process, lab.PID); err != nil {
		return fmt.Errorf("the keeper, process %d, does not end: %w", lab.PID, err)
	}
	return nil
}

// hello learns who the keeper is. It cannot know that itself: its own pid is 1. The first who asks tells it how it is
// called outside, and that is its name for all, in whatever pid namespace they are.
func (k *Keeper) hello(ctx context.Context) error {
	for tell := ""; ; tell = k.lab.String() {
		a, files, err := k.call(ctx, request{Do: doStatus, Lab: tell})
		if err != nil {
			return err
		}
		k.pid, err = pidOf(files[0])
		closeAll(files)
		if err != nil {
			return err
		}
		if a.Lab != "" {
			k.lab, err = ParseLab(a.Lab)
			return err
		}
		if k.lab, err = labOf(keeperVerb, k.pid); err != nil {
			return fmt.Errorf("name the keeper: %w", err)
		}
	}
}

// PID is the keeper's in the caller's pid namespace; 0 if it cannot be seen there.
func (k *Keeper) PID() int { return max(k.pid, 0) }

// Lab names the keeper as the owner of what outlives it.
func (k *Keeper) Lab() Lab { return k.lab }

// Start starts the daemon: a copy of this program with Arg and args inside the realm, with files as descriptors from 3 on. It is an
// error if one lives.
func (k *Keeper) Start(ctx context.Context, args []string, files ...*os.File) error {
	self := k.program
	if k.program = nil; self == nil {
		var err error
		if self, err = program.Open(); err != nil {
			return fmt.Errorf("realm: start the daemon: %w", err)
		}
	}
	defer self.Close()
	_, passed, err := k.call(ctx, request{Do: doStart, Args: args}, append([]*os.File{self}, files...)...)
	closeAll(passed)
	if err != nil {
		return fmt.Errorf("realm: start the daemon: %w", err)
	}
	return nil
}

// Daemon tells how the daemon is.
func (k *Keeper) Daemon() (DaemonStatus, error) {
	status, process, err := k.daemon(context.Background())
	process.Close() //nolint:errcheck // nil-safe; a pidfd
	return status, err
}

// daemon returns the live daemon's pidfd as well.
func (k *Keeper) daemon(ctx context.Context) (status DaemonStatus, process *os.File, err error) {
	a, files, err := k.call(ctx, request{Do: doStatus})
	if err != nil {
		return status, nil, fmt.Errorf("realm: %w", err)
	}
	files[0].Close() //nolint:errcheck // a pidfd
	if a.Daemon.Alive {
		process = files[1]
		pid, err := pidOf(process)
		if err != nil {
			process.Close() //nolint:errcheck // a pidfd
			return status, nil, fmt.Errorf("realm: daemon: %w", err)
		}
		a.Daemon.PID = max(pid, 0)
	}
	return a.Daemon, process, nil
}

// WaitDaemon returns when no daemon lives.
func (k *Keeper) WaitDaemon(ctx context.Context) error {
	status, process, err := k.daemon(ctx)
	if errors.Is(err, ErrNoKeeper) {
		return nil // it went with the realm
	}
	if err != nil || !status.Alive {
		return err
	}
	defer process.Close()
	return waitEnd(ctx, process)
}

// Stop ends the keeper and with it all of its realm, and returns when they have ended.
func (k *Keeper) Stop(ctx context.Context) error {
	if k.program != nil {
		k.program.Close()
		k.program = nil
	}
	process := k.process()
	if k.silent && process == nil {
		return nil // it has ended
	}
	var files []*os.File
	err := fmt.Errorf("process %d: %w", k.pid, ErrSilent)
	if !k.silent {
		_, files, err = k.call(ctx, request{Do: doStop})
	}
	if process == nil && err == nil {
		process, files = files[0], files[1:]
	}
	closeAll(files)
	if process != nil {
		defer process.Close()
		// There is nothing that it would have to do first. One in another pid namespace can only be asked.
		if killErr := kill(process); killErr != nil && err != nil {
			return fmt.Errorf("realm: keeper: %w", errors.Join(err, killErr))
		}
		if err := waitRealm(ctx, process, k.pid); err != nil {
			return fmt.Errorf("realm: the keeper, process %d, has not ended: %w", k.pid, err)
		}
	} else if !errors.Is(err, ErrNoKeeper) {
		return fmt.Errorf("realm: keeper: %w", err)
	}
	if k.done != nil && (process == nil || hasEnded(process)) { // else its end is the kernel's, whenever that may be
		<-k.done
	}
	for _, path := range []string{socketIn(k.dir), ownerIn(k.dir)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("realm: keeper: %w", err)
		}
	}
	return nil
}

// process holds on to the keeper's process; nil if it is gone or cannot be seen from here.
func (k *Keeper) process() *os.File {
	if k.pid <= 0 {
		return nil
	}
	process, err := openProcess(k.pid)
	if err != nil {
		return nil
	}
	// One whose first thread has ended has no start time, and may still be ending its realm.
	if start, err := startTime(k.pid); err == nil && start != k.lab.Start { // another has its id now
		process.Close() //nolint:errcheck // a pidfd
		return nil
	}
	return process
}

// call asks the keeper. On success the first file is its pidfd, the second a live daemon's.
func (k *Keeper) call(ctx context.Context, r request, files ...*os.File) (a answer, passed []*os.File, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, clientPatience, ErrSilent)
	defer cancel()
	for {
		a, passed, err = k.ask(ctx, r, files)
		if !errors.Is(err, errUnanswered) {
			return a, passed, err
		}
	}
}

// errUnanswered is met when a keeper that lives has closed the connection without an answer. Nothing has been done then.
var errUnanswered = errors.New("closed without an answer")

func (k *Keeper) ask(ctx context.Context, r request, files []*os.File) (a answer, passed []*os.File, err error) {
	path := socketIn(k.dir)
	const most = len(syscall.RawSockaddrUnix{}.Path) - 1
	if len(path) > most {
		return a, nil, fmt.Errorf("%s is too long a path for a socket, by %d bytes; ENILAB_HOME names a directory with a shorter one", path, len(path)-most)
	}
	c, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: path, Net: "unixpacket"})
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return a, nil, fmt.Errorf("%w at %s", ErrNoKeeper, path)
	}
	if err != nil {
		return a, nil, err
	}
	defer c.Close()
	if err := CheckPeer(c); err != nil {
		return a, nil, err
	}
	server := behind(c)
	defer server.close()
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })() // it may be closed
	stopped := server.watch(func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	if err = send(c, r, files...); err == nil {
		passed, err = receive(c, &a)
	}
	isStopped := stopped()
	switch {
	case err == nil:
	case isStopped:
		return a, nil, fmt.Errorf("the keeper at %s, process %d, is stopped: %w; 'kill -CONT %d' lets it go on, 'enilab down' ends it and its lab", path, server.pid, ErrSilent, server.pid)
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), ErrSilent):
		return a, nil, fmt.Errorf("the keeper%s at %s: %w", k.wayOut(c), path, ErrSilent)
	case ctx.Err() != nil:
		return a, nil, context.Cause(ctx)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		if server.lives() {
			return a, nil, errUnanswered
		}
		return a, nil, fmt.Errorf("%w at %s: it has just ended", ErrNoKeeper, path)
	default:
		return a, nil, fmt.Errorf("keeper at %s: %w", path, err)
	}
	switch {
	case a.Error != "":
		closeAll(passed)
		return a, nil, errors.New(a.Error)
	case len(passed) == 0 || a.Daemon.Alive && len(passed) < 2:
		closeAll(passed)
		return a, nil, fmt.Errorf("keeper at %s: it answers without its pidfd", path)
	}
	return a, passed, nil
}

// wayOut names the process behind a connection, for people to end.
func (k *Keeper) wayOut(c *net.UnixConn) string {
	cred, err := peer(c)
	if err != nil || cred.Pid <= 0 {
		return ""
	}
	return fmt.Sprintf(" (process %d; 'kill -9 %d' ends it and its lab)", cred.Pid, cred.Pid)
}
