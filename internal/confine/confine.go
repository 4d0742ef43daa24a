// Package confine takes from processes the rights that code which nobody has read must not have.
package confine

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Securebits of linux/securebits.h: uid 0 is nobody special, at exec and when ids change, no capability is kept or
// made ambient, and none of this can be taken back.
const Securebits = 1<<0 | 1<<1 | // NOROOT, locked
	1<<2 | 1<<3 | // NO_SETUID_FIXUP, locked
	1<<5 | // KEEP_CAPS off, locked
	1<<6 | 1<<7 // NO_CAP_AMBIENT_RAISE, locked

// The tables seccomp_<arch>.go are package internal/seccomp's profile, assembled: after a change there, write them anew
// with `go test ./internal/confine -run TestSeccompTables -update`.

// instruction has the layout of the kernel's struct sock_filter.
type instruction struct {
	code   uint16
	jt, jf uint8
	k      uint32
}

// Filter has the layout of the kernel's struct sock_fprog.
type Filter struct {
	length uint16
	filter uintptr
}

// SeccompFilter is the profile's program, for seccomp(2). It is the address of a table that never moves.
func SeccompFilter() Filter {
	return Filter{uint16(len(seccompProgram)), uintptr(unsafe.Pointer(&seccompProgram))}
}

// Thread confines the calling thread, and what it executes from now on: no capability can be had any more, set-user-id programs
// are ordinary ones, and the profile decides which system calls there are. What the thread itself may do already, it may do
// still, so that it can give what it starts other ids. The goroutine must be locked to it, and end locked: nothing of this
// can be taken back.
func Thread() error {
	last, err := LastCapability()
	if err != nil {
		return fmt.Errorf("confine: %w", err)
	}
	if err := DropBoundingSet(last); err != nil {
		return fmt.Errorf("confine: %w", err)
	}
	if err := dropInheritable(); err != nil { // and with them the ambient ones
		return fmt.Errorf("confine: inheritable capabilities: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("confine: set no_new_privs: %w", err)
	}
	filter := SeccompFilter()
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&filter)))
	runtime.KeepAlive(&filter)
	if errno != 0 {
		return fmt.Errorf("confine: load the seccomp filter: %w", errno)
	}
	return nil
}

// DropBoundingSet leaves no capability to what the calling thread, or a child of it, may execute. It keeps its own.
func DropBoundingSet(last int) error {
	for c := range last + 1 {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil {
			return fmt.Errorf("drop capability %d from the bounding set: %w", c, err)
		}
	}
	return nil
}

func dropInheritable() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	for i := range data {
		data[i].Inheritable = 0
	}
	return unix.Capset(&header, &data[0])
}

// LastCapability is the highest capability that this kernel knows.
func LastCapability() (int, error) {
	b, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}
