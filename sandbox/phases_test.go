package sandbox_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"enilab/sandbox"
)

func TestPhasesAreInOrder(t *testing.T) {
	var order []sandbox.Phase
	for _, p := range sandbox.Phases {
		if p.About == "" {
			t.Errorf("%s says nothing about itself", p.Phase)
		}
		order = append(order, p.Phase)
	}
	want := []sandbox.Phase{"place", "fetch", "unpack", "queue", "attach", "spawn", "init", "thaw", "invoke"}
	if !slices.Equal(order, want) {
		t.Errorf("phases %v, want %v", order, want)
	}
}

func TestTimelineArithmetic(t *testing.T) {
	const ms = time.Millisecond
	tl := sandbox.Timeline{Total: 100 * ms, Spans: []sandbox.Span{
		{Name: "place", Kind: sandbox.Measured, Start: 1 * ms, Took: 2 * ms},
		{Name: "attach", Kind: sandbox.Measured, Start: 4 * ms, Took: 30 * ms},
		{Name: "model.eni", Kind: sandbox.Modelled, Start: 34 * ms, Took: 90 * time.Second},
		{Name: "spawn", Kind: sandbox.Measured, Start: 34 * ms, Took: 6 * ms},
		{Name: "init", Kind: sandbox.Measured, Start: 41 * ms, Took: 9 * ms},
		{Name: "invoke", Kind: sandbox.Measured, Start: 51 * ms, Took: 40 * ms},
	}}
	if got := tl.Other(); got != 13*ms {
		t.Errorf("other %v, want 13ms: what is modelled is no part of what was measured", got)
	}
	if got := tl.Took(sandbox.PhaseAttach); got != 30*ms {
		t.Errorf("attach took %v", got)
	}
	if got := tl.Took(sandbox.PhaseFetch); got != 0 {
		t.Errorf("fetch, which did not happen, took %v", got)
	}
	if got := tl.Modelled(); got != 90*time.Second {
		t.Errorf("modelled %v, want 90s", got)
	}
	if got := tl.Ready(); got != 50*ms {
		t.Errorf("ready after %v, want 50ms: the end of init", got)
	}
	if !tl.Cold() {
		t.Error("a start that spawned is cold")
	}
	warm := sandbox.Timeline{Total: 3 * ms, Spans: []sandbox.Span{{Name: "place", Kind: sandbox.Measured, Took: ms}, {Name: "invoke", Kind: sandbox.Measured, Start: ms, Took: 2 * ms}}}
	if warm.Cold() || warm.Other() != 0 || warm.Ready() != ms {
		t.Errorf("warm: cold %t, other %v, ready %v", warm.Cold(), warm.Other(), warm.Ready())
	}
}

func TestTimelineRecordsStepsUntilOneFails(t *testing.T) {
	boom := errors.New("boom")
	var ran []string
	step := func(name string, err error) sandbox.Step {
		return sandbox.Step{Name: name, Run: func() error {
			ran = append(ran, name)
			if tick := time.Now(); err == nil {
				for time.Since(tick) < 50*time.Microsecond { // so that no span is empty on a coarse clock
				}
			}
			return err
		}}
	}
	tl := sandbox.Begin()
	if err := tl.Steps(sandbox.PhaseAttach, []sandbox.Step{step("create", nil), step("move", nil)}); err != nil {
		t.Fatal(err)
	}
	err := tl.Steps(sandbox.PhaseSpawn, []sandbox.Step{step("one", nil), step("two", boom), step("three", nil)})
	if !errors.Is(err, boom) || err.Error() != "spawn: boom" {
		t.Errorf("err %v, want the failed step's under its phase's name", err)
	}
	tl.End()
	if !slices.Equal(ran, []string{"create", "move", "one", "two"}) {
		t.Errorf("ran %v", ran)
	}
	if len(tl.Spans) != 2 || len(tl.Spans[0].Steps) != 2 || len(tl.Spans[1].Steps) != 2 || tl.Spans[1].Steps[1].Name != "two" {
		t.Fatalf("spans %+v: those of a failed phase are kept, and its failed step", tl.Spans)
	}
	var end time.Duration
	for _, s := range tl.Spans {
		sum := time.Duration(0)
		if s.Start < end || s.Kind != sandbox.Measured {
			t.Errorf("%+v starts before %v", s, end)
		}
		for _, step := range s.Steps {
			sum += step.Took
		}
		if sum <= 0 || sum > s.Took {
			t.Errorf("steps of %s add up to %v of %v", s.Name, sum, s.Took)
		}
		end = s.Start + s.Took
	}
	if tl.Total < end || tl.Other() < 0 || tl.Other() != tl.Total-tl.Spans[0].Took-tl.Spans[1].Took {
		t.Errorf("total %v, other %v", tl.Total, tl.Other())
	}
}

// A phase whose result was there did not take place; one that failed did.
func TestFetchedIsSkippedWhenNothingWasDone(t *testing.T) {
	boom := errors.New("boom")
	tl := sandbox.Begin()
	for _, c := range []struct {
		done  bool
		err   error
		spans int
	}{{false, nil, 0}, {true, nil, 1}, {false, nil, 1}, {false, boom, 2}} {
		err := tl.Fetched(sandbox.PhaseFetch, func() (bool, error) { return c.done, c.err })
		if !errors.Is(err, c.err) || len(tl.Spans) != c.spans {
			t.Errorf("done %t, %v: err %v, %d spans, want %d", c.done, c.err, err, len(tl.Spans), c.spans)
		}
	}
	if err := tl.Run(sandbox.PhaseInvoke, func() error { return nil }); err != nil || len(tl.Spans) != 3 || tl.Spans[2].Steps != nil {
		t.Errorf("%v %+v: a phase of one piece has no steps", err, tl.Spans)
	}
}

// The clock stands still while a modelled step runs: what it takes is told apart, and no measured figure contains it.
func TestModelledStepsAreNotMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ms = time.Millisecond
		sleep := func(name string, kind sandbox.Kind, d time.Duration) sandbox.Step {
			return sandbox.Step{Name: name, Kind: kind, Run: func() error { time.Sleep(d); return nil }}
		}
		tl := sandbox.Begin()
		err := tl.Steps(sandbox.PhaseAttach, []sandbox.Step{
			sleep("create", "", ms), sleep("model.create", sandbox.Modelled, time.Second), sleep("move", "", 2*ms), sleep("model.attach", sandbox.Modelled, time.Minute),
		})
		if err == nil {
			err = tl.Run(sandbox.PhaseInit, func() error { time.Sleep(3 * ms); return nil })
		}
		tl.End()
		if err != nil {
			t.Fatal(err)
		}
		want := []sandbox.Span{
			{Name: "attach", Kind: sandbox.Measured, Took: 3 * ms, Steps: []sandbox.Span{
				{Name: "create", Kind: sandbox.Measured, Took: ms}, {Name: "move", Kind: sandbox.Measured, Start: ms, Took: 2 * ms},
			}},
			{Name: "model.create", Kind: sandbox.Modelled, Start: ms, Took: time.Second},
			{Name: "model.attach", Kind: sandbox.Modelled, Start: 3 * ms, Took: time.Minute},
			{Name: "init", Kind: sandbox.Measured, Start: 3 * ms, Took: 3 * ms},
		}
		if !reflect.DeepEqual(tl.Spans, want) {
			t.Errorf("spans %+v\nwant  %+v", tl.Spans, want)
		}
		if tl.Total != 6*ms || tl.Other() != 0 || tl.Modelled() != time.Minute+time.Second || tl.Ready() != 6*ms {
			t.Errorf("total %v, other %v, modelled %v, ready %v", tl.Total, tl.Other(), tl.Modelled(), tl.Ready())
		}
	})
}

func TestWorks(t *testing.T) {
	for want, steps := range map[bool][]sandbox.Step{
		true:  {{Name: "create"}, {Name: "move", Kind: sandbox.Measured}},
		false: {{Name: "create"}, {Name: "join", Waits: true}},
	} {
		if sandbox.Works(steps) != want {
			t.Errorf("%v: want %v", steps, want)
		}
	}
	if sandbox.Works([]sandbox.Step{{Kind: sandbox.Modelled}}) {
		t.Error("a model works")
	}
}
