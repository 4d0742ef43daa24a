package sandbox

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What follows runs in a process that was forked from a Go program with many threads and has one. There is no scheduler,
// no collector and no lock that somebody could give back: nothing may allocate, grow the stack or wait for another
// goroutine. Hence no function but these, nosplit and without a detector's instruments, as package syscall does it.

// cloneArgs is the kernel's struct clone_args (clone3(2)).
type cloneArgs struct {
	flags, pidfd, childTID, parentTID, exitSignal, stack, stackSize, tls, setTID, setTIDSize, cgroup uint64
}

// fork makes a process that carries out the stage, and returns its id to the caller alone.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (s *stage) fork(args *cloneArgs) (pid uintptr, errno syscall.Errno) {
	pid, _, errno = syscall.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(args)), unsafe.Sizeof(*args), 0)
	if errno == 0 && pid == 0 {
		s.run()
	}
	return pid, errno
}

// patience is how often execve is tried again while somebody has the file open for writing: for two seconds. The lab had
// when it unpacked the code; a child that it started at that moment for other work has inherited that until its own
// exec, and nobody tells when that is.
const patience = 2000

// run does the calls, and ends the process if one of them fails.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (s *stage) run() {
	var a [6]uintptr
	for i := 0; i < s.count; i++ {
		c := &s.calls[i]
		for j := range a {
			a[j] = c.args[j]
			switch c.from[j] {
			case result:
				a[j] = s.results[a[j]]
			case received:
				a[j] = s.inbox[a[j]]
			case descriptor:
				a[j] = uintptr(s.control[unix.SizeofCmsghdr/4])
			}
		}
		for tries := 0; ; {
			n, _, errno := syscall.RawSyscall6(c.number, a[0], a[1], a[2], a[3], a[4], a[5])
			if errno == unix.EINTR {
				continue
			}
			if errno == unix.ETXTBSY && c.busy && tries < patience {
				tries++
				_, _, _ = syscall.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&s.pause)), 0, 0)
				continue
			}
			if errno != 0 && errno != c.pass[0] && errno != c.pass[1] {
				s.failed = uint64(errno)
				s.words[1], s.words[3] = c.step, c.what
				_, _, _ = syscall.RawSyscall(unix.SYS_SENDMSG, statusFD, uintptr(unsafe.Pointer(&s.failure)), unix.MSG_NOSIGNAL)
				s.exit()
			}
			if n == 0 && c.end {
				s.exit()
			}
			if c.keeps > 0 {
				s.results[c.keeps-1] = n
			}
			break
		}
	}
	s.exit()
}

//go:nosplit
//go:norace
func (s *stage) exit() {
	for {
		_, _, _ = syscall.RawSyscall(unix.SYS_EXIT_GROUP, 1, 0, 0)
	}
}
