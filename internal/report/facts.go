package report

import (
	"fmt"
	"slices"

	"enilab/internal/bench"
	"enilab/internal/report/chart"
)

// Fact is a figure for who reads nothing else.
type Fact struct{ Label, Value, About string }

// Facts are the main figures, as far as they were measured.
func (d *Data) Facts() (facts []Fact) {
	f := d.figures()
	against := func(label, scenario, name string, at int) {
		shared, ok := f.find(scenario, name, "shared", at)
		legacy, okLegacy := f.find(scenario, name, "legacy", at)
		if !ok || shared.N == 0 || !(shared.P50 > 0) {
			return
		}
		u, about := chart.Unit(shared.Unit), "shared"
		switch {
		case okLegacy && legacy.P50 > 0 && shared.Better == "higher":
			about = fmt.Sprintf("shared: %s legacy’s %s", chart.Ratio.Format(shared.P50/legacy.P50), u.Format(legacy.P50))
		case okLegacy:
			about = fmt.Sprintf("shared; legacy takes %s: %s as long", u.Format(legacy.P50), chart.Times(legacy.P50, shared.P50))
		}
		facts = append(facts, Fact{label, u.Format(shared.P50), about})
	}
	against("attach, median", "idle", "attach", 0)
	against("cold start, median", "idle", "total", 0)
	if n := largestAt(f, "burst", "wall"); n > 0 {
		at := n
		if slices.ContainsFunc(f.series("burst", "wall", "shared"), func(x bench.Figure) bool { return x.At == 100 }) {
			at = 100
		}
		against(chart.Count.Format(float64(at))+" at once, last answer", "burst", "wall", at)
	}
	against("cold starts a second", "sustained", "cold-starts", 0)
	against("stream, out", "datapath", "stream", 0)
	if n := largestAt(f, "concurrency", "addresses"); n > 0 {
		shared, _ := f.find("concurrency", "addresses", "shared", n)
		legacy, ok := f.find("concurrency", "addresses", "legacy", n)
		about := fmt.Sprintf("shared, for %s at once", chart.Count.Format(float64(n)))
		if ok {
			about += "; legacy " + chart.Count.Format(legacy.P50)
		}
		facts = append(facts, Fact{"subnet addresses", chart.Count.Format(shared.P50), about})
	}
	return facts
}

func largestAt(f figures, scenario, name string) (n int) {
	for _, x := range f.series(scenario, name, "shared") {
		n = max(n, x.At)
	}
	return n
}
