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
)

// Roots are the directories that hold those of all labs.
type Roots struct {
	Run    string // gone with a reboot
	State  string // stays
	Caller int    // the user who has called sudo, whose directories may lead there; zero: nobody
}

// RootsOf finds them for a user: /run/enilab and /var/lib/enilab for root, the XDG directories for others. ENILAB_HOME
// takes the place of both. They are absolute: the daemon's working directory is not the caller's. Getenv is os.Getenv.
func RootsOf(uid int, getenv func(string) string) Roots {
	r := rootsOf(uid, getenv)
	for _, dir := range []*string{&r.Run, &r.State} {
		if absolute, err := filepath.Abs(*dir); err == nil { // else the first use of it tells
			*dir = absolute
		}
	}
	return r
}

func rootsOf(uid int, getenv func(string) string) Roots {
	caller := 0
	if uid == 0 {
		caller, _ = strconv.Atoi(getenv("SUDO_UID"))
	}
	if home := getenv("ENILAB_HOME"); home != "" {
		return Roots{filepath.Join(home, "run"), filepath.Join(home, "state"), caller}
	}
	if uid == 0 {
		return Roots{"/run/enilab", "/var/lib/enilab", caller}
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

	roots Roots
}

// NameError is met for a name that no lab may have.
type NameError struct{ Name string }

func (e *NameError) Error() string {
	return fmt.Sprintf("lab name %q: use 2 to 40 of a-z, 0-9 and '-', starting with a letter", e.Name)
}

// Of names a lab's place; nothing is made yet. What is there is this user's alone, and that is looked at here: what a Place
// names may be believed.
func (r Roots) Of(name string) (Place, error) {
	if !IsName(name) {
		return Place{}, &NameError{name}
	}
	p := Place{name, filepath.Join(r.Run, name), filepath.Join(r.State, name), r}
	if err := r.check(); err != nil {
		return Place{}, fmt.Errorf("lab %s: %w", name, err)
	}
	for _, dir := range []string{p.Run, p.State} {
		if err := checkOwn(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Place{}, fmt.Errorf("lab %s: %w", name, err)
		}
	}
	return p, nil
}

// IsName tells whether a lab may be called so.
func IsName(s string) bool {
	ok := 2 <= len(s) && len(s) <= 40 && 'a' <= s[0] && s[0] <= 'z'
	return ok && strings.IndexFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }) < 0
}

// All lists the places that exist, ordered by name.
func (r Roots) All() (places []Place, err error) {
	if err := r.check(); err != nil {
		return nil, err
	}
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
		place, ofErr := r.Of(name)
		if ofErr != nil {
			err = errors.Join(err, ofErr)
			continue
		}
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
			if err := p.roots.secure(d); err != nil {
				return fmt.Errorf("lab %s: %w", p.Name, err)
			}
		}
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
