package realm

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Lab names what outlives a process: it says who the owner is in a way that is never reused, by its pid namespace, pid
// and start time (clock ticks since boot). The owner is the process outside.
type Lab struct {
	Verb  string
	PIDNS uint64
	PID   int
	Start uint64
}

// ThisLab names the calling process's lab.
func ThisLab(verb string) (Lab, error) { return labOf(verb, os.Getpid()) }

func labOf(verb string, pid int) (Lab, error) {
	ns, err := pidNamespace()
	if err != nil {
		return Lab{}, err
	}
	start, err := startTime(pid)
	if err != nil {
		return Lab{}, err
	}
	return Lab{verb, ns, pid, start}, nil
}

func (l Lab) String() string { return fmt.Sprintf("%s-%d-%d-%d", l.Verb, l.PIDNS, l.PID, l.Start) }

// ParseLab reads what String wrote.
func ParseLab(s string) (Lab, error) {
	f := strings.Split(s, "-")
	if len(f) == 4 && f[0] != "" {
		ns, err1 := strconv.ParseUint(f[1], 10, 64)
		pid, err2 := strconv.ParseInt(f[2], 10, 32)
		start, err3 := strconv.ParseUint(f[3], 10, 64)
		l := Lab{f[0], ns, int(pid), start}
		if err1 == nil && err2 == nil && err3 == nil && pid > 0 && l.String() == s {
			return l, nil
		}
	}
	return Lab{}, fmt.Errorf("%q is no lab's name", s)
}

// Dead tells whether the lab's owner has ended. Of owners in other pid namespaces, such as another container's, nothing
// is known here, and the answer is no.
func (l Lab) Dead() bool {
	ns, err := pidNamespace()
	if err != nil || ns != l.PIDNS {
		return false
	}
	start, err := startTime(l.PID)
	if err != nil || start != l.Start {
		return true
	}
	inside, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", l.PID))
	return err == nil && isDead(l.PID, inside) // see waitRealm
}

func pidNamespace() (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &st); err != nil {
		return 0, fmt.Errorf("pid namespace: %w", err)
	}
	return st.Ino, nil
}

// startTime tells processes apart that have had the same id.
func startTime(pid int) (uint64, error) {
	p, err := stat(pid)
	return p.start, err
}
