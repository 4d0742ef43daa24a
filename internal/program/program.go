// Package program hands out the running program as a file to execute: a copy in memory that nobody can change.
//
// A function, or a server, is executed by a process of this program, and there are moments at which it can get hold of
// the file that this process was executed from (CVE-2019-5736). If that is the copy, it is nothing but a copy. A user who
// may not walk the directories that lead to the program, as those below a home of mode 0700, may execute the copy as well.
package program

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Path is the running program to whoever executes it in this process or in its child: no directory is walked. In a process
// that was executed from what Open returned it is the copy.
const Path = "/proc/self/exe"

// name is what ps and top show.
const name = "enilab"

// SetName names this process. The kernel has named one that was executed from what Open returned by the number of its descriptor.
func SetName() { _ = os.WriteFile("/proc/self/comm", []byte(name), 0) } // without /proc nobody reads it

// sealed is what makes a file in memory constant. Kernels before 6.3 know nothing of sealExec, which keeps its mode.
const (
	sealed   = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	sealExec = 0x20 // F_SEAL_EXEC
	mode     = 0o555
)

// Open returns the copy: that which this process was executed from, or a new one. Exec names it. Its descriptor lies
// above those that children get to begin with.
func Open() (*os.File, error) {
	self, err := os.Open(Path)
	if err != nil {
		return nil, fmt.Errorf("open the running program: %w", err)
	}
	defer self.Close()
	if isSealed(self) {
		// Where the kernel has no seal for the mode, a process of the same user may have taken it away.
		if info, err := self.Stat(); err == nil && info.Mode().Perm() != mode {
			_ = unix.Fchmod(int(self.Fd()), mode) // a user other than who made the copy could not have changed it
		}
		return above(self)
	}
	return seal(self)
}

// Exec is the path by which a child executes an open copy, for as long as this process keeps it open. A child whose
// descriptors are rearranged keeps those above the ones that are set up for it.
func Exec(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

func isSealed(f *os.File) bool {
	seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0)
	return err == nil && seals&sealed == sealed
}

// seal copies a file into memory for good.
func seal(from *os.File) (*os.File, error) {
	const memfdExec = 0x10 // MFD_EXEC: since 6.3 the kernel wants to be told
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|memfdExec)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if errors.Is(err, unix.EACCES) {
		return nil, fmt.Errorf("copy the running program into memory: %w; programs cannot be executed from there while the sysctl vm.memfd_noexec is 2", err)
	}
	if err != nil {
		return nil, fmt.Errorf("copy the running program into memory: memfd_create: %w", err)
	}
	to := os.NewFile(uintptr(fd), name)
	defer to.Close()
	if _, err := io.Copy(to, from); err != nil {
		return nil, fmt.Errorf("copy the running program into memory: %w", err)
	}
	if err := unix.Fchmod(fd, mode); err != nil {
		return nil, fmt.Errorf("the running program's copy: chmod: %w", err)
	}
	pause := func() { time.Sleep(50 * time.Millisecond) }
	err = addSeals(fd, sealed|sealExec, pause)
	if errors.Is(err, unix.EINVAL) {
		err = addSeals(fd, sealed, pause)
	}
	if err != nil {
		return nil, fmt.Errorf("seal the running program's copy: %w", err)
	}
	return above(to)
}

// addSeals seals a file in memory. The kernel refuses with EBUSY while anybody else refers to one of its pages, and it may
// do so itself for a moment, when it moves pages on a busy machine: hence several attempts, with a pause between them.
func addSeals(fd, seals int, pause func()) error {
	const attempts = 100
	for n := 1; ; n++ {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
		if !errors.Is(err, unix.EBUSY) || n == attempts {
			return err
		}
		pause()
	}
}

// above gives a file a descriptor that no child has among its first.
func above(f *os.File) (*os.File, error) {
	const first = 32
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, first)
	if err != nil {
		return nil, fmt.Errorf("the running program's copy: %w", os.NewSyscallError("fcntl", err))
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}
