package floor

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// waiter is the least program that can wait and then become another: a hundred instructions without a library, one page
// of memory. In words:
//
//	for (fd = 4; write(fd, "0", 1) == 1; fd++) ;    // join control groups
//	fcntl(3, F_SETFD, FD_CLOEXEC);
//	write(3, "0", 1);                               // ready
//	if (read(3, buffer, 1) == 1) {
//		execve(argv[1], argv + 1, environment);
//		write(3, "0", 1);                       // it failed
//	}
//	exit(1);
type waiter struct {
	machine uint16 // of the ELF header
	code    string // hexadecimal
}

var waiters = map[string]waiter{
	"amd64": {machine: 62, code: "bb04000000" + // mov $4, %ebx
		"89df 488d357e000000 ba01000000 b801000000 0f05" + // 1: write(%ebx, zero, 1)
		"ffc3 83f801 74e4" + // inc %ebx; cmp $1, %eax; je 1b
		"bf03000000 be02000000 b848000000 0f05" + // fcntl(3, F_SETFD, 1)
		"488d3553000000 b801000000 0f05" + // write(3, zero, 1)
		"488d7424f8 31c0 0f05" + // read(3, %rsp - 8, 1)
		"83f801 7532" + // cmp $1, %eax; jne 2f
		"488b0424 488b7c2410 488d742410 488d54c410 b83b000000 0f05" + // execve(argv[1], &argv[1], &argv[argc + 1])
		"bf03000000 488d3518000000 ba01000000 b801000000 0f05" + // write(3, zero, 1)
		"bf01000000 b83c000000 0f05" + // 2: exit(1)
		"30"}, // zero: "0"
	"arm64": {machine: 183, code: "930080d2" + // mov x19, #4
		"e00313aa 61040010 220080d2 080880d2 010000d4" + // 1: write(x19, zero, 1)
		"73060091 1f0400f1 20ffff54" + // add x19, x19, #1; cmp x0, #1; b.eq 1b
		"600080d2 410080d2 280380d2 010000d4" + // fcntl(3, F_SETFD, 1)
		"600080d2 e1020010 080880d2 010000d4" + // write(3, zero, 1)
		"600080d2 e14300d1 e80780d2 010000d4" + // read(3, sp - 16, 1)
		"1f0400f1 81010054" + // cmp x0, #1; b.ne 2f
		"e30340f9 e00b40f9 e1430091 220c038b a81b80d2 010000d4" + // execve(argv[1], &argv[1], &argv[argc + 1])
		"600080d2 e1000010 220080d2 080880d2 010000d4" + // write(3, zero, 1)
		"200080d2 a80b80d2 010000d4" + // 2: exit(1)
		"30"}, // zero: "0"
}

// firstDescriptor is above those that a program is started with.
const firstDescriptor = 64

// program makes the waiter of this machine's architecture, as a file in memory.
func program() (fd int, err error) {
	w, ok := waiters[runtime.GOARCH]
	if !ok {
		return -1, fmt.Errorf("floor: no program for %s", runtime.GOARCH)
	}
	image, err := w.image()
	if err != nil {
		return -1, err
	}
	file, err := unix.MemfdCreate("floor", unix.MFD_CLOEXEC)
	if err != nil {
		return -1, os.NewSyscallError("memfd_create", err)
	}
	defer unix.Close(file) //nolint:errcheck // it can be executed only when nobody can write to it
	if n, err := unix.Write(file, image); n != len(image) {
		return -1, errors.Join(fmt.Errorf("floor: write the program: %d of %d bytes", n, len(image)), err)
	}
	readable, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", file), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("open", err)
	}
	defer unix.Close(readable) //nolint:errcheck // the duplicate stays
	fd, err = unix.FcntlInt(uintptr(readable), unix.F_DUPFD_CLOEXEC, firstDescriptor)
	return fd, os.NewSyscallError("fcntl", err)
}

// image is the ELF file (elf(5)): its header, one segment to load, and the code.
func (w waiter) image() ([]byte, error) {
	code, err := hex.DecodeString(strings.ReplaceAll(w.code, " ", ""))
	if err != nil {
		return nil, fmt.Errorf("floor: program: %w", err)
	}
	const base, header, segment, page = 0x400000, 64, 56, 0x10000
	little := binary.LittleEndian
	b := append([]byte("\x7fELF"), 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0) // 64 bits, little-endian
	b = little.AppendUint16(b, 2)                                      // ET_EXEC
	b = little.AppendUint16(b, w.machine)
	b = little.AppendUint32(b, 1)
	b = little.AppendUint64(b, base+header+segment) // where it begins
	b = little.AppendUint64(b, header)              // where the segments are described
	b = little.AppendUint64(b, 0)
	b = little.AppendUint32(b, 0)
	for _, size := range []uint16{header, segment, 1, 0, 0, 0} {
		b = little.AppendUint16(b, size)
	}
	whole := uint64(header + segment + len(code))
	b = little.AppendUint32(b, 1)   // PT_LOAD
	b = little.AppendUint32(b, 4|1) // to be read and executed
	for _, n := range []uint64{0, base, base, whole, whole, page} {
		b = little.AppendUint64(b, n)
	}
	return append(b, code...), nil
}
