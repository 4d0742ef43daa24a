package realm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"enilab/internal/program"

	"golang.org/x/sys/unix"
)

// KeepVerb is the verb behind Arg that is to call Enter and Keep.
const KeepVerb = "keep"

// KeeperConfig says how to start a keeper.
type KeeperConfig struct {
	Dir  string   // holds its socket; made if it is not there
	Name string   // of the lab, for errors
	Log  *os.File // receives what the keeper and its daemons write to stdout and stderr; nil discards it
}

// EndedError is a keeper that has ended before it served.
type EndedError struct {
	Code  int // its exit code; -1 if a signal has ended it
	state string
	said  string // on stderr
}

// Error is the refusal that the program has ended with, without the words around it that who starts a keeper puts there again; or all
// that is known.
func (e *EndedError) Error() string {
	said := strings.TrimSpace(e.said)
	if refusal, ok := strings.CutPrefix(said, "enilab: "); ok && e.Code > 0 && !strings.Contains(refusal, "\n") {
		return strings.TrimPrefix(refusal, "realm: ")
	}
	return strings.TrimSuffix(fmt.Sprintf("it ended (%s): %s", e.state, said), ": ")
}

// StartKeeper makes a new realm with a keeper in it, and returns once that serves. The keeper outlives its starter.
// One that ends before is an [EndedError].
func StartKeeper(ctx context.Context, c KeeperConfig) (_ *Keeper, err error) {
	fail := func(err error) (*Keeper, error) { return nil, fmt.Errorf("realm: keeper of %s: %w", c.Name, err) }
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return fail(err)
	}
	unlock, err := lockDir(c.Dir)
	if err != nil {
		return fail(err)
	}
	defer unlock() //nolint:errcheck // a lock goes with its descriptor
	if k, err := OpenKeeper(c.Dir); err == nil {
		return fail(fmt.Errorf("%w: process %d", ErrKeeperAlive, k.pid))
	} else if !errors.Is(err, ErrNoKeeper) {
		return fail(err)
	}
	socket, err := bindKeeper(c.Dir)
	if err != nil {
		return fail(err)
	}
	defer socket.Close()
	k, err := launch(ctx, c, socket)
	if err != nil {
		return fail(errors.Join(err, os.Remove(socketIn(c.Dir))))
	}
	return k, nil
}

func socketIn(dir string) string { return filepath.Join(dir, "keeper.sock") }

// ownerIn is a file with the last keeper's Lab, there before it starts a daemon.
func ownerIn(dir string) string { return filepath.Join(dir, "keeper") }

// lockDir keeps others from starting a keeper there at the same time.
func lockDir(path string) (unlock func() error, err error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		dir.Close()
		return nil, fmt.Errorf("lock %s: %w; another process starts a keeper there", path, err)
	}
	return dir.Close, nil
}

// bindKeeper makes the keeper's socket in the place of a dead one's. Inside there would be no place for it: the realm's
// /run is its own.
func bindKeeper(dir string) (*os.File, error) {
	path := socketIn(dir)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	defer l.Close()
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, err
	}
	return l.File()
}

// launch starts the process and waits until it serves.
func launch(ctx context.Context, c KeeperConfig, socket *os.File) (_ *Keeper, err error) {
	// What the caller's shell has left open here, such as a lock, is not for a process that lives for days.
	if err := inheritNothing(); err != nil {
		return nil, err
	}
	result, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer result.Close()
	defer write.Close()
	said, stderr, err := os.Pipe() // what it says until it serves
	if err != nil {
		return nil, err
	}
	defer said.Close()
	defer stderr.Close()
	self, err := program.Open()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			self.Close()
		}
	}()
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program.Exec(self), Arg, KeepVerb)
	cmd.Args[0] = os.Args[0]
	cmd.Dir = "/"
	cmd.Stderr = stderr
	if c.Log != nil {
		cmd.Stdout = c.Log
	}
	cmd.ExtraFiles = []*os.File{write, socket}
	enclose(cmd)
	cmd.SysProcAttr.Setsid = true
	if err := cmd.Start(); err != nil {
		return nil, startError(err)
	}
	write.Close()
	stderr.Close()
	socket.Close() // a stale socket is one that no process listens to
	k := &Keeper{dir: c.Dir, done: make(chan struct{}), program: self}
	go func() {
		_ = cmd.Wait() // its end says it all
		close(k.done)
	}()
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() }) // fails if it has ended
	b, err := io.ReadAll(result)
	if !stop() { // it is killed, or about to be
		<-k.done
		return nil, fmt.Errorf("it was not ready: %w", context.Cause(ctx))
	}
	if err == nil && string(b) != ready {
		b, _ = io.ReadAll(io.LimitReader(said, 64<<10))
		<-k.done
		return nil, &EndedError{Code: cmd.ProcessState.ExitCode(), state: cmd.ProcessState.String(), said: string(b)}
	}
	if err == nil {
		err = k.hello(ctx)
	}
	if err == nil {
		err = os.WriteFile(ownerIn(c.Dir), []byte(k.lab.String()), 0o600)
	}
	if err != nil {
		_ = cmd.Process.Kill()
		<-k.done
		return nil, err
	}
	return k, nil
}
