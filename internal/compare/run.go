package compare

import (
	"context"
	"fmt"
	"time"

	"enilab/internal/lambda"
	"enilab/sandbox"
)

// Options say how much is measured.
type Options struct {
	Runs     int                             // sequential cold starts of each variant, and as many warm starts
	Burst    int                             // cold starts at once; zero: no burst
	Progress func(done, of int)              // nil: nobody looks
	Failed   func(variant string, err error) // nil: failures are counted only
}

// Target is what is measured: one function for each variant, the same but for its mode.
type Target struct {
	Lambda  *lambda.Service
	Create  lambda.CreateFunctionInput // name and mode are filled in per variant
	Payload []byte
	Used    func(lambda.Mode) (enis, addresses int) // that a mode's environments have in the functions' subnet
}

type variant struct {
	Trial
	failures int
	enis     int
	used     int
	phases   map[string]samples
	order    []string // names of phases, as they first came up
	ready    samples
	total    samples
	warm     samples
	burst    Burst
	queue    samples // of the burst
	attach   samples // likewise
	bursts   samples // totals of the burst
}

// Run measures all variants. Runs are interleaved, so that what disturbs the machine disturbs all alike; slots are made
// and environments torn down between the runs, never within one.
func Run(ctx context.Context, target Target, o Options) ([]Variant, error) {
	variants := make([]*variant, len(lambda.Modes))
	for i, mode := range lambda.Modes {
		v := &variant{
			Trial:  Trial{target.Lambda, "compare-" + string(mode), mode, target.Payload},
			phases: map[string]samples{},
			ready:  newSamples(), total: newSamples(), warm: newSamples(), queue: newSamples(), attach: newSamples(), bursts: newSamples(),
		}
		variants[i] = v
		in := target.Create
		in.FunctionName, in.Mode = v.Function, mode
		if _, err := target.Lambda.CreateFunction(ctx, in); err != nil {
			return nil, err
		}
		if err := target.Lambda.WaitFunctionActive(ctx, lambda.FunctionRef{Name: v.Function}); err != nil {
			return nil, err
		}
	}
	m := measurement{target: target, options: o, of: len(variants) * (o.Runs + 1 + btoi(o.Burst > 0))}
	for _, v := range variants { // unmeasured: fetches and unpacks the code, fills the page cache
		if err := m.cold(ctx, v, false); err != nil {
			return nil, err
		}
	}
	for range o.Runs {
		for _, v := range variants {
			if err := m.cold(ctx, v, true); err != nil {
				return nil, err
			}
		}
	}
	if o.Burst > 0 {
		for _, v := range variants {
			if err := m.burst(ctx, v); err != nil {
				return nil, err
			}
		}
	}
	list := make([]Variant, len(variants))
	for i, v := range variants {
		list[i] = v.report(o)
		if err := target.Lambda.DeleteFunction(lambda.FunctionRef{Name: v.Function}); err != nil {
			return nil, err
		}
	}
	return list, target.Lambda.Settle()
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

type measurement struct {
	target   Target
	options  Options
	done, of int
}

// cold makes one environment, invokes it cold and then warm, and ends it.
func (m *measurement) cold(ctx context.Context, v *variant, counted bool) error {
	if err := v.Prepare(ctx, 2); err != nil {
		return err
	}
	cold, err := v.Cold(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if counted {
		m.count(v, cold, err)
	}
	if err == nil {
		warm, err := v.Warm(ctx)
		switch {
		case !counted:
		case err != nil:
			m.failed(v, err)
		case !warm.Timeline.Cold():
			v.warm.add(warm.Timeline.Total)
		}
	} else if !counted {
		return fmt.Errorf("%s: %w", v.Mode, err)
	}
	return m.end(ctx, v)
}

// burst invokes many at once, each in an environment of its own.
func (m *measurement) burst(ctx context.Context, v *variant) error {
	n := m.options.Burst
	if err := v.Prepare(ctx, n); err != nil {
		return err
	}
	all := v.AtOnce(ctx, n)
	v.burst.WallUS = all.Wall.Microseconds()
	v.burst.N = n
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	v.enis, v.used = m.target.Used(v.Mode)
	for i := range n {
		if all.Errs[i] != nil {
			v.burst.Failures++
			if m.options.Failed != nil {
				m.options.Failed(string(v.Mode), all.Errs[i])
			}
			continue
		}
		v.queue.add(all.Outs[i].Timeline.Took(sandbox.PhaseQueue))
		v.attach.add(all.Outs[i].Timeline.Took(sandbox.PhaseAttach))
		v.bursts.add(all.Outs[i].Timeline.Total)
	}
	return m.end(ctx, v)
}

func (m *measurement) count(v *variant, out lambda.InvokeOutput, err error) {
	if err != nil {
		m.failed(v, err)
		return
	}
	t := out.Timeline
	record := func(name string, d time.Duration) {
		if _, ok := v.phases[name]; !ok {
			v.phases[name] = newSamples()
			v.order = append(v.order, name)
		}
		v.phases[name].add(d)
	}
	for _, span := range t.Spans {
		record(span.Name, span.Took)
		for _, step := range span.Steps {
			record(span.Name+"/"+step.Name, step.Took)
		}
	}
	record("other", t.Other())
	v.ready.add(t.Ready())
	v.total.add(t.Total)
}

func (m *measurement) failed(v *variant, err error) {
	v.failures++
	if m.options.Failed != nil {
		m.options.Failed(string(v.Mode), err)
	}
}

// end has the variant's environments disturb no measurement after this.
func (m *measurement) end(ctx context.Context, v *variant) error {
	err := v.End(ctx)
	m.done++
	if m.options.Progress != nil {
		m.options.Progress(m.done, m.of)
	}
	return err
}

// report lists the phases in the order in which they happened, each followed by its steps.
func (v *variant) report(o Options) Variant {
	r := Variant{
		Name: string(v.Mode), Runs: o.Runs, Failures: v.failures, ENIs: v.enis, SubnetAddresses: v.used,
		Ready: v.ready.stats(), Total: v.total.stats(), Warm: v.warm.stats(), Burst: v.burst,
	}
	r.Burst.Queue, r.Burst.Attach, r.Burst.Total = v.queue.stats(), v.attach.stats(), v.bursts.stats()
	r.Phases = make([]Phase, 0, len(v.order)) // never null in JSON
	for _, name := range v.order {
		r.Phases = append(r.Phases, Phase{Name: name, Kind: string(sandbox.Measured), Stats: v.phases[name].stats()})
	}
	return r
}
