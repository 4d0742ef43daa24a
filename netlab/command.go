package netlab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"enilab/internal/program"
)

// nobody is who servers run as if the lab has the right to choose (Debian's nobody and nogroup).
const nobody = 65534

// start starts a program inside the node, as an unprivileged user, with nothing of the lab's environment, in a session and
// process group of its own. Adjust sets what else there is to set.
//
// That user need not be able to walk to the program: what lies below a directory of mode 0700 is executed by a descriptor.
func (n *Node) start(ctx context.Context, argv []string, adjust func(*exec.Cmd)) (*exec.Cmd, error) {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return nil, fmt.Errorf("command %q not found: %w", argv[0], err)
	}
	cmd := command(ctx, path, argv)
	adjust(cmd)
	err = n.NS.Do(cmd.Start)
	if errors.Is(err, fs.ErrPermission) && cmd.SysProcAttr.Credential != nil {
		cmd, err = n.startOpen(ctx, path, argv, adjust)
	}
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return cmd, nil
}

// startOpen executes a file that the lab's own user opens. A script's interpreter finds it in the same way.
func (n *Node) startOpen(ctx context.Context, path string, argv []string, adjust func(*exec.Cmd)) (*exec.Cmd, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	const first = "/proc/self/fd/3" // of those that a child gets besides the standard ones
	cmd := command(ctx, first, argv)
	cmd.ExtraFiles = []*os.File{file}
	adjust(cmd)
	if err := n.NS.Do(cmd.Start); errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w; servers run as user %d, who may not execute that file: chmod o+rx", fs.ErrPermission, nobody)
	} else if err != nil {
		return nil, err
	}
	return cmd, nil
}

func command(ctx context.Context, path string, argv []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, argv[1:]...)
	if cmd.Args[0] = argv[0]; argv[0] == program.Path {
		cmd.Args[0] = "enilab" // for people who list processes
	}
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/", "LANG=C.UTF-8"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if canSetIDs() {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return cmd
}

// canSetIDs tells whether other user ids exist here: not in a user namespace that maps one id alone.
func canSetIDs() bool {
	if os.Geteuid() != 0 {
		return false
	}
	m, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Fields(string(m))[2] != "1"
}
