package realm

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// server is the process behind a connection: held, so that whether it lives does not have to be guessed from how long it
// takes. Of one in another pid namespace nothing is known.
type server struct {
	pid     int
	process *os.File // nil: it cannot be seen from here, or has ended
}

func behind(c *net.UnixConn) *server {
	s := new(server)
	if cred, err := peer(c); err == nil && cred.Pid > 0 {
		s.pid = int(cred.Pid)
		s.process, _ = openProcess(s.pid) // nil if it has ended
	}
	return s
}

func (s *server) close() {
	if s.process != nil {
		s.process.Close() //nolint:errcheck // a pidfd
	}
}

// lives tells whether it has not ended. One whose end has begun, and closed its sockets, has.
func (s *server) lives() bool {
	return s.process != nil && !hasEnded(s.process) && !isEnding(s.pid)
}

// watch calls tell once the process is found stopped. The function that it returns ends that, and says whether it was.
func (s *server) watch(tell func()) (stopped func() bool) {
	ctx, cancel := context.WithCancel(context.Background())
	ended, found := make(chan struct{}), false
	go func() {
		defer close(ended)
		for tick := time.Tick(lookAgain); ; {
			select {
			case <-ctx.Done():
				return
			case <-tick:
				if s.process != nil && IsStopped(s.pid) {
					found = true
					tell()
					return
				}
			}
		}
	}()
	return func() bool {
		cancel()
		<-ended
		return found
	}
}

// IsStopped tells whether a process has been stopped (SIGSTOP), and so cannot do anything until somebody lets it go on. Each
// of its threads stops by itself: one that has not yet can do anything still.
func IsStopped(pid int) bool {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil || len(threads) == 0 {
		return false
	}
	for _, thread := range threads {
		if stateOf(fmt.Sprintf("%d/task/%s", pid, thread.Name())) != 'T' {
			return false
		}
	}
	return true
}

// isEnding tells whether the first thread of a process has ended, or is about to.
func isEnding(pid int) bool {
	const flags, exiting = 9 - 3, 0x4 // the field, counted from the third, and PF_EXITING in it
	fields := fieldsOf(strconv.Itoa(pid))
	if len(fields) <= flags {
		return true
	}
	set, err := strconv.ParseUint(fields[flags], 10, 32)
	return fields[0] == "Z" || fields[0] == "X" || err == nil && set&exiting != 0
}

// stateOf is the state of a process or thread (PID or PID/task/TID) as proc_pid_stat(5) has it; zero if there is none.
func stateOf(task string) byte {
	if fields := fieldsOf(task); len(fields) > 0 {
		return fields[0][0]
	}
	return 0
}

// fieldsOf are those of proc_pid_stat(5) from the third on, the state; none if there is no such process or thread.
func fieldsOf(task string) []string {
	b, err := os.ReadFile("/proc/" + task + "/stat")
	if err != nil {
		return nil
	}
	return strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // the name before it may hold anything
}
