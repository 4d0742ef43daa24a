package lambda

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"enilab/internal/state"
	"enilab/nat"
	"enilab/netlab"
)

// eniKey is what an account's Hyperplane ENIs are shared by: a subnet and a security-group set. The zero eniKey is the
// provider's own network.
type eniKey struct{ vpc, subnet, groups string }

// keyOf writes a security-group set in the one way that makes equal sets equal.
func keyOf(vpc, subnet string, groups []string) eniKey {
	return eniKey{vpc, subnet, strings.Join(slices.Compact(slices.Sorted(slices.Values(groups))), ",")}
}

func (k eniKey) groupIDs() []string { return strings.Split(k.groups, ",") }

// sharedENIs makes, shares and ends Hyperplane ENIs. Nobody waits for an ENI that is not theirs: while one is made no
// lock is held but a turn at the kernel's.
type sharedENIs struct {
	service *Service
	table   *state.Table[eniRecord]
	turns   chan struct{}  // one for each ENI that is being built
	tasks   sync.WaitGroup // what goes on behind everybody's back; it grows only while not closed
	stop    context.CancelFunc

	mu     sync.Mutex // guards all below, and users and parting of fleets
	fleets map[eniKey]*fleet
	perVPC map[string]int // ENIs that there are or that are being made
	closed bool
}

func newSharedENIs(s *Service) *sharedENIs {
	m := &sharedENIs{
		service: s, table: state.TableOf[eniRecord](s.State, "hyperplane-enis"),
		turns:  make(chan struct{}, runtime.GOMAXPROCS(0)), // more at a time only wait for the kernel's one lock
		fleets: map[eniKey]*fleet{}, perVPC: map[string]int{},
	}
	var ctx context.Context
	ctx, m.stop = context.WithCancel(s.open)
	m.tasks.Go(func() { m.watch(ctx) })
	return m
}

// errProvider is met by functions without a VPC where there is nothing outside.
var errProvider = errors.New("this lab has no internet, and so no network for a function without a VPC")

// acquire returns the ENIs of a key and counts one more user of them. The first user makes the first ENI, with the role
// of its function; whoever comes meanwhile waits for that and shares what comes of it.
func (m *sharedENIs) acquire(ctx context.Context, key eniKey, c FunctionConfiguration) (*fleet, error) {
	if key == (eniKey{}) && m.service.Internet == nil {
		return nil, errProvider
	}
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil, errClosed
	}
	if f := m.fleets[key]; f != nil {
		f.users++
		f.stay()
		m.mu.Unlock()
		return m.join(ctx, f, c)
	}
	f := &fleet{key: key, function: c.FunctionName, users: 1, made: make(chan struct{})}
	m.fleets[key] = f
	m.mu.Unlock()

	e, err := m.first(ctx, f, c.Role)
	if err != nil {
		m.mu.Lock()
		delete(m.fleets, key)
		m.mu.Unlock()
		f.failed = err
		close(f.made)
		return nil, err
	}
	f.enis = []*sharedENI{e}
	close(f.made)
	return f, nil
}

// join waits until a fleet has its first ENI.
func (m *sharedENIs) join(ctx context.Context, f *fleet, c FunctionConfiguration) (*fleet, error) {
	select {
	case <-f.made:
	case <-ctx.Done():
		return nil, errors.Join(context.Cause(ctx), m.release(f))
	}
	if e := (*interfaceError)(nil); errors.As(f.failed, &e) && e.failure == noPermission {
		return m.acquire(ctx, f.key, c) // that was the other one's role
	}
	if f.failed != nil {
		return nil, f.failed
	}
	return f, nil
}

// first makes a fleet's first ENI. On AWS that takes a while, and the function is Pending meanwhile.
func (m *sharedENIs) first(ctx context.Context, f *fleet, role string) (*sharedENI, error) {
	if f.key != (eniKey{}) {
		if err := m.service.permit(role); err != nil {
			return nil, err
		}
	}
	e, err := m.make(ctx, f)
	if err != nil {
		return nil, err
	}
	if f.key != (eniKey{}) {
		if err := m.service.Model.wait(ctx, hyperplaneSetup); err != nil {
			return nil, errors.Join(err, m.end(e))
		}
	}
	return e, nil
}

// release counts one user less. A fleet that has none left ends: at once, or after the model's delay if nobody has taken
// it back by then.
func (m *sharedENIs) release(f *fleet) error {
	m.mu.Lock()
	f.users--
	if f.users > 0 || m.fleets[f.key] != f {
		m.mu.Unlock()
		return nil
	}
	if d := m.service.Model.delay(hyperplaneDeletion); d > 0 && m.service.open.Err() == nil {
		f.parting = time.AfterFunc(d, func() { m.part(f) })
		m.mu.Unlock()
		return nil
	}
	delete(m.fleets, f.key)
	m.mu.Unlock()
	return m.endAll(f)
}

// part ends a fleet whose delay is over.
func (m *sharedENIs) part(f *fleet) {
	m.mu.Lock()
	if m.closed || f.users > 0 || m.fleets[f.key] != f {
		m.mu.Unlock()
		return
	}
	delete(m.fleets, f.key)
	m.tasks.Add(1)
	m.mu.Unlock()
	defer m.tasks.Done()
	if err := m.endAll(f); err != nil {
		m.service.Log.Warn("end Hyperplane ENIs", "subnet", f.key.subnet, "error", err)
	}
}

// drop ends the fleets that nobody uses and that match, without any delay.
func (m *sharedENIs) drop(match func(eniKey) bool) (err error) {
	m.mu.Lock()
	var unused []*fleet
	for key, f := range m.fleets {
		if f.users == 0 && match(key) {
			f.stay()
			delete(m.fleets, key)
			unused = append(unused, f)
		}
	}
	m.mu.Unlock()
	for _, f := range unused {
		err = errors.Join(err, m.endAll(f))
	}
	return err
}

func (m *sharedENIs) close() (err error) {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.stop()
	m.tasks.Wait()
	m.mu.Lock()
	fleets := m.fleets
	m.fleets = map[eniKey]*fleet{}
	m.mu.Unlock()
	for _, f := range fleets {
		f.stay()
		err = errors.Join(err, m.endAll(f))
	}
	return err
}

// HyperplaneENI is one shared interface as people ask about it.
type HyperplaneENI struct {
	VPC          string            // empty for the provider's own
	Interface    *netlab.Interface // nil for the provider's own
	ENI          *nat.ENI
	Users        int // of all the ENIs of its subnet and security-group set: functions and what serves for them still
	Environments int // bound to this one
	// Connections is how many go through this one: those that the lab last saw, some of which may have been closed, and one for
	// each environment that was bound since.
	Connections int
}

// HyperplaneENIs lists the shared interfaces there are, also when there are several of one subnet and security-group set.
func (s *Service) HyperplaneENIs() (list []HyperplaneENI) {
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	for key, f := range s.shared.fleets {
		select {
		case <-f.made:
		default:
			continue
		}
		f.mu.Lock()
		for _, e := range f.enis {
			list = append(list, HyperplaneENI{key.vpc, e.iface, e.ENI, f.users, e.bound, e.load})
		}
		f.mu.Unlock()
	}
	slices.SortFunc(list, func(a, b HyperplaneENI) int { return strings.Compare(a.VPC+a.ENI.Node.Name, b.VPC+b.ENI.Node.Name) })
	return list
}

// ReclaimInterfaces ends at once what Lambda keeps in a VPC for functions that may come: Hyperplane ENIs that wait for
// their deletion, and legacy interfaces that wait for reuse. It is for who wants the VPC back.
func (s *Service) ReclaimInterfaces(vpc string) error {
	err := errors.Join(s.shared.drop(func(k eniKey) bool { return k.vpc == vpc }), s.legacy.drop(func(k eniKey) bool { return k.vpc == vpc }))
	if err != nil {
		return fmt.Errorf("reclaim Lambda's interfaces in %s: %w", vpc, err)
	}
	return nil
}
