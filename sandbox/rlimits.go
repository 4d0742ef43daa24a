package sandbox

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Lambda's quotas of an execution environment (developer guide, "Lambda quotas").
const (
	maxFiles     = 1024      // file descriptors
	maxProcesses = 1024      // processes and threads
	defaultTmp   = 512 << 20 // bytes in /tmp
	maxTmp       = 10 << 30  // bytes in /tmp
)

// resources are bounded for each process of the environment. The number of processes counts by user id, so it bounds an
// environment only if that has an id, or a user namespace, of its own.
var resources = []struct {
	name     string
	resource int
	max      func(*plan) uint64
}{
	{"RLIMIT_NOFILE", unix.RLIMIT_NOFILE, atMost(maxFiles)},
	{"RLIMIT_NPROC", unix.RLIMIT_NPROC, func(p *plan) uint64 { return p.processes }},
	{"RLIMIT_CORE", unix.RLIMIT_CORE, atMost(0)},
	{"RLIMIT_FSIZE", unix.RLIMIT_FSIZE, atMost(maxTmp)}, // what /tmp has room for is less
	{"RLIMIT_MEMLOCK", unix.RLIMIT_MEMLOCK, atMost(64 << 10)},
	{"RLIMIT_STACK", unix.RLIMIT_STACK, atMost(8 << 20)},
	{"RLIMIT_MSGQUEUE", unix.RLIMIT_MSGQUEUE, atMost(800 << 10)}, // the kernel's default
	{"RLIMIT_SIGPENDING", unix.RLIMIT_SIGPENDING, atMost(maxProcesses)},
	{"RLIMIT_NICE", unix.RLIMIT_NICE, atMost(0)},
	{"RLIMIT_RTPRIO", unix.RLIMIT_RTPRIO, atMost(0)},
}

func atMost(n uint64) func(*plan) uint64 { return func(*plan) uint64 { return n } }

// limit bounds the process's resources.
func (s *stage) limit(p *plan, m *machine) {
	s.begin("limits")
	for _, r := range resources {
		limit := min(r.max(p), m.limits[r.resource]) // nobody may raise it, and not everybody has as much to begin with
		s.add(r.name, unix.SYS_PRLIMIT64, lit(0), lit(r.resource), structureOf(s, unix.Rlimit{Cur: limit, Max: limit}), lit(0))
	}
}

// limitsHere are the most that the calling process may have of each resource.
func limitsHere() (map[int]uint64, error) {
	limits := map[int]uint64{}
	for _, r := range resources {
		var now unix.Rlimit
		if err := unix.Getrlimit(r.resource, &now); err != nil {
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
		limits[r.resource] = now.Max
	}
	return limits, nil
}
