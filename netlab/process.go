package netlab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os/exec"
	"time"

	"enilab/internal/netns"

	"golang.org/x/sys/unix"
)

// Process is a server that runs inside a node: one that this process started, or one that outlived who started it.
type Process struct {
	name   string // of the command, for errors
	handle pidfd
	mark   mark
	start  uint64 // see startTime
	output *output
	file   FileID        // of the output that it was given
	done   chan struct{} // closed when it has ended
	err    error         // how it ended; read after done
}

// ProcessState says which process it is, for who wants to adopt it. The number is that of the realm's pid namespace.
type ProcessState struct {
	PID    int
	Start  uint64 // in ticks since boot
	Output FileID // of the file that its standard output is; zero if it is not kept, as by former versions
}

// anyPort lets a server that is nobody listen below 1,024, inside its own namespace.
var anyPort = netns.Sysctl{Key: "net/ipv4/ip_unprivileged_port_start", Value: "0"}

// startProcess runs a command inside the node until Close, whatever becomes of ctx.
func startProcess(ctx context.Context, n *Node, argv []string) (_ *Process, err error) {
	p := &Process{name: argv[0], done: make(chan struct{})}
	if p.output, err = newOutput(); err != nil {
		return nil, fmt.Errorf("%s: output of %s: %w", n.Name, argv[0], err)
	}
	p.file = p.output.id()
	cmd, m, err := n.start(context.WithoutCancel(ctx), argv, func(cmd *exec.Cmd) {
		cmd.Stdout, cmd.Stderr = p.output.file, p.output.file
	})
	if err != nil {
		p.output.close()
		return nil, fmt.Errorf("%s: %w", n.Name, err)
	}
	p.mark = m
	p.handle, err = openProcess(cmd.Process.Pid) // still ours: nobody else waits for it
	if err == nil {
		p.start, err = startTime(cmd.Process.Pid)
	}
	if err != nil {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		_ = cmd.Wait()
		p.close()
		return nil, fmt.Errorf("%s: %s: %w", n.Name, argv[0], err)
	}
	go p.watch(cmd.Wait)
	return p, nil
}

// adoptProcess takes over a server whose parent has died. It is fs.ErrNotExist if that server has ended.
func adoptProcess(n *Node, name string, was ProcessState) (*Process, error) {
	gone := fmt.Errorf("%s: process %d of %s: %w", n.Name, was.PID, name, fs.ErrNotExist)
	if was.PID <= 0 {
		return nil, gone
	}
	handle, err := openProcess(was.PID)
	if errors.Is(err, unix.ESRCH) {
		return nil, gone
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", n.Name, name, err)
	}
	p := &Process{name: name, handle: handle, file: was.Output, done: make(chan struct{})}
	p.start, err = startTime(was.PID) // after it was opened, so that both are of the same process
	if err != nil || p.start != was.Start || handle.ended() {
		p.close()
		return nil, gone
	}
	p.output, p.mark = openOutput(was.PID, was.Output), markOf(was.PID)
	go p.watch(func() error { return errors.New("how it ended is known to its new parent alone") })
	return p, nil
}

// A server's output is looked at seldom while it prints little, and often while it prints much.
const (
	trimEvery = time.Second
	trimAgain = 10 * time.Millisecond
)

// watch keeps the output small until the server ends; then it ends what the server left behind: its process group, which
// setsid made, and who left that. Reap returns how it ended.
func (p *Process) watch(reap func() error) {
	ended := make(chan bool)
	go func() { ended <- p.handle.wait() }()
	pause := trimEvery
	look := time.NewTimer(pause)
	defer look.Stop()
	for {
		select {
		case <-look.C:
			if p.output.trim() {
				pause = trimAgain
			} else {
				pause = min(2*pause, trimEvery)
			}
			look.Reset(pause)
		case yes := <-ended:
			if yes {
				p.handle.killGroup()
				left := p.mark.end(0)
				p.err = errors.Join(reap(), left)
			}
			close(p.done)
			return
		}
	}
}

// Pid is the process's id as the lab sees it.
func (p *Process) Pid() int { return p.handle.pid }

// State names the process for adoption.
func (p *Process) State() ProcessState { return ProcessState{p.Pid(), p.start, p.file} }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Close ends the process with all that it has started and waits for it. A process that ended by itself is no error here.
func (p *Process) Close() error {
	select {
	case <-p.done:
	default:
		p.handle.killGroup()
		<-p.done
	}
	p.close()
	return nil
}

// release lets go of the process, which goes on.
func (p *Process) release() {
	p.handle.file.Close()
	<-p.done
	p.output.close()
	p.mark.close()
}

func (p *Process) close() {
	p.handle.file.Close()
	p.output.close()
	p.mark.close()
}

// waitPort returns when a TCP port accepts connections inside the node, or says why it will not. Servers announce their
// readiness in as many ways as there are servers; accepting a connection is the one they share.
func (p *Process) waitPort(ctx context.Context, n *Node, at netip.AddrPort) error {
	retry := time.NewTicker(2 * time.Millisecond)
	defer retry.Stop()
	try := func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second) // the news is why, not that time is up
		defer cancel()
		return n.dialTCP(ctx, at)
	}
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s: %s ended before it served port %d: %v; its last words: %s", n.Name, p.name, at.Port(), p.err, p.output)
		case <-ctx.Done():
			return fmt.Errorf("%s: %s does not serve port %d: %w (%v); its last words: %s", n.Name, p.name, at.Port(), context.Cause(ctx), err, p.output)
		case <-retry.C:
		}
	}
}
