package sandbox

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// Lambda's quotas of an execution environment (developer guide, "Lambda quotas").
const (
	maxFiles     = 1024      // file descriptors
	maxProcesses = 1024      // processes and threads
	defaultTmp   = 512 << 20 // bytes in /tmp
)

// setLimits bounds what one process of the environment may take. The number of processes counts by user id, so it
// bounds an environment only if that has an id, or a user namespace, of its own.
func setLimits(processes, tmp int64) error {
	for _, l := range []struct {
		name     string
		resource int
		max      uint64
	}{
		{"RLIMIT_NOFILE", unix.RLIMIT_NOFILE, maxFiles},
		{"RLIMIT_NPROC", unix.RLIMIT_NPROC, uint64(processes)},
		{"RLIMIT_CORE", unix.RLIMIT_CORE, 0},
		{"RLIMIT_FSIZE", unix.RLIMIT_FSIZE, uint64(tmp)}, // there is nowhere else to write
		{"RLIMIT_MEMLOCK", unix.RLIMIT_MEMLOCK, 64 << 10},
		{"RLIMIT_STACK", unix.RLIMIT_STACK, 8 << 20},
		{"RLIMIT_MSGQUEUE", unix.RLIMIT_MSGQUEUE, 800 << 10}, // the kernel's default
		{"RLIMIT_SIGPENDING", unix.RLIMIT_SIGPENDING, maxProcesses},
		{"RLIMIT_NICE", unix.RLIMIT_NICE, 0},
		{"RLIMIT_RTPRIO", unix.RLIMIT_RTPRIO, 0},
	} {
		var now syscall.Rlimit
		if err := syscall.Getrlimit(l.resource, &now); err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		limit := min(l.max, now.Max) // nobody may raise it, and not everybody has as much to begin with
		// Package syscall's Setrlimit, so that its Exec does not put back the limit that the Go runtime raised.
		if err := syscall.Setrlimit(l.resource, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
			return fmt.Errorf("%s to %d: %w", l.name, limit, err)
		}
	}
	return nil
}
