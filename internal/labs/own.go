package labs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// What lies in a lab's directories is believed: locks are written to, sockets are spoken to, the process that one of them
// names is ended. So the directories are looked at before anything in them is: nobody else may have made them, or be able to
// put others in their place. In /tmp anybody can be first.

// check refuses roots that are there and are not this user's alone.
func (r Roots) check() error {
	for _, dir := range []string{r.Run, r.State} {
		if err := r.secure(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// secure refuses a directory that is not this user's alone, or that somebody else can replace. It is fs.ErrNotExist if there
// is none, and then what leads to it is in order.
func (r Roots) secure(dir string) error {
	path, err := filepath.Abs(dir)
	if err == nil {
		err = r.walk(path, 0)
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w; ENILAB_HOME names a directory that this user may write to", err)
	}
	if err != nil {
		return err
	}
	return checkOwn(dir)
}

// walk looks at each directory on the way, as the kernel walks it.
func (r Roots) walk(path string, links int) error {
	const most = 40 // as the kernel follows
	if links > most {
		return &fs.PathError{Op: "walk", Path: path, Err: syscall.ELOOP}
	}
	done := "/"
	for name := range strings.SplitSeq(strings.TrimPrefix(filepath.Clean(path), "/"), "/") {
		at := filepath.Join(done, name)
		var st syscall.Stat_t
		if err := syscall.Lstat(at, &st); err != nil {
			return &fs.PathError{Op: "lstat", Path: at, Err: err}
		}
		if !r.trusted(st.Uid) {
			return fmt.Errorf("%s belongs to user %d, who could put another in its place; remove it, or name another with ENILAB_HOME", at, st.Uid)
		}
		switch st.Mode & syscall.S_IFMT {
		case syscall.S_IFLNK:
			to, err := os.Readlink(at)
			if err != nil {
				return err
			}
			if !filepath.IsAbs(to) {
				to = filepath.Join(done, to)
			}
			return r.walk(filepath.Join(to, strings.TrimPrefix(path, at)), links+1)
		case syscall.S_IFDIR:
			group := st.Mode&0o020 != 0 && st.Gid != 0 && int(st.Gid) != os.Getegid()
			if (group || st.Mode&0o002 != 0) && st.Mode&syscall.S_ISVTX == 0 {
				return fmt.Errorf("%s may be written to by others, who could put another in its place; chmod go-w, or name another with ENILAB_HOME", at)
			}
		}
		done = at
	}
	return nil
}

// trusted tells whether a user may be trusted with what leads to the directories: root, this user, and who has called sudo.
func (r Roots) trusted(uid uint32) bool {
	trusted := []uint32{0, uint32(os.Geteuid())}
	if r.Caller != 0 {
		trusted = append(trusted, uint32(r.Caller))
	}
	const unmapped = 65534 // what users look like that have no id in a user namespace, the machine's root among them
	if mapped, err := os.ReadFile("/proc/self/uid_map"); err == nil && strings.Join(strings.Fields(string(mapped)), " ") != "0 0 4294967295" {
		trusted = append(trusted, unmapped)
	}
	return slices.Contains(trusted, uid)
}

// checkOwn refuses a directory that somebody else has made, or may write to.
func checkOwn(dir string) error {
	var st syscall.Stat_t
	if err := syscall.Lstat(dir, &st); err != nil {
		return &fs.PathError{Op: "lstat", Path: dir, Err: err}
	}
	if st.Mode&syscall.S_IFMT != syscall.S_IFDIR || int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0 {
		return fmt.Errorf("%s is no directory of this user's alone; remove it, or name another with ENILAB_HOME", dir)
	}
	return nil
}
