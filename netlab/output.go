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

// openOutput finds the file behind a server's standard output; nil if the server has put something else there.
func openOutput(pid int) *output {
	path := fmt.Sprintf("/proc/%d/fd/1", pid)
	if to, err := os.Readlink(path); err != nil || !strings.HasPrefix(to, "/memfd:"+outputName+" ") {
		return nil
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return nil
	}
	return &output{f}
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
