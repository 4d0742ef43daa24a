package realm

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strconv"

	"enilab/internal/netns"

	"github.com/containernetworking/plugins/pkg/netlinksafe"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// RunDir is the realm's own /run, in memory: for pins, locks and whatever else the lab has to put somewhere.
const RunDir = "/run"

// Inside is what the first process of a realm knows of the world outside.
type Inside struct {
	Result *os.File // what is written here reaches Config.Result
	PID    string   // its own process id as people outside see it
}

// Command is what people outside put before a command to have it run with the realm's mounts and rights.
func (in *Inside) Command() string {
	if Rootless() {
		return "nsenter -t " + in.PID + " -U --preserve-credentials -m"
	}
	return "sudo nsenter -t " + in.PID + " -m"
}

// Watch calls end once the outside has told the inside to end, or has itself ended. A keeper's life hangs on nobody.
func Watch(end func()) {
	if os.Getpid() != 1 || isSocket(keeperFD) {
		return // if it is neither, Enter says so
	}
	life := os.NewFile(lifeFD, "life")
	go func() {
		_, _ = life.Read(make([]byte, 1)) // nothing is ever written
		end()
	}()
}

// Enter makes the world ready around the first process of a new realm. Mounts made from now on are seen by nobody
// outside.
func Enter() (*Inside, error) {
	if os.Getpid() != 1 {
		return nil, errors.New("realm: this is not the first process of a realm; start the verb without " + Arg)
	}
	// The lab's processes inherit nothing: neither these pipes nor what the caller has left open.
	if err := inheritNothing(); err != nil {
		return nil, err
	}
	if err := refuseChroot(); err != nil {
		return nil, err
	}
	pid, err := os.Readlink("/proc/self") // of the host's /proc, before the realm's own covers it
	if err != nil {
		return nil, fmt.Errorf("realm: %w", err)
	}
	for _, m := range []struct {
		source, target, kind string
		flags                uintptr
		data                 string
	}{
		{"", "/", "", unix.MS_REC | unix.MS_PRIVATE, ""},
		{"proc", "/proc", "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		{"tmpfs", RunDir, "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=755"},
	} {
		err := unix.Mount(m.source, m.target, m.kind, m.flags, m.data)
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
			return nil, fmt.Errorf("%w: mount %s on %s: %v; use sudo, or in a container --privileged", ErrNoRights, m.kind, m.target, err)
		}
		if err != nil {
			return nil, fmt.Errorf("realm: mount %s on %s: %w", m.kind, m.target, err)
		}
	}
	own := os.Getenv(ownUsers) == "true"
	if err := os.Unsetenv(ownUsers); err != nil { // it is said to this process alone
		return nil, fmt.Errorf("realm: %w", err)
	}
	if own {
		if err := boundWatchers(); err != nil {
			return nil, err
		}
	}
	handle, err := netlinksafe.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("realm: netlink: %w", err)
	}
	defer handle.Close()
	if err := handle.LinkSetUp(&netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: 1}}); err != nil {
		return nil, fmt.Errorf("realm: lo up: %w", err)
	}
	if err := raiseFileLimit(); err != nil {
		return nil, err
	}
	return &Inside{os.NewFile(resultFD, "result"), pid}, nil
}

// refuseChroot finds out whether who enters this process's mount namespace sees the root that the process sees. In a chroot it is
// the one outside, which the lab would hand its files to. The kernel allows no user namespaces there either, for that reason: see
// clone(2).
func refuseChroot() error {
	type place struct{ mount, inode uint64 }
	root := func() (place, error) {
		var st unix.Statx_t
		err := unix.Statx(unix.AT_FDCWD, "/", 0, unix.STATX_MNT_ID|unix.STATX_INO, &st)
		return place{st.Mnt_id, st.Ino}, os.NewSyscallError("statx /", err)
	}
	here, err := root()
	if err != nil {
		return fmt.Errorf("realm: %w", err)
	}
	self, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return fmt.Errorf("realm: %w", os.NewSyscallError("pidfd_open", err))
	}
	process := os.NewFile(uintptr(self), "pidfd")
	defer process.Close()
	var visitor netns.Visitor
	defer visitor.Close()
	err = visitor.In(process, func() error {
		there, err := root()
		if err == nil && there != here {
			return ErrChroot
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("realm: %w", err)
	}
	return nil
}

// boundWatchers leaves half of the inotify instances and watches that this user may have to programs outside of the realm's own
// user namespace: all that is in it counts as this user. In a namespace that was there before, the bound would hold for others,
// and stay when the realm has ended. See inotify(7) and user_namespaces(7).
func boundWatchers() error {
	for _, what := range []string{"instances", "watches"} {
		b, err := os.ReadFile("/proc/sys/fs/inotify/max_user_" + what)
		if errors.Is(err, fs.ErrNotExist) { // a kernel without inotify
			continue
		}
		var most int
		if err == nil {
			_, err = fmt.Sscan(string(b), &most)
		}
		if err == nil {
			err = os.WriteFile("/proc/sys/user/max_inotify_"+what, []byte(strconv.Itoa(most/2)), 0)
		}
		if err != nil {
			return fmt.Errorf("realm: bound inotify %s: %w", what, err)
		}
	}
	return nil
}

// Join makes the daemon ready that a keeper has started: its children inherit nothing of what it was passed, and it may
// open as many files as its user may.
func Join() error {
	if !kept() {
		return errors.New("realm: this is not a keeper's daemon; 'enilab up' starts one")
	}
	if err := inheritNothing(); err != nil {
		return err
	}
	return raiseFileLimit()
}

// kept tells whether this process is in a realm that has a keeper, and not itself that.
func kept() bool {
	line, err := os.ReadFile("/proc/1/cmdline")
	args := bytes.Split(line, []byte{0})
	return err == nil && os.Getpid() != 1 && len(args) > 2 && string(args[1]) == Arg && string(args[2]) == KeepVerb
}

// inheritNothing keeps all descriptors but the standard ones from programs that this one starts.
func inheritNothing() error {
	if err := unix.CloseRange(resultFD, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("realm: close_range: %w", err)
	}
	return nil
}

// raiseFileLimit lifts the soft limit of open files to the hard one: a slot takes three.
func raiseFileLimit() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("realm: limit of open files: %w", err)
	}
	limit.Cur = limit.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("realm: raise the limit of open files to %d: %w", limit.Max, err)
	}
	return nil
}
