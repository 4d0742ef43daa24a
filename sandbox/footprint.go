package sandbox

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// shrink takes out of this process's memory what is only the program's file. Setting up touched megabytes of it, handing
// over touches little, and the kernel would unmap it all at exec, while the cold start waits: of 7.7 MB 2.9 are left, and
// a start is a fifth faster. What is needed again comes back from the page cache. It is a wish, so it cannot fail.
func shrink() {
	fd, err := unix.Open("/proc/self/smaps", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	for _, m := range fileMappings(fdReader(fd)) {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED)
	}
}

type mapping struct{ start, end uintptr }

// fileMappings finds in a /proc/<pid>/smaps (proc(5)) the mappings of files of which every page is still the file's: a
// dynamic loader writes to some before it makes them read-only.
func fileMappings(smaps io.Reader) (list []mapping) {
	var m mapping
	ours := false // m is a file's, and read-only
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) >= 5 && !strings.HasSuffix(f[0], ":") { // addresses, permissions, offset, device, inode, perhaps a path
			from, to, _ := strings.Cut(f[0], "-")
			start, err := strconv.ParseUint(from, 16, 64)
			end, err2 := strconv.ParseUint(to, 16, 64)
			m = mapping{uintptr(start), uintptr(end)}
			ours = err == nil && err2 == nil && f[4] != "0" && f[1][0] == 'r' && f[1][1] == '-'
		}
		if ours && len(f) >= 2 && f[0] == "Anonymous:" && f[1] == "0" {
			list = append(list, m)
		}
	}
	return list
}

// fdReader reads a descriptor without the poller, whose start would cost the init stage more than the read.
type fdReader int

func (fd fdReader) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(int(fd), b)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}
