package sandbox

import (
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"enilab/internal/nstest"
)

// testCache is a store with one good piece of code in it, and a cache of it.
func testCache(tb testing.TB, entries ...zipEntry) (*CodeCache, Store, Code) {
	tb.Helper()
	dir := tb.TempDir()
	s := Store{Dir: filepath.Join(dir, "store")}
	if entries == nil {
		entries = []zipEntry{good}
	}
	code, err := s.Put("fn.zip", strings.NewReader(string(zipOf(tb, entries...))), 0)
	if err != nil {
		tb.Fatal(err)
	}
	c := NewCodeCache(s, filepath.Join(dir, "cache"), ArchiveLimits{})
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Error(err)
		}
		if _, err := os.Lstat(c.dir); !errors.Is(err, fs.ErrNotExist) {
			tb.Errorf("the cache left %v (%v)", filesBelow(tb, c.dir), err)
		}
	})
	return c, s, code
}

func TestCodeCache(t *testing.T) {
	nstest.NoLeaks(t)
	c, _, code := testCache(t)
	if _, _, err := c.Unpack(t.Context(), code); !errors.Is(err, errNoFetch) || !strings.Contains(err.Error(), `"fn.zip"`) {
		t.Errorf("unpack before fetch: %v", err)
	}
	for round := range 2 { // the second after an eviction
		for i, want := range []bool{true, false, false} {
			fetched, err := c.Fetch(t.Context(), code)
			if fetched != want || err != nil {
				t.Fatalf("round %d, fetch %d: %v, %v", round, i, fetched, err)
			}
			dir, unpacked, err := c.Unpack(t.Context(), code)
			if unpacked != want || err != nil {
				t.Fatalf("round %d, unpack %d: %v, %v", round, i, unpacked, err)
			}
			sameFiles(t, dir, map[string]string{"bootstrap": "-rwxr-xr-x " + script})
		}
		if err := c.Evict(code); err != nil {
			t.Fatal(err)
		}
		sameFiles(t, c.dir, map[string]string{})
		if err := c.Evict(code); err != nil {
			t.Errorf("evict again: %v", err)
		}
	}
}

func TestWarmHitTouchesNoFile(t *testing.T) {
	c, s, code := testCache(t)
	warm(t, c, code)
	if err := errors.Join(os.RemoveAll(c.dir), os.RemoveAll(s.Dir)); err != nil {
		t.Fatal(err)
	}
	if done, err := c.Fetch(t.Context(), code); done || err != nil {
		t.Errorf("fetch: %v, %v", done, err)
	}
	if _, done, err := c.Unpack(t.Context(), code); done || err != nil {
		t.Errorf("unpack: %v, %v", done, err)
	}
}

func warm(tb testing.TB, c *CodeCache, code Code) (dir string) {
	tb.Helper()
	if _, err := c.Fetch(tb.Context(), code); err != nil {
		tb.Fatal(err)
	}
	dir, _, err := c.Unpack(tb.Context(), code)
	if err != nil {
		tb.Fatal(err)
	}
	return dir
}

func TestFetchChecksWhatItGets(t *testing.T) {
	nstest.NoLeaks(t)
	c, s, code := testCache(t)
	body, err := os.ReadFile(filepath.Join(s.Dir, code.Key))
	if err != nil {
		t.Fatal(err)
	}
	body[len(body)/2] ^= 1
	now, err := s.Put(code.Key, strings.NewReader(string(body)), 0)
	if err != nil {
		t.Fatal(err)
	}
	expect := func(want ...string) {
		t.Helper()
		_, err := c.Fetch(t.Context(), code)
		for _, w := range append(want, code.Key) {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("err = %v, want %q in it", err, w)
			}
		}
		if _, err := os.Lstat(c.home(code.SHA256)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("left behind: %q", filesBelow(t, c.dir))
		}
	}
	expect(now.CodeSha256(), code.CodeSha256())
	if _, err := s.Put(code.Key, strings.NewReader("shorter"), 0); err != nil {
		t.Fatal(err)
	}
	expect("has 7 bytes, not")
	if err := s.Delete(code.Key); err != nil {
		t.Fatal(err)
	}
	expect("no code")

	// A failure is not remembered.
	body[len(body)/2] ^= 1
	if _, err := s.Put(code.Key, strings.NewReader(string(body)), 0); err != nil {
		t.Fatal(err)
	}
	warm(t, c, code)
}

func TestFailedUnpackLeavesNothing(t *testing.T) {
	nstest.NoLeaks(t)
	c, _, code := testCache(t, good, zipEntry{name: "../evil", body: "x"})
	if _, err := c.Fetch(t.Context(), code); err != nil {
		t.Fatal(err)
	}
	before := filesBelow(t, c.dir)
	for range 2 {
		dir, done, err := c.Unpack(t.Context(), code)
		if _, ok := errors.AsType[*ArchiveError](err); !ok || done || dir != "" {
			t.Errorf("%q, %v, %v", dir, done, err)
		}
		sameFiles(t, c.dir, before)
	}
}

func TestLeftoversOfAKilledWorkerAreReplaced(t *testing.T) {
	c, _, code := testCache(t)
	home := filepath.Join(c.dir, hex.EncodeToString(code.SHA256[:]))
	for _, dir := range []string{"task", ".task.tmp-1"} {
		if err := os.MkdirAll(filepath.Join(home, dir, "half"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(home, "code.zip"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	sameFiles(t, warm(t, c, code), map[string]string{"bootstrap": "-rwxr-xr-x " + script})
	if n := len(filesBelow(t, home)); n != 3 { // code.zip, task, task/bootstrap
		t.Errorf("%q", filesBelow(t, home))
	}
}

// gate is work that tests hold and let go.
type gate struct {
	began, open chan struct{}
	runs        int
	cause       error // why its context ended, if it did
}

func newGate() *gate { return &gate{began: make(chan struct{}, 1), open: make(chan struct{})} }

func (g *gate) work(ctx context.Context, _ string) error {
	g.runs++
	g.began <- struct{}{}
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		g.cause = context.Cause(ctx)
		<-g.open // cleaning up takes its time
		return g.cause
	}
}

type outcome struct {
	done bool
	err  error
}

// call starts a caller of c and returns where its outcome will be.
func (g *gate) call(ctx context.Context, c *CodeCache) <-chan outcome {
	out := make(chan outcome, 1)
	go func() {
		_, done, err := c.do(ctx, Code{Key: "fn"}, fetchCode, "code.zip", g.work)
		out <- outcome{done, err}
	}()
	return out
}

func TestOneCallersCancelLeavesTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, g := NewCodeCache(Store{}, t.TempDir(), ArchiveLimits{}), newGate()
		stopped := errors.New("stopped")
		ctx, cancel := context.WithCancelCause(t.Context())
		first := g.call(ctx, c)
		<-g.began
		second, third := g.call(t.Context(), c), g.call(t.Context(), c)
		synctest.Wait()
		cancel(stopped)
		if o := <-first; o.done || !errors.Is(o.err, stopped) {
			t.Errorf("first: %v", o)
		}
		synctest.Wait()
		close(g.open)
		for _, out := range []<-chan outcome{second, third} {
			if o := <-out; !o.done || o.err != nil {
				t.Errorf("another: %v", o)
			}
		}
		if o := <-g.call(t.Context(), c); o.done || o.err != nil {
			t.Errorf("warm: %v", o)
		}
		if g.runs != 1 || g.cause != nil {
			t.Errorf("worked %d times, cancelled by %v", g.runs, g.cause)
		}
	})
}

func TestWorkThatNobodyWaitsForEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, g := NewCodeCache(Store{}, t.TempDir(), ArchiveLimits{}), newGate()
		ctx, cancel := context.WithCancel(t.Context())
		first, second := g.call(ctx, c), g.call(ctx, c)
		<-g.began
		synctest.Wait()
		cancel()
		synctest.Wait()
		if !errors.Is(g.cause, errAllGone) {
			t.Fatalf("the work was cancelled by %v", g.cause)
		}
		// One who comes now neither gets the others' cancellation nor works beside what is ending.
		late := g.call(t.Context(), c)
		gone, cancelGone := context.WithCancel(t.Context())
		later := g.call(gone, c)
		synctest.Wait()
		cancelGone()
		if o := <-later; !errors.Is(o.err, context.Canceled) {
			t.Errorf("later: %v", o)
		}
		if g.runs != 1 {
			t.Errorf("%d runs at once", g.runs)
		}
		close(g.open)
		for _, out := range []<-chan outcome{first, second} {
			if o := <-out; o.done || !errors.Is(o.err, context.Canceled) {
				t.Errorf("cancelled: %v", o)
			}
		}
		if o := <-late; !o.done || o.err != nil || g.runs != 2 {
			t.Errorf("late: %v after %d runs", o, g.runs)
		}
		if o := <-g.call(ctx, c); o.err != nil {
			t.Errorf("a warm hit needs no time: %v", o)
		}
	})
}

func TestEvictAndCloseEndTheWork(t *testing.T) {
	for name, end := range map[string]func(c *CodeCache) error{
		"evict": func(c *CodeCache) error { return c.Evict(Code{}) },
		"close": (*CodeCache).Close,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, g := NewCodeCache(Store{}, t.TempDir(), ArchiveLimits{}), newGate()
				working := g.call(t.Context(), c)
				<-g.began
				var ending sync.WaitGroup
				for range 2 {
					ending.Go(func() {
						if err := end(c); err != nil {
							t.Error(err)
						}
					})
				}
				synctest.Wait()
				close(g.open)
				ending.Wait()
				if o := <-working; !errors.Is(o.err, errEvicted) {
					t.Errorf("the caller got %v", o)
				}
				o := <-g.call(t.Context(), c)
				if name == "close" && !errors.Is(o.err, errNoCache) || name == "evict" && (!o.done || o.err != nil) {
					t.Errorf("the next caller got %v", o)
				}
			})
		})
	}
}

// Many callers, some of whom give up, and evictions among them: whoever is told of a directory finds it whole unless it
// was evicted, and in the end there is nothing.
func TestCodeCacheUnderLoad(t *testing.T) {
	nstest.NoLeaks(t)
	big := zipEntry{name: "data", body: strings.Repeat("0123456789abcdef", 1<<15)}
	c, s, code := testCache(t, good, big)
	other, err := s.Put("other", strings.NewReader(string(zipOf(t, good, big, zipEntry{name: "other"}))), 0)
	if err != nil {
		t.Fatal(err)
	}
	var callers sync.WaitGroup
	for i := range 60 {
		callers.Go(func() {
			for round := range 10 {
				which, evicts := code, false
				if i%3 == 0 { // only the other is ever evicted
					which, evicts = other, true
				}
				ctx, cancel := context.WithCancel(t.Context())
				impatient := rand.IntN(3) == 0
				if impatient {
					go cancel()
				}
				_, err := c.Fetch(ctx, which)
				var dir string
				if err == nil {
					dir, _, err = c.Unpack(ctx, which)
				}
				cancel()
				switch {
				case err == nil && !evicts:
					info, err := os.Stat(filepath.Join(dir, "data"))
					if err != nil || info.Size() != int64(len(big.body)) {
						t.Errorf("unpacked to %s, but %v", dir, err)
					}
				case err == nil || impatient && errors.Is(err, context.Canceled):
				case !evicts || !errors.Is(err, errEvicted) && !errors.Is(err, errNoFetch):
					t.Errorf("%q: %v", which.Key, err)
				}
				if evicts && i%2 == 0 && round%3 == 0 {
					if err := c.Evict(other); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	callers.Wait()
	if err := c.Evict(other); err != nil {
		t.Error(err)
	}
	warm(t, c, code)
	home := hex.EncodeToString(code.SHA256[:])
	for path := range filesBelow(t, c.dir) {
		if path != home && path != home+"/code.zip" && !strings.HasPrefix(path+"/", home+"/task/") {
			t.Errorf("left behind: %s", path)
		}
	}
}

func BenchmarkWarmHit(b *testing.B) {
	c, _, code := testCache(b)
	warm(b, c, code)
	b.ReportAllocs()
	for b.Loop() {
		c.Fetch(b.Context(), code)
		c.Unpack(b.Context(), code)
	}
}
