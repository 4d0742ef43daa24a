package lambda

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"enilab/sandbox"

	"github.com/google/uuid"
)

// archive is a function's code in a store. What came with a request has a key of its own, so that a version never takes
// the place of one that still serves; it is deleted with its last user.
type archive struct {
	sandbox.Code
	source   *source
	uploaded bool
	users    atomic.Int32
}

// source is a store with the worker's copies of what is in it.
type source struct {
	sandbox.Store
	cache *sandbox.CodeCache
	dir   string      // of the cache
	keep  atomic.Bool // what was uploaded stays: the lab comes back

	mu   sync.Mutex // guards runs; held while a copy is removed, so that nobody comes to run it meanwhile
	runs map[[sha256.Size]byte]int

	checked sync.Map // by key: what was found good, as a checkedFile
}

// checkedFile is code that was read and checked as a whole, and the file that it was in then.
type checkedFile struct {
	info fs.FileInfo
	code sandbox.Code
}

// good is the code under a key if it was found good and its file is the same since: a thousand functions of one archive
// need not read it a thousand times. When code is fetched its hash is checked in any case.
func (c *source) good(key string) (sandbox.Code, bool) {
	was, ok := c.checked.Load(key)
	if !ok {
		return sandbox.Code{}, false
	}
	then := was.(checkedFile)
	now, err := os.Stat(filepath.Join(c.Dir, key))
	same := err == nil && os.SameFile(now, then.info) && now.Size() == then.info.Size() && now.ModTime().Equal(then.info.ModTime())
	return then.code, same
}

func newSource(store sandbox.Store, dir string, lim sandbox.ArchiveLimits) *source {
	return &source{Store: store, cache: sandbox.NewCodeCache(store, dir, lim), dir: dir, runs: map[[sha256.Size]byte]int{}}
}

// run tells that environments may run code from now on.
func (c *source) run(code sandbox.Code) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.runs[code.SHA256]++
}

// rest takes one run back. With the last one of code with this hash the worker's copy goes.
func (c *source) rest(code sandbox.Code) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.runs[code.SHA256]--; c.runs[code.SHA256] > 0 {
		return nil
	}
	delete(c.runs, code.SHA256)
	return c.cache.Evict(code)
}

func (a *archive) hold() *archive {
	a.users.Add(1)
	return a
}

func (a *archive) drop() error {
	if a.users.Add(-1) > 0 || !a.uploaded || a.source.keep.Load() {
		return nil
	}
	if err := a.source.Delete(a.Key); !errors.Is(err, fs.ErrNotExist) { // the store is a directory that others may tidy
		return err
	}
	return nil
}

// noSuchKey is AWS's sentence for a file that is not in the function store, and which it is. Where the store is on the host is
// for the lab's owner.
func noSuchKey(key string, err error) error {
	return conceal(InvalidParameterValue, err, "Error occurred while GetObject. S3 Error Code: NoSuchKey. "+
		"S3 Error Message: The specified key does not exist. (%q is not in the lab's function store; put it there first)", key)
}

// putCode brings code into a store, checked, and holds it for the caller. Whether there is a bootstrap in it shows when it is
// started, as on AWS.
func (s *Service) putCode(function string, zip []byte, key string) (*archive, error) {
	a := new(archive)
	a.hold()
	switch {
	case (len(zip) > 0) == (key != ""):
		return nil, refuse(InvalidParameterValue, "code of %s: give either a zip file or a key of the function store", function)
	case key == "":
		if most := cmp.Or(s.Limits.Zipped, sandbox.DefaultZipped); int64(len(zip)) > most {
			return nil, refuse(RequestEntityTooLarge, "Zipped size must be smaller than %d bytes", most)
		}
		err := s.checkCode(bytes.NewReader(zip), int64(len(zip)))
		if err != nil {
			return nil, refuse(InvalidParameterValue, "Could not unzip uploaded file. Please check your file, then try to upload again. (%w)", err)
		}
		a.source, a.uploaded = s.uploads, true
		a.Code, err = a.source.Put("function."+function+"."+uuid.NewString()+".zip", bytes.NewReader(zip), s.Limits.Zipped)
		if err != nil {
			return nil, refuse(ServiceException, "code of %s: %w", function, err)
		}
		return a, nil
	}
	a.source = s.store
	if code, ok := s.store.good(key); ok {
		a.Code = code
		return a, nil
	}
	info, _ := os.Stat(filepath.Join(s.store.Dir, key)) // before it is read; of a key that is none nothing comes
	file, err := a.source.Open(key)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, sandbox.ErrKey) {
		return nil, noSuchKey(key, err)
	}
	if err != nil {
		return nil, refuse(ServiceException, "code of %s: %w", function, err)
	}
	defer file.Close()
	if err := s.checkCode(file, file.Size); err != nil {
		return nil, archiveError(err, "code of %s (%s)", function, key)
	}
	a.Code = file.Code
	if info != nil {
		s.store.checked.Store(key, checkedFile{info, a.Code})
	}
	return a, nil
}

// checkCode refuses what cannot be a function's code.
func (s *Service) checkCode(code io.ReaderAt, size int64) error {
	return sandbox.CheckArchive(code, size, s.Limits)
}

// discard drops code that no function came to use.
func (s *Service) discard(code *archive) {
	if err := code.drop(); err != nil {
		s.Log.Warn("discard code", "key", code.Key, "error", err)
	}
}

// tidyUploads removes the uploads that no record names: a crash came between the upload and the record. A directory that
// people put code into as well it leaves alone.
func (s *Service) tidyUploads(named map[string]bool) error {
	if s.uploads == s.store {
		return nil
	}
	entries, err := os.ReadDir(s.uploads.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if !named[e.Name()] {
			err = errors.Join(err, os.Remove(filepath.Join(s.uploads.Dir, e.Name())))
		}
	}
	return err
}

// OpenCode opens the archive of a version's code, to be read and closed by the caller.
func (s *Service) OpenCode(ref FunctionRef) (*sandbox.CodeFile, error) {
	v, err := s.version(ref)
	if err != nil {
		return nil, err
	}
	v.function.mu.Lock()
	code := v.shownLocked().code
	v.function.mu.Unlock()
	return code.source.Open(code.Key)
}
