package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// CodeCache is what one worker keeps of the function store: each version of code (told by its hash) is fetched once and
// unpacked once. Fetch and Unpack are two calls because a cold start's timeline has a phase for each. All methods are
// safe for concurrent use.
//
// Callers that want the same thing at once wait for one piece of work. It belongs to none of them: one who gives up
// leaves it to the others, and only when all have given up does it stop. Work that fails or stops leaves nothing behind
// and is tried anew by the next caller.
type CodeCache struct {
	store Store
	dir   string
	lim   ArchiveLimits

	mu     sync.Mutex // guards what follows, and the fields of jobs
	jobs   map[cacheKey]*cacheJob
	closed bool
}

type cacheKey struct {
	version [sha256.Size]byte
	verb    cacheVerb
}

type cacheVerb string

const (
	fetchCode  cacheVerb = "fetch"
	unpackCode cacheVerb = "unpack"

	unpackLayers cacheVerb = "unpack layers of"
)

// cacheJob is work that is done, or being done.
type cacheJob struct {
	path    string // what the work makes
	waiting int    // callers; zero means that the work is being given up, or is an eviction
	cancel  context.CancelCauseFunc
	ready   bool          // it ended well
	ended   chan struct{} // closed when it ended, well or not
	err     error         // readable when ended
}

var (
	errEvicted  = errors.New("the code was evicted meanwhile")
	errAllGone  = errors.New("nobody waits for the code any more")
	errNoFetch  = errors.New("the worker does not have it; fetch it first")
	errNoCache  = errors.New("the worker's code cache is closed")
	fixMismatch = "update the function's code, or put the archive it was made with back into the store"
)

// NewCodeCache caches store in dir, which is made when needed and may be shared with nobody. The limits are those of
// [Unpack].
func NewCodeCache(store Store, dir string, lim ArchiveLimits) *CodeCache {
	return &CodeCache{store: store, dir: dir, lim: lim, jobs: map[cacheKey]*cacheJob{}}
}

// home is all that the cache has of one version on disk: the archive, the unpacked directory, work under way.
func (c *CodeCache) home(version [sha256.Size]byte) string {
	return filepath.Join(c.dir, hex.EncodeToString(version[:]))
}

// Fetch copies code from the store and checks its size and hash. done is false if the worker had it already, and then
// the phase did not take place; it did for those who waited for another caller's fetch.
func (c *CodeCache) Fetch(ctx context.Context, code Code) (done bool, err error) {
	_, done, err = c.do(ctx, code, fetchCode, "code.zip", func(ctx context.Context, path string) error {
		home := filepath.Dir(path)
		if err := os.RemoveAll(home); err != nil { // left by a worker that was killed
			return err
		}
		if err := os.MkdirAll(home, 0o755); err != nil {
			return err
		}
		err := c.copyVerified(ctx, code, path)
		if err != nil {
			err = errors.Join(err, os.RemoveAll(home))
		}
		return err
	})
	return done, err
}

// Unpack extracts code that was fetched and returns the directory, which is the same for all environments of the worker
// and must not be written to. done is as for Fetch.
func (c *CodeCache) Unpack(ctx context.Context, code Code) (dir string, done bool, err error) {
	return c.do(ctx, code, unpackCode, "task", func(ctx context.Context, path string) error {
		c.mu.Lock()
		fetched := c.jobs[cacheKey{code.SHA256, fetchCode}]
		ready := fetched != nil && fetched.ready
		c.mu.Unlock()
		if !ready {
			return errNoFetch
		}
		f, err := os.Open(fetched.path)
		if err != nil {
			return err
		}
		defer f.Close()
		return Unpack(ctx, f, code.Size, path, c.lim)
	})
}

// Evict removes what the worker has of code. Nothing may run from it any more. Work under way ends with an error.
func (c *CodeCache) Evict(code Code) error { return c.evict(code.SHA256) }

// Close removes everything, the directory too, and ends all work under way. Fetch and Unpack fail from now on.
func (c *CodeCache) Close() (err error) {
	c.mu.Lock()
	c.closed = true
	versions := map[[sha256.Size]byte]bool{}
	for k := range c.jobs {
		versions[k.version] = true
	}
	c.mu.Unlock()
	for v := range versions {
		err = errors.Join(err, c.evict(v))
	}
	if left := os.Remove(c.dir); left != nil && !errors.Is(left, fs.ErrNotExist) {
		err = errors.Join(err, fmt.Errorf("close code cache: %w", left))
	}
	return err
}

// do runs work once for all callers, and once only as long as it ends well. A warm hit is one look into a map.
func (c *CodeCache) do(ctx context.Context, code Code, v cacheVerb, name string, work func(ctx context.Context, path string) error) (path string, done bool, err error) {
	key := cacheKey{code.SHA256, v}
	fail := func(err error) (string, bool, error) {
		return "", false, fmt.Errorf("%s code %q: %w", v, code.Key, err)
	}
	for {
		c.mu.Lock()
		if c.closed {
			c.mu.Unlock()
			return fail(errNoCache)
		}
		j := c.jobs[key]
		switch {
		case j == nil && ctx.Err() != nil:
			c.mu.Unlock()
			return fail(context.Cause(ctx))
		case j == nil:
			var shared context.Context
			j = &cacheJob{path: filepath.Join(c.home(code.SHA256), name), waiting: 1, ended: make(chan struct{})}
			shared, j.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
			c.jobs[key] = j
			go func() { c.end(key, j, work(shared, j.path)) }()
		case j.ready:
			c.mu.Unlock()
			return j.path, false, nil
		case j.waiting > 0:
			j.waiting++
		default: // given up or evicted: wait for the end of that, then begin anew
			c.mu.Unlock()
			select {
			case <-j.ended:
				continue
			case <-ctx.Done():
				return fail(context.Cause(ctx))
			}
		}
		c.mu.Unlock()

		select {
		case <-j.ended:
		case <-ctx.Done():
			c.mu.Lock()
			j.waiting--
			last := j.waiting == 0
			c.mu.Unlock()
			if !last {
				return fail(context.Cause(ctx))
			}
			j.cancel(errAllGone)
			<-j.ended // the last one out sees to it that nothing is left
			if j.err != nil {
				return fail(context.Cause(ctx))
			}
		}
		if j.err != nil {
			return fail(j.err)
		}
		return j.path, true, nil
	}
}

func (c *CodeCache) end(key cacheKey, j *cacheJob, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	j.cancel(nil)
	j.ready, j.err = err == nil, err
	if err != nil {
		delete(c.jobs, key)
	}
	close(j.ended)
}

// evict takes the place of the version's jobs, so that nobody begins anew before the files are gone.
func (c *CodeCache) evict(version [sha256.Size]byte) error {
	keys := []cacheKey{{version, fetchCode}, {version, unpackCode}, {version, unpackLayers}}
	eviction := &cacheJob{cancel: func(error) {}, ended: make(chan struct{})}
	for {
		var busy *cacheJob
		c.mu.Lock()
		for _, k := range keys {
			if j := c.jobs[k]; j != nil && !j.ready {
				busy = j
			}
		}
		if busy == nil {
			for _, k := range keys {
				c.jobs[k] = eviction
			}
			c.mu.Unlock()
			break
		}
		c.mu.Unlock()
		busy.cancel(errEvicted)
		<-busy.ended
	}
	err := os.RemoveAll(c.home(version))
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range keys {
		delete(c.jobs, k)
	}
	close(eviction.ended)
	if err != nil {
		return fmt.Errorf("evict code: %w", err)
	}
	return nil
}

// copyVerified copies code out of the store into path, reading no more than the code is said to have.
func (c *CodeCache) copyVerified(ctx context.Context, code Code, path string) error {
	from, size, err := c.store.open(code.Key)
	if err != nil {
		return err
	}
	defer from.Close()
	if size != code.Size {
		return fmt.Errorf("the store has %d bytes, not %d; %s", size, code.Size, fixMismatch)
	}
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer to.Close()
	hash := sha256.New()
	src := io.NewSectionReader(&archiveSource{ctx: ctx, r: from, left: -1}, 0, size)
	if _, err := io.Copy(io.MultiWriter(to, hash), src); err != nil {
		return err
	}
	if has := hash.Sum(nil); [sha256.Size]byte(has) != code.SHA256 {
		return fmt.Errorf("the store has SHA-256 %s, not %s; %s",
			base64.StdEncoding.EncodeToString(has), code.CodeSha256(), fixMismatch)
	}
	return to.Close()
}
