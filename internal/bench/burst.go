package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"enilab/internal/compare"
	"enilab/sandbox"
)

// volley is how many environments start at once, and how often that is done.
type volley struct{ at, times int }

// shownBurst is the one that the report shows environment by environment.
const shownBurst = 100

// burst measures many cold starts at once. Slots are there before: as many as the pool was asked to keep. The wall is
// from the first request to the last response. The variants take turns.
func (r *run) burst(ctx context.Context) (err error) {
	b, err := r.bed(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	trials, err := b.trials(ctx, wideSubnet)
	if err != nil {
		return err
	}
	volleys := []volley{{10, 10}, {100, 5}, {500, 1}}
	if r.Quick {
		volleys = []volley{{10, 1}, {100, 1}}
	}
	done, of := 0, 0
	for _, v := range volleys {
		of += v.times * len(trials)
	}
	for _, v := range volleys {
		if short := shortOf(v.at); short != "" {
			r.skip("", fmt.Sprintf("%d at once: %s", v.at, short))
			continue
		}
		shown := map[string][]Burst{}
		for range v.times {
			for _, t := range trials {
				if err := t.Prepare(ctx, v.at); err != nil {
					return err
				}
				all := t.AtOnce(ctx, v.at)
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				variant := string(t.Mode)
				shown[variant] = append(shown[variant], r.noteBurst(variant, all))
				if err := t.End(ctx); err != nil {
					return err
				}
				done++
				r.progress(done, of)
			}
		}
		if v.at == shownBurst {
			for _, t := range trials {
				r.keepBurst(median(shown[string(t.Mode)], func(b Burst) float64 { return float64(b.Wall) }))
			}
		}
	}
	return nil
}

// noteBurst records what came of many at once. Those that failed are counted with the total.
func (r *run) noteBurst(variant string, all compare.Volley) Burst {
	n := len(all.Outs)
	r.figure("wall", variant, n, microseconds).took(all.Wall)
	queue, attach, total := r.figure("queue", variant, n, microseconds), r.figure("attach", variant, n, microseconds), r.figure("total", variant, n, microseconds)
	b := Burst{Variant: variant, N: n, Wall: all.Wall.Microseconds(), Environments: make([]Environment, 0, n)}
	for i, out := range all.Outs {
		if err := all.Errs[i]; err != nil {
			total.failed(err)
			b.Failures++
			continue
		}
		queue.took(out.Timeline.Took(sandbox.PhaseQueue)) // zero for those whose turn it was at once
		attach.took(out.Timeline.Took(sandbox.PhaseAttach))
		total.took(out.Timeline.Total)
		us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
		b.Environments = append(b.Environments, Environment{Began: us(out.Timeline.Began.Sub(all.Began)), Total: us(out.Timeline.Total), Spans: spansOf(out.Timeline.Spans)})
	}
	return b
}

func (r *run) keepBurst(b Burst) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bursts = append(r.bursts, b)
}
