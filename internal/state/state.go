// Package state keeps what a lab should be, so that the next start can make it so.
//
// It is one bbolt file. What a write has returned for is on disk, whatever then becomes of the process. A file is
// checked as a whole before it is used, and one that does not pass is refused and left as it is.
package state

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
)

// Errors that Open wraps.
var (
	ErrCorrupt = errors.New("the file is corrupt")
	ErrNewer   = errors.New("a newer enilab wrote it")
	ErrInUse   = errors.New("another process uses it")
)

// schema counts the changes of what is written that an older enilab would misread.
const schema = 1

// header says who wrote a file. Its place and these two fields are the same in every schema.
type header struct {
	Schema  int    `json:"schema"`
	Version string `json:"version"` // of the enilab that opened it last
}

// Buckets and keys that are not tables and records.
const (
	metaBucket  = ".meta"
	headerKey   = "header"
	sumKey      = "sum" // of all records: see sumOf
	valueBucket = ".values"
)

// DB is the desired state of one lab in one file. A nil DB keeps nothing.
type DB struct {
	bolt *bbolt.DB

	mu        sync.Mutex
	gathering *group // joined by writers while the one before is being written

	writing sync.Mutex // guards sum
	sum     uint64
}

// Open opens the file at path, or makes it with its directory.
func Open(path string) (*DB, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(path); err != nil {
			return nil, fmt.Errorf("state: make %s: %w", path, err)
		}
		f, err = os.OpenFile(path, os.O_RDWR, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	return use(f, path)
}

// OpenCopy opens a copy, which it makes in dir, of the file at path. What is wrong with it is told of path.
func OpenCopy(path, dir string) (*DB, error) {
	f, err := copyFile(filepath.Join(dir, filepath.Base(path)), path)
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	return use(f, path)
}

// copyFile returns the copy, open.
func copyFile(to, from string) (*os.File, error) {
	source, err := os.Open(from)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(f, source); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// use takes a file over, which is said to be at path.
func use(f *os.File, path string) (*DB, error) {
	found, err := check(f, path)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("state %s: %w", path, err)
	}
	bolt, err := bbolt.Open(f.Name(), 0, &bbolt.Options{
		OpenFile:     func(string, int, fs.FileMode) (*os.File, error) { return f, nil }, // checked, and locked since
		NoStatistics: true,
	})
	if err != nil {
		return nil, fmt.Errorf("state %s: %w", path, err)
	}
	db := &DB{bolt: bolt, sum: found.sum}
	if mine := (header{schema, version()}); found.header != mine {
		if err := db.writeHeader(mine); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return db, nil
}

// check locks a file and looks at all of it. Nothing is written, and bbolt has not seen it yet: it trusts what it maps,
// and a bad page would end the process.
func check(f *os.File, path string) (contents, error) {
	if err := lock(f); err != nil {
		return contents{}, err
	}
	way := fmt.Sprintf("it was left untouched; move it away, or run 'enilab down --name %s'", filepath.Base(filepath.Dir(path)))
	found, err := read(f)
	switch {
	case err != nil:
		return found, fmt.Errorf("%w (%v); %s", ErrCorrupt, err, way)
	case found.header.Schema > schema:
		return found, fmt.Errorf("%w (%s, schema %d; this is schema %d); use that one; %s", ErrNewer, found.header.Version, found.header.Schema, schema, way)
	case found.sum != found.want:
		return found, fmt.Errorf("%w (the records do not add up); %s", ErrCorrupt, way)
	}
	return found, nil
}

// lock waits a moment for a predecessor that is just ending.
func lock(f *os.File) error {
	const patience = time.Second
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("lock: %w", err)
		}
		if time.Since(began) > patience {
			return fmt.Errorf("%w; end it, or give another lab name", ErrInUse)
		}
	}
}

// create makes an empty file beside its place and then puts it there: a file that is there is whole.
func create(path string) (err error) {
	temp, err := os.CreateTemp(filepath.Dir(path), ".state-") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	bolt, err := bbolt.Open(temp.Name(), 0, &bbolt.Options{
		OpenFile: func(string, int, fs.FileMode) (*os.File, error) { return temp, nil },
	})
	if err != nil {
		return err
	}
	db := &DB{bolt: bolt}
	if err := errors.Join(db.writeHeader(header{schema, version()}), db.Close()); err != nil {
		return err
	}
	if err := os.Link(temp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

func (db *DB) writeHeader(h header) error {
	b, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return db.commit([]op{{metaBucket, headerKey, b}})
}

// version is that of this program as its build recorded it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return cmp.Or(info.Main.Version, "unknown")
}

// Close waits for what is being written and closes the file.
func (db *DB) Close() error {
	if db == nil {
		return nil
	}
	return db.bolt.Close()
}

// Get reads a value that was Set, or "".
func (db *DB) Get(name string) (value string, err error) {
	err = db.each(valueBucket, func(k, v []byte) error {
		if string(k) == name {
			value = string(v)
		}
		return nil
	})
	return value, err
}

// Set keeps a small value that belongs to no table, such as the machine's boot id. "" is as good as none.
func (db *DB) Set(name, value string) error {
	o := op{valueBucket, name, nil}
	if value != "" {
		o.value = []byte(value)
	}
	return db.Update(func(tx *Tx) error { return tx.add(o) })
}

// each reads a bucket in the order of its keys; k and v are valid for the call.
func (db *DB) each(bucket string, fn func(k, v []byte) error) error {
	if db == nil {
		return nil
	}
	return db.bolt.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		if b == nil {
			return nil
		}
		return b.ForEach(fn)
	})
}
