package lambda_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"enilab/internal/lambda"
	"enilab/internal/nstest"
	"enilab/sandbox"
)

// names lists the phases of a timeline.
func names(tl *sandbox.Timeline) (list []string) {
	for _, s := range tl.Spans {
		list = append(list, s.Name)
	}
	return list
}

// checkTimeline holds what every timeline promises: spans in order, none over another, none beyond the whole.
func checkTimeline(t *testing.T, tl *sandbox.Timeline) {
	t.Helper()
	var end time.Duration
	check := func(s sandbox.Span, from, to time.Duration) {
		if s.Start < from || s.Took < 0 || s.Start+s.Took > to || s.Kind != sandbox.Measured {
			t.Errorf("%s %s: from %v, took %v; it must lie in %v to %v", s.Kind, s.Name, s.Start, s.Took, from, to)
		}
	}
	for _, s := range tl.Spans {
		check(s, end, tl.Total)
		end = s.Start + s.Took
		from := s.Start
		for _, step := range s.Steps {
			check(step, from, end)
			from = step.Start + step.Took
		}
	}
	if other := tl.Other(); other < 0 {
		t.Errorf("the spans explain %v more than the whole %v", -other, tl.Total)
	}
}

func TestColdThenWarm(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	steps := map[lambda.Mode][]string{
		lambda.Legacy:        {"reserve", "create", "move", "configure", "publish", "up"},
		lambda.LegacyInPlace: {"reserve", "create", "configure", "publish", "up"},
		lambda.Shared:        {"slot-to-eni", "eni-to-slot"},
	}
	code := goFunction(t)
	for i, mode := range lambda.Modes {
		f := b.create(t, lambda.CreateFunctionInput{FunctionName: string(mode), Mode: mode, VpcConfig: vpcOf("blue"), ZipFile: code})
		cold, out := b.ask(t, f, everything)
		checkTimeline(t, out.Timeline)
		want := []string{"place", "fetch", "unpack", "attach", "spawn", "init", "invoke"}
		if i > 0 { // the same code: the worker has it
			want = []string{"place", "attach", "spawn", "init", "invoke"}
		}
		if got := names(out.Timeline); !slices.Equal(got, want) {
			t.Errorf("%s: phases %v of a cold start, want %v", mode, got, want)
		}
		at := slices.IndexFunc(out.Timeline.Spans, func(s sandbox.Span) bool { return s.Name == "attach" })
		if got := names(&sandbox.Timeline{Spans: out.Timeline.Spans[at].Steps}); !slices.Equal(got, steps[mode]) {
			t.Errorf("%s: steps %v, want %v", mode, got, steps[mode])
		}
		warm, again := b.ask(t, f, everything)
		checkTimeline(t, again.Timeline)
		if got := names(again.Timeline); !slices.Equal(got, []string{"place", "invoke"}) {
			t.Errorf("%s: phases %v of a warm start", mode, got)
		}
		if !out.Timeline.Cold() || again.Timeline.Cold() || warm.Instance != cold.Instance || warm.Invocation != 2 || again.Environment != out.Environment || out.RequestID == again.RequestID {
			t.Errorf("%s: %+v after %+v, in %s after %s", mode, warm, cold, again.Environment, out.Environment)
		}
		env := b.IdleEnvironments(lambda.FunctionRef{Name: f})
		if len(env) != 1 || env[0].ID != out.Environment || !strings.HasPrefix(cold.Whoami, "blue "+env[0].Address.String()+":") || env[0].Slot.IsValid() != (mode == lambda.Shared) {
			t.Errorf("%s: environments %+v; whoami saw %s", mode, env, cold.Whoami)
		}
		// The phases explain the whole. On a busy machine some other process explains a run or two: the best counts.
		least := 1.0
		for range 10 {
			out, err := b.Invoke(t.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: f}}) // without the log, which takes its time
			must(t, err)
			least = min(least, float64(out.Timeline.Other())/float64(out.Timeline.Total))
		}
		if share := float64(out.Timeline.Other()) / float64(out.Timeline.Total); least > 0.2 || share > 0.5 {
			t.Errorf("%s: %.0f %% of a cold and %.0f %% of the best of ten warm starts is unexplained", mode, 100*share, 100*least)
		}
		fresh, err := b.Invoke(t.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: f}, Fresh: true})
		must(t, err)
		if a := parse(t, fresh); a.Instance == cold.Instance || !fresh.Timeline.Cold() {
			t.Errorf("%s: a fresh environment answers %+v", mode, a)
		}
	}
}

// One environment handles one event at a time; more events at once make more environments.
func TestConcurrencyMakesEnvironments(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	f := b.create(t, lambda.CreateFunctionInput{FunctionName: "f"})
	const n = 6
	var mu sync.Mutex
	served := map[string]int{} // by instance
	round := func(n int) {
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				out, err := b.try(t, f, event{"do": "sleep:100ms"})
				if err != nil {
					t.Error(err)
					return
				}
				a := parse(t, out)
				mu.Lock()
				served[a.Instance]++
				mu.Unlock()
			})
		}
		wg.Wait()
	}
	began := time.Now()
	round(n)
	if took := time.Since(began); len(served) < 2 {
		t.Errorf("%d events at once in %v met %d environments", n, took, len(served))
	}
	before := len(served)
	if idle := len(b.IdleEnvironments(lambda.FunctionRef{Name: f})); idle != before {
		t.Errorf("%d environments are idle, %d served", idle, before)
	}
	round(before)
	if len(served) != before {
		t.Errorf("as many events as there were idle environments made %d more", len(served)-before)
	}
}

// trouble is a function that does harm, and what Lambda answers then.
type trouble struct {
	in      lambda.CreateFunctionInput
	event   any
	kind    string   // errorType
	words   []string // of errorMessage
	log     string   // in the log tail
	healthy bool     // the environment serves on
}

func troubles(t *testing.T) map[string]trouble {
	goCode := lambda.CreateFunctionInput{ZipFile: goFunction(t)}
	short := goCode
	short.Timeout = time.Second
	with := func(in lambda.CreateFunctionInput, change func(*lambda.CreateFunctionInput)) lambda.CreateFunctionInput {
		change(&in)
		return in
	}
	program := func(text string) lambda.CreateFunctionInput {
		return lambda.CreateFunctionInput{ZipFile: zipOf(entry{"bootstrap", 0o755, text})}
	}
	// These scripts do harm when asked to, and else answer.
	once := func(harm string) string {
		return "handler() { case $1 in *harm*) " + harm + ";; esac; REPLY='\"fine\"'; }"
	}
	harm := event{"do": "harm"}
	m := map[string]trouble{
		"handler's error":  {in: goCode, event: event{"do": "dance"}, kind: "errorString", words: []string{"dance"}, healthy: true},
		"panic":            {in: goCode, event: event{"do": "panic"}, kind: "string", words: []string{"asked to panic"}},
		"exit 1":           {in: goCode, event: event{"do": "exit"}, kind: "Runtime.ExitError", words: []string{"exit status 1"}},
		"exit 0":           {in: bash(t, once("echo last words; exit 0")), event: harm, kind: "Runtime.ExitError", words: []string{"without providing a reason"}, log: "last words\n"},
		"exit 3":           {in: bash(t, once("exit 3")), event: harm, kind: "Runtime.ExitError", words: []string{"exit status 3"}},
		"timeout":          {in: short, event: event{"do": "sleep:1h"}, kind: "Sandbox.Timedout", words: []string{"Task timed out after 1.00 seconds"}},
		"response too big": {in: bash(t, once("printf -v REPLY %7000000s; return 0")), event: harm, kind: "Function.ResponseSizeTooLarge", words: []string{"6291556 bytes"}},
		"timeout with children": {
			in:    with(bash(t, once("for i in 1 2 3; do (trap '' TERM; sleep 1000) & done; echo children; wait")), func(in *lambda.CreateFunctionInput) { in.Timeout = time.Second }),
			event: harm, kind: "Sandbox.Timedout", words: []string{"timed out after 1.00"}, log: "children",
		},
		"fork bomb": {
			in:    with(bash(t, once("b() { b | b & }; b; sleep 1000")), func(in *lambda.CreateFunctionInput) { in.Timeout = time.Second }),
			event: harm, kind: "", // it may time out, meet its limit of processes, or run out of memory
		},
		"never calls next": {
			in:   with(program("#!/bin/sh\necho starting\nexec sleep 1000\n"), func(in *lambda.CreateFunctionInput) { in.Timeout = time.Second }),
			kind: "Sandbox.Timedout", words: []string{"Task timed out after 1.00 seconds"}, log: "starting\n",
		},
		"crash at init": {in: program("#!/bin/sh\necho no luck >&2\nexit 7\n"), kind: "Runtime.ExitError", words: []string{"exit status 7"}, log: "no luck\n"},
		"init error":    {in: with(bash(t, ""), func(in *lambda.CreateFunctionInput) { in.Handler = "function.absent" }), kind: "HandlerNotFound", words: []string{"no function absent"}},
		"no bootstrap": {
			in: lambda.CreateFunctionInput{ZipFile: zipOf(entry{"index.sh", 0o755, "#!/bin/sh\n"})}, kind: "Runtime.InvalidEntrypoint",
			words: []string{"RequestId: ", " Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"},
		},
		"no program": {
			in: lambda.CreateFunctionInput{ZipFile: zipOf(entry{"bootstrap", 0o644, "#!/bin/sh\n"})}, kind: "Runtime.InvalidEntrypoint",
			words: []string{"/var/task/bootstrap is not a file that the function's user may execute"},
		},
		"foreign interpreter": {
			in:   lambda.CreateFunctionInput{ZipFile: zipOf(entry{"bootstrap", 0o755, "#!/var/task/b2 -x\n"}, entry{"b2", 0o755, "#!/proc/self/exe demo\n"})},
			kind: "Runtime.InvalidEntrypoint", words: []string{"/var/task/b2", "/proc/self/exe"},
		},
		"no interpreter": {in: program("#!/no/such\n"), kind: "Runtime.InvalidEntrypoint", words: []string{"/no/such"}},
	}
	if !nstest.Rootless() {
		m["memory hog"] = trouble{in: goCode, event: event{"do": "alloc:500"}, kind: "Runtime.OutOfMemory", words: []string{"Error: Runtime exited with error: signal: killed"}}
	}
	return m
}

// Whatever a function does, its caller gets the error that Lambda gives, its next event is served, and another function
// that runs meanwhile notices nothing.
func TestTrouble(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t, func(c *lambda.Config) { c.InitTime = 3 * time.Second })
	b.create(t, lambda.CreateFunctionInput{FunctionName: "bystander", VpcConfig: vpcOf("blue")})
	stop, stopped := make(chan struct{}), make(chan int)
	go func() {
		served := 0
		defer func() { stopped <- served }()
		for {
			out, err := b.try(t, "bystander", everything)
			if err != nil || out.FunctionError != "" || !bytes.Contains(out.Payload, []byte(`"tenant":"blue"`)) {
				t.Errorf("the bystander: %v %s", err, out.Payload)
				return
			}
			served++
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	t.Run("each", func(t *testing.T) {
		for name, c := range troubles(t) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				in := c.in
				in.FunctionName = strings.NewReplacer(" ", "-", "'", "").Replace(name)
				f := b.create(t, in)
				out := b.invoke(t, f, c.event)
				kind, message := failure(t, out)
				if c.kind != "" && kind != c.kind {
					t.Errorf("errorType %q (%s), want %q", kind, message, c.kind)
				}
				for _, w := range c.words {
					if !strings.Contains(message, w) {
						t.Errorf("errorMessage %q does not say %q", message, w)
					}
				}
				if strings.HasPrefix(kind, "Runtime.Exit") && !strings.Contains(message, out.RequestID) {
					t.Errorf("errorMessage %q does not name the request %s", message, out.RequestID)
				}
				if !bytes.Contains(out.LogTail, []byte(c.log)) {
					t.Errorf("log tail %q, want %q in it", out.LogTail, c.log)
				}
				checkTimeline(t, out.Timeline)
				if !strings.HasPrefix(out.Environment, in.FunctionName+"/") {
					t.Errorf("it is not said in which environment: %q", out.Environment)
				}
				if kind == "Sandbox.Timedout" && c.event == nil {
					return
				}
				if c.event == nil { // it never starts: the next try fails likewise, and leaves nothing either
					if again, _ := failure(t, b.invoke(t, f, nil)); again != c.kind {
						t.Errorf("once more: %s", again)
					}
					return
				}
				for range 2 {
					next := b.invoke(t, f, nil)
					if next.FunctionError != "" {
						t.Errorf("the next event: %s", next.Payload)
					}
					if (next.Environment == out.Environment) != c.healthy && name != "response too big" {
						t.Errorf("%s serves after %s", next.Environment, out.Environment)
					}
				}
			})
		}
	})
	close(stop)
	if n := <-stopped; n < 10 {
		t.Errorf("the bystander served %d events", n)
	}
	if a, _ := b.ask(t, "bystander", nil); a.Invocation < 10 {
		t.Errorf("the bystander's environment was not the same throughout: invocation %d", a.Invocation)
	}
}

func TestOutput(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	f := b.create(t, lambda.CreateFunctionInput{FunctionName: "f"})
	a, out := b.ask(t, f, event{"do": "flood:10000000"})
	if a.Outcome.Outcome != "written" || a.Outcome.Count != 10_000_000 || len(out.LogTail) != sandbox.TailSize || !bytes.Contains(out.LogTail, []byte("flood flood")) {
		t.Errorf("%+v with a tail of %d bytes", a.Outcome, len(out.LogTail))
	}
	if next, again := b.ask(t, f, nil); next.Instance != a.Instance || len(again.LogTail) == sandbox.TailSize {
		t.Errorf("the next event is answered by %s after %s, with the tail %q", next.Instance, a.Instance, again.LogTail)
	}
}

func TestBadEvents(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	f := b.create(t, lambda.CreateFunctionInput{FunctionName: "f"})
	for _, payload := range []string{"{", "nul", "{} {}", "\xff"} {
		_, err := b.Invoke(t.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: f}, Payload: []byte(payload)})
		refused(t, err, lambda.InvalidRequestContent, 400, f)
	}
	large := bytes.Repeat([]byte("x"), 6<<20+1)
	large[0], large[len(large)-1] = '"', '"'
	_, err := b.Invoke(t.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: f}, Payload: large})
	refused(t, err, lambda.RequestEntityTooLarge, 413, "Request must be smaller than 6291456 bytes for the InvokeFunction operation")
	if n := len(b.IdleEnvironments(lambda.FunctionRef{Name: f})); n != 0 {
		t.Errorf("events that were refused started %d environments", n)
	}
	out, err := b.Invoke(t.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: f}}) // no event is an empty one
	must(t, err)
	if a := parse(t, out); a.Invocation != 1 {
		t.Errorf("%+v", a)
	}
}

// Whoever invokes may end the execution by its context, as rollouts and Close do: the environment ends, too, since nobody knows
// what the function still does. A caller over the wire that goes away does not: its context is not handed on
// (TestCallerGoesAway of internal/api, TestInvokeGoesOnWithoutItsCaller of internal/daemon).
func TestCallerCancels(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	f := b.create(t, lambda.CreateFunctionInput{FunctionName: "f", VpcConfig: vpcOf("blue"), Mode: lambda.LegacyInPlace})
	first := b.invoke(t, f, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("hung up")
	done := make(chan error, 1)
	go func() {
		_, err := b.Invoke(ctx, lambda.InvokeInput{Function: lambda.FunctionRef{Name: f}, Payload: []byte(`{"do":"sleep:1h"}`)})
		done <- err
	}()
	nstest.Eventually(t, 5*time.Second, func() error {
		if len(b.IdleEnvironments(lambda.FunctionRef{Name: f})) > 0 {
			return errors.New("the event was not taken")
		}
		return nil
	})
	cancel(why)
	if err := <-done; !errors.Is(err, why) {
		t.Errorf("%v, want the caller's reason", err)
	}
	if out := b.invoke(t, f, nil); out.Environment == first.Environment {
		t.Errorf("%s serves on", out.Environment)
	}
	must(t, b.Settle())
	if n := len(b.interfaces("blue", lambda.LegacyInPlace)); n != 1 {
		t.Errorf("%d ENIs, want that of the environment that lives", n)
	}

	gone, cancel2 := context.WithCancelCause(t.Context()) // before a cold start
	cancel2(why)
	if _, err := b.Invoke(gone, lambda.InvokeInput{Function: lambda.FunctionRef{Name: f}, Fresh: true}); !errors.Is(err, why) {
		t.Errorf("cold start for nobody: %v", err)
	}
	must(t, b.Settle())
	if n := len(b.interfaces("blue", lambda.LegacyInPlace)); n != 1 {
		t.Errorf("%d ENIs after a cold start for nobody", n)
	}
}

func TestEnvironmentIsKilled(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	in := bash(t, "handler() { case $1 in *wait*) echo waiting; sleep 1000;; esac; REPLY='\"fine\"'; }")
	in.FunctionName = "f"
	f := b.create(t, in)
	b.invoke(t, f, nil)

	// While it is idle: it is replaced, and no caller notices.
	idle := b.Idle(f)[0]
	must(t, syscall.Kill(idle.PID, syscall.SIGKILL))
	<-idle.Ended // before that it could still get the event, and take it along
	out := b.invoke(t, f, nil)
	if out.FunctionError != "" || out.Environment == idle.ID {
		t.Errorf("%s answers %s %s, want a new environment", out.Environment, out.FunctionError, out.Payload)
	}

	// While it has an event: that fails, the next does not.
	busy := b.Idle(f)[0]
	done := make(chan lambda.InvokeOutput, 1)
	go func() { done <- b.invoke(t, f, event{"do": "wait"}) }()
	nstest.Eventually(t, 10*time.Second, func() error {
		if tail := busy.Log.Tail(); !bytes.Contains(tail, []byte("waiting")) {
			return fmt.Errorf("the event has not arrived: %q", tail)
		}
		return nil
	})
	must(t, syscall.Kill(busy.PID, syscall.SIGKILL))
	if kind, message := failure(t, <-done); kind != "Runtime.ExitError" || !strings.Contains(message, "signal: killed") {
		t.Errorf("%s: %s", kind, message)
	}
	if out := b.invoke(t, f, nil); out.FunctionError != "" {
		t.Errorf("the next event: %s", out.Payload)
	}
}

// A runtime that answers and then ends must not take the following event with it.
func TestExitAfterAnswer(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	f := b.create(t, lambda.CreateFunctionInput{FunctionName: "f"})
	for range 5 {
		if kind, _ := failure(t, b.invoke(t, f, event{"do": "panic"})); kind != "string" { // reported, then it exits
			t.Errorf("errorType %q", kind)
		}
		out := b.invoke(t, f, nil)
		if a := parse(t, out); a.Invocation != 1 {
			t.Errorf("%+v", a)
		}
		checkTimeline(t, out.Timeline)
	}
}
