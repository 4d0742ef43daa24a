// Package realm gives a lab a world of its own to live in: new pid, mount, network, ipc and uts namespaces, and without
// root a user namespace around them. The lab is the first process there.
//
// That is how the lab leaves nothing behind. Its first process may end in any way, kill -9 included: the kernel then
// kills every process of the realm, and with them go the namespaces, devices, rules, mounts and files in its memory.
// The one kind of object that outlives it, control groups, carries a [Lab] name from which the next start can tell that
// its owner is dead.
package realm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"enilab/internal/program"

	"golang.org/x/sys/unix"
)

// Arg as the program's first argument marks the process inside. The verb and its own arguments follow.
const Arg = "__lab"

// Config says what to run inside.
type Config struct {
	Args   []string  // the verb and its arguments
	Result io.Writer // receives what the inside writes to its result; nil discards it
	Stdin  io.Reader // a file is handed over as it is
	Stdout io.Writer
	Stderr io.Writer
}

// ErrNoRights is met when neither root nor user namespaces are to be had.
var ErrNoRights = errors.New("no rights to make namespaces")

// ErrChroot is met in a chroot, out of which whoever enters a mount namespace finds itself.
var ErrChroot = errors.New("a lab cannot be in a chroot, whose mount namespace has another root; use a container, or pivot_root in a mount namespace of your own")

// The inside finds here the pipe for its result, and the one that ends when it is to end.
const (
	resultFD = 3
	lifeFD   = 4
	keeperFD = 4 // a keeper's socket, which has the place of its life
)

// Run starts this program, from a copy in memory, again inside a new realm, waits, and returns its exit code. When ctx ends, the inside is told
// to: it cleans up and ends. A second interrupt does not wait for that; then the kernel cleans up. Run must be called on
// the main goroutine, because the inside's life hangs on the thread that starts it.
func Run(ctx context.Context, c Config) (code int, err error) {
	read, write, err := os.Pipe()
	if err != nil {
		return 1, fmt.Errorf("realm: %w", err)
	}
	defer read.Close()
	defer write.Close()
	// A signal would be lost on a first process that has no handler yet, and Pdeathsig on one that has not asked for it
	// yet. The end of a pipe is not.
	told, life, err := os.Pipe()
	if err != nil {
		return 1, fmt.Errorf("realm: %w", err)
	}
	defer told.Close()
	defer life.Close()
	self, err := program.Open()
	if err != nil {
		return 1, fmt.Errorf("realm: %w", err)
	}
	defer self.Close()
	cmd := exec.CommandContext(ctx, program.Exec(self), append([]string{Arg}, c.Args...)...)
	cmd.Args[0] = os.Args[0]
	cmd.Cancel = life.Close // it cleans up
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Stdin, c.Stdout, c.Stderr
	cmd.ExtraFiles = []*os.File{write, told}
	enclose(cmd)
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL // the main thread's death is this process's: package netns pins the main goroutine

	signals := make(chan os.Signal, 8)
	signal.Notify(signals, Interrupts()...)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 1, startError(err)
	}
	write.Close()
	told.Close()
	copied := make(chan error, 1)
	go func() {
		to := c.Result
		if to == nil {
			to = io.Discard
		}
		_, err := io.Copy(to, read)
		copied <- err
	}()
	waited := make(chan error, 1)
	go func() { waited <- cmd.Wait() }()
	interrupts := 0
	for {
		select {
		case <-signals: // the first has ended ctx
			if interrupts++; interrupts > 1 {
				_ = cmd.Process.Kill() // fails if it has ended
			}
		case err := <-waited:
			if copyErr := <-copied; copyErr != nil {
				return 1, fmt.Errorf("realm: read the result: %w", copyErr)
			}
			if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
				return 1, fmt.Errorf("the lab was ended by signal %d (%v); the kernel has cleaned up its namespaces", status.Signal(), status.Signal())
			}
			if exit := new(exec.ExitError); errors.As(err, &exit) {
				return exit.ExitCode(), nil
			}
			return 0, err
		}
	}
}

// ownUsers in the environment of a realm's first process says whether the realm has a user namespace of its own ("true"). It
// cannot be seen from inside: a container's may look the same.
const ownUsers = "ENILAB_OWN_USER_NAMESPACE"

// enclose has a command start in a new realm.
func enclose(cmd *exec.Cmd) {
	attr := &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
	}
	own := !Privileged()
	if own {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	cmd.SysProcAttr = attr
	cmd.Env = append(os.Environ(), ownUsers+"="+strconv.FormatBool(own))
}

func startError(err error) error {
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EACCES) {
		return fmt.Errorf("%w: %v; use sudo, or allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)", ErrNoRights, err)
	}
	return fmt.Errorf("realm: start: %w", err)
}

// Interrupts is the signals that ask to end, without those that this process is to ignore, as nohup has it.
func Interrupts() []os.Signal {
	return slices.DeleteFunc([]os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}, signal.Ignored)
}

// Privileged tells whether this process may make namespaces without a user namespace around them.
func Privileged() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	const needed = 1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_NET_ADMIN
	return data[0].Effective&needed == needed
}

// Rootless tells whether this process is in a user namespace, where ids other than its own may not exist and control
// groups are out of reach.
func Rootless() bool {
	m, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Join(strings.Fields(string(m)), " ") != "0 0 4294967295"
}
