package floor

import (
	"errors"
	"os"
	"time"

	"enilab/internal/netns"

	"golang.org/x/sys/unix"
)

// Namespace times a network namespace that is made and let go of: unshare, and the way back. The kernel ends it later.
func Namespace() (took time.Duration, err error) {
	home, err := netns.Current()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, home.Close()) }()
	err = home.Do(func() error { // on a thread that nobody else is on
		fd := home.Fd()
		began := time.Now()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return os.NewSyscallError("unshare", err)
		}
		if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
			return os.NewSyscallError("setns", err)
		}
		took = time.Since(began)
		return nil
	})
	return took, err
}
