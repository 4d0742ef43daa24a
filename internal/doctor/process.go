package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"enilab/internal/program"
	"enilab/netlab"

	"golang.org/x/sys/unix"
)

// start runs /bin/true the way attr says: whether it starts is the answer.
func start(ctx context.Context, attr *syscall.SysProcAttr) error {
	cmd := exec.CommandContext(ctx, "/bin/true")
	cmd.SysProcAttr = attr
	return cmd.Run()
}

// tryUserNamespace makes the other namespaces in a second step: some distributions allow a user namespace and then give
// no rights in it.
func tryUserNamespace(ctx context.Context) error {
	return start(ctx, &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWUSER,
		Unshareflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS,
		UidMappings:  []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings:  []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	})
}

// sandboxNamespaces starts a process as sandboxes are: namespaces of its own, held by a pidfd.
func sandboxNamespaces(ctx context.Context) (string, error) {
	pidfd := -1
	err := start(ctx, &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		PidFD:      &pidfd,
	})
	if pidfd >= 0 {
		unix.Close(pidfd) //nolint:errcheck // only read from
	}
	if err != nil {
		return "", err
	}
	if pidfd < 0 {
		return "", errors.New("the kernel gave no pidfd")
	}
	return "pid, mount, ipc, uts, with a pidfd", nil
}

// otherUser executes this program as servers are: as a user who may not look where it lies.
func otherUser(ctx context.Context) (string, error) {
	id, ok := netlab.ServerUser("doctor")
	if !ok {
		return "servers run as this user: no other can be had here", nil
	}
	self, err := program.Open()
	if err != nil {
		return "", err
	}
	defer self.Close()
	cmd := exec.CommandContext(ctx, program.Exec(self), "version")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}}
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("execute a copy of this program as user %d: %w %s", id, err, strings.TrimSpace(string(out)))
	}
	return fmt.Sprintf("servers run as other users, such as %d, from wherever this program lies", id), nil
}

// mountAPI takes a detached, read-only copy of a directory, which ends with its descriptor.
func mountAPI(context.Context) (string, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, "/usr", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return "", fmt.Errorf("open_tree /usr: %w", err)
	}
	defer unix.Close(fd) //nolint:errcheck // only read from
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
		return "", fmt.Errorf("mount_setattr of a copy of /usr: %w", err)
	}
	return "open_tree, mount_setattr", nil
}

// seccomp asks for the actions a sandbox's filter answers with.
func seccomp(context.Context) (string, error) {
	const getActionAvail = 2 // SECCOMP_GET_ACTION_AVAIL, linux/seccomp.h
	for _, a := range []struct {
		name  string
		value uint32
	}{{"errno", 0x00050000}, {"kill_process", 0x80000000}, {"allow", 0x7fff0000}} { // SECCOMP_RET_*
		action := a.value
		_, _, errno := unix.Syscall(unix.SYS_SECCOMP, getActionAvail, 0, uintptr(unsafe.Pointer(&action)))
		runtime.KeepAlive(&action)
		if errno != 0 {
			return "", fmt.Errorf("action %s: %w", a.name, errno)
		}
	}
	return "filters", nil
}
