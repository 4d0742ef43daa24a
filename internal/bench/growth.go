package bench

import (
	"context"
	"errors"
	"fmt"

	"enilab/internal/compare"
	"enilab/internal/lambda"
	"enilab/internal/undo"
	"enilab/nat"
	"enilab/sandbox"
)

// firstIdle is the index of slots that are there to be many: far from those that the lab makes itself.
const firstIdle = 1 << 20

// growthSlots measures attach in real cold starts, while more and more other slots are bound to the same Hyperplane ENI.
func (r *run) growthSlots(ctx context.Context) (err error) {
	b, err := r.bed(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	t, err := b.trial(ctx, lambda.Shared, wideSubnet)
	if err != nil {
		return err
	}
	eni := b.Lambda.HyperplaneENIs()[0].ENI
	var live undo.Stack
	defer func() { err = errors.Join(err, live.Close()) }()
	sizes := []int{100, 500, 1000, 2000, 4000}
	if r.Quick {
		sizes = []int{10, 100}
	}
	there := 0
	for i, at := range sizes {
		if lack := short(at-there, slotBytes, 0); lack != "" {
			r.skip("", fmt.Sprintf("%d slots: %s", at, lack))
			break
		}
		if lack := short(at, 0, slotFiles); lack != "" {
			r.skip("", fmt.Sprintf("%d slots: %s", at, lack))
			break
		}
		for ; there < at; there++ {
			if err := b.bindOne(&live, eni, firstIdle+there); err != nil {
				return err
			}
		}
		if err := compare.Calm(ctx); err != nil {
			return err
		}
		if err := r.attaches(ctx, t, at, r.or(30, quickStarts)); err != nil {
			return err
		}
		r.progress(i+1, len(sizes))
	}
	return nil
}

// bindOne makes a slot and binds it.
func (b *bed) bindOne(live *undo.Stack, eni *nat.ENI, index int) error {
	s, err := b.Lambda.Workers[0].NewSlot(index)
	if err != nil {
		return err
	}
	live.Push(s.Close)
	return eni.Bind(tunnelOf(s))
}

// tunnelOf is a slot as an ENI has to know it.
func tunnelOf(s *sandbox.Slot) nat.Tunnel {
	return nat.Tunnel{Address: s.Address, MAC: s.MAC, VNI: nat.VNI(s.VNI), Worker: s.Worker.VTEP, Device: s.Device, Slot: s.Node}
}

// attaches measures what attach takes in cold starts one at a time, with so many of what grows.
func (r *run) attaches(ctx context.Context, t compare.Trial, at, times int) error {
	attach := r.figure("attach", string(t.Mode), at, microseconds)
	for range times {
		if err := t.Prepare(ctx, 1); err != nil {
			return err
		}
		out, err := t.Cold(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			attach.failed(err)
		default:
			attach.took(out.Timeline.Took(sandbox.PhaseAttach))
		}
		if err := t.End(ctx); err != nil {
			return err
		}
	}
	return nil
}
