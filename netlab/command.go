package netlab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"syscall"

	"enilab/internal/confine"
	"enilab/internal/program"
)

// start starts a program inside the node, as the user that ServerUser says, with nothing of the lab's environment, in a session and
// process group of its own, and confined as functions are: without a capability that could be had, and under the same
// seccomp profile. Adjust sets what else there is to set. All that comes of it bears the mark, which the caller closes.
//
// That user need not be able to walk to the program: what lies below a directory of mode 0700 is executed by a descriptor.
func (n *Node) start(ctx context.Context, argv []string, adjust func(*exec.Cmd)) (*exec.Cmd, mark, error) {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return nil, mark{}, fmt.Errorf("command %q not found: %w", argv[0], err)
	}
	cmd := n.command(ctx, path, argv)
	adjust(cmd)
	m, err := n.startConfined(cmd)
	if errors.Is(err, fs.ErrPermission) && cmd.SysProcAttr.Credential != nil {
		cmd, m, err = n.startOpen(ctx, path, argv, adjust)
	}
	if err != nil {
		return nil, mark{}, fmt.Errorf("start %s: %w", path, err)
	}
	return cmd, m, nil
}

// startOpen executes a file that the lab's own user opens. A script's interpreter finds it in the same way.
func (n *Node) startOpen(ctx context.Context, path string, argv []string, adjust func(*exec.Cmd)) (*exec.Cmd, mark, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, mark{}, err
	}
	defer file.Close()
	const first = "/proc/self/fd/3" // of those that a child gets besides the standard ones
	cmd := n.command(ctx, first, argv)
	cmd.ExtraFiles = []*os.File{file}
	adjust(cmd)
	m, err := n.startConfined(cmd)
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w; servers run as a user of their own, who may not execute that file: chmod o+rx", fs.ErrPermission)
	}
	return cmd, m, err
}

// startConfined starts the command from a thread that is marked and confined itself, and ends with that.
func (n *Node) startConfined(cmd *exec.Cmd) (m mark, err error) {
	err = n.NS.Spend(func() (err error) {
		if m, err = takeMark(); err != nil {
			return err
		}
		if err := confine.Thread(); err != nil {
			return err
		}
		return cmd.Start()
	})
	if err != nil {
		m.close()
		m = mark{}
	}
	return m, err
}

func (n *Node) command(ctx context.Context, path string, argv []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, argv[1:]...)
	if cmd.Args[0] = argv[0]; argv[0] == program.Path {
		cmd.Args[0] = "enilab" // for people who list processes
	}
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/", "LANG=C.UTF-8"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if id, ok := ServerUser(n.Name); ok {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: id, Gid: id}
	}
	return cmd
}
