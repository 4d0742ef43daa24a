package netlab

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// output is what a server prints: a file in memory that is its standard output and error. It needs no reader, so the
// server lives on when the lab's process has died, and a new one finds it behind the server's descriptor.
type output struct{ file *os.File }

const (
	outputName = "enilab-output" // how the file is recognized: as /memfd:enilab-output (deleted)
	outputSize = 64 << 10        // what may be held before trim
	tailSize   = 2048            // what errors quote
)

func newOutput() (*output, error) {
	fd, err := unix.MemfdCreate(outputName, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), outputName)
	// Writers share the file, not a position: a server's children, and one that opens /dev/stdout.
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETFL, unix.O_APPEND|unix.O_RDWR); err != nil {
		f.Close()
		return nil, os.NewSyscallError("fcntl", err)
	}
	return &output{f}, nil
}

// FileID names a file for as long as the machine runs; the zero FileID none.
type FileID struct{ Device, Inode uint64 }

func idOf(fd int) (FileID, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return FileID{}, os.NewSyscallError("fstat", err)
	}
	return FileID{st.Dev, st.Ino}, nil
}

// openOutput finds the file behind a server's standard output; nil if that is not the one that it was given. A server may put
// anything there, under any name: so what is there is looked at before it is opened, by a descriptor that can do nothing else,
// and opened by that.
func openOutput(pid int, was FileID) *output {
	if was == (FileID{}) {
		return nil
	}
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/fd/1", pid), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	if is, err := idOf(fd); err != nil || is != was {
		return nil
	}
	f, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", fd), os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return nil
	}
	return &output{f}
}

// id is the file's.
func (o *output) id() FileID {
	id, _ := idOf(int(o.file.Fd())) // fails for what is no descriptor only
	return id
}

// trim gives the memory back that all but the newest part takes. The file keeps its length, with a hole at its start, so
// nothing is lost that is written meanwhile.
func (o *output) trim() {
	if o == nil {
		return
	}
	var s unix.Stat_t
	if unix.Fstat(int(o.file.Fd()), &s) != nil || s.Blocks*512 <= outputSize {
		return
	}
	if old := s.Size - tailSize; old > 0 {
		_ = unix.Fallocate(int(o.file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, old)
	}
}

// String is the server's last words.
func (o *output) String() string {
	if o == nil {
		return "(none)"
	}
	end, err := o.file.Stat()
	if err != nil || end.Size() == 0 {
		return "(none)"
	}
	b := make([]byte, min(end.Size(), tailSize))
	n, _ := o.file.ReadAt(b, end.Size()-int64(len(b)))
	return strings.TrimSpace(string(b[:n]))
}

func (o *output) close() {
	if o != nil {
		o.file.Close()
	}
}
