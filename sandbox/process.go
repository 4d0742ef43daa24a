package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Process is an execution environment that was started: all that runs in its pid namespace.
type Process struct {
	pid    int
	pidfd  *os.File
	cgroup *Cgroup
	output *output // nil: nobody wants it
	done   chan struct{}
	exit   ExitState // set before done closes
	killed atomic.Bool

	stopped []int // the processes that Freeze has stopped, where there is no control group to do it

	life       context.Context // ends with the process
	end        context.CancelFunc
	watch      sync.WaitGroup // of its memory
	overMemory atomic.Bool    // it was killed for that
	unwatched  error          // why it was killed for want of somebody to watch it; set before watch is done
	overSocket atomic.Bool    // likewise, for what its sockets hold
	tmpUsed    atomic.Int64   // bytes in /tmp, as found last

	closeOnce sync.Once
	closeErr  error
}

// ExitState says how an environment ended.
type ExitState struct {
	Code   int            // exit code; -1 if a signal ended it
	Signal syscall.Signal // 0 if none did
	Killed bool           // by Kill or Close
	OOM    bool           // it, or something in it, was killed for want of memory
	Socket bool           // ended by EndForSockets; OOM is then set, too
	Usage  Usage          // known with a Cgroup only

	Unwatched error // ended by the sandbox, which could not watch its memory: why. Close returns it, too
}

func (e ExitState) String() string {
	switch {
	case e.OOM:
		return "out of memory"
	case e.Unwatched != nil:
		return "killed: " + e.Unwatched.Error()
	case e.Signal != 0:
		return "signal: " + e.Signal.String()
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

func newProcess(g *Cgroup) *Process {
	p := &Process{cgroup: g, done: make(chan struct{})}
	p.life, p.end = context.WithCancel(context.Background())
	return p
}

// watchLimits begins to hold the process to those limits that the kernel alone does not.
func (p *Process) watchLimits() {
	if p.cgroup == nil || p.cgroup.limits.Memory == 0 || p.cgroup.limits.Tmp == 0 {
		return
	}
	limit := p.cgroup.limits.Memory
	p.watch.Go(func() {
		if err := p.watchMemory(p.life, limit); err != nil && p.life.Err() == nil {
			p.giveUp(err)
		}
	})
}

// giveUp ends a process whose memory nobody bounds.
func (p *Process) giveUp(why error) {
	p.unwatched = fmt.Errorf("sandbox: watch memory of process %d: %w", p.pid, why)
	_ = p.Kill()
}

// wait copies the output while it waits for the process to end. All that were in the environment have ended then, and what
// they have printed is there: somebody else whom they have given their output is not waited for.
func (p *Process) wait() {
	defer close(p.done)
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		p.output.copy()
	}()
	var status unix.WaitStatus
	err := p.reap(&status)
	p.output.stop()
	<-copied
	p.end()
	p.watch.Wait()
	p.exit = ExitState{Code: status.ExitStatus(), OOM: p.overMemory.Load(), Socket: p.overSocket.Load(), Unwatched: p.unwatched}
	p.exit.Killed = p.killed.Load() && !p.exit.OOM
	switch {
	case err != nil:
		p.exit.Code = -1
	case status.Signaled():
		p.exit.Signal = status.Signal()
	}
	if usage, err := p.cgroup.Usage(); err == nil {
		p.exit.Usage, p.exit.OOM = usage, p.exit.OOM || usage.OOMKills > 0
	}
}

// reap waits in the poller: a thread for each environment would be too many. When its first process has ended, the
// kernel has ended and reaped all others of the pid namespace.
func (p *Process) reap(status *unix.WaitStatus) error {
	conn, err := p.pidfd.SyscallConn()
	if err != nil {
		return err
	}
	var waitErr error
	err = conn.Read(func(uintptr) bool {
		pid, err := unix.Wait4(p.pid, status, unix.WNOHANG, nil)
		for err == unix.EINTR {
			pid, err = unix.Wait4(p.pid, status, unix.WNOHANG, nil)
		}
		waitErr = os.NewSyscallError("wait4", err)
		return err != nil || pid == p.pid
	})
	return errors.Join(err, waitErr)
}

// Pid is the first process's id as the lab sees it; inside it is 1. It is the lab's to use until Close.
func (p *Process) Pid() int { return p.pid }

// Done is closed when every process of the environment has ended and all its output has been copied.
func (p *Process) Done() <-chan struct{} { return p.done }

// Ending tells whether the environment has ended or is about to, because somebody has killed it.
func (p *Process) Ending() bool { return p.overSocket.Load() || p.killed.Load() || p.life.Err() != nil }

// Drain returns when what the environment has printed so far has been written to Config.Output.
func (p *Process) Drain() { p.output.Drain() }

// Exit tells how the environment ended. It waits for Done.
func (p *Process) Exit() ExitState {
	<-p.done
	return p.exit
}

// Usage reads what the environment has used so far; all zero without a control group.
func (p *Process) Usage() (Usage, error) { return p.cgroup.Usage() }

// MaxMemory is the most memory that the environment has used so far, in bytes; 0 without a control group. What it has in
// /tmp does not count, unless Limits.Tmp is zero; what it had there and deleted cannot be told from memory.
func (p *Process) MaxMemory() (int64, error) {
	peak, err := p.cgroup.Peak()
	if err != nil || p.cgroup == nil || p.cgroup.limits.Tmp == 0 {
		return peak, err
	}
	tmp, err := p.tmpUse()
	return max(0, min(peak-tmp, p.cgroup.limits.Memory)), err
}

// Kill ends every process of the environment, whatever they do. It does not wait for that: Done does. An environment
// that has ended already is not an error.
func (p *Process) Kill() error {
	conn, err := p.pidfd.SyscallConn()
	if err != nil {
		return nil // closed
	}
	var killErr error
	if conn.Control(func(fd uintptr) { killErr = unix.PidfdSendSignal(int(fd), unix.SIGKILL, nil, 0) }) != nil {
		return nil // closed
	}
	switch killErr {
	case nil:
		p.killed.Store(true)
	case unix.ESRCH:
	default:
		return fmt.Errorf("sandbox: kill process %d: %w", p.pid, killErr)
	}
	return nil
}

// Close kills what still runs, waits for Done, and removes the control group. Every Process needs it; a second call
// returns what the first returned.
func (p *Process) Close() error {
	p.closeOnce.Do(func() {
		err := p.Kill()
		if err == nil {
			err = p.Exit().Unwatched
		}
		p.closeErr = errors.Join(err, p.pidfd.Close(), p.cgroup.Close())
	})
	return p.closeErr
}
