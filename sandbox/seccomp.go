package sandbox

import (
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

// loadSeccomp puts the process under the profile. It needs no_new_privs.
func (s *stage) loadSeccomp() {
	s.begin("seccomp")
	program := structureOf(s, struct { // struct sock_fprog
		length uint16
		filter uintptr
	}{uint16(len(seccompProgram)), uintptr(unsafe.Pointer(&seccompProgram))})
	s.add("load the filter", unix.SYS_SECCOMP, lit(unix.SECCOMP_SET_MODE_FILTER), lit(0), program)
}
