package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// What a machine must have for many environments or slots: some more than they take, so that it is not measured while it
// runs out.
const (
	environmentBytes = 16 << 20
	slotBytes        = 1 << 20
	parkedBytes      = 4 << 20
	slotFiles        = 4 // descriptors, of a slot without a process
	parkedFiles      = 8
	otherFiles       = 1000
)

// shortOf says what this machine lacks for so many environments; empty if nothing.
func shortOf(environments int) string { return short(environments, environmentBytes, parkedFiles) }

func short(n int, size int64, files int) string {
	if available := meminfo()["MemAvailable"]; available < int64(n)*size {
		return fmt.Sprintf("that may take %d MB of memory, and there are %d", int64(n)*size>>20, available>>20)
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil && limit.Cur < uint64(n*files+otherFiles) {
		return fmt.Sprintf("that takes %d open files, and the limit is %d (ulimit -n)", n*files+otherFiles, limit.Cur)
	}
	return ""
}

// meminfo is /proc/meminfo (proc(5)), in bytes; empty if it cannot be read.
func meminfo() map[string]int64 {
	b, _ := os.ReadFile("/proc/meminfo")
	return parseMeminfo(string(b))
}

func parseMeminfo(text string) map[string]int64 {
	m := map[string]int64{}
	for line := range strings.Lines(text) {
		key, rest, _ := strings.Cut(line, ":")
		if f := strings.Fields(rest); len(f) == 2 && f[1] == "kB" {
			if n, err := strconv.ParseInt(f[0], 10, 64); err == nil {
				m[key] = n << 10
			}
		}
	}
	return m
}

// counters are the kinds of memory that somebody has and nobody else can: processes' own, files in memory, the kernel's
// objects, its tables and stacks (which are in VmallocUsed). Copies of files are in none of them. What is free is no measure:
// the kernel keeps megabytes of it at hand for each processor.
var counters = []string{"AnonPages", "Shmem", "Slab", "Percpu", "PageTables", "SecPageTables", "VmallocUsed"}

// used is how much of the machine's memory is in use by that count.
func used() (sum int64) {
	m := meminfo()
	for _, c := range counters {
		sum += m[c]
	}
	return sum
}
