package sandbox

import (
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The tables seccomp_<arch>.go are package internal/seccomp's profile, assembled: after a change there, write them anew
// with `go test ./sandbox -run TestSeccompTables -update`.

// instruction has the layout of the kernel's struct sock_filter.
type instruction struct {
	code   uint16
	jt, jf uint8
	k      uint32
}

// loadSeccomp puts the calling thread under the profile. It needs no_new_privs, and it is the last thing before exec.
func loadSeccomp() error {
	program := unix.SockFprog{Len: uint16(len(seccompProgram)), Filter: (*unix.SockFilter)(unsafe.Pointer(&seccompProgram[0]))}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program)))
	runtime.KeepAlive(&program)
	if errno != 0 {
		return os.NewSyscallError("seccomp", errno)
	}
	return nil
}
