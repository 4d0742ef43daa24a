package sandbox

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Pool keeps slots that were made ahead of time. A slot is used once: it is not given back but closed, and its index,
// with which go its address and VNI, comes round only after all others.
type Pool struct {
	make func(ctx context.Context, index int) (*Slot, error)

	makers sync.WaitGroup // slots in the making, or ending by Take; it grows only while the pool is open

	mu     sync.Mutex // guards all below
	ready  []*Slot
	making int // by Fill and Keep
	next   int
	taken  time.Time     // when a slot was last taken
	wake   chan struct{} // tells Keep of it, and of the end; holds one
	left   error         // what it met when it ended slots whose process had died
	closed bool
}

// ErrPoolClosed is met by who takes from a pool that has ended.
var ErrPoolClosed = errors.New("the slot pool is closed")

// NewPool makes an empty pool. Parking.Slots makes its makers.
func NewPool(maker func(ctx context.Context, index int) (*Slot, error)) *Pool {
	return &Pool{make: maker, next: 1, wake: make(chan struct{}, 1)}
}

// Fill makes slots until n are ready, or on the way by another Fill; as many at a time as there are processors. It stays
// off the timed path: the caller decides when. If the pool is closed meanwhile, the error is ErrPoolClosed.
func (p *Pool) Fill(ctx context.Context, n int) error {
	p.mu.Lock()
	closed, lacking := p.closed, n-len(p.ready)
	p.mu.Unlock()
	if closed {
		return ErrPoolClosed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var makers sync.WaitGroup
	for range min(lacking, runtime.GOMAXPROCS(0)) {
		makers.Go(func() {
			if err := p.fill(ctx, n); err != nil {
				cancel(err) // the first counts
			}
		})
	}
	makers.Wait()
	return context.Cause(ctx)
}

// fill makes slots while fewer than n are ready or on the way.
func (p *Pool) fill(ctx context.Context, n int) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		p.mu.Lock()
		enough := len(p.ready)+p.making >= n && !p.closed
		if !enough {
			p.making++
		}
		p.mu.Unlock()
		if enough {
			return nil
		}
		s, err := p.makeNext(ctx)
		p.mu.Lock()
		p.making--
		keep := err == nil && !p.closed
		if keep {
			p.ready = append(p.ready, s)
		}
		p.mu.Unlock()
		switch {
		case err != nil:
			return fmt.Errorf("fill the slot pool: %w", err)
		case !keep:
			return errors.Join(fmt.Errorf("fill the slot pool: %w", ErrPoolClosed), s.Close())
		}
	}
}

// quiet is how long nobody has taken a slot before Keep makes one: longer than a cold start takes, so that Keep works
// beside none.
const quiet = 250 * time.Millisecond

// Keep holds n slots ready until ctx ends or the pool is closed, for one caller at a time. It makes one slot after the
// other, and only while the pool has been left alone for a while: to make a slot takes the kernel's locks that a cold
// start waits for, so the refill would be in its figures. Takers that come without a pause make their slots themselves;
// to refill beside them would be the same work, in their way. A slot that cannot be made is tried again after the
// following Take, which tells its taker why.
func (p *Pool) Keep(ctx context.Context, n int) {
	for {
		p.mu.Lock()
		closed, lacking, wait := p.closed, len(p.ready)+p.making < n, time.Until(p.taken.Add(quiet))
		p.mu.Unlock()
		var rested <-chan time.Time // nil: nothing to do before the next Take
		switch {
		case closed:
			return
		case lacking && wait <= 0:
			if p.fill(ctx, min(n, p.Ready()+1)) == nil {
				continue
			}
		case lacking:
			rested = time.After(wait)
		}
		select {
		case <-p.wake:
		case <-rested:
		case <-ctx.Done():
			return
		}
	}
}

// wakeKeeper never waits. Callers hold mu.
func (p *Pool) wakeKeeper() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// makeNext makes a slot with the next index. One that is in use is passed over, at a growing pace: the kernel ends the
// slots of a former control plane when it has time.
func (p *Pool) makeNext(ctx context.Context) (*Slot, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, ErrPoolClosed
	}
	p.makers.Add(1)
	p.mu.Unlock()
	defer p.makers.Done()
	for step := 1; ; step *= 2 {
		s, err := p.make(ctx, p.takeIndex(step))
		if !errors.Is(err, unix.EEXIST) || step > maxSlots {
			return s, err
		}
	}
}

// takeIndex gives the next index and goes on by a number of them.
func (p *Pool) takeIndex(step int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	index := p.next
	p.next += step
	if p.next >= maxSlots-1 {
		p.next = 1
	}
	return index
}

// Take gives a slot: one that is ready, or else one made on the spot. Slots whose process has died meanwhile are passed
// over and ended.
func (p *Pool) Take(ctx context.Context) (*Slot, error) {
	p.mu.Lock()
	p.taken = time.Now()
	p.wakeKeeper()
	for n := len(p.ready); n > 0; n-- {
		s := p.ready[n-1]
		p.ready = p.ready[:n-1]
		if s.usable() {
			p.mu.Unlock()
			return s, nil
		}
		p.makers.Go(func() { // not closed yet: it had a slot
			if err := s.Close(); err != nil {
				p.mu.Lock()
				p.left = errors.Join(p.left, err)
				p.mu.Unlock()
			}
		})
	}
	p.mu.Unlock()
	return p.makeNext(ctx)
}

// Ready is how many slots wait.
func (p *Pool) Ready() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.ready)
}

// Close ends the slots that wait, and returns when none is being made: what they are made of may go then. Those taken
// belong to their takers.
func (p *Pool) Close() error {
	p.mu.Lock()
	ready := p.ready
	p.ready, p.closed = nil, true
	p.wakeKeeper()
	p.mu.Unlock()
	p.makers.Wait()
	errs := make([]error, len(ready))
	var ending sync.WaitGroup // each waits for its process, the kernel for nobody
	for i, s := range ready {
		ending.Go(func() { errs[i] = s.Close() })
	}
	ending.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Join(append(errs, p.left)...)
}
