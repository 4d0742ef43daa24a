package labs

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Holder is who works on a lab: one verb at a time may.
type Holder struct {
	Verb  string    `json:"verb"`
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
}

// LockedError says who holds a lab's lock.
type LockedError struct {
	Lab string
	Holder
}

func (e *LockedError) Error() string {
	if e.PID == 0 { // it has only just begun, or its disk is full
		return fmt.Sprintf("lab %s is locked by another enilab; wait for it, or end it", e.Lab)
	}
	return fmt.Sprintf("lab %s is locked by 'enilab %s' (pid %d) since %s; wait for it, or end it", e.Lab, e.Verb, e.PID, e.Since.Format(time.TimeOnly))
}

// Lock is held until Unlock, or until its process ends however it does.
type Lock struct{ file *os.File }

// Lock takes the lab's lock, or says who holds it. The lock is beside the lab's directory, which comes and goes.
func (p Place) Lock(verb string) (*Lock, error) {
	if err := os.MkdirAll(filepath.Dir(p.Run), 0o700); err != nil {
		return nil, fmt.Errorf("lab %s: %w; ENILAB_HOME names a directory that this user may write to", p.Name, err)
	}
	if err := p.roots.secure(filepath.Dir(p.Run)); err != nil { // now that it is there
		return nil, fmt.Errorf("lab %s: %w", p.Name, err)
	}
	for {
		f, err := os.OpenFile(p.Run+".lock", os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, fmt.Errorf("lab %s: lock: %w", p.Name, err)
		}
		if err := fcntl(f, setLock, &syscall.Flock_t{Type: syscall.F_WRLCK}); err != nil {
			defer f.Close()
			if !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EACCES) {
				return nil, fmt.Errorf("lab %s: lock: %w", p.Name, err)
			}
			locked := &LockedError{Lab: p.Name}
			_ = json.NewDecoder(f).Decode(&locked.Holder) // it may be writing that just now
			return nil, locked
		}
		if !same(f, p.Run+".lock") { // its holder removed it between our two calls
			f.Close()
			continue
		}
		// Who holds it is for people. On a disk that is full nobody learns it, and 'down' works all the same.
		if f.Truncate(0) == nil {
			_ = json.NewEncoder(f).Encode(Holder{verb, os.Getpid(), time.Now().Truncate(time.Second)})
		}
		return &Lock{f}, nil
	}
}

func same(f *os.File, path string) bool {
	a, err1 := f.Stat()
	b, err2 := os.Stat(path)
	return err1 == nil && err2 == nil && os.SameFile(a, b)
}

// Unlock lets go of the lock and removes its file.
func (l *Lock) Unlock() error {
	err := os.Remove(l.file.Name())
	_ = os.Remove(filepath.Dir(l.file.Name())) // fails while there is a lab
	return errors.Join(err, l.file.Close())
}

// Locks of open file descriptions (fcntl_locking(2)): unlike those of flock(2) they can be looked at without being taken. Package
// syscall does not name them.
const (
	getLock = 36 // F_OFD_GETLK
	setLock = 37 // F_OFD_SETLK
)

func fcntl(f *os.File, command int, lock *syscall.Flock_t) error {
	return syscall.FcntlFlock(f.Fd(), command, lock)
}

// isLocked tells whether somebody holds a lock on the file. Who takes one meanwhile does not notice that it was asked.
func isLocked(f *os.File) (bool, error) {
	lock := syscall.Flock_t{Type: syscall.F_WRLCK}
	err := fcntl(f, getLock, &lock) // which answers with the lock in the way, or that there is none
	return lock.Type != syscall.F_UNLCK, err
}

// Stale lists the places where a verb that was killed has left its lock, and nothing else.
func (r Roots) Stale() (places []Place) {
	if r.check() != nil {
		return nil // nothing there is this user's
	}
	paths, _ := filepath.Glob(filepath.Join(r.Run, "*.lock")) // the pattern is well formed, or matches nothing
	for _, path := range paths {
		place, err := r.Of(strings.TrimSuffix(filepath.Base(path), ".lock"))
		if err != nil || place.Exists() {
			continue
		}
		if f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW, 0); err == nil {
			if locked, err := isLocked(f); err == nil && !locked {
				places = append(places, place)
			}
			f.Close()
		}
	}
	return places
}

// RemoveLock removes a lock that is stale.
func (p Place) RemoveLock() error {
	lock, err := p.Lock("gc")
	if err != nil {
		return err
	}
	return lock.Unlock()
}
