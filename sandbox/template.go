package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"enilab/internal/runtimes"

	"golang.org/x/sys/unix"
)

// User is the name that the environment's user id has inside.
const User = "sbx_user"

const readOnly = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV

// What of the host is visible, all of it read-only. What a host lacks is left out.
var (
	hostTrees = []string{"usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"}
	hostEtc   = []string{
		"etc/alternatives", "etc/ld.so.cache", "etc/localtime", "etc/ssl/certs",
		"etc/java-11-openjdk", "etc/java-17-openjdk", "etc/java-21-openjdk", "etc/java-25-openjdk", // where Debian keeps what a JVM does not start without
	}
	hostDev = []string{"dev/null", "dev/zero", "dev/full", "dev/random", "dev/urandom"}
)

// What of /proc speaks of the machine rather than of the environment's processes. The whole of /proc is read-only
// besides, so nothing in /proc/sys, /proc/sysrq-trigger or /proc/irq can be changed.
var (
	maskedFiles = []string{
		"interrupts", "kcore", "keys", "kmsg", "kpagecgroup", "kpagecount", "kpageflags", "latency_stats",
		"sched_debug", "sysrq-trigger", "timer_list", "timer_stats",
	}
	maskedDirs = []string{"acpi", "asound", "bus", "fs", "scsi"}
)

// mask is something to be covered in /proc.
type mask struct {
	path, with string
	private    bool // only the machine's root can open it: a user id of its own needs no mask
}

// findMasks lists what there is to be covered, in the /proc of the calling process.
func findMasks() (masks []mask, err error) {
	for _, m := range []struct {
		names []string
		with  string
	}{{maskedFiles, "/dev/null"}, {maskedDirs, "/opt"}} {
		for _, name := range m.names {
			path := "/proc/" + name
			info, err := os.Lstat(path)
			if errors.Is(err, fs.ErrNotExist) {
				continue // this kernel does not have it
			} else if err != nil {
				return nil, fmt.Errorf("mask: %w", err)
			}
			masks = append(masks, mask{path, m.with, info.Mode()&0o077 == 0})
		}
	}
	return masks, nil
}

// etc is the part of /etc that each environment has for itself: enough for the C library to name the user and the host.
func (p *plan) etc() [][2]string {
	passwd := fmt.Sprintf("%s:x:%d:%d::/tmp:/usr/sbin/nologin\n", User, p.uid, p.gid)
	group := fmt.Sprintf("%s:x:%d:\n", User, p.gid)
	if p.uid != 0 {
		passwd = "root:x:0:0:root:/root:/usr/sbin/nologin\n" + passwd
		group = "root:x:0:\n" + group
	}
	return [][2]string{
		{"passwd", passwd},
		{"group", group},
		{"hostname", p.hostname + "\n"},
		{"hosts", "127.0.0.1 localhost " + p.hostname + "\n::1 localhost\n"},
	}
}

// buildRoot makes what the roots of all environments have in common and makes it the root of the calling process, whose
// mount namespace must be its own. Nothing of the old root stays reachable, but for the machine's /proc: to mount another
// in a user namespace takes one that can be seen, and each environment covers it.
func buildRoot() error {
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, &unix.MountAttr{Propagation: unix.MS_PRIVATE}); err != nil {
		return fail("make private", "/", err)
	}
	// The host's trees are taken first, since the new root will cover one of them for a moment.
	var r root
	for _, path := range slices.Concat(hostTrees, hostEtc) {
		if err := r.take(path, true); err != nil {
			return err
		}
	}
	if err := r.takeShell(); err != nil {
		return err
	}
	files := r.trees
	r.trees = nil
	for _, path := range hostDev {
		if err := r.take(path, false); err != nil {
			return err
		}
	}
	devices := r.trees
	proc, err := unix.OpenTree(unix.AT_FDCWD, "/proc", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return fail("bind", "/proc", err)
	}
	dir, err := newMount("tmpfs", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV, "mode", "755", "size", "1m") // the runtimes' files take a tenth of it
	if err != nil {
		return fail("mount", "/", err)
	}
	if err := attach(dir, "/usr"); err != nil {
		return fail("mount the new root on", "/usr", err)
	}
	if err := unix.Fchdir(dir); err != nil {
		return fail("enter", "the new root", err)
	}
	if err := r.fill(); err != nil {
		return err
	}
	// All that is attached so far becomes read-only at once, and nobody's set-user-id programs or device files count.
	// Then come those parts for which less, or more, is right.
	if err := attachAll(files); err != nil {
		return err
	}
	if err := unix.MountSetattr(dir, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: readOnly}); err != nil {
		return fail("make read-only", "/", err)
	}
	for _, d := range devices {
		harmless := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC}
		if err := unix.MountSetattr(d.fd, "", unix.AT_EMPTY_PATH, &harmless); err != nil {
			return fail("restrict", "/"+d.at, err)
		}
	}
	if err := attachAll(append(devices, tree{proc, "proc"})); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fail("pivot_root to", "the new root", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil { // the old root: it is mounted over the new one
		return fail("detach", "the old root", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return fail("enter", "/", err)
	}
	return nil
}

// tree is a detached mount and the place it is for, relative to the new root.
type tree struct {
	fd int
	at string
}

// root collects what the new root is made of before there is one.
type root struct {
	trees       []tree
	dirs, files []string    // mount points
	links       [][2]string // target, name
}

// take clones the host's path, mounts below it included. What is optional may be missing, or be a symbolic link, which is
// taken as one: that keeps /bin -> usr/bin and the like as they are.
func (r *root) take(path string, optional bool) error {
	host := filepath.Join("/", path)
	var st unix.Stat_t
	if err := unix.Lstat(host, &st); err == unix.ENOENT && optional {
		return nil
	} else if err != nil {
		return fail("bind", host, err)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK && optional {
		target, err := os.Readlink(host)
		if err != nil {
			return err
		}
		r.links = append(r.links, [2]string{target, path})
		return nil
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, host, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return fail("bind", host, err)
	}
	r.trees = append(r.trees, tree{fd, path})
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		r.dirs = append(r.dirs, path)
	} else {
		r.files = append(r.files, path)
	}
	return nil
}

// fill makes the directories, files and links of the new root, which is the working directory.
func (r *root) fill() error {
	for _, name := range append([]string{"dev", "etc", "etc/ssl", "opt", "proc", "tmp", "var", "var/task"}, r.dirs...) {
		if err := unix.Mkdir(name, 0o755); err != nil {
			return fail("make directory", "/"+name, err)
		}
	}
	for _, f := range new(plan).etc() { // for each environment's to be mounted on
		r.files = append(r.files, "etc/"+f[0])
	}
	for _, name := range append(r.files, "etc/resolv.conf") {
		if err := unix.Mknod(name, unix.S_IFREG|0o444, 0); err != nil {
			return fail("make file", "/"+name, err)
		}
	}
	links := append(r.links, [][2]string{
		{"/proc/self/fd", "dev/fd"}, {"fd/0", "dev/stdin"}, {"fd/1", "dev/stdout"}, {"fd/2", "dev/stderr"},
	}...)
	for _, l := range links {
		if err := unix.Symlink(l[0], l[1]); err != nil {
			return fail("make link", "/"+l[1], err)
		}
	}
	if err := os.CopyFS(strings.TrimPrefix(runtimes.Dir, "/"), runtimes.Files()); err != nil {
		return err
	}
	// The C library is to resolve names in files and DNS.
	return os.WriteFile("etc/nsswitch.conf", []byte("passwd: files\ngroup: files\nhosts: files dns\n"), 0o444)
}

// newMount makes a filesystem that is not mounted anywhere yet.
func newMount(fstype string, attributes int, options ...string) (int, error) {
	config, err := unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return 0, os.NewSyscallError("fsopen "+fstype, err)
	}
	defer unix.Close(config)
	for i := 0; i < len(options); i += 2 {
		if err := unix.FsconfigSetString(config, options[i], options[i+1]); err != nil {
			return 0, os.NewSyscallError(fstype+" "+options[i]+" "+options[i+1], err)
		}
	}
	if err := unix.FsconfigCreate(config); err != nil {
		return 0, os.NewSyscallError("create "+fstype, err)
	}
	fd, err := unix.Fsmount(config, unix.FSMOUNT_CLOEXEC, attributes)
	return fd, os.NewSyscallError("fsmount "+fstype, err)
}

func attachAll(trees []tree) error {
	for _, t := range trees {
		if err := attach(t.fd, t.at); err != nil {
			return fail("bind", "/"+t.at, err)
		}
	}
	return nil
}

func attach(fd int, at string) error {
	return unix.MoveMount(fd, "", unix.AT_FDCWD, at, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

func fail(op, object string, err error) error { return &fs.PathError{Op: op, Path: object, Err: err} }
