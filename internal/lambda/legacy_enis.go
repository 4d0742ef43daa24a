package lambda

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"enilab/netlab"
	"enilab/sandbox"
)

// legacyENI is a network interface in the namespace of a slot, with the environments that live there: one as a rule.
type legacyENI struct {
	key    eniKey
	housed chan struct{}     // closed when it has a slot, or will have none
	slot   *sandbox.Slot     // holds the namespace, whoever lives in it; nil if none could be made
	iface  *netlab.Interface // nil until it is reserved
	moved  bool              // it is in the namespace, and ends with it
	quota  bool              // it has a place in the Region's quota

	settled chan struct{} // closed when it is attached, or cannot be
	once    sync.Once
	failed  error // set before settled is closed

	// guarded by legacyENIs.mu
	network *legacyNetwork // whose environments may join
	lodged  []int          // which of the namespace's Runtime API addresses are taken
	last    int            // the one that was taken last
	spare   *sandbox.Slot  // parked for the next environment, while the interface is kept; it is lodged
	expiry  *time.Timer
	broken  bool // nobody may come after those who are there
}

// settle tells those who joined what came of it. The first word counts.
func (e *legacyENI) settle(err error) {
	e.once.Do(func() {
		e.failed = err
		close(e.settled)
	})
}

func (e *legacyENI) await(ctx context.Context) error {
	select {
	case <-e.settled:
		return e.failed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// hasFailed tells whether it is known that it cannot be attached.
func (e *legacyENI) hasFailed() bool {
	select {
	case <-e.settled:
		return e.failed != nil
	default:
		return false
	}
}

// errGivenUp is met by who joined an interface whose first environment ended before it had attached it.
var errGivenUp = errors.New("the environment that made the interface has ended")

// legacyENIs counts, shares and keeps the interfaces of legacy environments. Its lock is held for a look-up only.
type legacyENIs struct {
	service        *Service
	create, attach *bucket        // EC2 limits each of its actions by itself
	ends           sync.WaitGroup // of kept interfaces; it grows only while not closed

	mu     sync.Mutex // guards all below
	count  int        // interfaces that there are, kept ones too, or that are being made
	shared map[*legacyNetwork][]*legacyENI
	kept   map[eniKey][]*legacyENI
	closed bool
}

func newLegacyENIs(s *Service) *legacyENIs {
	rate, burst := s.Quotas.ec2Calls(s.Model)
	return &legacyENIs{
		service: s, create: newBucket(rate, burst), attach: newBucket(rate, burst),
		shared: map[*legacyNetwork][]*legacyENI{}, kept: map[eniKey][]*legacyENI{},
	}
}

// find gives an environment its place: at an interface of its function's that has room, at one that was kept, or at a
// new one. Of environments that come at once, those that will fit find the place of the first.
func (m *legacyENIs) find(ctx context.Context, n *legacyNetwork) *legacyAttachment {
	keys := n.keys()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.shared[n] {
		if len(e.lodged) < n.share {
			return &legacyAttachment{ctx: ctx, network: n, eni: e, way: joined, lodging: e.lodge()}
		}
	}
	for _, key := range keys {
		kept := m.kept[key]
		if len(kept) == 0 {
			continue
		}
		e := kept[len(kept)-1]
		m.kept[key] = kept[:len(kept)-1]
		e.expiry.Stop()
		a := &legacyAttachment{ctx: ctx, network: n, eni: e, way: reused, home: e.spare, lodging: e.last}
		e.spare = nil
		m.openLocked(n, e)
		return a
	}
	e := &legacyENI{key: keys[0], housed: make(chan struct{}), settled: make(chan struct{})}
	m.openLocked(n, e)
	return &legacyAttachment{ctx: ctx, network: n, eni: e, way: made, lodging: e.lodge()}
}

// lodge takes an address that is free: not the one that was freed last, whose socket a process that is about to be
// executed may hold for another moment. Callers hold legacyENIs.mu.
func (e *legacyENI) lodge() int {
	for {
		e.last = e.last%sandbox.MaxLodgers + 1
		if !slices.Contains(e.lodged, e.last) {
			e.lodged = append(e.lodged, e.last)
			return e.last
		}
	}
}

// openLocked lets other environments of the network join.
func (m *legacyENIs) openLocked(n *legacyNetwork, e *legacyENI) {
	e.network = n
	if n.share > 1 {
		m.shared[n] = append(m.shared[n], e)
	}
}

// closeLocked lets nobody join any more.
func (m *legacyENIs) closeLocked(e *legacyENI) {
	others := slices.DeleteFunc(m.shared[e.network], func(other *legacyENI) bool { return other == e })
	if m.shared[e.network] = others; len(others) == 0 {
		delete(m.shared, e.network)
	}
}

// house gives an environment its slot: an empty one from the pool, that which waits at a kept interface, or one beside
// the interface's others, whose process is parked on the spot.
func (m *legacyENIs) house(ctx context.Context, a *legacyAttachment) (err error) {
	e := a.eni
	switch a.way {
	case made:
		defer close(e.housed)
		if a.home, err = m.service.bare.Take(ctx); err != nil {
			e.settle(err)
			return err
		}
		e.slot = a.home
	case joined:
		select {
		case <-e.housed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if e.slot == nil {
			return e.failed
		}
		a.home, err = m.park(ctx, e.slot, a.lodging)
	}
	return err
}

func (m *legacyENIs) park(ctx context.Context, holder *sandbox.Slot, n int) (*sandbox.Slot, error) {
	s, err := holder.Lodge(n)
	if err != nil {
		return nil, err
	}
	if err := m.service.parking.Park(ctx, s); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}
