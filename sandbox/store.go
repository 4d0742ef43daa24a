package sandbox

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"syscall"
)

// Store is the function store: a directory of code archives, each a plain file that its key names. It takes the place
// of the bucket that Lambda keeps code in. It neither knows nor checks what is in them; [CheckArchive] does.
type Store struct {
	Dir string // made by the first Put
}

// Code is one version of a function's code. Its hash tells it from every other, whatever the key.
type Code struct {
	Key    string
	SHA256 [sha256.Size]byte
	Size   int64 // bytes of the archive
}

// CodeSha256 is the hash as the Lambda API shows it.
func (c Code) CodeSha256() string { return base64.StdEncoding.EncodeToString(c.SHA256[:]) }

// ErrKey is met by the errors for keys that name nothing in a store.
var ErrKey = errors.New("not a store key")

const maxKey = 128 // bytes; leaves room in NAME_MAX for what is put around it

func checkKey(key string) error {
	bad := func(why string) error {
		return fmt.Errorf("key %.*q %s: use 1 to %d letters, digits, '.', '-' and '_', a letter or digit first: %w", maxKey, key, why, maxKey, ErrKey)
	}
	switch {
	case key == "":
		return bad("is empty")
	case len(key) > maxKey:
		return bad("is too long")
	}
	for i, c := range []byte(key) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c != '.' && c != '-' && c != '_':
			return bad(fmt.Sprintf("has %q in it", c))
		case i == 0:
			return bad(fmt.Sprintf("starts with %q", c))
		}
	}
	return nil
}

// CodeFile is code opened in the store. It stays what it was when the store's copy is replaced or deleted meanwhile.
type CodeFile struct {
	Code
	file *os.File
}

// ReadAt and Size are what [CheckArchive] and [Unpack] want.
func (f *CodeFile) ReadAt(p []byte, off int64) (int, error) { return f.file.ReadAt(p, off) }

// Close ends the reading.
func (f *CodeFile) Close() error { return f.file.Close() }

// Open reads the code under key once, for its hash, and leaves it open for more. A key without code is an
// [fs.ErrNotExist].
func (s Store) Open(key string) (*CodeFile, error) {
	f, size, err := s.open(key)
	if err != nil {
		return nil, fmt.Errorf("function store: %w", err)
	}
	code := Code{Key: key, Size: size}
	hash := sha256.New()
	if n, err := io.Copy(hash, f); err != nil || n != size {
		f.Close()
		return nil, fmt.Errorf("function store: read %q: %w", key, cmp.Or(err, errChanging))
	}
	hash.Sum(code.SHA256[:0])
	return &CodeFile{code, f}, nil
}

var errChanging = errors.New("somebody is writing to it; put code into the store by rename or through enilab")

func (s Store) open(key string) (*os.File, int64, error) {
	if err := checkKey(key); err != nil {
		return nil, 0, err
	}
	// O_NONBLOCK: a pipe that lies in the directory must not hold up the caller.
	f, err := os.OpenFile(filepath.Join(s.Dir, key), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("no code %q in %s; put it there first: %w", key, s.Dir, fs.ErrNotExist)
	}
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%q in %s is a %v, not a file; remove it", key, s.Dir, info.Mode().Type())
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// Put stores what r holds under key, wholly or not at all, in place of what was there. More than max bytes are an
// [*ArchiveError]; zero means DefaultZipped.
func (s Store) Put(key string, r io.Reader, max int64) (_ Code, err error) {
	fail := func(err error) (Code, error) { return Code{}, fmt.Errorf("function store: put %q: %w", key, err) }
	if err := checkKey(key); err != nil {
		return Code{}, fmt.Errorf("function store: %w", err)
	}
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return fail(err)
	}
	f, err := os.CreateTemp(s.Dir, ".put-") // no key starts with a dot
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	max = min(cmp.Or(max, DefaultZipped), math.MaxInt64-1)
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, hash), io.LimitReader(r, max+1))
	if err != nil {
		return fail(err)
	}
	if n > max {
		return fail(&ArchiveError{"", fmt.Sprintf("has more than the %d bytes allowed", max), fixFiles})
	}
	if err := cmp.Or(f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return fail(err)
	}
	if err := os.Rename(f.Name(), filepath.Join(s.Dir, key)); err != nil {
		return fail(err)
	}
	code := Code{Key: key, Size: n}
	hash.Sum(code.SHA256[:0])
	return code, nil
}

// Delete removes the code under key. A key without code is an [fs.ErrNotExist].
func (s Store) Delete(key string) error {
	if err := checkKey(key); err != nil {
		return fmt.Errorf("function store: %w", err)
	}
	err := os.Remove(filepath.Join(s.Dir, key))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("function store: delete: no code %q in %s: %w", key, s.Dir, fs.ErrNotExist)
	}
	if err != nil {
		return fmt.Errorf("function store: delete: %w", err)
	}
	return nil
}
