package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// controllers are those that limit an environment.
var controllers = []string{"cpu", "memory", "pids"}

// hierarchy is one mounted tree of control groups: the unified one of version 2, or one of version 1's.
type hierarchy struct {
	mount       string
	unified     bool
	controllers []string // those of ours that it has
}

// findHierarchies finds where this machine keeps the controllers. A hybrid machine has both versions mounted, and each
// controller is in one of them: it is the controllers that count, not the mounts.
func findHierarchies() ([]hierarchy, error) {
	f, err := os.Open("/proc/thread-self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("cgroup: %w", err)
	}
	defer f.Close()
	mounts, err := parseCgroupMounts(f)
	if err != nil {
		return nil, fmt.Errorf("cgroup: read mounts: %w", err)
	}
	for i := range mounts {
		if mounts[i].unified {
			b, err := os.ReadFile(filepath.Join(mounts[i].mount, "cgroup.controllers"))
			if err != nil {
				return nil, fmt.Errorf("cgroup: %w", err)
			}
			mounts[i].controllers = ours(strings.Fields(string(b)))
		}
	}
	chosen, err := choose(mounts)
	if err != nil || slices.ContainsFunc(chosen, func(h hierarchy) bool { return h.unified }) {
		return chosen, err
	}
	// Version 1 has all controllers; version 2 still freezes.
	for _, m := range mounts {
		if m.unified && unix.Faccessat(unix.AT_FDCWD, m.mount, unix.W_OK, unix.AT_EACCESS) == nil {
			return append(chosen, hierarchy{mount: m.mount, unified: true}), nil
		}
	}
	return chosen, nil
}

// ErrNoControllers is met where control groups are not mounted, or not with the controllers that limit environments.
var ErrNoControllers = errors.New("no hierarchy is mounted that has")

// choose takes a hierarchy for each controller, and each hierarchy once.
func choose(mounts []hierarchy) (chosen []hierarchy, err error) {
	missing := slices.Clone(controllers)
	for _, m := range mounts {
		m.controllers = slices.DeleteFunc(m.controllers, func(c string) bool { return !slices.Contains(missing, c) })
		if len(m.controllers) > 0 {
			chosen = append(chosen, m)
			missing = slices.DeleteFunc(missing, func(c string) bool { return slices.Contains(m.controllers, c) })
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("cgroup: %w the controllers %s", ErrNoControllers, strings.Join(missing, ", "))
	}
	return chosen, nil
}

// parseCgroupMounts reads /proc/<pid>/mountinfo (proc(5)).
func parseCgroupMounts(r io.Reader) (mounts []hierarchy, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		left, right, ok := strings.Cut(lines.Text(), " - ")
		at, kind := strings.Fields(left), strings.Fields(right)
		if !ok || len(at) < 5 || len(kind) < 3 {
			continue
		}
		path := mountinfoEscapes.Replace(at[4])
		switch kind[0] {
		case "cgroup2":
			mounts = append(mounts, hierarchy{mount: path, unified: true})
		case "cgroup":
			if found := ours(strings.Split(kind[2], ",")); len(found) > 0 {
				mounts = append(mounts, hierarchy{mount: path, controllers: found})
			}
		}
	}
	return mounts, lines.Err()
}

var mountinfoEscapes = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

func ours(names []string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return !slices.Contains(controllers, name) })
}

// labWeight is what all environments of a lab together weigh, where any other process weighs 100: above each of the
// lab's own control plane, which on AWS run elsewhere. If they weighed no more than one of these, sixteen environments
// would wait for it most of the time.
const labWeight = 300

// addLab makes the directories of a lab. In the unified hierarchy a parent must enable controllers for its children.
func (h hierarchy) addLab(lab string) error {
	unlock, err := h.lock()
	for errors.Is(err, fs.ErrNotExist) {
		if err := os.Mkdir(h.top(), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		unlock, err = h.lock()
	}
	if err != nil {
		return err
	}
	defer unlock()
	top := h.top()
	dir := filepath.Join(top, lab)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return errors.Join(err, h.removeTop())
	}
	if h.unified {
		err = errors.Join(h.enableAtRoot(), enable(top, h.controllers), enable(dir, h.controllers))
	}
	for _, d := range []string{top, dir} {
		if err == nil {
			err = set(d, h.settings(Limits{Weight: labWeight}))
		}
	}
	if err == nil {
		err = h.boundMemory(dir)
	}
	if err != nil {
		return errors.Join(err, h.remove(dir), h.removeTop())
	}
	return nil
}

// boundMemory leaves an eighth of the machine's memory to all but a lab's functions, whatever these have in memory and in
// /tmp together, and bounds what their sockets hold.
func (h hierarchy) boundMemory(dir string) error {
	if !slices.Contains(h.controllers, "memory") {
		return nil
	}
	memory, err := machineMemory()
	if err != nil {
		return err
	}
	sockets, _, err := SocketShare()
	if err != nil {
		return err
	}
	if err := set(dir, h.settings(Limits{Sockets: sockets})); err != nil {
		return err
	}
	file := "memory.limit_in_bytes"
	if h.unified {
		file = "memory.max"
	}
	return write(filepath.Join(dir, file), strconv.FormatInt(memory/8*7, 10))
}

func (h hierarchy) removeLab(lab string) error {
	unlock, err := h.lock()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock()
	return errors.Join(h.removeTree(filepath.Join(h.top(), lab)), h.removeTop())
}

// enabledByUs, on our top directory, names the controllers that were not enabled at the root before we came: a note that
// lives and dies with the directory, whoever removes it.
const enabledByUs = "user.enilab.enabled"

func (h hierarchy) enableAtRoot() error {
	b, err := os.ReadFile(filepath.Join(h.mount, "cgroup.subtree_control"))
	if err != nil {
		return err
	}
	enabled := strings.Fields(string(b))
	missing := slices.DeleteFunc(slices.Clone(h.controllers), func(c string) bool { return slices.Contains(enabled, c) })
	if len(missing) == 0 {
		return nil
	}
	top := h.top()
	note := strings.Join(append(missing, h.noted()...), " ")
	if err := unix.Setxattr(top, enabledByUs, []byte(note), 0); err != nil {
		return &fs.PathError{Op: "note on", Path: top, Err: err}
	}
	err = enable(h.mount, missing)
	if errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("%w: it is not the machine's root of control groups, and holds processes: move them to a group below it, or start the container with --cgroupns=host", err)
	}
	return err
}

func (h hierarchy) noted() []string {
	b := make([]byte, 256)
	n, err := unix.Getxattr(h.top(), enabledByUs, b)
	if err != nil {
		return nil
	}
	return strings.Fields(string(b[:n]))
}

// removeTop removes our directory after the last lab's, and what was enabled for it. It goes last: who finds none does not wait.
func (h hierarchy) removeTop() error {
	top := h.top()
	labs, err := os.ReadDir(top)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(labs, fs.DirEntry.IsDir) {
		return nil
	}
	for _, c := range h.noted() {
		if err := write(filepath.Join(top, "cgroup.subtree_control"), "-"+c); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		used, err := inUse(h.mount, c)
		if err != nil {
			return err
		}
		if used {
			continue
		}
		// Busy means that somebody else has come to use it meanwhile; then it is theirs.
		if e := write(filepath.Join(h.mount, "cgroup.subtree_control"), "-"+c); e != nil && !errors.Is(e, unix.EBUSY) {
			return e
		}
	}
	switch err := unix.Rmdir(top); err {
	case nil, unix.EBUSY: // somebody has put a process there, and may keep it
		return nil
	default:
		return &fs.PathError{Op: "rmdir", Path: top, Err: err}
	}
}

// untouched is what the kernel writes into a new group's files of a controller, version 2: those that say what a group may
// have. https://docs.kernel.org/admin-guide/cgroup-v2.html
var untouched = map[string]map[string]string{
	"cpu": {
		"cpu.weight": "100", "cpu.max": "max 100000", "cpu.max.burst": "0", "cpu.idle": "0",
		"cpu.uclamp.min": "0.00", "cpu.uclamp.max": "max",
	},
	"memory": {
		"memory.min": "0", "memory.low": "0", "memory.high": "max", "memory.max": "max", "memory.oom.group": "0",
		"memory.swap.high": "max", "memory.swap.max": "max", "memory.zswap.max": "max", "memory.zswap.writeback": "1",
	},
	"pids": {"pids.max": "max"},
}

// inUse tells whether a group directly below a root has a setting of a controller that somebody has changed: CPUWeight of a
// slice, say. Without the controller it would be gone, and systemd would not know.
func inUse(root, controller string) (bool, error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		if !e.IsDir() || e.Name() == cgroupTop {
			continue
		}
		for file, value := range untouched[controller] {
			b, err := os.ReadFile(filepath.Join(root, e.Name(), file))
			switch {
			case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV): // not on this kernel, or the group has just gone
			case err != nil:
				return false, err
			case strings.TrimSpace(string(b)) != value:
				return true, nil
			}
		}
	}
	return false, nil
}

func enable(dir string, controllers []string) error {
	if len(controllers) == 0 {
		return nil
	}
	return write(filepath.Join(dir, "cgroup.subtree_control"), "+"+strings.Join(controllers, " +"))
}

// top is the directory that holds all labs. Nobody else can open it, nor what is in it: who can open a file can lock it, and have
// all labs wait.
func (h hierarchy) top() string { return filepath.Join(h.mount, cgroupTop) }

// lock keeps labs that come and go at the same time from taking the top directory from each other. It is fs.ErrNotExist if there
// is none.
func (h hierarchy) lock() (unlock func(), err error) {
	for {
		f, err := os.Open(h.top())
		if err != nil {
			return nil, err
		}
		if err = f.Chmod(0o700); err == nil { // a former version's is open to all
			err = os.NewSyscallError("flock", unix.Flock(int(f.Fd()), unix.LOCK_EX))
		}
		var mine, there fs.FileInfo
		if err == nil {
			mine, err = f.Stat()
		}
		if err == nil {
			there, err = os.Stat(h.top())
		}
		if err == nil && os.SameFile(mine, there) {
			return func() { f.Close() }, nil
		}
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", h.top(), err)
		}
	}
}

type setting struct {
	file, value string
	optional    bool // not on every kernel, and what it adds can be done without
}

// settings are the files that limit a group in this hierarchy.
func (h hierarchy) settings(l Limits) (s []setting) {
	decimal := func(n int64) string { return strconv.FormatInt(n, 10) }
	quota := max(time.Duration(l.VCPUs*float64(cpuPeriod)), time.Millisecond).Microseconds() // the kernel takes no less
	period := cpuPeriod.Microseconds()
	for _, c := range h.controllers {
		if c == "memory" && l.Sockets > 0 && !h.unified {
			s = append(s, setting{socketLimit, decimal(l.Sockets), true})
		}
		switch {
		case c == "memory" && l.Memory > 0 && h.unified:
			s = append(s, setting{"memory.max", decimal(l.charged()), false}, setting{"memory.swap.max", "0", true},
				setting{"memory.oom.group", "1", true})
		case c == "memory" && l.Memory > 0: // the order matters: memory and swap together may not be less than memory
			s = append(s, setting{"memory.limit_in_bytes", decimal(l.charged()), false},
				setting{"memory.memsw.limit_in_bytes", decimal(l.charged()), true})
		case c == "pids" && l.Pids > 0:
			s = append(s, setting{"pids.max", decimal(int64(l.Pids)), false})
		case c == "cpu" && h.unified:
			if l.VCPUs > 0 {
				s = append(s, setting{"cpu.max", fmt.Sprintf("%d %d", quota, period), false})
			}
			if l.Weight > 0 {
				s = append(s, setting{"cpu.weight", decimal(int64(l.Weight)), false})
			}
		case c == "cpu":
			if l.VCPUs > 0 {
				s = append(s, setting{"cpu.cfs_period_us", decimal(period), false}, setting{"cpu.cfs_quota_us", decimal(quota), false})
			}
			if l.Weight > 0 {
				s = append(s, setting{"cpu.shares", decimal(max(int64(l.Weight)*1024/100, 2)), false})
			}
		}
	}
	return s
}

// usage adds to u what this hierarchy knows of a group.
func (h hierarchy) usage(dir string, u *Usage) (err error) {
	read := func(file, key string, optional bool) int64 {
		n, e := counter(dir, file, key)
		if e != nil && !(optional && errors.Is(e, fs.ErrNotExist)) {
			err = errors.Join(err, e)
		}
		return n
	}
	if h.unified { // whatever its controllers
		u.CPU = time.Duration(read("cpu.stat", "usage_usec", false)) * time.Microsecond
	}
	for _, c := range h.controllers {
		if c == "memory" {
			peak, e := h.peak(dir)
			u.MaxMemory, err = peak, errors.Join(err, e)
		}
		switch {
		case c == "memory" && h.unified:
			u.OOMKills = int(read("memory.events", "oom_kill", false))
		case c == "memory":
			u.OOMKills = int(read("memory.oom_control", "oom_kill", true)) // since Linux 4.13
		case c == "cpu" && h.unified:
			u.Throttled = time.Duration(read("cpu.stat", "throttled_usec", true)) * time.Microsecond
		case c == "cpu":
			if cpu := read("cpuacct.usage", "", true); cpu > 0 { // where cpuacct is mounted with cpu, as systemd does
				u.CPU = time.Duration(cpu)
			}
			u.Throttled = time.Duration(read("cpu.stat", "throttled_time", true))
		}
	}
	return err
}

// peak is the most memory that a group has used, in bytes; 0 if the kernel does not tell.
func (h hierarchy) peak(dir string) (int64, error) {
	if !h.unified {
		return counter(dir, "memory.max_usage_in_bytes", "")
	}
	n, err := counter(dir, "memory.peak", "") // since Linux 5.19
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	return n, err
}

// removeTree removes a group with all below it.
func (h hierarchy) removeTree(dir string) (err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if e.IsDir() {
			err = errors.Join(err, h.removeTree(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(err, h.remove(dir))
}

// endTime is how long the processes of a group may take to end once they are killed.
const endTime = 5 * time.Second

// remove removes one group. What still runs in it is killed; a group that is gone is not an error.
func (h hierarchy) remove(dir string) error {
	deadline := time.Now().Add(endTime)
	for {
		err := unix.Rmdir(dir)
		switch err {
		case nil, unix.ENOENT:
			return nil
		case unix.EBUSY:
		default:
			return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
		}
		if time.Now().After(deadline) {
			b, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
			return fmt.Errorf("rmdir %s: %w: after %v it still holds the processes %v", dir, err, endTime, strings.Fields(string(b)))
		}
		if h.unified {
			err = killUnified(dir, deadline)
		} else {
			err = killMembers(dir, deadline)
		}
		if err != nil {
			return err
		}
	}
}

// killUnified kills all in a group and waits for the event that it is empty.
func killUnified(dir string, deadline time.Time) error {
	events, err := os.Open(filepath.Join(dir, "cgroup.events"))
	if err != nil {
		return err
	}
	defer events.Close()
	err = write(filepath.Join(dir, "cgroup.kill"), "1")
	if errors.Is(err, fs.ErrNotExist) { // before Linux 5.14
		return killMembers(dir, deadline)
	}
	if err != nil {
		return err
	}
	b := make([]byte, 256)
	for {
		n, err := events.ReadAt(b, 0) // reading also arms the poll
		if err != nil && err != io.EOF {
			return err
		}
		left := time.Until(deadline)
		if strings.Contains(string(b[:n]), "populated 0") || left <= 0 {
			return nil
		}
		if err := poll(int(events.Fd()), unix.POLLPRI, left); err != nil {
			return fmt.Errorf("wait for %s: %w", events.Name(), err)
		}
	}
}

// killMembers kills one after the other in a group and waits for each to end.
func killMembers(dir string, deadline time.Time) error {
	pids, err := groupPids(dir)
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if pid == 0 {
			return fmt.Errorf("%s holds a process of a pid namespace that is not ours", dir)
		}
		if err := killMember(dir, pid, deadline); err != nil {
			return err
		}
	}
	if len(pids) == 0 { // the last is on its way out of the group: version 1 announces that to nobody
		time.Sleep(time.Millisecond)
	}
	return nil
}

// killMember kills a process if, once it is held by a descriptor, it still is in the group: its id may have passed to a
// stranger before.
func killMember(dir string, pid int, deadline time.Time) error {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err == unix.ESRCH {
		return nil
	} else if err != nil {
		return fmt.Errorf("open process %d: %w", pid, err)
	}
	defer unix.Close(pidfd)
	if now, err := groupPids(dir); err != nil || !slices.Contains(now, pid) {
		return err
	}
	if err := unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0); err != nil && err != unix.ESRCH {
		return fmt.Errorf("kill process %d in %s: %w", pid, dir, err)
	}
	if err := poll(pidfd, unix.POLLIN, time.Until(deadline)); err != nil {
		return fmt.Errorf("wait for process %d: %w", pid, err)
	}
	return nil
}

func groupPids(dir string) (pids []int, err error) {
	b, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	for field := range strings.FieldsSeq(string(b)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			return nil, fmt.Errorf("%s/cgroup.procs: %w", dir, err)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// poll waits for an event, or until the time is over, which is not an error.
func poll(fd int, event int16, allowed time.Duration) error {
	_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: event}}, int(max(allowed, 0).Milliseconds()))
	if err == unix.EINTR {
		return nil
	}
	return err
}
