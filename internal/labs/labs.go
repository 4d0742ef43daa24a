// Package labs is where labs that stay up keep what outlives a process on this machine: for each lab a directory in /run,
// with its lock, sockets and log, and one in /var/lib, with its state.
package labs

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Roots are the directories that hold those of all labs.
type Roots struct {
	Run   string // gone with a reboot
	State string // stays
}

// RootsOf finds them for a user: /run/enilab and /var/lib/enilab for root, the XDG directories for others. ENILAB_HOME
// takes the place of both. Getenv is os.Getenv.
func RootsOf(uid int, getenv func(string) string) Roots {
	if home := getenv("ENILAB_HOME"); home != "" {
		return Roots{filepath.Join(home, "run"), filepath.Join(home, "state")}
	}
	if uid == 0 {
		return Roots{"/run/enilab", "/var/lib/enilab"}
	}
	user := "enilab-" + strconv.Itoa(uid)
	r := Roots{Run: filepath.Join(os.TempDir(), user)}
	if dir := getenv("XDG_RUNTIME_DIR"); dir != "" {
		r.Run = filepath.Join(dir, "enilab")
	}
	r.State = filepath.Join(cmp.Or(getenv("XDG_STATE_HOME"), filepath.Join(getenv("HOME"), ".local/state")), "enilab")
	if getenv("HOME") == "" && getenv("XDG_STATE_HOME") == "" {
		r.State = r.Run + "-state"
	}
	return r
}

// Place is where one lab keeps its things.
type Place struct {
	Name  string
	Run   string // directory
	State string // directory
}

// Of names a lab's place; nothing is made yet.
func (r Roots) Of(name string) (Place, error) {
	if !IsName(name) {
		return Place{}, fmt.Errorf("lab name %q: use 2 to 40 of a-z, 0-9 and '-', starting with a letter", name)
	}
	return Place{name, filepath.Join(r.Run, name), filepath.Join(r.State, name)}, nil
}

// IsName tells whether a lab may be called so.
func IsName(s string) bool {
	ok := 2 <= len(s) && len(s) <= 40 && 'a' <= s[0] && s[0] <= 'z'
	return ok && strings.IndexFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }) < 0
}

// All lists the places that exist, ordered by name.
func (r Roots) All() (places []Place, err error) {
	var names []string
	for _, root := range []string{r.Run, r.State} {
		entries, readErr := os.ReadDir(root)
		if readErr != nil && !errors.Is(readErr, fs.ErrNotExist) {
			err = errors.Join(err, readErr)
		}
		for _, e := range entries {
			if e.IsDir() && IsName(e.Name()) {
				names = append(names, e.Name())
			}
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		place, _ := r.Of(name) // it is a name
		places = append(places, place)
	}
	return places, err
}

// Make makes both directories, for this user alone.
func (p Place) Make() error {
	for _, dir := range []string{p.Run, p.State} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("lab %s: %w; ENILAB_HOME names a directory that this user may write to", p.Name, err)
		}
		for _, d := range []string{filepath.Dir(dir), dir} {
			if err := checkOwn(d); err != nil {
				return fmt.Errorf("lab %s: %w", p.Name, err)
			}
		}
	}
	return nil
}

// checkOwn refuses a directory that somebody else has made, or may write to: in /tmp anybody can be first.
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

// Socket is what verbs reach the daemon through.
func (p Place) Socket() string { return filepath.Join(p.Run, "api.sock") }

// Listen is a file with the AWS API's address, which the lab has again when it comes back: clients know it.
func (p Place) Listen() string { return filepath.Join(p.State, "listen") }

// Log is what keeper and daemons print.
func (p Place) Log() string { return filepath.Join(p.Run, "daemon.log") }

// DB is the state file.
func (p Place) DB() string { return filepath.Join(p.State, "state.db") }

// Uploads is the directory of code that came with requests.
func (p Place) Uploads() string { return filepath.Join(p.State, "uploads") }

// RemoveRun removes what a lab that is down has no use for, but for the lock of who is at it; Remove removes its state
// as well. The roots go with their last lab.
func (p Place) RemoveRun() error {
	err := os.RemoveAll(p.Run)
	_ = os.Remove(filepath.Dir(p.Run)) // fails while there is another lab
	return err
}

// Remove removes all that the lab has on disk.
func (p Place) Remove() error {
	err := errors.Join(os.RemoveAll(p.State), p.RemoveRun())
	_ = os.Remove(filepath.Dir(p.State)) // fails while there is another lab
	return err
}

// Exists tells whether the lab has anything on disk.
func (p Place) Exists() bool {
	_, run := os.Stat(p.Run)
	_, state := os.Stat(p.State)
	return run == nil || state == nil
}

// RemoveEmptyState removes the state's directory if nothing has been kept in it.
func (p Place) RemoveEmptyState() error {
	entries, err := os.ReadDir(p.State)
	if err != nil || len(entries) > 0 {
		return nil //nolint:nilerr // there is none
	}
	err = os.Remove(p.State)
	_ = os.Remove(filepath.Dir(p.State)) // fails while there is another lab
	return err
}
