package bench

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"enilab/internal/compare"
	"enilab/netlab"
)

// sustained measures how many cold starts a second the machine keeps up: twice as many clients as processors, each with
// its next request when the last one is answered. An environment ends right after its answer, and slots are made when
// they are asked for, as the pool does when takers come without a pause. The clock runs until the last environment is
// torn down and the kernel has ended its namespace: whatever a start costs is in the rate. The event is empty: what the
// function's servers take is not a start's. The variants take turns, three times for a third of the time.
func (r *run) sustained(ctx context.Context) (err error) {
	b, err := r.bed(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	trials, err := b.trials(ctx, wideSubnet)
	if err != nil {
		return err
	}
	turns, each := 3, 10*time.Second
	if r.Quick {
		turns, each = 1, time.Second
	}
	for turn := range turns {
		for i, t := range trials {
			t.Payload = nil
			began := time.Now()
			served := r.withoutPause(ctx, t, each)
			if err := errors.Join(t.Lambda.Settle(), netlab.Drain(ctx)); err != nil {
				return err
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			r.figure("cold-starts", string(t.Mode), 0, perSecond).add(float64(served) / time.Since(began).Seconds())
			if err := t.End(ctx); err != nil {
				return err
			}
			r.progress(turn*len(trials)+i+1, turns*len(trials))
		}
	}
	return nil
}

// withoutPause starts environments for a while, and returns how many have served.
func (r *run) withoutPause(ctx context.Context, t compare.Trial, while time.Duration) (served int) {
	over := time.Now().Add(while)
	total := r.figure("total", string(t.Mode), 0, microseconds)
	counts := make([]int, 2*runtime.NumCPU())
	var clients sync.WaitGroup
	for i := range counts {
		clients.Go(func() {
			for time.Now().Before(over) && ctx.Err() == nil {
				out, err := t.Cold(ctx)
				switch {
				case err == nil:
					total.took(out.Timeline.Total)
					counts[i]++
				case ctx.Err() == nil:
					total.failed(err)
				}
				t.Lambda.RetireIdle(t.Function)
			}
		})
	}
	clients.Wait()
	for _, n := range counts {
		served += n
	}
	return served
}
