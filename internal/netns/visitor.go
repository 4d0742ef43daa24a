package netns

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// Visitor runs functions in the mount namespaces of other processes, one at a time, on a thread that does nothing else:
// a thread must stop sharing its root and working directory with the others before it may change its mount namespace, and
// can never share them again. The zero Visitor is ready; its thread starts with the first visit and ends with Close.
type Visitor struct {
	mu     sync.Mutex // held during a visit
	visits chan visit // nil: there is no thread
}

type visit struct {
	process *os.File
	do      func() error
	done    chan error
}

// In runs fn where the process of a pidfd has its mounts, with their root as root and working directory.
func (v *Visitor) In(process *os.File, fn func() error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.visits == nil {
		v.visits = make(chan visit)
		go travel(v.visits)
	}
	done := make(chan error, 1)
	v.visits <- visit{process, fn, done}
	err := <-done
	if errors.Is(err, errStranded) {
		v.visits = nil // its thread has ended
	}
	return err
}

// Close ends the thread. Another visit would start another.
func (v *Visitor) Close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.visits != nil {
		close(v.visits)
		v.visits = nil
	}
}

var errStranded = errors.New("netns: visit: cannot start or come back")

// travel ends with its goroutine locked, so that the runtime discards the thread.
func travel(visits <-chan visit) {
	runtime.LockOSThread()
	err := os.NewSyscallError("unshare", unix.Unshare(unix.CLONE_FS))
	home, openErr := os.Open("/proc/thread-self/ns/mnt")
	if openErr == nil {
		defer home.Close()
	}
	err = errors.Join(err, openErr)
	for v := range visits {
		if err != nil {
			v.done <- fmt.Errorf("%w: %w", errStranded, err)
			return
		}
		visitErr := enter(v.process, unix.CLONE_NEWNS)
		if visitErr == nil {
			visitErr = v.do()
			if err = enter(home, unix.CLONE_NEWNS); err != nil {
				v.done <- errors.Join(visitErr, fmt.Errorf("%w: %w", errStranded, err))
				return
			}
		}
		v.done <- visitErr
	}
}
