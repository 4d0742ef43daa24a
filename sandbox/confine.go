package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What the stage says when all is well. Parked means that it waits for its order. Ready is sent right before exec, with
// which the socket closes: ready and then the end means that the code runs; ready and more, that exec failed; the end
// alone, that the process died.
const (
	parked = 'p'
	ready  = 'r'
)

// mounted is what the lab says when the code is in place.
const mounted = 'm'

// statusFD is the stage's socket to the lab: its order comes in, how it goes goes out.
const statusFD = 3

// machine is what the zygote finds out once.
type machine struct {
	lastCapability int
	limits         map[int]uint64 // what of each resource may be had at most
	masks          []mask
	watches        []watchBound
}

// entries are the descriptors that a stage begins with, as the zygote has them.
type entries struct {
	status int
	joins  []int // the tasks files of control groups (version 1) to join
	ids    int   // readable when the user namespace has its ids; -1: there is none
	gate   int   // the other end of ids
}

// plan writes down how the environment confines itself. What it does while it still may is done before it is parked: it
// waits with the rights of the function, which are none.
func (s *stage) plan(p *plan, m *machine, e entries) {
	s.begin("descriptors")
	s.add("keep the status socket", unix.SYS_DUP3, lit(e.status), lit(statusFD), lit(unix.O_CLOEXEC))
	if e.ids >= 0 {
		s.begin("privileges")
		s.add("close the other end", unix.SYS_CLOSE, lit(e.gate)) // or its end would never be seen
		s.add("wait for ids", unix.SYS_READ, lit(e.ids), own(unsafe.Pointer(&s.failed)), lit(1)).end = true
	}
	if p.uid == 0 {
		s.boundWatches(m)
	}
	s.begin("session")
	s.add("setsid", unix.SYS_SETSID)
	s.joinCgroups(e.joins)
	s.mountRoot(p, m)
	s.begin("hostname")
	s.add("set the host name", unix.SYS_SETHOSTNAME, s.string(p.hostname), lit(len(p.hostname)))
	s.limit(p, m)
	s.dropPrivileges(p, m)
	s.begin("descriptors")
	s.add("close all others", unix.SYS_CLOSE_RANGE, lit(statusFD+1), argument{value: ^uintptr(0)}, lit(0))
	s.add("unblock signals", unix.SYS_RT_SIGPROCMASK, lit(unix.SIG_SETMASK), structureOf(s, uint64(0)), lit(0), lit(8))
	s.loadSeccomp()
	s.becomeFunction()
}

// watchShare is which part of its user's inotify instances and watches an environment may have: an eighth. The lab may have
// half (package realm).
const watchShare = 8

// watchBound is a setting of a user namespace, and what it is to be.
type watchBound struct{ setting, limit string }

// watchBounds are what an environment in a user namespace may have of inotify: nothing on a kernel without that.
func watchBounds() (bounds []watchBound, err error) {
	for _, what := range []string{"instances", "watches"} {
		b, err := os.ReadFile("/proc/sys/fs/inotify/max_user_" + what)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("inotify: %w", err)
		}
		most, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil {
			return nil, fmt.Errorf("inotify: max_user_%s: %w", what, err)
		}
		bounds = append(bounds, watchBound{"user.max_inotify_" + what, strconv.Itoa(max(1, most/watchShare))})
	}
	return bounds, nil
}

// boundWatches keeps an environment in a user namespace from using up what its user has of inotify, who has 128 instances for
// all programs (inotify(7)). With a user id of its own it has as much of its own.
func (s *stage) boundWatches(m *machine) {
	s.begin("limits")
	for _, b := range m.watches {
		file := "/proc/sys/" + strings.Replace(b.setting, ".", "/", 1)
		open := s.add("open "+b.setting, unix.SYS_OPENAT, lit(unix.AT_FDCWD), s.string(file), lit(unix.O_WRONLY|unix.O_CLOEXEC), lit(0))
		open.pass = [2]uint16{uint16(unix.ENOENT)} // a kernel that does not bound them by user namespace
		fd := s.keep(open)
		for _, c := range []*call{
			s.add("bound "+b.setting, unix.SYS_WRITE, fd, s.string(b.limit), lit(len(b.limit))),
			s.add("close "+b.setting, unix.SYS_CLOSE, fd),
		} {
			c.pass = [2]uint16{uint16(unix.EBADF)}
		}
	}
}

// joinCgroups moves the process into the version 1 groups: "0" means the writer, and writing to tasks instead of
// cgroup.procs spares a wait for an RCU grace period in each. The groups that it is in then are the root of those that it
// sees.
func (s *stage) joinCgroups(joins []int) {
	s.begin("cgroup")
	for _, fd := range joins {
		s.add("join", unix.SYS_WRITE, lit(fd), s.string("0"), lit(1))
	}
	s.add("unshare control groups", unix.SYS_UNSHARE, lit(unix.CLONE_NEWCGROUP))
}

// becomeFunction waits for the order, and then for its code to be in place (see Launcher.handOver): it takes a processor as
// long to wake up as it takes the lab to mount that.
func (s *stage) becomeFunction() {
	s.begin("configuration")
	s.add("say that it is parked", unix.SYS_WRITE, lit(statusFD), s.string(string(rune(parked))), lit(1))
	s.add("receive the order", unix.SYS_RECVMSG, lit(statusFD), own(unsafe.Pointer(&s.message)), lit(unix.MSG_CMSG_CLOEXEC)).end = true
	s.begin("descriptors")
	for _, fd := range []int{1, 2} {
		s.add(fmt.Sprintf("make the output descriptor %d", fd), unix.SYS_DUP3, argument{from: descriptor}, lit(fd), lit(0))
	}
	s.begin("code")
	s.add("wait for it", unix.SYS_READ, lit(statusFD), own(unsafe.Pointer(&s.failed)), lit(1)).end = true
	s.add("enter /var/task", unix.SYS_CHDIR, s.string("/var/task")) // as the user, so that a directory closed to it is found here
	s.begin("exec")
	s.add("say that it is ready", unix.SYS_WRITE, lit(statusFD), s.string(string(rune(ready))), lit(1))
	s.add("", unix.SYS_EXECVE, word(0), word(1), word(2)).busy = true
}

// mountRoot completes the root that the zygote has built with what each environment has of its own.
func (s *stage) mountRoot(p *plan, m *machine) {
	s.begin("root")
	const private = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV
	// The machine's /proc stays below: where it could be taken away, that would wait for an RCU grace period.
	s.attach(s.newMount("proc", readOnly|unix.MOUNT_ATTR_NOEXEC), "/proc")
	for _, k := range m.masks {
		if p.uid == 0 || !k.private {
			s.add("mask "+k.path, unix.SYS_MOUNT, s.string(k.with), s.string(k.path), lit(0), lit(unix.MS_BIND), lit(0))
		}
	}
	s.attach(s.newMount("tmpfs", private, "mode", "1777", "size", strconv.FormatUint(p.tmp, 10)), "/tmp")
	s.writeEtc(p, s.newMount("tmpfs", private, "mode", "755", "size", "64k"))
}

// covered is where the code is mounted when the environment is to become a function: until then a place for what is to be
// attached, and not to be seen. A mount that is attached nowhere costs a grace period when its descriptor is closed.
const covered = "/var/task"

// writeEtc fills a filesystem with the environment's own part of /etc, and mounts each of its files.
func (s *stage) writeEtc(p *plan, dir argument) {
	files := p.etc()
	for _, f := range files {
		name := "/etc/" + f[0]
		fd := s.keep(s.add("make "+name, unix.SYS_OPENAT, dir, s.string(f[0]), lit(unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC), lit(0o444)))
		s.add("write "+name, unix.SYS_WRITE, fd, s.string(f[1]), lit(len(f[1])))
		s.add("close "+name, unix.SYS_CLOSE, fd) // or to make it read-only is refused
	}
	attr := structureOf(s, unix.MountAttr{Attr_set: readOnly | unix.MOUNT_ATTR_NOEXEC})
	s.add("make /etc read-only", unix.SYS_MOUNT_SETATTR, dir, s.string(""), lit(unix.AT_EMPTY_PATH), attr, lit(int(unsafe.Sizeof(unix.MountAttr{}))))
	s.attach(dir, covered)
	for _, f := range files {
		s.attach(s.keep(s.add("take /etc/"+f[0], unix.SYS_OPEN_TREE, dir, s.string(f[0]), lit(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC))), "/etc/"+f[0])
	}
}

// newMount makes a filesystem that is not mounted anywhere yet.
func (s *stage) newMount(fstype string, attributes int, options ...string) argument {
	fs := s.keep(s.add("open "+fstype, unix.SYS_FSOPEN, s.string(fstype), lit(unix.FSOPEN_CLOEXEC)))
	for i := 0; i < len(options); i += 2 {
		s.add("set "+fstype+" "+options[i]+"="+options[i+1], unix.SYS_FSCONFIG, fs, lit(unix.FSCONFIG_SET_STRING), s.string(options[i]), s.string(options[i+1]), lit(0))
	}
	s.add("create "+fstype, unix.SYS_FSCONFIG, fs, lit(unix.FSCONFIG_CMD_CREATE), lit(0), lit(0), lit(0))
	return s.keep(s.add("mount "+fstype, unix.SYS_FSMOUNT, fs, lit(unix.FSMOUNT_CLOEXEC), lit(attributes)))
}

func (s *stage) attach(mount argument, at string) {
	s.add("mount "+at, unix.SYS_MOVE_MOUNT, mount, s.string(""), lit(unix.AT_FDCWD), s.string(at), lit(unix.MOVE_MOUNT_F_EMPTY_PATH))
}
