package sandbox

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What follows runs in a process that was forked from a Go program with many threads and has one, on a stack of its own and
// in the memory of that program. There is no scheduler, no collector and no lock that somebody could give back: nothing may
// allocate, grow the stack or wait for another goroutine. Hence no function but these, nosplit and without a detector's
// instruments, as package syscall does it.

// cloneArgs is the kernel's struct clone_args (clone3(2)). What has no name is parent_tid and exit_signal, tls, set_tid and
// set_tid_size.
type cloneArgs struct {
	flags, pidfd, childTID, _, _, stack, stackSize, _, _, _, cgroup uint64
}

// fork makes a process that carries out the stage, and returns its id. The stage is busy until the process needs it no
// longer, and closed by nobody until then.
func (s *stage) fork(args *cloneArgs) (pid uintptr, errno syscall.Errno) {
	args.flags |= unix.CLONE_VM | unix.CLONE_CHILD_CLEARTID
	args.stack, args.stackSize = uint64(uintptr(unsafe.Pointer(&s.stack))), uint64(len(s.stack))
	args.childTID = uint64(uintptr(unsafe.Pointer(&s.busy)))
	s.busy.Store(1)
	pid, errno = clone(args, unsafe.Sizeof(*args), s, codeOf(run))
	if errno != 0 {
		s.busy.Store(0)
	}
	return pid, errno
}

// clone is clone3(2) whose child, on the stack that args name, calls a function with s: given as the address of its code,
// because the wrapper through which assembly calls a function by name is one that a race detector instruments. It is
// written in assembly because a function of Go that returns twice would do so on two stacks.
//
//go:noescape
func clone(args *cloneArgs, size uintptr, s *stage, function uintptr) (pid uintptr, errno syscall.Errno)

// codeOf is where a function begins.
func codeOf(f func(*stage)) uintptr { return **(**uintptr)(unsafe.Pointer(&f)) }

// patience is how often execve is tried again while somebody has the file open for writing: for two seconds. The lab had
// when it unpacked the code; a child that it started at that moment for other work has inherited that until its own
// exec, and nobody tells when that is.
const patience = 2000

// run does the calls, and ends the process if one of them fails.
//
//go:nosplit
//go:norace
//go:nocheckptr
func run(s *stage) {
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
			n, _, errno := syscall.RawSyscall6(uintptr(c.number), a[0], a[1], a[2], a[3], a[4], a[5])
			if errno == unix.EINTR {
				continue
			}
			if errno == unix.ETXTBSY && c.busy && tries < patience {
				tries++
				_, _, _ = syscall.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&s.pause)), 0, 0)
				continue
			}
			if errno != 0 && errno != syscall.Errno(c.pass[0]) && errno != syscall.Errno(c.pass[1]) {
				s.failed = uint64(errno)
				text := uintptr(unsafe.Pointer(&s.text))
				s.words[1] = vector{text + uintptr(c.step.at), uintptr(c.step.size)}
				s.words[3] = vector{text + uintptr(c.what.at), uintptr(c.what.size)}
				_, _, _ = syscall.RawSyscall(unix.SYS_SENDMSG, statusFD, uintptr(unsafe.Pointer(&s.failure)), unix.MSG_NOSIGNAL)
				exit()
			}
			if n == 0 && c.end {
				exit()
			}
			if c.keeps > 0 {
				s.results[c.keeps-1] = n
			}
			break
		}
	}
	exit()
}

//go:nosplit
//go:norace
func exit() {
	for {
		_, _, _ = syscall.RawSyscall(unix.SYS_EXIT_GROUP, 1, 0, 0)
	}
}
