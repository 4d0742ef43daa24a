package bench

import (
	"context"
	"errors"
	"time"

	"enilab/internal/compare"
	"enilab/internal/lambda"
	"enilab/sandbox"
)

// How many cold starts of each variant one after the other are counted.
const (
	idleStarts  = 100
	restStarts  = 50
	quickStarts = 5
)

// idle measures cold starts one at a time, each right after its slot was made: the kernel has just done much of what it is
// to do again. Environments end after, and then the kernel ends their namespaces.
func (r *run) idle(ctx context.Context) error { return r.oneByOne(ctx, idleStarts, r.ofFloor, false) }

// rest measures the same on a machine that has done nothing for a while, with slots that were made before that: caches are
// cold, and no grace period is under way that a device that is moved would wait for.
func (r *run) rest(ctx context.Context) error { return r.oneByOne(ctx, restStarts, r.ofHere, true) }

// oneByOne is what both do. The variants and the floor take turns, so that what disturbs the machine disturbs all alike. One start
// of each is not counted: it fetches and unpacks the code.
func (r *run) oneByOne(ctx context.Context, whole int, floor func(name string) *series, rested bool) (err error) {
	b, err := r.bed(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	trials, err := b.trials(ctx, wideSubnet)
	if err != nil {
		return err
	}
	f, err := b.floors(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.undo.Close()) }()
	n := r.or(whole, quickStarts)
	timelines := map[lambda.Mode][]*sandbox.Timeline{}
	for i := range n {
		for _, t := range trials {
			if err := t.Prepare(ctx, 2); err != nil {
				return err
			}
			if rested {
				if err := compare.Calm(ctx); err != nil {
					return err
				}
			}
			cold, err := r.coldThenWarm(ctx, t)
			if err != nil {
				return err
			}
			if cold != nil {
				timelines[t.Mode] = append(timelines[t.Mode], cold)
			}
		}
		if err := f.measure(ctx, floor, rested); err != nil {
			return err
		}
		r.progress(i+1, n)
	}
	for _, t := range trials {
		if all := timelines[t.Mode]; len(all) > 0 && !rested {
			r.keepStart(string(t.Mode), median(all, func(t *sandbox.Timeline) float64 { return float64(t.Total) }))
		}
	}
	return nil
}

// coldThenWarm records one cold start and a warm one in the same environment. A start that failed is counted as such, and
// its timeline is nil; the error ends the scenario.
func (r *run) coldThenWarm(ctx context.Context, t compare.Trial) (*sandbox.Timeline, error) {
	variant := string(t.Mode)
	cold, err := t.Cold(ctx)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		r.figure("total", variant, 0, microseconds).failed(err)
		return nil, t.End(ctx)
	}
	r.noteStart(variant, cold.Timeline)
	warm, err := t.Warm(ctx)
	switch s := r.figure("warm", variant, 0, microseconds); {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		s.failed(err)
	case warm.Timeline.Cold():
		s.failed(errors.New("the environment did not serve again"))
	default:
		s.took(warm.Timeline.Total)
	}
	return cold.Timeline, t.End(ctx)
}

// limits are the figures of the floor that a variant's figure is compared with.
var limits = map[string]map[string]string{
	"attach":        {string(lambda.LegacyInPlace): floorAttach, string(lambda.Shared): floorBind},
	"attach/create": {string(lambda.Legacy): floorCreate},
	"attach/move":   {string(lambda.Legacy): floorMove},
	"spawn":         {string(lambda.Legacy): floorSpawn, string(lambda.LegacyInPlace): floorSpawn, string(lambda.Shared): floorSpawn},
}

// noteStart records a cold start, phase by phase.
func (r *run) noteStart(variant string, t *sandbox.Timeline) {
	note := func(name string, took time.Duration) {
		r.figure(name, variant, 0, microseconds).over(limits[name][variant]).took(took)
	}
	for _, span := range t.Spans {
		note(span.Name, span.Took)
		for _, step := range span.Steps {
			note(span.Name+"/"+step.Name, step.Took)
		}
	}
	note("other", t.Other())
	note("ready", t.Ready())
	note("total", t.Total)
}

func (r *run) keepStart(variant string, t *sandbox.Timeline) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.starts = append(r.starts, Start{Variant: variant, Total: t.Total.Microseconds(), Ready: t.Ready().Microseconds(), Spans: spansOf(t.Spans)})
}

// spansOf puts spans into the report's shape.
func spansOf(list []sandbox.Span) []Span {
	us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
	spans := make([]Span, 0, len(list)) // never null in JSON
	for _, s := range list {
		span := Span{Name: s.Name, Kind: string(s.Kind), Start: us(s.Start), Took: us(s.Took)}
		if len(s.Steps) > 0 {
			span.Steps = spansOf(s.Steps)
		}
		spans = append(spans, span)
	}
	return spans
}
