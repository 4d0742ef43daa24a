package sandbox

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// User is the name that the environment's user id has inside.
const User = "sbx_user"

const readOnly = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV

// What of the host is visible, all of it read-only. What a host lacks is left out.
var (
	hostTrees = []string{"usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"}
	hostEtc   = []string{"etc/alternatives", "etc/ld.so.cache", "etc/localtime", "etc/ssl/certs"}
	hostDev   = []string{"dev/null", "dev/zero", "dev/full", "dev/random", "dev/urandom"}
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

// buildRoot makes the root that p describes and makes it the root of the calling process, whose mount namespace must be
// its own. Nothing of the old root stays reachable.
func (p *plan) buildRoot() error {
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, &unix.MountAttr{Propagation: unix.MS_PRIVATE}); err != nil {
		return fail("make private", "/", err)
	}
	// The host's trees are taken first, since the new root will cover one of them for a moment.
	var r root
	for _, path := range slices.Concat(hostTrees, hostEtc) {
		if err := r.take(path, path, true); err != nil {
			return err
		}
	}
	files := r.trees
	r.trees = nil
	for _, path := range hostDev {
		if err := r.take(path, path, false); err != nil {
			return err
		}
	}
	devices := r.trees
	proc, err := newMount("proc", readOnly|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return fail("mount", "/proc", err)
	}
	tmp, err := newMount("tmpfs", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV, "mode", "1777", "size", strconv.FormatUint(p.tmp, 10))
	if err != nil {
		return fail("mount", "/tmp", err)
	}
	dir, err := newMount("tmpfs", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV, "mode", "755", "size", "256k")
	if err != nil {
		return fail("mount", "/", err)
	}
	if err := attach(dir, "/usr"); err != nil {
		return fail("mount the new root on", "/usr", err)
	}
	if err := unix.Fchdir(dir); err != nil {
		return fail("enter", "the new root", err)
	}
	if err := p.fill(&r); err != nil {
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
	if err := attachAll(append(devices, tree{proc, "proc"}, tree{tmp, "tmp"})); err != nil {
		return err
	}
	if err := p.maskProc(); err != nil {
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

// tree is a detached mount and the place it is for, relative to the new root. Its descriptor lives until all are closed.
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
func (r *root) take(path, at string, optional bool) error {
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
		r.links = append(r.links, [2]string{target, at})
		return nil
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, host, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return fail("bind", host, err)
	}
	r.trees = append(r.trees, tree{fd, at})
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		r.dirs = append(r.dirs, at)
	} else {
		r.files = append(r.files, at)
	}
	return nil
}

// fill makes the directories, files and links of the new root, which is the working directory.
func (p *plan) fill(r *root) error {
	unix.Umask(0o022)
	for _, name := range append([]string{"dev", "etc", "etc/ssl", "opt", "proc", "tmp", "var", "var/task"}, r.dirs...) {
		if err := unix.Mkdir(name, 0o755); err != nil {
			return fail("make directory", "/"+name, err)
		}
	}
	for _, name := range r.files {
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
	for _, f := range p.etc() {
		if err := writeNew("etc/"+f[0], f[1]); err != nil {
			return fail("write", "/etc/"+f[0], err)
		}
	}
	return nil
}

// etc is the private part of /etc: enough for the C library to name the user, and to resolve names in files and DNS.
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
		{"nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"},
		{"resolv.conf", ""},
	}
}

// maskProc covers what an environment has no business to read in the /proc below the working directory. A user id of
// its own cannot open what is the machine's root's alone; each mask that this spares makes the start faster.
func (p *plan) maskProc() error {
	for _, m := range []struct {
		names []string
		with  string
	}{{maskedFiles, "dev/null"}, {maskedDirs, "opt"}} {
		for _, name := range m.names {
			name = "proc/" + name
			var st unix.Stat_t
			if err := unix.Lstat(name, &st); err == unix.ENOENT {
				continue // this kernel does not have it
			} else if err != nil {
				return fail("mask", "/"+name, err)
			}
			if p.uid != 0 && st.Mode&0o077 == 0 {
				continue
			}
			fd, err := unix.OpenTree(unix.AT_FDCWD, m.with, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
			if err != nil {
				return fail("mask", "/"+name, err)
			}
			if err := attach(fd, name); err != nil {
				return fail("mask", "/"+name, err)
			}
			unix.Close(fd)
		}
	}
	return nil
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
			return 0, os.NewSyscallError(strings.Join([]string{fstype, options[i], options[i+1]}, " "), err)
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

func writeNew(path, content string) error {
	if content == "" {
		return unix.Mknod(path, unix.S_IFREG|0o444, 0)
	}
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o444)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(content))
	return err
}

func fail(op, object string, err error) error { return &fs.PathError{Op: op, Path: object, Err: err} }
