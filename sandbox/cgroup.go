package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"enilab/internal/undo"

	"golang.org/x/sys/unix"
)

// Control groups are written as the files that they are. github.com/containerd/cgroups knows the same files, but brings
// D-Bus, eBPF and protocol buffers along: 7 MB.

// cgroupTop is the directory below the root of each hierarchy that holds all labs.
const cgroupTop = "enilab"

// cpuPeriod is short, so that an environment with little CPU runs often for a little, not rarely for long.
const cpuPeriod = 20 * time.Millisecond

// Limits bounds an environment. Zero fields bound nothing.
type Limits struct {
	Memory int64   // bytes, without swap
	Tmp    int64   // bytes of files in /tmp that the group may have besides; zero: they count as memory
	Pids   int     // processes and threads
	VCPUs  float64 // CPU time per time
	Weight int     // share of a contended CPU, 1 to 10,000; zero means the kernel's default of 100

	Sockets int64 // bytes that TCP and UDP sockets hold; version 1 alone, because version 2 counts them as memory
}

// charged is what the kernel is to let a group have: it counts memory and files in /tmp alike.
func (l Limits) charged() int64 { return l.Memory + l.Tmp }

// Usage is what an environment has used so far.
type Usage struct {
	MaxMemory int64         // bytes at the peak, cached files and /tmp included; 0 if the kernel does not tell
	OOMKills  int           // processes killed for want of memory
	CPU       time.Duration // processor time
	Throttled time.Duration // time that processes waited for their quota
}

// Cgroups is the control groups of one lab: enilab/<lab>/<environment> in each hierarchy.
type Cgroups struct {
	lab         string
	hierarchies []hierarchy
	uids        *os.File // locks the lab's range of user ids; nil: it has none
}

// NewCgroups makes the lab's groups. Left-overs of a dead lab with this name must be removed first, with RemoveCgroups.
func NewCgroups(lab string) (_ *Cgroups, err error) {
	if err := checkCgroupName(lab); err != nil {
		return nil, err
	}
	hierarchies, err := findHierarchies()
	if err != nil {
		return nil, err
	}
	c := &Cgroups{lab: lab, hierarchies: hierarchies}
	var undo undo.Stack
	defer undo.CloseOn(&err)
	for _, h := range hierarchies {
		err := h.addLab(lab)
		if errors.Is(err, fs.ErrPermission) {
			return nil, fmt.Errorf("cgroup: %w: only root can limit memory, processes and CPU", err)
		}
		if err != nil {
			return nil, fmt.Errorf("cgroup: lab %s: %w", lab, err)
		}
		undo.Push(func() error { return h.removeLab(lab) })
	}
	return c, nil
}

// Close removes the lab's groups, with all that is left in them, and gives its user ids back.
func (c *Cgroups) Close() error {
	err := RemoveCgroups(c.lab)
	c.uids.Close() // nil-safe
	return err
}

// RemoveCgroups removes all control groups of a lab that is gone, and kills what still runs in them. It touches no
// others. A lab without any is not an error.
func RemoveCgroups(lab string) error {
	if err := checkCgroupName(lab); err != nil {
		return err
	}
	hierarchies, err := findHierarchies()
	if err != nil {
		return err
	}
	for _, h := range hierarchies {
		if e := h.removeLab(lab); e != nil {
			err = errors.Join(err, fmt.Errorf("cgroup: remove lab %s: %w", lab, e))
		}
	}
	return err
}

// TryCgroups makes a lab's control groups and removes them again. It tells of which version they are, and why there can be none,
// as [NewCgroups] would. Untold is what [Cgroups.Untold] says.
func TryCgroups(lab string) (version string, untold, err error) {
	if err := CheckCgroups(); err != nil {
		return "", nil, err
	}
	c, err := NewCgroups(lab)
	if err != nil {
		return "", nil, err
	}
	return c.version(), c.Untold(), c.Close()
}

// version is that of the hierarchies that limit environments.
func (c *Cgroups) version() string {
	var one, two bool
	for _, h := range c.hierarchies {
		limits := len(h.controllers) > 0 // else it only freezes
		one, two = one || limits && !h.unified, two || limits && h.unified
	}
	switch {
	case one && two:
		return "versions 1 and 2"
	case two:
		return "version 2"
	}
	return "version 1"
}

// Untold is why the kernel does not tell when an environment has more memory than it may, so that the lab looks four times a
// second. nil: it does tell. It makes a group to find out.
func (c *Cgroups) Untold() (err error) {
	const most = 128 << 20
	g, err := c.New("untold", Limits{Memory: most})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	return g.untold(most)
}

func (g *Cgroup) untold(bytes int64) error {
	m := g.memoryMark()
	defer m.Close()
	m.set(bytes)
	if m.refused == nil {
		m.refused = m.await(context.Background(), time.Nanosecond)
	}
	return m.refused
}

// CheckCgroups says why the caller may have no control groups here, or nil. It changes nothing, and so cannot tell what
// [TryCgroups] can.
func CheckCgroups() error {
	hierarchies, err := findHierarchies()
	if err != nil {
		return err
	}
	for _, h := range hierarchies {
		dir := h.mount
		if _, err := os.Stat(filepath.Join(dir, cgroupTop)); err == nil {
			dir = filepath.Join(dir, cgroupTop)
		}
		if err := unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK, unix.AT_EACCESS); err != nil {
			return fmt.Errorf("cgroup: %s cannot be written to: %w: only root can limit memory, processes and CPU", dir, err)
		}
	}
	return nil
}

// New makes a group for one environment. It belongs to whoever starts a process in it.
func (c *Cgroups) New(name string, l Limits) (_ *Cgroup, err error) {
	if err := checkCgroupName(name); err != nil {
		return nil, err
	}
	g := &Cgroup{limits: l}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("cgroup: %s/%s: %w", c.lab, name, err), g.Close())
		}
	}()
	for _, h := range c.hierarchies {
		dir := filepath.Join(h.mount, cgroupTop, c.lab, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, err
		}
		g.dirs = append(g.dirs, cgroupDir{h, dir})
		if err := set(dir, h.settings(l)); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// Cgroup is the group of one environment. A nil *Cgroup bounds nothing and has nothing to tell or to close.
type Cgroup struct {
	dirs   []cgroupDir
	limits Limits
}

type cgroupDir struct {
	hierarchy
	path string
}

// limit changes those limits that are not zero in l, and writes only what differs.
func (g *Cgroup) limit(l Limits) error {
	if g == nil {
		return nil
	}
	l = Limits{cmp.Or(l.Memory, g.limits.Memory), cmp.Or(l.Tmp, g.limits.Tmp), cmp.Or(l.Pids, g.limits.Pids), cmp.Or(l.VCPUs, g.limits.VCPUs), cmp.Or(l.Weight, g.limits.Weight), cmp.Or(l.Sockets, g.limits.Sockets)}
	for _, d := range g.dirs {
		old := d.settings(g.limits)
		changes := slices.DeleteFunc(d.settings(l), func(s setting) bool { return slices.Contains(old, s) })
		if g.limits.Memory > 0 && l.charged() > g.limits.charged() {
			slices.Reverse(changes) // memory and swap together go up first
		}
		if err := set(d.path, changes); err != nil {
			return fmt.Errorf("cgroup: %w", err)
		}
	}
	g.limits = l
	return nil
}

// Close removes the group, and kills what still runs in it.
func (g *Cgroup) Close() (err error) {
	if g == nil {
		return nil
	}
	for _, d := range g.dirs {
		err = errors.Join(err, d.remove(d.path))
	}
	return err
}

// Usage reads the group's counters.
func (g *Cgroup) Usage() (u Usage, err error) {
	if g == nil {
		return u, nil
	}
	for _, d := range g.dirs {
		err = errors.Join(err, d.usage(d.path, &u))
	}
	return u, err
}

// Peak reads what of the counters a report needs, without the others: the most memory that the group has used.
func (g *Cgroup) Peak() (bytes int64, err error) {
	if g == nil {
		return 0, nil
	}
	d := g.memoryDir()
	return d.peak(d.path)
}

// memoryDir is where the group's memory is counted.
func (g *Cgroup) memoryDir() cgroupDir {
	return g.dirs[slices.IndexFunc(g.dirs, func(d cgroupDir) bool { return slices.Contains(d.controllers, "memory") })]
}

// entry is the way in for a new process: a directory to be created in, for version 2, and files to write 0 to.
type entry struct {
	directory *os.File
	tasks     []*os.File
}

func (g *Cgroup) open() (e entry, err error) {
	if g == nil {
		return e, nil
	}
	for _, d := range g.dirs {
		if d.unified {
			e.directory, err = os.Open(d.path)
		} else {
			var f *os.File
			if f, err = os.OpenFile(filepath.Join(d.path, "tasks"), os.O_WRONLY, 0); err == nil {
				e.tasks = append(e.tasks, f)
			}
		}
		if err != nil {
			e.Close()
			return entry{}, fmt.Errorf("cgroup: %w", err)
		}
	}
	return e, nil
}

func (e entry) Close() {
	e.directory.Close() // nil-safe
	for _, f := range e.tasks {
		f.Close()
	}
}

// checkCgroupName keeps a name to one element of a path, and out of the way of the kernel's own files, most of which have dots.
func checkCgroupName(name string) error {
	ok := name != "" && len(name) <= 64 && strings.IndexFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}) < 0
	switch name {
	case "tasks", "notify_on_release", "release_agent":
		ok = false
	}
	if !ok {
		return fmt.Errorf("cgroup: %q is no name for a group: 1 to 64 letters, digits, - and _", name)
	}
	return nil
}

func set(dir string, settings []setting) error {
	for _, s := range settings {
		if err := write(filepath.Join(dir, s.file), s.value); err != nil && !(s.optional && errors.Is(err, fs.ErrNotExist)) {
			return err
		}
	}
	return nil
}

func write(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// counter reads one number: all of a file, or that behind a key, see counters.
func counter(dir, file, key string) (int64, error) {
	if key != "" {
		found, err := counters(dir, file, key)
		if err != nil {
			return 0, err
		}
		return found[0], nil
	}
	b, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return 0, err
	}
	return number(dir, file, strings.TrimSpace(string(b)))
}

// counters reads the numbers behind some keys of a file with a key and a number on each line, all of one moment.
func counters(dir, file string, keys ...string) ([]int64, error) {
	b, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return nil, err
	}
	values, seen := make([]int64, len(keys)), make([]bool, len(keys))
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		i := slices.Index(keys, key)
		if i < 0 {
			continue
		}
		if values[i], err = number(dir, file, value); err != nil {
			return nil, err
		}
		seen[i] = true
	}
	if i := slices.Index(seen, false); i >= 0 {
		return nil, fmt.Errorf("%s/%s has no %s: %w", dir, file, keys[i], fs.ErrNotExist)
	}
	return values, nil
}

func number(dir, file, text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s/%s: %w", dir, file, err)
	}
	return n, nil
}
