package lambda

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"enilab/internal/events"
	"enilab/sandbox"

	"github.com/google/uuid"
)

// Invoke hands an event to a function. It waits for the answer unless in.Type says otherwise. A function that fails is
// no error here: FunctionError then says so. An environment that is idle serves, else a new one is made.
//
// The end of ctx ends the execution, and its environment. On AWS a function does not end because its caller has gone: who
// serves such callers does not hand their contexts on.
func (s *Service) Invoke(ctx context.Context, in InvokeInput) (InvokeOutput, error) {
	id := uuid.NewString()
	switch in.Type {
	case "", RequestResponse:
		return s.invoke(ctx, in, id)
	case DryRun:
		v, err := s.invokable(&in, maxEvent)
		if err != nil {
			return InvokeOutput{RequestID: id}, err
		}
		return InvokeOutput{RequestID: id, ExecutedVersion: v.name}, nil
	case EventInvocation:
		out := InvokeOutput{RequestID: id}
		done, err := s.control()
		if err != nil {
			return out, err
		}
		defer done()
		v, err := s.invokable(&in, maxAsyncEvent)
		if err != nil {
			return out, err
		}
		out.ExecutedVersion = v.name
		now := time.Now()
		trace, decided := newTrace(in.TraceHeader, now)
		if !decided && v.traces(now) {
			trace = trace.sample()
		}
		out.TraceHeader = trace.String()
		return out, s.accept(v, &asyncEvent{ // copies: the event must not keep the request, whose buffers may be large
			ID: id, Function: v.function.name, Qualifier: strings.Clone(in.Function.Qualifier), Payload: bytes.Clone(in.Payload),
			ClientContext: strings.Clone(in.ClientContext), TraceHeader: out.TraceHeader, Accepted: now.UTC(), due: now,
		})
	}
	return InvokeOutput{RequestID: id}, refuse(ValidationException, "1 validation error detected: Value '%s' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set: [Event, RequestResponse, DryRun]", in.Type)
}

// invokable finds the version to invoke, if it can be invoked with this event at all. A function that is idle can be,
// after a while.
func (s *Service) invokable(in *InvokeInput, most int) (*version, error) {
	v, err := s.route(in.Function)
	if err != nil {
		return nil, err
	}
	if err := checkEvent(in, most); err != nil {
		return nil, err
	}
	v.function.mu.Lock()
	defer v.function.mu.Unlock()
	if v.current == nil && v.config.State != Inactive {
		return nil, s.notReadyLocked(v)
	}
	return v, nil
}

// traces tells whether Lambda traces a request that came without a decision.
func (v *version) traces(now time.Time) bool {
	v.function.mu.Lock()
	active := v.config.TracingMode == "Active"
	v.function.mu.Unlock()
	return active && v.function.sampler.samples(now, rand.Float64())
}

// checkEvent refuses what is no event. None is an empty one.
func checkEvent(in *InvokeInput, most int) error {
	switch {
	case len(in.Payload) > most:
		// https://github.com/pelmers/streetwarp-web/issues/14, https://github.com/ASFHyP3/hyp3/issues/2241
		return refuse(RequestEntityTooLarge, "Request must be smaller than %d bytes for the InvokeFunction operation", most)
	case len(in.Payload) == 0:
		in.Payload = []byte("{}")
	case !json.Valid(in.Payload):
		return refuse(InvalidRequestContent, "Could not parse request body into json: the event for %s is no JSON", in.Function)
	}
	return nil
}

// execution is what the phases of one invocation know of it.
type execution struct {
	in     InvokeInput
	out    *InvokeOutput
	trace  trace
	again  time.Time // when the init was run again, as a part of the invocation; zero: it was not
	status string    // of a failure: "error" or "timeout"
}

// invoke is one execution, from the event to the answer.
func (s *Service) invoke(ctx context.Context, in InvokeInput, id string) (InvokeOutput, error) {
	out := InvokeOutput{RequestID: id, Timeline: sandbox.Begin()}
	err := s.execute(ctx, &in, &out)
	return out, err
}

// execute fills in what came of an invocation.
func (s *Service) execute(ctx context.Context, in *InvokeInput, out *InvokeOutput) (err error) {
	defer out.Timeline.End()
	x := &execution{in: *in, out: out}
	var decided bool
	x.trace, decided = newTrace(in.TraceHeader, out.Timeline.Began)
	out.TraceHeader = x.trace.String()
	if err := checkEvent(&x.in, maxEvent); err != nil {
		return err
	}
	ctx, done, err := s.call(ctx)
	if err != nil {
		return err
	}
	defer done()
	v, err := s.route(in.Function)
	if err != nil {
		return err
	}
	out.ExecutedVersion = v.name
	common, err := s.load.enter(v.function)
	if err != nil {
		return err
	}
	defer s.load.leave(v.function, common)
	defer func() { s.announceDone(v, x, err) }()
	if !decided && v.traces(out.Timeline.Began) {
		x.trace = x.trace.sample()
		out.TraceHeader = x.trace.String()
	}
	for {
		e, g, err := s.take(v, in.Fresh, out.Timeline)
		if err != nil {
			return err
		}
		warm := e != nil
		if !warm {
			e, err = s.start(ctx, g, x)
			if dropped := g.drop(); dropped != nil {
				s.Log.Warn("release the network", "function", v.function.name, "error", dropped)
			}
			if err != nil {
				v.leave()
			}
			if errors.As(err, new(*initFailure)) {
				return nil // out says how
			}
			if err != nil {
				return err
			}
		}
		out.Environment = e.id
		healthy, err := s.serve(ctx, e, x)
		if s.give(e, healthy) {
			return err
		}
		s.retire(e)
		switch {
		case !errors.Is(err, errUntouched):
			return err
		case !warm:
			return nil
		}
		out.FunctionError, out.Payload, out.Timeline.Spans, x.status = "", nil, nil, "" // it was ending when it was taken: another one serves
	}
}

// unhandled is the one value of X-Amz-Function-Error that today's runtimes cause.
const unhandled = "Unhandled"

// take finds an idle environment; without one it returns the generation to start one of, held for the caller. Either
// way an execution has begun.
func (s *Service) take(v *version, fresh bool, t *sandbox.Timeline) (e *environment, g *generation, err error) {
	f := v.function
	f.mu.Lock()
	if v.current == nil {
		defer f.mu.Unlock()
		if v.config.State == Inactive && v.next == nil && !v.goneLocked() {
			return nil, nil, s.awakenLocked(v)
		}
		return nil, nil, s.notReadyLocked(v)
	}
	var dead []*environment
	for n := len(v.idle); n > 0 && e == nil && !fresh; n-- {
		last := v.idle[n-1]
		v.idle = v.idle[:n-1]
		if last.process.Ending() { // while it was idle
			dead = append(dead, last)
		} else {
			e = last
		}
	}
	if e == nil {
		g = v.current
		g.hold()
	} else {
		e.state = EnvironmentBusy
	}
	v.running++
	v.used = t.Began
	f.mu.Unlock()
	for _, d := range dead {
		s.retire(d)
	}
	if e != nil {
		t.Spans = append(t.Spans, sandbox.Span{Name: string(sandbox.PhasePlace), Kind: sandbox.Measured, Took: time.Since(t.Began)})
	}
	return e, g, nil
}

// leave ends an execution that had no environment.
func (v *version) leave() {
	v.function.mu.Lock()
	v.running--
	v.function.mu.Unlock()
}

// give ends an execution and makes its environment idle, unless that is not healthy or its version has moved on.
func (s *Service) give(e *environment, healthy bool) bool {
	v := e.generation.version
	now := time.Now()
	v.function.mu.Lock()
	defer v.function.mu.Unlock()
	v.running--
	v.used, e.used = now, now
	if !healthy || v.current != e.generation {
		e.state = EnvironmentEnding
		return false
	}
	e.state = EnvironmentIdle
	v.idle = append(v.idle, e)
	e.freezer.rest()
	return true
}

// RetireIdle ends the idle environments of a function's $LATEST, as Lambda does after a while.
func (s *Service) RetireIdle(name string) {
	f, err := s.lookup(name)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	v := f.latest
	for _, e := range v.idle {
		s.retire(e)
	}
	v.idle = nil
}

// serve hands over the event and waits. An environment that is not healthy afterwards must not be used again. The error
// is errUntouched if it ended before it got the event.
func (s *Service) serve(ctx context.Context, e *environment, x *execution) (healthy bool, err error) {
	in, out, c := &x.in, x.out, &e.generation.config
	if err := out.Timeline.Fetched(sandbox.PhaseThaw, e.freezer.wake); err != nil {
		s.Log.Warn("an environment cannot be thawed; another one serves", "environment", e.id, "error", err)
		return false, errUntouched
	}
	e.process.Drain() // what it said before its event stands before it
	e.log.Reset()
	e.sayStart(out.RequestID)
	began := time.Now()
	if !x.again.IsZero() {
		began = x.again
	}
	event := sandbox.Event{
		RequestID: out.RequestID, FunctionARN: s.invokedARN(c, in.Function), TraceID: out.TraceHeader, ClientContext: in.ClientContext, Payload: in.Payload,
		Deadline: began.Add(c.Timeout), Exited: e.process.Done(),
	}
	timed, cancel := context.WithDeadline(ctx, event.Deadline)
	defer cancel()
	var result sandbox.Result
	_ = out.Timeline.Run(sandbox.PhaseInvoke, func() error {
		result, err = e.slot.API.Invoke(timed, event)
		return nil
	})
	if err == nil {
		e.process.Drain()
	}
	r := report{requestID: out.RequestID, took: out.Timeline.Took(sandbox.PhaseInvoke), init: out.Timeline.Took(sandbox.PhaseInit), trace: x.trace}
	if !x.again.IsZero() {
		r.took, r.init = time.Since(began), 0
	}
	defer func() {
		x.status = r.status
		e.report(&r, in.LogTail)
		if in.LogTail {
			out.LogTail = e.log.Tail()
		}
	}()
	switch {
	case err == nil:
		out.Payload = result.Payload
		if result.Error != nil {
			out.FunctionError, r.status, r.errorType = unhandled, "error", result.Error.Type
		}
		return true, nil
	case errors.Is(err, sandbox.ErrExited):
		failed := e.exitFailure(out.RequestID)
		out.FunctionError, out.Payload = unhandled, failurePayload(failed.kind, "%s", failed.message)
		e.log.flush()
		e.say(append(append(append(append(e.line[:0], failed.message...), '\n'), failed.kind...), '\n'))
		r.status, r.errorType = "error", failed.kind
		if !e.spent() {
			return false, errUntouched
		}
		return false, nil
	case ctx.Err() != nil: // whoever may end the execution did; nobody knows what the function still does
		r.status = "error"
		return false, context.Cause(ctx)
	case errors.Is(err, context.DeadlineExceeded):
		out.FunctionError = unhandled
		out.Payload = failurePayload(timedOut, "RequestId: %s Error: Task timed out after %.2f seconds", out.RequestID, c.Timeout.Seconds())
		e.log.flush()
		e.say(fmt.Appendf(e.line[:0], "%s %s Task timed out after %.2f seconds\n\n", time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), out.RequestID, c.Timeout.Seconds()))
		r.status = "timeout"
		s.Events.Publish(events.Event{Type: events.InvokeTimeout, Function: c.FunctionName, Version: c.Version, Env: e.id, Name: out.RequestID})
		return false, nil
	}
	r.status = "error"
	return false, refuse(ServiceException, "invoke %s: %w", c.FunctionName, err)
}

var errUntouched = errors.New("the runtime exited before it got the event")

// spent tells, of an environment whose event was given up, whether the runtime had got it: then, and only then, the
// Runtime API takes no other.
func (e *environment) spent() bool {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := e.slot.API.Invoke(over, sandbox.Event{RequestID: e.id})
	return errors.Is(err, sandbox.ErrBusy)
}
