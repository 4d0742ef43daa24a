package netlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Healthy looks at the server once: it runs, its port accepts connections, and its check exits 0. The error says which
// of them is not so.
func (r *Resource) Healthy(ctx context.Context) error {
	if err := r.look(ctx); err != nil {
		return fmt.Errorf("resource %s: %w", r.Name, err)
	}
	return nil
}

func (r *Resource) look(ctx context.Context) error {
	p := r.Process()
	if p == nil {
		return errors.New("has no server")
	}
	select {
	case <-p.Done():
		return fmt.Errorf("%s ended: %v; its last words: %s", p.name, p.err, p.output)
	default:
	}
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

// check runs the resource's check, and ends it with all that it started when ctx ends.
func (r *Resource) check(ctx context.Context) error {
	var said bytes.Buffer
	cmd, err := r.Node.start(ctx, r.argv(r.Spec.Check), func(cmd *exec.Cmd) {
		cmd.Stdout, cmd.Stderr = &said, &said
		cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
		cmd.WaitDelay = time.Second // a grandchild that keeps the pipe open does not hold the lab
	})
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	if err := cmd.Wait(); err != nil {
		words := said.String()
		words = strings.TrimSpace(words[max(0, len(words)-tailSize):])
		return fmt.Errorf("check: %s: %w: %s", cmd.Args[0], errors.Join(err, context.Cause(ctx)), words)
	}
	return nil
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
