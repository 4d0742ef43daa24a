package bench

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"enilab/sandbox"
)

// Units of figures.
const (
	microseconds = "us"
	seconds      = "s"
	perSecond    = "1/s"
	memoryBytes  = "B"
	megabits     = "Mbit/s"
	count        = "1"
)

// better says which way a unit's figures improve; of counts there is no telling.
var better = map[string]string{microseconds: "lower", seconds: "lower", memoryBytes: "lower", perSecond: "higher", megabits: "higher"}

// recorder collects the figures of a run, in the order in which they first came up. Its methods and those of its series
// are safe for concurrent use.
type recorder struct {
	scenario string // that figures belong to; changed between scenarios only
	told     func(scenario, figure string, err error)

	mu      sync.Mutex // guards all below, and what series hold
	series  []*series
	starts  []Start
	bursts  []Burst
	skipped []Skipped
}

func newRecorder(told func(scenario, figure string, err error)) *recorder {
	return &recorder{told: told}
}

// series is a figure that is being measured.
type series struct {
	of *recorder
	Figure
}

// figure finds the figure of this scenario, or begins it. Variant is empty and at zero where there is but one.
func (r *recorder) figure(name, variant string, at int, unit string) *series {
	return r.figureOf(r.scenario, name, variant, at, unit)
}

// figureOf is figure for one that belongs to another scenario than the one it is measured in.
func (r *recorder) figureOf(scenario, name, variant string, at int, unit string) *series {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.series {
		if s.Scenario == scenario && s.Name == name && s.Variant == variant && s.At == at {
			return s
		}
	}
	s := &series{r, Figure{
		Scenario: scenario, Name: name, Variant: variant, At: at, Kind: string(sandbox.Measured), Unit: unit, Better: better[unit],
	}}
	r.series = append(r.series, s)
	return s
}

// add records one sample, in the figure's unit.
func (s *series) add(value float64) {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.Values = append(s.Values, value)
}

// took records a duration, in the figure's unit of time.
func (s *series) took(d time.Duration) {
	if s.Unit == seconds {
		s.add(d.Seconds())
	} else {
		s.add(float64(d.Nanoseconds()) / 1e3)
	}
}

// failed counts an attempt that gave no sample.
func (s *series) failed(err error) {
	s.of.mu.Lock()
	s.Failures++
	s.of.mu.Unlock()
	if s.of.told != nil {
		s.of.told(s.Scenario, s.Name, err)
	}
}

// over names the figure that is the limit of this one.
func (s *series) over(floor string) *series {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.Floor = floor
	return s
}

// skip says why something is not measured here.
func (r *recorder) skip(variant, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.skipped = append(r.skipped, Skipped{r.scenario, variant, reason})
}

// fill sums all up.
func (r *recorder) fill(report *Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	report.Figures = make([]Figure, 0, len(r.series)) // lists are never null in JSON
	for _, s := range r.series {
		report.Figures = append(report.Figures, summarize(s.Figure))
	}
	for i := range report.Figures {
		f := &report.Figures[i]
		floor := func(scenario string) int {
			return slices.IndexFunc(report.Figures, func(g Figure) bool {
				return f.Floor != "" && g.Scenario == scenario && g.Name == f.Floor && g.N > 0
			})
		}
		at := floor(f.Scenario)
		if at < 0 {
			at = floor("floor")
		}
		if at >= 0 && f.N > 0 {
			f.Ratio = f.P50 / report.Figures[at].P50
		}
	}
	report.Starts = append([]Start{}, r.starts...)
	report.Bursts = append([]Burst{}, r.bursts...)
	report.Skipped = append([]Skipped{}, r.skipped...)
}

// summarize computes what is told of a figure's samples. No outlier is dropped.
func summarize(f Figure) Figure {
	sorted := slices.Sorted(slices.Values(f.Values))
	f.N = len(sorted)
	f.P50, f.P90, f.P99, f.Max = quantile(sorted, 0.50), quantile(sorted, 0.90), quantile(sorted, 0.99), quantile(sorted, 1)
	f.Values = append([]float64{}, f.Values...)
	if f.N > MaxValues {
		f.Values = f.Values[:0]
		for i := range MaxValues {
			f.Values = append(f.Values, sorted[i*(f.N-1)/(MaxValues-1)])
		}
	}
	return f
}

// quantile is the smallest sample that at least the share q of all do not exceed; zero of none.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

// median finds the element whose key is the median of all keys.
func median[T any](list []T, key func(T) float64) T {
	ordered := slices.SortedFunc(slices.Values(list), func(a, b T) int { return cmp.Compare(key(a), key(b)) })
	return ordered[(len(ordered)-1)/2]
}
