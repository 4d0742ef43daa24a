package netlab

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// output is what a server prints: a file in memory that is its standard output and error. It needs no reader, so the
// server lives on when the lab's process has died, and a new one finds it behind the server's descriptor.
//
// The file is alone in a file system that is as large as it may become. What a server prints beyond that, faster than it is
// trimmed or while nobody does, finds the disk full (ENOSPC). It does not stop the server, as a pipe would that nobody reads.
type output struct{ file *os.File }

const (
	outputName = "enilab-output" // how people find it among a server's descriptors
	outputSize = 64 << 10        // what may be held after trim
	outputMost = 16 << 20        // what may be held at all
	tailSize   = 2048            // what errors quote
)

func newOutput() (_ *output, err error) {
	dir, err := outputDir()
	if err != nil {
		return nil, err
	}
	defer unix.Close(dir) // the file keeps the file system
	// Writers share the file, not a position: a server's children, and one that opens /dev/stdout.
	fd, err := unix.Openat(dir, outputName, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_APPEND|unix.O_CLOEXEC, 0o666)
	if err != nil {
		return nil, os.NewSyscallError("open", err)
	}
	f := os.NewFile(uintptr(fd), outputName)
	// The server, which is another user, may open it by /dev/stdout alone.
	err = errors.Join(
		os.NewSyscallError("fchmod", unix.Fchmod(fd, 0o666)),
		os.NewSyscallError("unlink", unix.Unlinkat(dir, outputName, 0)),
	)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &output{f}, nil
}

// outputDir makes a file system in memory for one output, and opens its root. It is mounted nowhere.
func outputDir() (fd int, err error) {
	config, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, os.NewSyscallError("fsopen", err)
	}
	defer unix.Close(config)
	for key, value := range map[string]string{"size": strconv.Itoa(outputMost), "nr_inodes": "2", "mode": "0700"} {
		if err := unix.FsconfigSetString(config, key, value); err != nil {
			return -1, fmt.Errorf("tmpfs: %s=%s: %w", key, value, err)
		}
	}
	if err := unix.FsconfigCreate(config); err != nil {
		return -1, os.NewSyscallError("fsconfig", err)
	}
	fd, err = unix.Fsmount(config, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	return fd, os.NewSyscallError("fsmount", err)
}

// FileID names a file for as long as it is there; the zero FileID none.
type FileID struct{ Device, Inode uint64 }

func idOf(fd int) (FileID, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return FileID{}, os.NewSyscallError("fstat", err)
	}
	return idIn(&st), nil
}

func idIn(st *unix.Stat_t) FileID { return FileID{st.Dev, st.Ino} }

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
	// A file system that has gone leaves its number to another, in which files have names.
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Nlink != 0 || st.Mode&unix.S_IFMT != unix.S_IFREG || idIn(&st) != was {
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
// nothing is lost that is written meanwhile. It tells whether there was so much to give back.
func (o *output) trim() bool {
	if o == nil {
		return false
	}
	var s unix.Stat_t
	if unix.Fstat(int(o.file.Fd()), &s) != nil || s.Blocks*512 <= outputSize {
		return false
	}
	if old := s.Size - tailSize; old > 0 {
		_ = unix.Fallocate(int(o.file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, old)
	}
	return true
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
