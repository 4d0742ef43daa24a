package bench

import (
	"context"
	"errors"
	"fmt"

	"enilab/internal/lambda"
)

// memory measures what of the machine's memory a slot takes that waits with its process, and an idle environment of the
// Go function, with everything that belongs to it: its namespaces, its process and what the control plane keeps. Pages
// that are copies of files are not counted: all environments share them, and the kernel drops them when it needs room.
func (r *run) memory(ctx context.Context) (err error) {
	b, err := r.bed(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	n, times := 100, r.or(3, 1)
	if r.Quick {
		n = 20
	}
	if lack := shortOf(n); lack != "" {
		r.skip("", fmt.Sprintf("%d environments: %s", n, lack))
		return nil
	}
	modes := []lambda.Mode{lambda.Legacy, lambda.Shared}
	before := used()
	for i, mode := range modes {
		t, err := b.trial(ctx, mode, wideSubnet)
		if err != nil {
			return err
		}
		for range times {
			if err := t.Prepare(ctx, n); err != nil {
				return err
			}
			r.figure("slot", string(mode), 0, memoryBytes).add(float64(used()-before) / float64(n))
			s := r.figure("environment", string(mode), 0, memoryBytes)
			all := t.AtOnce(ctx, n)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := errors.Join(all.Errs...); err != nil { // then it is not n
				s.failed(err)
			} else {
				s.add(float64(used()-before) / float64(n))
			}
			if err := t.End(ctx); err != nil {
				return err
			}
		}
		r.progress(i+1, len(modes))
	}
	return nil
}
