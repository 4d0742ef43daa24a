package rollout

import (
	"math"
	"slices"
	"testing"
	"time"
)

func first(o Options, n int) (list []request) {
	for q := range o.schedule() {
		if list = append(list, q); len(list) == n {
			break
		}
	}
	return list
}

// The same options make the same workload, whoever reads it, and the seed makes another.
func TestScheduleIsDeterministic(t *testing.T) {
	o := usual()
	a, b := first(o, 1000), first(o, 1000)
	if !slices.Equal(a, b) {
		t.Error("two readings differ")
	}
	o.Seed++
	if slices.Equal(a, first(o, 1000)) {
		t.Error("the seed makes no difference")
	}
}

// Requests are evenly spaced and go round the functions; of a step's, exactly the share is fresh, spread over all.
func TestSchedule(t *testing.T) {
	for _, c := range []struct {
		functions   int
		rate, fresh float64
	}{{10, 50, 0.2}, {1, 1000, 1}, {7, 3, 0}, {4, 40, 0.3}, {3, 1, 0.25}, {100, 999.5, 0.01}} {
		o := usual()
		o.Functions, o.Rate, o.Fresh = c.functions, c.rate, c.fresh
		const rounds = 1000
		fresh, of := 0, make([]int, c.functions)
		for i, q := range first(o, rounds*c.functions) {
			due := time.Duration((float64(i) + 0.5) / c.rate * 1e9)
			if q.function != i%c.functions || (q.due-due).Abs() > time.Microsecond {
				t.Fatalf("%+v: request %d is %+v, want it due after %v", c, i, q, due)
			}
			if q.fresh {
				fresh++
				of[q.function]++
			}
		}
		want := c.fresh * rounds * float64(c.functions)
		if math.Abs(float64(fresh)-want) > 1 {
			t.Errorf("%+v: %d are fresh, want %v", c, fresh, want)
		}
		mean := want / float64(c.functions)
		for f, n := range of {
			if math.Abs(float64(n)-mean) > 6*math.Sqrt(mean) {
				t.Errorf("%+v: %d of function %d are fresh, want about %v", c, n, f, mean)
			}
		}
	}
}

// A step of the default length has the same number of fresh requests as the next.
func TestScheduleIsEven(t *testing.T) {
	o := usual()
	per := make([]int, 4)
	for _, q := range first(o, 1000) {
		if q.fresh {
			per[q.due/o.Hold]++
		}
	}
	if !slices.Equal(per, []int{50, 50, 50, 50}) {
		t.Errorf("fresh requests by step: %v, want 50 in each", per)
	}
}

func TestGap(t *testing.T) {
	o := usual()
	for rate, want := range map[float64]time.Duration{50: 100 * time.Millisecond, 1: 100 * time.Millisecond, 1000: 5 * time.Millisecond} {
		if o.Rate = rate; o.gap() != want {
			t.Errorf("at %v a second: %v, want %v", rate, o.gap(), want)
		}
	}
}
