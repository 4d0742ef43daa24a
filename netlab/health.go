package netlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// HealthyWithin bounds how long a server may take to show that it is healthy, its check included: what Docker gives a
// container's health check (https://docs.docker.com/reference/dockerfile/#healthcheck).
const HealthyWithin = 30 * time.Second

var errServerEnded = errors.New("the server has ended meanwhile")

// Healthy looks at the server once: it runs, its port accepts connections, and its check exits 0, all that within 30 s. The error
// says which of them is not so.
func (r *Resource) Healthy(ctx context.Context) error {
	if err := r.look(ctx, HealthyWithin); err != nil {
		return fmt.Errorf("resource %s: %w", r.Name, err)
	}
	return nil
}

func (r *Resource) look(ctx context.Context, within time.Duration) error {
	p := r.Process()
	if p == nil {
		return errors.New("has no server")
	}
	select {
	case <-p.Done():
		return fmt.Errorf("%s ended: %v; its last words: %s", p.name, p.err, p.output)
	default:
	}
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("it takes more than %v", within))
	defer cancel()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	go func() {
		select {
		case <-p.Done():
			end(errServerEnded)
		case <-ctx.Done():
		}
	}()
	if r.Spec.Port != 0 {
		if err := r.Node.dialTCP(ctx, r.port()); err != nil {
			return fmt.Errorf("port %d: %w", r.Spec.Port, err)
		}
	}
	if r.Spec.Check != nil {
		return r.check(ctx)
	}
	return nil
}

// check runs the resource's check. All that it has started ends with it, and with ctx.
func (r *Resource) check(ctx context.Context) error {
	var said tail
	began := time.Now()
	cmd, m, err := r.Node.start(context.WithoutCancel(ctx), r.argv(r.Spec.Check), func(cmd *exec.Cmd) {
		cmd.Stdout, cmd.Stderr = &said, &said
		cmd.WaitDelay = time.Second // one that cannot be ended, and keeps the pipe open, does not hold the lab
	})
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	defer m.close()
	process, err := openProcess(cmd.Process.Pid)
	if err != nil {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		return fmt.Errorf("check: %w", errors.Join(err, cmd.Wait()))
	}
	defer process.file.Close()
	cut := context.AfterFunc(ctx, process.killGroup)
	process.wait()
	cut()
	process.killGroup() // before anybody has waited for it: until then its number is nobody else's
	since := process.pid
	if time.Since(began) > time.Second {
		since = 0 // all numbers may have been given away meanwhile
	}
	left := m.end(since) // what has left the process group
	switch err := cmd.Wait(); {
	case left != nil:
		return fmt.Errorf("check: %s: what it has started: %w", cmd.Args[0], left)
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // it exited 0
		return nil
	case ctx.Err() != nil: // so it was killed
		return fmt.Errorf("check: %s: %w: %s", cmd.Args[0], context.Cause(ctx), &said)
	default:
		return fmt.Errorf("check: %s: %w: %s", cmd.Args[0], err, &said)
	}
}

// Restart ends what is left of the server and starts it again in its place: the same namespace, interface and address.
// It returns when the server serves.
func (r *Resource) Restart(ctx context.Context) error {
	r.turn.Lock()
	defer r.turn.Unlock()
	if r.closed {
		return fmt.Errorf("resource %s: restart: it has been closed", r.Name)
	}
	err := r.endServer()
	if err == nil {
		err = r.startServer(ctx)
	}
	if err != nil {
		return fmt.Errorf("resource %s: restart: %w", r.Name, err)
	}
	return nil
}

// dialTCP tries whether a port accepts connections. The connection is over at once.
func (n *Node) dialTCP(ctx context.Context, at netip.AddrPort) error {
	var c net.Conn
	err := n.NS.Do(func() (err error) {
		var d net.Dialer
		c, err = d.DialContext(ctx, "tcp4", at.String()) // one literal address is dialled by the calling thread
		return err
	})
	if err == nil {
		c.Close()
	}
	return err
}
