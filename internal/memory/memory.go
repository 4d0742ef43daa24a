// Package memory tells how much memory this process can still have.
package memory

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Available is how many bytes this process, and all that share its limits, can take before the kernel ends one of them for
// it: what the machine has, and what is left in its control group and in each above that, of either version. What the kernel
// would give up for them, such as cached files, counts as left. Proc is where the proc file system is mounted.
func Available(proc string) (int64, error) {
	left, err := machine(proc)
	if err != nil {
		return 0, err
	}
	groups, err := groups(proc)
	if err != nil {
		return 0, err
	}
	for _, g := range groups {
		n, err := g.left()
		if err != nil {
			return 0, err
		}
		left = min(left, n)
	}
	return max(left, 0), nil
}

// machine is the kernel's own estimate (proc_meminfo(5)).
func machine(proc string) (int64, error) {
	n, err := field(filepath.Join(proc, "meminfo"), "MemAvailable:")
	return n * 1024, err
}

// group is one control group that limits memory.
type group struct {
	dir     string
	unified bool // version 2
}

// groups are the process's own and those above it, as far as they can be seen from here.
func groups(proc string) (list []group, err error) {
	own, err := ownGroups(filepath.Join(proc, "self/cgroup"))
	if err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(proc, "thread-self/mountinfo"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		m, ok := parseMount(lines.Text())
		path, in := own[m.unified]
		if !ok || !in {
			continue
		}
		dir := m.at
		if below, ok := strings.CutPrefix(path+"/", strings.TrimSuffix(m.root, "/")+"/"); ok { // else only the mount can be seen
			dir = filepath.Join(m.at, below)
		}
		for ; len(dir) >= len(m.at); dir = filepath.Dir(dir) {
			list = append(list, group{dir, m.unified})
		}
	}
	return list, lines.Err()
}

// ownGroups are the paths of the process's groups that may limit memory, by whether they are of version 2 (cgroups(7)).
func ownGroups(file string) (map[bool]string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	own := map[bool]string{}
	for line := range strings.Lines(string(b)) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		switch {
		case len(parts) != 3:
			return nil, fmt.Errorf("%s: a line is %q", file, line)
		case parts[0] == "0":
			own[true] = parts[2]
		case isMemory(parts[1]):
			own[false] = parts[2]
		}
	}
	return own, nil
}

func isMemory(controllers string) bool {
	return strings.Contains(","+controllers+",", ",memory,")
}

// mount is where a hierarchy of control groups can be seen, from its group root on.
type mount struct {
	at, root string
	unified  bool
}

// parseMount reads a line of mountinfo (proc_pid_mountinfo(5)); false if it is of another file system.
func parseMount(line string) (m mount, ok bool) {
	left, right, _ := strings.Cut(line, " - ")
	at, kind := strings.Fields(left), strings.Fields(right)
	if len(at) < 5 || len(kind) < 3 {
		return m, false
	}
	m = mount{at: unescape.Replace(at[4]), root: unescape.Replace(at[3]), unified: kind[0] == "cgroup2"}
	return m, m.unified || kind[0] == "cgroup" && isMemory(kind[2])
}

var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// left is how many bytes the group may still take; no limit is a very large number.
func (g group) left() (int64, error) {
	limits, usage, reclaimable := []string{"memory.limit_in_bytes"}, "memory.usage_in_bytes", "total_inactive_file"
	if g.unified {
		limits, usage, reclaimable = []string{"memory.max", "memory.high"}, "memory.current", "inactive_file"
	}
	limit := int64(math.MaxInt64)
	for _, file := range limits {
		n, err := number(filepath.Join(g.dir, file))
		if errors.Is(err, fs.ErrNotExist) { // the root of version 2, or a group whose parent does not hand memory on
			continue
		}
		if err != nil {
			return 0, err
		}
		limit = min(limit, n)
	}
	if limit >= math.MaxInt64/2 {
		return math.MaxInt64, nil
	}
	used, err := number(filepath.Join(g.dir, usage))
	if err != nil {
		return 0, err
	}
	cached, err := field(filepath.Join(g.dir, "memory.stat"), reclaimable)
	if err != nil {
		return 0, err
	}
	return limit - used + cached, nil
}

// number reads a file that holds one.
func number(file string) (int64, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	s := strings.TrimSpace(string(b))
	if s == "max" {
		return math.MaxInt64, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return math.MaxInt64, nil
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	return n, nil
}

// field reads a number from a file of lines with a name and a number each.
func field(file, name string) (int64, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == name {
			n, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("%s: %s: %w", file, name, err)
			}
			return n, nil
		}
	}
	return 0, fmt.Errorf("%s: it has no %s", file, name)
}
