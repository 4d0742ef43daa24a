package sandbox

import (
	"fmt"
	"slices"
	"time"
)

// Phase is one step of a cold start, from "not run recently" to "code runs".
type Phase string

// The phases of a cold start, in order. A warm start is PhasePlace, PhaseThaw and PhaseInvoke.
const (
	PhasePlace  Phase = "place"  // choose worker and slot; make one, with its parked process, if none is ready
	PhaseFetch  Phase = "fetch"  // get the code archive from the function store, check its SHA-256
	PhaseUnpack Phase = "unpack" // extract it, once per worker and version
	PhaseQueue  Phase = "queue"  // wait for a turn to be attached and spawned; skipped unless many start at once
	PhaseAttach Phase = "attach" // legacy: create, attach, configure the ENI; shared: bind
	PhaseSpawn  Phase = "spawn"  // give the slot's parked process limits, code and output, until the bootstrap is executed
	PhaseInit   Phase = "init"   // from there to the runtime's first GET …/invocation/next
	PhaseThaw   Phase = "thaw"   // let an environment that was frozen between events go on; skipped if it was not
	PhaseInvoke Phase = "invoke" // event handed over until response
)

// Phases drives the code, the timeline and every report.
var Phases = []struct {
	Phase Phase
	About string
}{
	{PhasePlace, "choose worker and slot"},
	{PhaseFetch, "get the code from the function store"},
	{PhaseUnpack, "extract it, once per worker and version"},
	{PhaseQueue, "wait for a turn, if many start at once"},
	{PhaseAttach, "connect the environment to the customer's VPC"},
	{PhaseSpawn, "hand the function to the slot's parked process, exec"},
	{PhaseInit, "until the runtime asks for its first event"},
	{PhaseThaw, "let an environment go on that was frozen between events"},
	{PhaseInvoke, "event handed over until response"},
}

// Kind tells figures that were measured from those that a model added. They are never mixed.
type Kind string

// The kinds of a span.
const (
	Measured Kind = "measured"
	Modelled Kind = "modelled"
)

// Span is one phase of a timeline, or a step within one.
type Span struct {
	Name  string
	Kind  Kind
	Start time.Duration // on the timeline's clock, which begins at zero
	Took  time.Duration
	Steps []Span // what it consists of, where that is known
}

// Step is a named part of a phase.
type Step struct {
	Name string
	Kind Kind // empty means Measured
	Run  func() error

	Waits bool // for other environments; a modelled step waits always
}

// Works tells whether steps are work alone, with nothing among them that only waits.
func Works(steps []Step) bool {
	return !slices.ContainsFunc(steps, func(s Step) bool { return s.Waits || s.Kind == Modelled })
}

// Timeline is what one start was made of. Its clock stands still while a modelled step runs, so that no measured figure,
// nor their total, can contain what a model added. It belongs to one goroutine at a time.
type Timeline struct {
	Began time.Time
	Spans []Span
	Total time.Duration // set by End; measured

	still time.Duration // how long the clock stood
}

// Begin starts a timeline now.
func Begin() *Timeline { return &Timeline{Began: time.Now(), Spans: make([]Span, 0, len(Phases))} }

// Run does a phase and records it, failed or not.
func (t *Timeline) Run(p Phase, do func() error) error {
	return t.Steps(p, []Step{{Run: do}})
}

// clock is how long the timeline has run, without modelled steps.
func (t *Timeline) clock() time.Duration { return time.Since(t.Began) - t.still }

// Steps does a phase that consists of steps, in order, until one fails. A single step without a name is the phase
// itself. A modelled step becomes a span of its own, after that of the phase, which it has no part in.
func (t *Timeline) Steps(p Phase, steps []Step) error {
	span := Span{Name: string(p), Kind: Measured}
	if len(steps) > 1 {
		span.Steps = make([]Span, 0, len(steps)) // not while the clock runs
	}
	var modelled []Span
	span.Start = t.clock()
	var err error
	for _, s := range steps {
		from := t.clock()
		err = s.Run()
		took := t.clock() - from
		switch {
		case s.Kind == Modelled:
			t.still += took
			modelled = append(modelled, Span{Name: s.Name, Kind: Modelled, Start: from, Took: took})
		case s.Name != "":
			span.Steps = append(span.Steps, Span{Name: s.Name, Kind: Measured, Start: from, Took: took})
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", p, err)
			break
		}
	}
	span.Took = t.clock() - span.Start
	t.Spans = append(append(t.Spans, span), modelled...)
	return err
}

// Fetched does a phase that is skipped when its result is there already, and records it only if it was not.
func (t *Timeline) Fetched(p Phase, do func() (done bool, err error)) error {
	var done bool
	err := t.Run(p, func() (err error) { done, err = do(); return err })
	if err == nil && !done {
		t.Spans = t.Spans[:len(t.Spans)-1]
	}
	return err
}

// End closes the timeline.
func (t *Timeline) End() { t.Total = t.clock() }

// Took is how long a phase took; zero if it did not happen.
func (t *Timeline) Took(p Phase) time.Duration {
	if i := slices.IndexFunc(t.Spans, func(s Span) bool { return s.Name == string(p) }); i >= 0 {
		return t.Spans[i].Took
	}
	return 0
}

// Cold tells whether an environment was started.
func (t *Timeline) Cold() bool { return t.Took(PhaseSpawn) > 0 }

// Ready is how long it took from the request until the runtime asked for its first event: a cold start without the
// event itself.
func (t *Timeline) Ready() time.Duration {
	var end time.Duration
	for _, s := range t.Spans {
		if s.Name != string(PhaseInvoke) && s.Kind == Measured {
			end = max(end, s.Start+s.Took)
		}
	}
	return end
}

// Other is the part of the total that no measured span explains.
func (t *Timeline) Other() time.Duration {
	rest := t.Total
	for _, s := range t.Spans {
		if s.Kind == Measured {
			rest -= s.Took
		}
	}
	return rest
}

// Modelled is what a model added: no part of the total.
func (t *Timeline) Modelled() (sum time.Duration) {
	for _, s := range t.Spans {
		if s.Kind == Modelled {
			sum += s.Took
		}
	}
	return sum
}
