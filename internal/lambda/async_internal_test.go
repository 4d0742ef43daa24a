package lambda

import (
	"errors"
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
