package compare

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"enilab/internal/lambda"
	"enilab/netlab"
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
	mode     lambda.Mode
	function string
	failures int
	enis     int
	used     int
	phases   map[string]samples
	order    []string // names of phases, as they first came up
	ready    samples
	total    samples
	warm     samples
	burst    Burst
	attach   samples // of the burst
	bursts   samples // totals of the burst
}

// Run measures all variants. Runs are interleaved, so that what disturbs the machine disturbs all alike; slots are made
// and environments torn down between the runs, never within one.
func Run(ctx context.Context, target Target, o Options) ([]Variant, error) {
	variants := make([]*variant, len(lambda.Modes))
	for i, mode := range lambda.Modes {
		v := &variant{
			mode: mode, function: "compare-" + string(mode), phases: map[string]samples{},
			ready: newSamples(), total: newSamples(), warm: newSamples(), attach: newSamples(), bursts: newSamples(),
		}
		variants[i] = v
		in := target.Create
		in.FunctionName, in.Mode = v.function, mode
		if _, err := target.Lambda.CreateFunction(ctx, in); err != nil {
			return nil, err
		}
		if err := target.Lambda.WaitFunctionActive(ctx, v.function); err != nil {
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
		if err := target.Lambda.DeleteFunction(v.function); err != nil {
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
	if err := m.target.Lambda.Pool(v.mode).Fill(ctx, 2); err != nil {
		return err
	}
	cold, err := m.invoke(ctx, v, true)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if counted {
		m.count(v, cold, err)
	}
	if err == nil {
		warm, err := m.invoke(ctx, v, false)
		switch {
		case !counted:
		case err != nil:
			m.failed(v, err)
		case !warm.Timeline.Cold():
			v.warm.add(warm.Timeline.Total)
		}
	} else if !counted {
		return fmt.Errorf("%s: %w", v.mode, err)
	}
	return m.tearDown(ctx, v)
}

// burst invokes many at once, each in an environment of its own.
func (m *measurement) burst(ctx context.Context, v *variant) error {
	n := m.options.Burst
	if err := m.target.Lambda.Pool(v.mode).Fill(ctx, n); err != nil {
		return err
	}
	outs := make([]lambda.InvokeOutput, n)
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			outs[i], errs[i] = m.invoke(ctx, v, true)
		})
	}
	began := time.Now()
	close(start)
	wg.Wait()
	v.burst.WallUS = time.Since(began).Microseconds()
	v.burst.N = n
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	v.enis, v.used = m.target.Used(v.mode)
	for i := range n {
		if errs[i] != nil {
			v.burst.Failures++
			if m.options.Failed != nil {
				m.options.Failed(string(v.mode), errs[i])
			}
			continue
		}
		v.attach.add(outs[i].Timeline.Took(sandbox.PhaseAttach))
		v.bursts.add(outs[i].Timeline.Total)
	}
	return m.tearDown(ctx, v)
}

func (m *measurement) invoke(ctx context.Context, v *variant, fresh bool) (lambda.InvokeOutput, error) {
	out, err := m.target.Lambda.Invoke(ctx, lambda.InvokeInput{FunctionName: v.function, Payload: m.target.Payload, Fresh: fresh})
	if err == nil && out.FunctionError != "" {
		err = errors.New(string(out.Payload))
	}
	return out, err
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
		m.options.Failed(string(v.mode), err)
	}
}

// rest follows every run. The kernel ends a namespace's devices first, and is busy with grace periods for some time after
// that: a device moved meanwhile waits for two of them, not one (32 ms, not 17).
const rest = 60 * time.Millisecond

// tearDown ends the variant's environments and waits until they are gone, so that it disturbs no measurement.
func (m *measurement) tearDown(ctx context.Context, v *variant) error {
	m.target.Lambda.RetireIdle(v.function)
	err := m.target.Lambda.Settle()
	if err == nil {
		err = netlab.Drain(ctx)
	}
	select {
	case <-time.After(rest):
	case <-ctx.Done():
	}
	m.done++
	if m.options.Progress != nil {
		m.options.Progress(m.done, m.of)
	}
	return err
}

// report lists the phases in the order in which they happened, each followed by its steps.
func (v *variant) report(o Options) Variant {
	r := Variant{
		Name: string(v.mode), Runs: o.Runs, Failures: v.failures, ENIs: v.enis, SubnetAddresses: v.used,
		Ready: v.ready.stats(), Total: v.total.stats(), Warm: v.warm.stats(), Burst: v.burst,
	}
	r.Burst.Attach, r.Burst.Total = v.attach.stats(), v.bursts.stats()
	r.Phases = make([]Phase, 0, len(v.order)) // never null in JSON
	for _, name := range v.order {
		r.Phases = append(r.Phases, Phase{Name: name, Kind: string(sandbox.Measured), Stats: v.phases[name].stats()})
	}
	return r
}
