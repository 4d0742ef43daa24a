package sandbox

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"enilab/internal/nstest"

	"golang.org/x/sys/unix"
)

// slots makes slots of nothing, and counts those that are not closed.
func slots(open *atomic.Int32) func(context.Context, int) (*Slot, error) {
	return func(_ context.Context, index int) (*Slot, error) {
		s := &Slot{Index: index}
		open.Add(1)
		s.undo.Push(func() error { open.Add(-1); return nil })
		return s, nil
	}
}

// TestPoolPassesOver: slots that a former control plane has left are in nobody's way.
func TestPoolPassesOver(t *testing.T) {
	const left = 1000
	tried := 0
	p := NewPool(func(_ context.Context, index int) (*Slot, error) {
		if tried++; index <= left {
			return nil, fmt.Errorf("slot %d: %w", index, unix.EEXIST)
		}
		return &Slot{Index: index}, nil
	})
	for range 3 {
		s, err := p.Take(t.Context())
		if err != nil || s.Index <= left {
			t.Fatalf("%+v, %v", s, err)
		}
	}
	if tried > 20 {
		t.Errorf("tried %d", tried)
	}
	p = NewPool(func(context.Context, int) (*Slot, error) { return nil, unix.EEXIST })
	if _, err := p.Take(t.Context()); !errors.Is(err, unix.EEXIST) {
		t.Errorf("where all are in use: %v", err)
	}
}

func TestPool(t *testing.T) {
	nstest.NoLeaks(t)
	var open atomic.Int32
	p := NewPool(slots(&open))
	if err := p.Fill(t.Context(), 20); err != nil || p.Ready() != 20 {
		t.Fatalf("%d ready: %v", p.Ready(), err)
	}
	if err := p.Fill(t.Context(), 5); err != nil || p.Ready() != 20 {
		t.Errorf("%d ready after filling to less: %v", p.Ready(), err)
	}
	seen := map[int]bool{}
	for range 21 { // one more than are ready
		s, err := p.Take(t.Context())
		if err != nil || seen[s.Index] || s.Index < 1 {
			t.Fatalf("slot %+v, %v; seen %v", s, err, seen)
		}
		if seen[s.Index] = true; len(seen) > 10 {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if err := p.Fill(t.Context(), 3); err != nil {
		t.Error(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if n := open.Load(); n != 10 {
		t.Errorf("%d slots are open; 10 were taken and not closed", n)
	}
	if _, err := p.Take(t.Context()); !errors.Is(err, ErrPoolClosed) {
		t.Errorf("taken from a closed pool: %v", err)
	}
	if err := p.Fill(t.Context(), 3); !errors.Is(err, ErrPoolClosed) || p.Ready() != 0 {
		t.Errorf("filled a closed pool with %d: %v", p.Ready(), err)
	}
}

// As many slots are made at a time as there are processors, and a pool that closes meanwhile keeps none.
func TestPoolFillsInParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open, making atomic.Int32
		maker, release, filled := slots(&open), make(chan struct{}), make(chan error)
		p := NewPool(func(ctx context.Context, index int) (*Slot, error) {
			making.Add(1)
			defer making.Add(-1)
			<-release
			return maker(ctx, index)
		})
		go func() { filled <- p.Fill(t.Context(), 100) }()
		synctest.Wait()
		if n := int(making.Load()); n != runtime.GOMAXPROCS(0) {
			t.Errorf("%d at a time on %d processors", n, runtime.GOMAXPROCS(0))
		}
		closed := make(chan error, 1)
		go func() { closed <- p.Close() }()
		synctest.Wait()
		if len(closed) > 0 {
			t.Error("the pool was closed while slots were being made")
		}
		close(release)
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if err := <-filled; !errors.Is(err, ErrPoolClosed) || open.Load() != 0 {
			t.Errorf("%d slots are open: %v", open.Load(), err)
		}
	})
}

func TestPoolFillFails(t *testing.T) {
	nstest.NoLeaks(t)
	var open atomic.Int32
	full := errors.New("no more")
	maker := slots(&open)
	p := NewPool(func(ctx context.Context, index int) (*Slot, error) {
		if index > 5 {
			return nil, full
		}
		return maker(ctx, index)
	})
	if err := p.Fill(t.Context(), 10); !errors.Is(err, full) || p.Ready() != 5 {
		t.Errorf("%d ready: %v", p.Ready(), err)
	}
	if _, err := p.Take(t.Context()); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Fill(ctx, 10); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := p.Close(); err != nil || open.Load() != 1 {
		t.Errorf("%d open: %v", open.Load(), err)
	}
}

// Fill, Take and Close at once: no slot is given twice, and none is lost.
func TestPoolUnderLoad(t *testing.T) {
	nstest.NoLeaks(t)
	var open atomic.Int32
	p := NewPool(slots(&open))
	var fillers, takers sync.WaitGroup
	for range 2 {
		fillers.Go(func() {
			for range 10 {
				if err := p.Fill(t.Context(), 5); err != nil && !errors.Is(err, ErrPoolClosed) {
					t.Error(err)
				}
			}
		})
	}
	var mu sync.Mutex
	held := map[int]bool{}
	taken := make(chan struct{}, 1000)
	for range 4 {
		takers.Go(func() {
			for {
				s, err := p.Take(t.Context())
				if err != nil {
					if !errors.Is(err, ErrPoolClosed) {
						t.Error(err)
					}
					return
				}
				mu.Lock()
				if held[s.Index] {
					t.Errorf("slot %d was given twice", s.Index)
				}
				held[s.Index] = true
				mu.Unlock()
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				select {
				case taken <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 40 {
		<-taken
	}
	if err := p.Close(); err != nil { // while they fill and take
		t.Error(err)
	}
	fillers.Wait()
	takers.Wait()
	if n := open.Load(); n != 0 {
		t.Errorf("%d slots are left", n)
	}
}

// Keep fills the pool by itself, but never beside those who take from it.
func TestPoolKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open, made atomic.Int32
		var broken atomic.Bool
		maker := slots(&open)
		p := NewPool(func(ctx context.Context, index int) (*Slot, error) {
			if broken.Load() {
				return nil, errors.New("no more")
			}
			made.Add(1)
			return maker(ctx, index)
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { p.Keep(ctx, 5); close(ended) }()
		synctest.Wait()
		if p.Ready() != 5 {
			t.Errorf("%d ready at the beginning, want 5", p.Ready())
		}
		take := func() {
			t.Helper()
			s, err := p.Take(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
		}
		for range 20 { // a burst: nothing is made but what the takers make for themselves
			take()
			time.Sleep(quiet / 2)
			synctest.Wait()
		}
		if n := made.Load(); n != 20 || p.Ready() != 0 {
			t.Errorf("%d were made for 20 takers, %d are ready", n, p.Ready())
		}
		time.Sleep(quiet)
		synctest.Wait()
		if p.Ready() != 5 {
			t.Errorf("%d ready after a rest, want 5", p.Ready())
		}

		broken.Store(true)
		take()
		time.Sleep(time.Hour)
		synctest.Wait()
		broken.Store(false)
		if p.Ready() != 4 {
			t.Errorf("%d ready while none can be made, want 4", p.Ready())
		}
		take() // which makes it try again
		time.Sleep(quiet)
		synctest.Wait()
		if p.Ready() != 5 {
			t.Errorf("%d ready when they can be made again, want 5", p.Ready())
		}
		cancel()
		<-ended
		ended = make(chan struct{}) // it ends with the pool, too
		go func() { p.Keep(t.Context(), 6); close(ended) }()
		synctest.Wait()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		<-ended
		if n := open.Load(); n != 0 {
			t.Errorf("%d slots are left", n)
		}
	})
}
