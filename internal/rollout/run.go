package rollout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"enilab/internal/lambda"
	"enilab/sandbox"
)

// Target is the lab, and what the functions are like.
type Target struct {
	Lambda  *lambda.Service
	Create  lambda.CreateFunctionInput // name and mode are filled in
	Payload []byte
	Used    func() (enis, addresses int) // that the functions have in their subnet
}

// Run moves a workload from legacy to shared. The functions begin in legacy mode, each with an environment; then requests
// come on schedule, whatever the answers do, while the steps change functions by the control plane's live update. What
// fails is in the report; the error is of the rollout itself. Of the report, what describes the machine is left to the
// caller.
func Run(ctx context.Context, target Target, o Options) (Report, error) {
	if err := o.Validate(); err != nil {
		return Report{}, err
	}
	r := &rollout{Target: target, Options: o, over: make(chan struct{}), modes: map[string]lambda.Mode{}}
	if err := r.prepare(ctx); err != nil {
		return Report{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.began = time.Now()
	var all sync.WaitGroup
	all.Go(func() { r.load(ctx) })
	all.Go(func() {
		if err := r.keepHouse(ctx); err != nil {
			cancel(err)
		}
	})
	all.Go(func() { r.watch(ctx) })
	steps := r.climb(ctx)
	r.end = time.Since(r.began)
	close(r.over)
	all.Wait()
	if ctx.Err() != nil {
		return Report{}, context.Cause(ctx)
	}
	report := r.report(steps)
	for f := range o.Functions {
		if err := target.Lambda.DeleteFunction(lambda.FunctionRef{Name: name(f)}); err != nil {
			return Report{}, err
		}
	}
	return report, target.Lambda.Settle()
}

type rollout struct {
	Target
	Options
	began time.Time
	end   time.Duration // when the last step ended; to be read once over is closed
	over  chan struct{}

	mu          sync.Mutex // guards all below
	percent     int
	sent        int
	modes       map[string]lambda.Mode // of environments, by their ids
	servedBy    []string               // ids, in the order of invocations
	invocations []Invocation
	samples     []Sample
}

func name(function int) string { return fmt.Sprintf("rollout-%d", function) }

// prepare makes the functions, an environment for each, and slots for both modes: these do not belong to the rollout.
func (r *rollout) prepare(ctx context.Context) error {
	for f := range r.Functions {
		in := r.Create
		in.FunctionName, in.Mode = name(f), r.From
		if _, err := r.Lambda.CreateFunction(ctx, in); err != nil {
			return err
		}
		if err := r.Lambda.WaitFunctionActive(ctx, lambda.FunctionRef{Name: name(f)}); err != nil {
			return err
		}
	}
	if err := r.fill(ctx); err != nil {
		return err
	}
	for f := range r.Functions {
		if _, err := r.invoke(ctx, request{function: f}); ctx.Err() != nil {
			return context.Cause(ctx)
		} else if err != nil {
			return fmt.Errorf("invoke %s: %w", name(f), err)
		}
	}
	return r.fill(ctx)
}

// fill has slots ready for both modes, as a worker does: for as many cold starts as come at once when functions have
// changed.
func (r *rollout) fill(ctx context.Context) (err error) {
	for _, m := range []lambda.Mode{r.From, lambda.Shared} {
		err = errors.Join(err, r.Lambda.Pool(m).Fill(ctx, min(max(r.Functions, 8), 32)))
	}
	return err
}

// climb takes the steps, one after the other, and returns early only when ctx ends.
func (r *rollout) climb(ctx context.Context) (steps []Step) {
	moved, ends := 0, time.Duration(0)
	for _, percent := range r.Steps {
		s := Step{Percent: percent, Began: r.now()}
		r.mu.Lock()
		r.percent = percent
		r.mu.Unlock()
		for ; moved < share(percent, r.Functions); moved++ {
			if err := r.move(ctx, moved); err != nil {
				s.Failure = err.Error() // a workload that is too much for legacy mode may have taken all addresses
				break
			}
		}
		s.Functions, s.Done = moved, r.now()
		ends = max(ends+r.Hold, time.Since(r.began)) // counted from the beginning: steps do not drift from the requests
		if !r.await(ctx, ends) {
			return nil
		}
		s.Ended = r.now()
		s.ENIs, s.Addresses = r.Used()
		s.Waiting = r.waiting()
		steps = append(steps, s)
	}
	return steps
}

// move has a function be connected the shared way from now on: the new network is made first, then new environments use
// it, and those of the old one end when they are idle.
func (r *rollout) move(ctx context.Context, function int) error {
	shared := lambda.Shared
	in := lambda.UpdateFunctionConfigurationInput{FunctionName: name(function), Mode: &shared}
	if _, err := r.Lambda.UpdateFunctionConfiguration(ctx, in); err != nil {
		return err
	}
	return r.Lambda.WaitFunctionActive(ctx, lambda.FunctionRef{Name: name(function)})
}

// mostWaiting bounds what a machine is burdened with that does not keep up: each of them may be an environment.
const mostWaiting = 500

var errTooMany = fmt.Errorf("not sent: %d requests wait for an answer", mostWaiting)

// load sends the requests, each when it is due, and returns when all are answered.
func (r *rollout) load(ctx context.Context) {
	var calls sync.WaitGroup
	defer calls.Wait()
	for q := range r.schedule() {
		if !r.await(ctx, q.due) {
			return
		}
		r.mu.Lock()
		r.sent++
		r.mu.Unlock()
		calls.Go(func() { r.call(ctx, q) })
	}
}

// await returns at a moment of the rollout. It tells whether that is a part of it: what was due before the end is sent,
// however late it has become.
func (r *rollout) await(ctx context.Context, due time.Duration) bool {
	timer := time.NewTimer(time.Until(r.began.Add(due)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.over:
	case <-ctx.Done():
		return false
	}
	select {
	case <-r.over:
		return due < r.end
	default:
		return true
	}
}

// call is one request. What it takes counts from when it was due, not from when the machine got round to sending it: else
// the requests that wait longest would look as short as the others.
func (r *rollout) call(ctx context.Context, q request) {
	i := Invocation{At: q.due.Microseconds(), Late: (time.Since(r.began) - q.due).Microseconds(), Function: q.function, Fresh: q.fresh}
	var out lambda.InvokeOutput
	err := errTooMany
	if r.waiting() <= mostWaiting {
		out, err = r.invoke(ctx, q)
		i.Attach, i.Cold = out.Timeline.Took(sandbox.PhaseAttach).Microseconds(), out.Timeline.Cold()
	}
	i.Took = (time.Since(r.began) - q.due).Microseconds()
	if err != nil {
		i.Failure = err.Error()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.invocations = append(r.invocations, i)
	r.servedBy = append(r.servedBy, out.Environment)
}

func (r *rollout) invoke(ctx context.Context, q request) (lambda.InvokeOutput, error) {
	out, err := r.Lambda.Invoke(ctx, lambda.InvokeInput{Function: lambda.FunctionRef{Name: name(q.function)}, Payload: r.Payload, Fresh: q.fresh})
	if err == nil && out.FunctionError != "" {
		err = errors.New(string(out.Payload))
	}
	if mode := modeOf(out.Timeline, r.From); mode != "" {
		r.mu.Lock()
		r.modes[out.Environment] = mode
		r.mu.Unlock()
	}
	return out, err
}

// modeOf tells how the environment was attached that a cold start has made; empty of a warm one. The steps say it: what
// the function is set to may have changed meanwhile.
func modeOf(t *sandbox.Timeline, from lambda.Mode) lambda.Mode {
	for _, span := range t.Spans {
		if span.Name != string(sandbox.PhaseAttach) {
			continue
		}
		if slices.ContainsFunc(span.Steps, func(s sandbox.Span) bool { return s.Name == "slot-to-eni" }) {
			return lambda.Shared
		}
		return from
	}
	return ""
}

// keepHouse does what goes on behind a workload: before a request that is to have a new environment it ends the idle ones
// of its function, so that as many come as go, and it makes new slots for those taken.
func (r *rollout) keepHouse(ctx context.Context) error {
	for q := range r.schedule() {
		if !q.fresh {
			continue
		}
		if !r.await(ctx, q.due-r.gap()) {
			return nil
		}
		if time.Since(r.began) < q.due { // else the new one might be among them
			r.Lambda.RetireIdle(name(q.function))
		}
		if err := r.fill(ctx); err != nil {
			return err
		}
	}
	return nil
}

// watch looks at the subnet every second, and tells how far the rollout is.
func (r *rollout) watch(ctx context.Context) {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		s := Sample{At: r.now()}
		s.ENIs, s.Addresses = r.Used()
		r.mu.Lock()
		r.samples = append(r.samples, s)
		p := Progress{r.percent, time.Since(r.began), r.length(), r.sent, r.sent - len(r.invocations)}
		r.mu.Unlock()
		if r.Progress != nil {
			r.Progress(p)
		}
		select {
		case <-second.C:
		case <-r.over:
			return
		case <-ctx.Done():
			return
		}
	}
}

// now is in microseconds from the beginning.
func (r *rollout) now() int64 { return time.Since(r.began).Microseconds() }

func (r *rollout) waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent - len(r.invocations)
}

// report is for when nothing goes on any more.
func (r *rollout) report(steps []Step) Report {
	for n := range r.invocations {
		if i := &r.invocations[n]; i.Failure == "" {
			i.Mode = string(r.modes[r.servedBy[n]])
		}
	}
	slices.SortFunc(r.invocations, func(a, b Invocation) int { return cmp.Compare(a.At, b.At) })
	report := Report{
		Schema: Schema, Began: r.began.UTC(), From: string(r.From), Functions: r.Functions, Rate: r.Rate, Fresh: r.Fresh, Seed: r.Seed,
		Steps: steps, Samples: r.samples, Invocations: r.invocations,
	}
	for _, i := range r.invocations {
		report.Behind = max(report.Behind, i.Late)
	}
	return report
}
