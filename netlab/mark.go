package netlab

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mark is a UTS namespace that a process has to itself, and all that it starts has with it, for good: what is confined can leave
// its process group and its session, but no namespace. By it those are found that a process leaves behind. The zero mark is
// nobody's.
//
// While it is open, no other namespace has its number.
type mark struct{ file *os.File }

// takeMark gives the calling thread a mark of its own, for what it will start. The thread must not serve anybody else.
func takeMark() (mark, error) {
	if err := unix.Unshare(unix.CLONE_NEWUTS); err != nil {
		return mark{}, fmt.Errorf("UTS namespace: %v", err) // and not that it may not be executed
	}
	file, err := os.Open("/proc/thread-self/ns/uts")
	return mark{file}, err
}

// markOf is the mark that a process was started with; the zero mark if it has none, as those that a former version started: its
// namespace is that of all.
func markOf(pid int) mark {
	file, err := os.Open(fmt.Sprintf("/proc/%d/ns/uts", pid))
	if err != nil {
		return mark{}
	}
	var own unix.Stat_t
	id, err := idOf(int(file.Fd()))
	if err != nil || unix.Stat("/proc/self/ns/uts", &own) != nil || idIn(&own) == id {
		file.Close()
		return mark{}
	}
	return mark{file}
}

// end kills all that bear the mark, and returns when they have ended. Who has the mark was started after the process of the
// number since; zero is any.
func (m mark) end(since int) error {
	if m.file == nil {
		return nil
	}
	return endProcesses("uts", int(m.file.Fd()), since)
}

func (m mark) close() { m.file.Close() } // nil-safe

// endProcesses kills all processes in a namespace that are younger than one, zero being any, and returns when they have ended.
// Kind is what /proc/<pid>/ns calls such a namespace. It looks again until there are none, because they may start others
// meanwhile.
func endProcesses(kind string, namespace, since int) error {
	id, err := idOf(namespace)
	if err != nil {
		return err
	}
	for range 100 {
		pids, err := processesIn(kind, id, since)
		if err != nil || len(pids) == 0 {
			return err
		}
		for _, pid := range pids {
			p, err := openProcess(pid)
			if errors.Is(err, unix.ESRCH) {
				continue
			}
			if err != nil {
				return err
			}
			if isIn(kind, id, pid) { // the number could be a new one's by then
				_ = p.kill()
				p.wait()
			}
			p.file.Close()
		}
	}
	return errors.New("processes start faster than they can be ended")
}

// processesIn lists the processes of which a thread is in a namespace, without this one.
func processesIn(kind string, namespace FileID, since int) (pids []int, err error) {
	if last, err := lastPid(); err != nil || last < since { // the numbers have begun again
		since = 0
	}
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil && pid > since && pid != os.Getpid() && isIn(kind, namespace, pid) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// isIn is false for a zombie, which is in no namespace, and for who has gone. A process whose first thread has ended looks like a
// zombie, and goes on.
func isIn(kind string, namespace FileID, pid int) bool {
	var s unix.Stat_t
	err := unix.Stat(fmt.Sprintf("/proc/%d/ns/%s", pid, kind), &s)
	if err == nil {
		return idIn(&s) == namespace
	}
	threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid)) // none if it has gone
	for _, thread := range threads {
		if unix.Stat(fmt.Sprintf("/proc/%d/task/%s/ns/%s", pid, thread.Name(), kind), &s) == nil {
			return idIn(&s) == namespace
		}
	}
	return false
}

// lastPid is the number that was given to a process or thread last (proc_loadavg(5)).
func lastPid() (int, error) {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	if len(fields) != 5 {
		return 0, fmt.Errorf("/proc/loadavg says %q", text)
	}
	return strconv.Atoi(fields[4])
}
