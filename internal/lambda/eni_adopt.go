package lambda

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"slices"

	"enilab/internal/events"
	"enilab/netlab"

	"golang.org/x/sync/errgroup"
)

// adoptENIs takes up the Hyperplane ENIs that the records describe, before any function is restored: those that a control
// plane that has died left are taken over as they are, the others are built with the id and address that they had. None
// has a user then; see dropUnusedENIs.
func (s *Service) adoptENIs(ctx context.Context) error {
	m := s.shared
	records, err := m.table.All()
	if err != nil {
		return fmt.Errorf("records of Hyperplane ENIs: %w", err)
	}
	oldest := slices.SortedFunc(maps.Values(records), func(a, b eniRecord) int { return a.Created.Compare(b.Created) })
	enis := make([]*sharedENI, len(oldest))
	missing := false
	for i, r := range oldest { // before any is made, for the VNIs' sake
		enis[i] = m.adopt(ctx, r)
		missing = missing || enis[i] == nil
	}
	if missing {
		if err := netlab.Drain(ctx); err != nil { // a link of the same name may be ending still
			return err
		}
	}
	var work errgroup.Group
	for i, r := range oldest {
		m.mu.Lock()
		m.perVPC[r.VPC]++
		m.mu.Unlock()
		if enis[i] != nil {
			continue
		}
		work.Go(func() error {
			e := &sharedENI{record: r}
			if err := m.build(ctx, e); err != nil { // its functions will say so, if they still need it
				s.Log.Warn("rebuild a Hyperplane ENI", "eni", r.ID, "error", err)
				m.uncount(r.VPC)
				return ctx.Err()
			}
			enis[i] = e
			return nil
		})
	}
	err = work.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range enis {
		if e == nil {
			continue
		}
		f := m.fleets[e.record.key()]
		if f == nil {
			f = &fleet{key: e.record.key(), function: e.record.Function, made: make(chan struct{})}
			close(f.made)
			m.fleets[f.key] = f
		}
		f.enis = append(f.enis, e)
	}
	return err
}

// dropUnusedENIs ends those that no restored function has come to use.
func (s *Service) dropUnusedENIs(context.Context) error {
	return s.shared.drop(func(eniKey) bool { return true })
}

// adopt takes over one ENI with its connections' table emptied: its environments have died with their control plane. It
// returns nil if there is none that could be taken over, and then nothing is left of it.
func (m *sharedENIs) adopt(ctx context.Context, r eniRecord) *sharedENI {
	e := &sharedENI{record: r}
	var err error
	e.ENI, err = m.service.Hyperplane.AdoptENI(ctx, m.config(e, func(_ context.Context, owner *netlab.Node) (netip.Addr, error) {
		return m.find(e, owner)
	}))
	if err == nil {
		e.undo.Push(e.ENI.Close)
		err = e.Flush()
	}
	if err == nil {
		m.tell(e, events.ENIAdopted, "in-use")
		return e
	}
	if !errors.Is(err, fs.ErrNotExist) {
		m.service.Log.Warn("adopt a Hyperplane ENI: it is built anew", "eni", r.ID, "error", err)
	}
	if err := errors.Join(e.undo.Close(), netlab.EndPinned(r.ID)); err != nil {
		m.service.Log.Warn("end what is left of a Hyperplane ENI", "eni", r.ID, "error", err)
	}
	return nil
}

// find is connect for an ENI that is there.
func (m *sharedENIs) find(e *sharedENI, owner *netlab.Node) (addr netip.Addr, err error) {
	if e.record.VPC == "" {
		own, err := owner.Addresses(netlab.OwnerLink)
		if err != nil || len(own) != 1 {
			return addr, cmp.Or(err, fmt.Errorf("%s has the addresses %v, want one", netlab.OwnerLink, own))
		}
		e.undo.Push(func() error { return m.service.Internet.Disconnect(own[0]) })
		return own[0], nil
	}
	vpc := m.service.Network.VPC(e.record.VPC)
	if vpc == nil {
		return addr, fmt.Errorf("there is no vpc %s any more", e.record.VPC)
	}
	if e.iface, err = vpc.AdoptInterface(e.record.spec()); err != nil {
		return addr, err
	}
	e.undo.Push(func() error { e.iface.Forget(); return nil })
	return e.iface.Address, nil
}

// RecordedENIs lists all Hyperplane ENIs that should be, by id, those too that are being made: an ENI is in the records before it is
// pinned. Those of the provider's own have no subnet.
func (s *Service) RecordedENIs() (list []netlab.InterfaceSpec, err error) {
	records, err := s.shared.table.All()
	if err != nil {
		return nil, fmt.Errorf("records of Hyperplane ENIs: %w", err)
	}
	for _, id := range slices.Sorted(maps.Keys(records)) {
		list = append(list, records[id].spec())
	}
	return list, nil
}
