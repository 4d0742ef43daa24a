package lambda

import (
	"errors"
	"testing"
)

func TestConcurrency(t *testing.T) {
	n := func(i int) *int { return &i }
	c := &concurrency{limit: 1000}
	a, b := new(function), new(function)
	if _, err := c.reserve(a, n(900)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.reserve(b, n(1)); codeOf(err) != InvalidParameterValue || b.reserved != nil {
		t.Errorf("fewer than 100 unreserved: %v", err)
	}
	if _, err := c.reserve(a, n(901)); codeOf(err) != InvalidParameterValue || *a.reserved != 900 {
		t.Errorf("fewer than 100 unreserved: %v", err)
	}
	if _, err := c.reserve(b, n(0)); err != nil {
		t.Errorf("to throttle a function off needs nothing: %v", err)
	}
	throttled := func(f *function, reason string) {
		t.Helper()
		refusal := new(Error)
		if _, err := c.enter(f); !errors.As(err, &refusal) || refusal.Reason != reason || refusal.Status() != 429 {
			t.Errorf("%v, want %s", err, reason)
		}
	}
	throttled(b, ThrottledByReservation)
	if _, err := c.reserve(b, nil); err != nil {
		t.Error(err)
	}
	for range 100 {
		if common, err := c.enter(b); !common || err != nil {
			t.Fatal(common, err)
		}
	}
	throttled(b, ThrottledByAccount)
	for range 900 {
		if common, err := c.enter(a); common || err != nil {
			t.Fatal(common, err)
		}
	}
	throttled(a, ThrottledByReservation)
	c.leave(a, false)
	c.leave(b, true)
	for _, f := range []*function{a, b} {
		if _, err := c.enter(f); err != nil {
			t.Error(err)
		}
	}
	// A reservation that comes while executions run covers those that come after it.
	if _, err := c.reserve(a, nil); err != nil {
		t.Error(err)
	}
	if _, err := c.reserve(b, n(101)); err != nil {
		t.Error(err)
	}
	if common, err := c.enter(b); common || err != nil {
		t.Error(common, err)
	}
	throttled(b, ThrottledByReservation)
	if c.common != 100 || b.running != 101 {
		t.Errorf("%d in common, %d of b", c.common, b.running)
	}
	if small := (&concurrency{limit: 20}); small.keep() != 10 {
		t.Errorf("a small account keeps %d", small.keep())
	}
}
