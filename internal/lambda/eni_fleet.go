package lambda

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// fleet is the Hyperplane ENIs of one subnet and security-group set: one as a rule, and more while one cannot carry its
// connections.
type fleet struct {
	key      eniKey
	function string        // who first needed it
	made     chan struct{} // closed when the first ENI is there, or failed
	failed   error         // set before made is closed

	users   int         // guarded by sharedENIs.mu, like the next
	parting *time.Timer // nil unless nobody uses the fleet and it waits for its end

	mu      sync.Mutex // guards all below, and bound and load of ENIs
	enis    []*sharedENI
	growing bool
	ended   bool
	said    string // what growing met the last time, to say it once
}

// stay keeps the fleet from parting. Callers hold sharedENIs.mu.
func (f *fleet) stay() {
	if f.parting != nil {
		f.parting.Stop()
		f.parting = nil
	}
}

// place binds one more environment to the ENI that has most room. The connections are those that the watch last saw, and
// one for each environment that came since: nothing is asked of the kernel while a cold start waits.
func (f *fleet) place() *sharedENI {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := slices.MinFunc(f.enis, func(a, b *sharedENI) int { return cmp.Or(cmp.Compare(a.load, b.load), cmp.Compare(a.bound, b.bound)) })
	e.bound++
	e.load++
	return e
}

// leave is the end of what place began.
func (f *fleet) leave(e *sharedENI) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e.bound--
}

const (
	// growAt is the share of its capacity at which an ENI counts as full. An environment stays with its ENI, and those
	// that are bound go on making connections: the last tenth is theirs, while the next ENI is made for others.
	growAt = 0.9
	// shrinkAt is the share of the others' capacity to which the load must have fallen before an ENI that nothing uses is
	// ended: well below growAt, so that a load around one of the two does not make and end ENIs in turn.
	shrinkAt = 0.5
	// watchEvery is how often the lab looks how many connections there are.
	watchEvery = time.Second
)

// watch grows and shrinks fleets until ctx ends.
func (m *sharedENIs) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		m.mu.Lock()
		var fleets []*fleet
		for _, f := range m.fleets {
			select {
			case <-f.made:
				fleets = append(fleets, f)
			default:
			}
		}
		m.mu.Unlock()
		for _, f := range fleets {
			m.weigh(ctx, f)
		}
	}
}

// weigh looks at a fleet that is in use, and changes it by one ENI at most.
func (m *sharedENIs) weigh(ctx context.Context, f *fleet) {
	f.mu.Lock()
	enis := slices.Clone(f.enis)
	idle := len(enis) == 1 && enis[0].bound == 0 && enis[0].load == 0
	f.mu.Unlock()
	if idle {
		return
	}
	loads := make([]int, len(enis))
	for i, e := range enis {
		n, err := e.Connections()
		if err == nil && m.isFull(n) { // the exact number costs more, and is never larger
			n, err = e.OpenConnections()
		}
		if err != nil {
			return // it has ended meanwhile
		}
		loads[i] = n
	}

	f.mu.Lock()
	total, full := 0, true
	for i, e := range enis {
		e.load = loads[i]
		total += loads[i]
		full = full && m.isFull(loads[i])
	}
	var surplus *sharedENI
	switch {
	case f.ended || f.growing:
	case full:
		f.growing = true
		m.tasks.Go(func() { m.grow(ctx, f) })
	case len(f.enis) > 1 && float64(total) <= shrinkAt*float64(m.capacity()*(len(f.enis)-1)):
		for i, e := range slices.Backward(f.enis) { // the latest first
			if e.bound == 0 && e.load == 0 {
				surplus = e
				f.enis = slices.Delete(f.enis, i, i+1)
				break
			}
		}
	}
	f.mu.Unlock()
	if surplus != nil {
		if err := m.end(surplus); err != nil {
			m.service.Log.Warn("end a surplus Hyperplane ENI", "eni", surplus.record.ID, "error", err)
		}
	}
}

// isFull tells whether an ENI with so many connections is to have another beside it.
func (m *sharedENIs) isFull(connections int) bool {
	return float64(connections) >= growAt*float64(m.capacity())
}

func (m *sharedENIs) capacity() int { return m.service.Quotas.connectionsPerENI() }

// grow makes one more ENI. If that fails, environments go on sharing what there is, and the next look tries again.
func (m *sharedENIs) grow(ctx context.Context, f *fleet) {
	e, err := m.make(ctx, f)
	if err == nil && f.key != (eniKey{}) {
		if err = m.service.Model.wait(ctx, hyperplaneSetup); err != nil {
			err = errors.Join(err, m.end(e))
		}
	}
	f.mu.Lock()
	f.growing = false
	ended := f.ended
	said := f.said
	f.said = ""
	if err != nil {
		f.said = err.Error()
	} else if !ended {
		f.enis = append(f.enis, e)
	}
	repeated := f.said == said
	f.mu.Unlock()
	if err == nil && ended {
		err = m.end(e)
	}
	if err != nil && !repeated && ctx.Err() == nil {
		m.service.Log.Warn("one more Hyperplane ENI", "subnet", f.key.subnet, "error", err)
	}
}

// endAll ends a fleet that nobody uses any more.
func (m *sharedENIs) endAll(f *fleet) (err error) {
	f.mu.Lock()
	f.ended = true
	enis := f.enis
	f.enis = nil
	f.mu.Unlock()
	for _, e := range enis {
		err = errors.Join(err, m.end(e))
	}
	return err
}
