package report

import (
	"cmp"
	"slices"

	"enilab/internal/bench"
	"enilab/internal/compare"
)

// figures are looked up by what tells them apart.
type figures []bench.Figure

func (f figures) find(scenario, name, variant string, at int) (bench.Figure, bool) {
	for _, x := range f {
		if x.Scenario == scenario && x.Name == name && x.Variant == variant && x.At == at {
			return x, true
		}
	}
	return bench.Figure{}, false
}

// series are the figures of one name and variant, by how many there are of what grows.
func (f figures) series(scenario, name, variant string) (all figures) {
	for _, x := range f {
		if x.Scenario == scenario && x.Name == name && x.Variant == variant {
			all = append(all, x)
		}
	}
	slices.SortStableFunc(all, func(a, b bench.Figure) int { return cmp.Compare(a.At, b.At) })
	return all
}

// variants are those that a scenario has figures of, in the order of history.
func (f figures) variants(scenario string) (all []string) {
	for _, x := range f {
		if x.Scenario == scenario && x.Variant != "" && !slices.Contains(all, x.Variant) {
			all = append(all, x.Variant)
		}
	}
	inOrder(all)
	return all
}

// scenarios are all, in the order of the file.
func (f figures) scenarios() (all []string) {
	for _, x := range f {
		if !slices.Contains(all, x.Scenario) {
			all = append(all, x.Scenario)
		}
	}
	return all
}

var history = []string{"routed-veth", "legacy", "legacy-inplace", "shared"}

// inOrder sorts variants by history; others come last, as they came.
func inOrder(variants []string) {
	rank := func(v string) int {
		if i := slices.Index(history, v); i >= 0 {
			return i
		}
		return len(history)
	}
	slices.SortStableFunc(variants, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
}

// figures of the bench or, without one, what compare has of the same.
func (d *Data) figures() figures {
	switch {
	case d.bench != nil:
		return d.bench.Figures
	case d.compare != nil:
		return figuresOf(d.compare)
	}
	return nil
}

// starts are one cold start of each variant; medians tells that they are put together from the medians of their phases.
func (d *Data) starts() (starts []bench.Start, medians bool) {
	switch {
	case d.bench != nil && len(d.bench.Starts) > 0:
		return d.bench.Starts, false
	case d.compare != nil:
		return startsOf(d.compare), true
	}
	return nil, false
}

// figuresOf puts compare's figures as bench would. They have no samples.
func figuresOf(r *compare.Report) (all figures) {
	add := func(scenario, name, variant string, at int, kind string, s compare.Stats) {
		if s.N > 0 {
			all = append(all, bench.Figure{
				Scenario: scenario, Name: name, Variant: variant, At: at, Kind: kind, Unit: "us", Better: "lower",
				N: s.N, P50: s.P50, P90: s.P90, P99: s.P99, Max: s.Max,
			})
		}
	}
	const measured = "measured"
	one := func(v float64) compare.Stats { return compare.Stats{N: 1, P50: v, P90: v, P99: v, Max: v} }
	for _, v := range r.Variants {
		for _, p := range v.Phases {
			add("idle", p.Name, v.Name, 0, p.Kind, p.Stats)
		}
		add("idle", "ready", v.Name, 0, measured, v.Ready)
		add("idle", "total", v.Name, 0, measured, v.Total)
		add("idle", "warm", v.Name, 0, measured, v.Warm)
		if n := v.Burst.N; n > 0 {
			add("burst", "wall", v.Name, n, measured, one(float64(v.Burst.WallUS)))
			add("burst", "attach", v.Name, n, measured, v.Burst.Attach)
			add("burst", "total", v.Name, n, measured, v.Burst.Total)
		}
	}
	return all
}

// startsOf lays the medians of the phases end to end.
func startsOf(r *compare.Report) (all []bench.Start) {
	for _, v := range r.Variants {
		s := bench.Start{Variant: v.Name, Total: int64(v.Total.P50), Ready: int64(v.Ready.P50)}
		at, step := 0.0, 0.0
		for _, p := range v.Phases {
			phase, name, isStep := cutStep(p.Name)
			switch {
			case isStep && len(s.Spans) > 0 && s.Spans[len(s.Spans)-1].Name == phase:
				parent := &s.Spans[len(s.Spans)-1]
				parent.Steps = append(parent.Steps, bench.Span{Name: name, Kind: p.Kind, Start: step, Took: p.P50})
				step += p.P50
			case !isStep && p.Name != "other":
				s.Spans = append(s.Spans, bench.Span{Name: p.Name, Kind: p.Kind, Start: at, Took: p.P50})
				step, at = at, at+p.P50
			}
		}
		if len(s.Spans) > 0 {
			all = append(all, s)
		}
	}
	return all
}
