package rollout

import (
	"iter"
	"slices"
	"time"
)

// summary sums up durations in microseconds. Nothing is dropped, and nothing rounded: each is one that was measured.
type summary struct {
	n                  int
	p50, p90, p99, max int64
}

func summarize(invocations iter.Seq[Invocation], of func(Invocation) int64) summary {
	var all []int64
	for i := range invocations {
		all = append(all, of(i))
	}
	slices.Sort(all)
	return summary{len(all), quantile(all, 50), quantile(all, 90), quantile(all, 99), quantile(all, 100)}
}

// quantile is the least of the sorted durations that so many percent do not exceed; zero of none.
func quantile(sorted []int64, percent int) int64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, (len(sorted)*percent+99)/100-1)]
}

func took(i Invocation) int64   { return i.Took }
func attach(i Invocation) int64 { return i.Attach }

func served(i Invocation) bool { return i.Failure == "" }
func cold(i Invocation) bool   { return served(i) && i.Cold }

func where(list []Invocation, is func(Invocation) bool) iter.Seq[Invocation] {
	return func(yield func(Invocation) bool) {
		for _, i := range list {
			if is(i) && !yield(i) {
				return
			}
		}
	}
}

func count(list []Invocation, is func(Invocation) bool) (n int) {
	for range where(list, is) {
		n++
	}
	return n
}

// during are the invocations that were due while a step lasted. The last step's are all the rest.
func (r Report) during(step int) []Invocation {
	from := func(at int64) int {
		n, _ := slices.BinarySearchFunc(r.Invocations, at, func(i Invocation, at int64) int { return int(i.At - at) })
		return n
	}
	begin, end := 0, len(r.Invocations)
	if step > 0 {
		begin = from(r.Steps[step].Began)
	}
	if step+1 < len(r.Steps) {
		end = from(r.Steps[step+1].Began)
	}
	return r.Invocations[begin:end]
}

// mostWindows is how many moments a terminal has room for.
const mostWindows = 60

// window is the width of the moments that a run is cut into: whole seconds.
func (r Report) window() time.Duration {
	seconds := (r.length() + time.Second - 1) / time.Second
	return max(1, (seconds+mostWindows-1)/mostWindows) * time.Second
}

func (r Report) length() time.Duration {
	if len(r.Steps) == 0 {
		return 0
	}
	return (time.Duration(r.Steps[len(r.Steps)-1].Ended) * time.Microsecond).Round(100 * time.Millisecond)
}

// moments are the invocations by windows of time.
func (r Report) moments() [][]Invocation {
	width := r.window().Microseconds()
	list := make([][]Invocation, (r.length().Microseconds()+width-1)/width)
	for _, i := range r.Invocations {
		if n := i.At / width; n < int64(len(list)) {
			list[n] = append(list[n], i)
		}
	}
	return list
}
