package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"enilab/internal/compare"
	"enilab/netlab"
	"enilab/sandbox"
)

// The kinds of slots.
const (
	slotsAlone  = "slots"  // a namespace with its tunnel and Runtime API
	slotsParked = "parked" // and a process that waits in it, contained
)

// pool measures how long it takes to make so many slots, as many at a time as there are processors, and to end them
// until the kernel has ended their namespaces; and what of the machine's memory they take meanwhile, in the kernel and in
// this process. That is counted from the beginning: what the kernel has kept at hand of former slots is in use by these.
func (r *run) pool(ctx context.Context) (err error) {
	b, err := r.bed(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	sizes := []struct {
		kind string
		at   int
	}{{slotsAlone, 100}, {slotsParked, 100}, {slotsAlone, 1000}, {slotsParked, 1000}, {slotsAlone, 4000}}
	if r.Quick {
		sizes = sizes[:2]
	}
	before := used()
	for i, s := range sizes {
		need, files := int64(slotBytes), slotFiles
		if s.kind == slotsParked {
			need, files = parkedBytes, parkedFiles
		}
		if lack := short(s.at, need, files); lack != "" {
			r.skip(s.kind, fmt.Sprintf("%d slots: %s", s.at, lack))
			continue
		}
		for range r.poolTimes(s.at) {
			if err := r.onePool(ctx, b, s.kind, s.at, before); err != nil {
				return err
			}
		}
		r.progress(i+1, len(sizes))
	}
	return nil
}

// poolTimes is how often a pool of this size is made: small ones are soon made.
func (r *run) poolTimes(at int) int {
	if r.Quick || at > 1000 {
		return 1
	}
	return min(5, 2000/at)
}

func (r *run) onePool(ctx context.Context, b *bed, kind string, at int, before int64) (err error) {
	maker := sandbox.InTurn(b.Lambda.Workers)
	make := func(_ context.Context, index int) (*sandbox.Slot, error) { return maker(index) }
	parking := &sandbox.Parking{FirstUID: b.Lambda.FirstUID, Cgroups: b.Lambda.Cgroups}
	if kind == slotsParked {
		make = parking.Slots(maker)
	}
	p := sandbox.NewPool(make)
	defer func() { err = errors.Join(err, p.Close(), parking.Close()) }()
	began := time.Now()
	if err := p.Fill(ctx, at); err != nil {
		return err
	}
	r.figure("build", kind, at, seconds).took(time.Since(began))
	r.figure("slot-memory", kind, at, memoryBytes).add(float64(used()-before) / float64(at))
	began = time.Now()
	if err := errors.Join(p.Close(), netlab.Drain(ctx)); err != nil {
		return err
	}
	r.figure("teardown", kind, at, seconds).took(time.Since(began))
	return compare.Calm(ctx)
}
