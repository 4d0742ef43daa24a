package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// UIDs is how many user ids a lab has: its environments take them in turn.
const UIDs = 1 << 20

// ClaimUIDs gives the lab the first free one of a number of ranges of UIDs user ids, of which the first begins at base, and
// returns where it begins. Nobody else on the machine gets it before Close, or the end of this process: what the kernel
// counts by user id, inotify instances say, labs do not share.
//
// A range is a byte of a file that all labs see, wherever their mounts and names are, and that only root can open: the list of
// processes in the group that holds all labs, which is there as long as one of them is. A lab holds a lock on its byte. The
// kernel does not mind, and nothing has to be taken away for a lab that was killed.
func (c *Cgroups) ClaimUIDs(base uint32, ranges int) (first uint32, err error) {
	if c.uids != nil {
		return 0, errors.New("cgroup: the lab has its user ids already")
	}
	file, err := os.OpenFile(filepath.Join(c.hierarchies[0].top(), "cgroup.procs"), os.O_RDWR, 0)
	if err != nil {
		return 0, fmt.Errorf("user ids: %w", err)
	}
	for n := range ranges {
		lock := unix.Flock_t{Type: unix.F_WRLCK, Start: int64(n), Len: 1}
		err = unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &lock)
		if err == nil {
			c.uids = file
			return base + uint32(n)*UIDs, nil
		}
		if err != unix.EAGAIN && err != unix.EACCES {
			break
		}
		err = fmt.Errorf("all %d ranges are taken by labs that run", ranges)
	}
	file.Close()
	return 0, fmt.Errorf("user ids: lock in %s: %w", file.Name(), err)
}
