package lambda

import (
	"encoding/json"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// What becomes of an event hangs on the function's configuration and on whose fault it was, by AWS's times.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
func TestNextTry(t *testing.T) {
	aws := func(aws, _ time.Duration) time.Duration { return aws }
	throttled := throttle(ThrottledByAccount)
	for what, c := range map[string]struct {
		retries, age *int // of the configuration
		failures     int  // before this try
		deferred     int
		failed       bool
		err          error
		old          time.Duration
		wait         time.Duration
		again, late  bool
	}{
		"done":                    {},
		"failed":                  {failed: true, wait: time.Minute, again: true},
		"failed twice":            {failed: true, failures: 1, wait: 2 * time.Minute, again: true},
		"failed three times":      {failed: true, failures: 2},
		"no retries":              {retries: new(0), failed: true},
		"one retry":               {retries: new(1), failed: true, wait: time.Minute, again: true},
		"one retry, failed twice": {retries: new(1), failed: true, failures: 1},
		"two retries":             {retries: new(2), failed: true, failures: 1, wait: 2 * time.Minute, again: true},
		"throttled":               {err: throttled, wait: time.Second, again: true},
		"throttled again":         {err: throttled, deferred: 3, wait: 8 * time.Second, again: true},
		"throttled for long":      {err: throttled, deferred: 30, wait: 5 * time.Minute, again: true},
		"throttled, no retries":   {retries: new(0), err: throttled, wait: time.Second, again: true},
		"the lab's fault":         {err: errors.New("disk"), wait: time.Second, again: true},
		"gone":                    {err: refuse(ResourceNotFound, "gone")},
		"no event":                {err: refuse(InvalidRequestContent, "no JSON")},
		"as old as can be":        {err: throttled, old: maxEventAge - time.Second, wait: time.Second, again: true},
		"too old":                 {err: throttled, old: maxEventAge, late: true},
		"young enough":            {age: new(60), err: throttled, old: 59 * time.Second, wait: time.Second, again: true},
		"too old for it":          {age: new(60), err: throttled, old: 60 * time.Second, late: true},
		"too old for a retry":     {age: new(60), failed: true, old: time.Second, late: true},
		"done, and old":           {age: new(60), old: time.Hour},
	} {
		e := &asyncEvent{Failures: c.failures, deferred: c.deferred}
		wait, again, late := e.next(EventInvokeConfig{MaximumRetryAttempts: c.retries, MaximumEventAgeInSeconds: c.age}, c.failed, c.err, c.old, aws)
		if wait != c.wait || again != c.again || late != c.late {
			t.Errorf("%s: again %v after %v, too old %v; want %v, %v, %v", what, again, wait, late, c.again, c.wait, c.late)
		}
	}
}

// An alias sends each version its share.
func TestPick(t *testing.T) {
	live := Alias{FunctionVersion: "1", Weights: map[string]float64{"2": 0.25}}
	for share, want := range map[float64]string{0: "2", 0.1: "2", 0.2499: "2", 0.25: "1", 0.5: "1", 0.9999: "1"} {
		if got := live.pick(share); got != want {
			t.Errorf("%v of 1 is version %s's, want %s", share, got, want)
		}
	}
	for weight, want := range map[float64]string{0: "1", 1: "2"} {
		for _, share := range []float64{0, 0.5, 0.9999} {
			if got := (Alias{FunctionVersion: "1", Weights: map[string]float64{"2": weight}}).pick(share); got != want {
				t.Errorf("with the weight %v, %v of 1 is version %s's, want %s", weight, share, got, want)
			}
		}
	}
	if got := (Alias{FunctionVersion: "1"}).pick(0); got != "1" {
		t.Errorf("without weights version %s is picked", got)
	}
}

// However small events are, those that wait take no more memory than they count; the next one is throttled.
func TestWaitingEventsAreBounded(t *testing.T) {
	s := New(Config{})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	f := s.newFunction("f")
	f.latest = &version{function: f, name: latestVersion, config: FunctionConfiguration{State: Inactive}}
	f.queue.running = asyncAtOnce // none of them is given to the function
	s.mu.Lock()
	s.functions[f.name] = f
	s.mu.Unlock()
	defer func() { // there is nothing of it to end
		s.mu.Lock()
		delete(s.functions, f.name)
		s.mu.Unlock()
	}()

	s.Room = func() int64 { return 3 * minQueuedBytes } // a machine with little memory
	send := func() error {
		_, err := s.Invoke(t.Context(), InvokeInput{Function: FunctionRef{Name: f.name}, Type: EventInvocation, Payload: []byte("{}")})
		return err
	}
	var err error
	for err == nil {
		err = send()
	}
	if left := s.queued.Load(); codeOf(err) != TooManyRequests || left > s.Room() || left < s.Room()*9/10 {
		t.Errorf("%d bytes wait where %d may: %v", left, s.Room(), err)
	}
	s.Room = func() int64 { return 1 << 40 }
	if err := send(); err != nil {
		t.Errorf("there is room again: %v", err)
	}
	s.Room = func() int64 { return 0 }
	if err := send(); codeOf(err) != TooManyRequests {
		t.Errorf("there is no room: %v", err)
	}
	for _, e := range slices.Clone(f.queue.waiting) {
		if err := s.forgetEvent(e); err != nil {
			t.Fatal(err)
		}
	}
	f.queue.waiting = nil
	if err := send(); err != nil {
		t.Errorf("nothing waits: %v", err)
	}
	s.Room = nil

	before := heap()
	n := int64(len(f.queue.waiting))
	for ; n <= maxQueuedBytes; n++ {
		in := InvokeInput{Function: FunctionRef{Name: f.name}, Type: EventInvocation}
		if n < 4096 { // as many as would be too much if they were kept
			in.Payload = append(make([]byte, 0, 64<<10), "{}"...) // a request whose length was not known
		}
		if _, err := s.Invoke(t.Context(), in); err != nil {
			if codeOf(err) != TooManyRequests {
				t.Error(err)
			}
			break
		}
	}
	if most := int64(maxQueuedBytes / eventCost); n > most || n < most*9/10 {
		t.Errorf("%d events wait, want almost %d", n, most)
	}
	if took := heap() - before; took > maxQueuedBytes {
		t.Errorf("%d events take %d bytes, %d each", n, took, took/n)
	}
	for _, e := range f.queue.waiting {
		if err := s.forgetEvent(e); err != nil {
			t.Fatal(err)
		}
	}
	if left := s.queued.Load(); left != 0 {
		t.Errorf("without events %d bytes are counted", left)
	}
	record, err := json.Marshal(asyncEvent{
		ID: strings.Repeat("x", 36), Function: strings.Repeat("x", 64), Qualifier: strings.Repeat("x", 128), Payload: []byte("{}"),
		TraceHeader: trace{strings.Repeat("x", 35), strings.Repeat("x", 16), "1", strings.Repeat("x", 255)}.String(), Accepted: time.Now(), Failures: 2,
	})
	if err != nil || len(record) > eventCost {
		t.Errorf("the longest record of an empty event has %d bytes, %v", len(record), err)
	}
}

// heap is how many bytes are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
