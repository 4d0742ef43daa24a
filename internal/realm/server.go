package realm

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
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
	if s.process == nil {
		return false
	}
	fd, err := number(s.process)
	if err != nil {
		return false
	}
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0); err != nil || n > 0 {
		return false
	}
	return !isEnding(s.pid)
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

// isEnding tells whether the first thread of a process has ended.
func isEnding(pid int) bool {
	state := stateOf(strconv.Itoa(pid))
	return state == 'Z' || state == 'X' || state == 0
}

// stateOf is the state of a process or thread (PID or PID/task/TID) as proc_pid_stat(5) has it; zero if there is none.
func stateOf(task string) byte {
	b, err := os.ReadFile("/proc/" + task + "/stat")
	if at := bytes.LastIndexByte(b, ')'); err == nil && len(b) > at+2 {
		return b[at+2]
	}
	return 0
}
