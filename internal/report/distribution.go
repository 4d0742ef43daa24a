package report

import (
	"fmt"
	"math"
	"strings"

	"enilab/internal/bench"
	"enilab/internal/report/chart"
	"enilab/internal/report/draw"
)

// distribution shows how long something took in all cold starts, not on average: the share of starts that are done after
// a time, and below it each start.
func distribution(f figures, scenario, name, title string) (Picture, bool) {
	var all figures
	for _, v := range f.variants(scenario) {
		if x, ok := f.find(scenario, name, v, 0); ok && x.N > 0 && x.Max > 0 {
			all = append(all, x)
		}
	}
	if len(all) == 0 {
		return Picture{}, false
	}
	p := Picture{
		Name: "distribution-" + name, Title: title,
		Table: Table{Caption: "Quantiles of " + name, Columns: []Column{{Head: "variant"}, {Head: "kind"}, {Head: "starts", Unit: chart.Count}}},
	}
	for _, q := range quantiles {
		p.Table.Columns = append(p.Table.Columns, Column{q.name, chart.Micros})
	}
	var says []string
	p.Samples = Table{Caption: "Each start's " + name, Columns: []Column{{Head: "variant"}, {Head: name, Unit: chart.Micros}}}
	for _, x := range all {
		row := []Cell{words(x.Variant), words(x.Kind), count(x.N)}
		for _, q := range quantiles {
			if v, ok := q.of(x); ok {
				row = append(row, figure(v, chart.Micros))
			} else {
				row = append(row, words("–"))
			}
		}
		p.Table.Add(row...)
		for _, v := range x.Values {
			p.Samples.Add(words(x.Variant), figure(v, chart.Micros))
		}
		says = append(says, fmt.Sprintf("%s %s and %s", draw.Clean(x.Variant), chart.Micros.Format(x.P50), chart.Micros.Format(x.P99)))
	}
	p.Says = fmt.Sprintf("Half and 99 of 100 starts are done within: %s. A steep curve is a reliable time; a long tail to the right is what some callers wait.", strings.Join(says, "; "))
	p.draw = func(d *draw.Drawing) { drawDistribution(d, all) }
	return p, true
}

// quantiles of a distribution's table.
var quantiles = []struct {
	name string
	of   func(bench.Figure) (float64, bool)
}{
	{"least", fromValues(0)},
	{"p10", fromValues(0.1)},
	{"p50", func(f bench.Figure) (float64, bool) { return f.P50, true }},
	{"p90", func(f bench.Figure) (float64, bool) { return f.P90, true }},
	{"p99", func(f bench.Figure) (float64, bool) { return f.P99, true }},
	{"most", func(f bench.Figure) (float64, bool) { return f.Max, true }},
}

func fromValues(q float64) func(bench.Figure) (float64, bool) {
	return func(f bench.Figure) (float64, bool) {
		return chart.Quantile(chart.Sorted(f.Values), q), len(f.Values) > 0
	}
}

// curve is the share of starts, in percent, that are done after a time.
func curve(f bench.Figure) (points []draw.Point) {
	if len(f.Values) == 0 {
		return []draw.Point{{X: f.P50, Y: 50}, {X: f.P90, Y: 90}, {X: f.P99, Y: 99}, {X: f.Max, Y: 100}}
	}
	sorted := chart.Sorted(f.Values)
	points = append(points, draw.Point{X: sorted[0]})
	for i, v := range sorted {
		points = append(points, draw.Point{X: v, Y: 100 * float64(i) / float64(len(sorted))}, draw.Point{X: v, Y: 100 * float64(i+1) / float64(len(sorted))})
	}
	return points
}

func drawDistribution(d *draw.Drawing, all figures) {
	low, high := math.Inf(1), 0.0
	for _, f := range all {
		for _, p := range curve(f) {
			if p.X > 0 {
				low = min(low, p.X)
			}
			high = max(high, p.X)
		}
	}
	const left, rowHeight = 50.0, 38.0
	plot := draw.Box{Left: left, Top: 24, Right: d.Width - 14, Bottom: 24 + 190}
	x := chart.Decades(low, high, plot.Left, plot.Right)
	y := chart.Within(0, 100, plot.Bottom, plot.Top, 4)
	d.Add(draw.Text{At: draw.Point{X: 0, Y: 13}, Size: chart.TickSize, Ink: draw.Soft, Words: "share of the starts that are done"})
	chart.Left(d, plot, y, chart.Percent.Tick)
	chart.Bottom(d, plot, x, chart.Micros.Tick, "logarithmic scale")
	for _, f := range all {
		l := lookOf(f.Variant)
		line := draw.Line{Stroke: draw.Stroke{Color: l.color, Width: 2, Dash: l.dash}}
		for _, p := range curve(f) {
			line.Points = append(line.Points, draw.Point{X: x.At(p.X), Y: y.At(p.Y)})
		}
		d.Mark(plot, line)
	}
	for _, f := range all { // upon all lines
		l := lookOf(f.Variant)
		for _, q := range []struct{ value, share float64 }{{f.P50, 50}, {f.P90, 90}, {f.P99, 99}} {
			at := draw.Point{X: x.At(q.value), Y: y.At(q.share)}
			d.Mark(grown(plot, 6), draw.Dots{
				At: []draw.Point{at}, Marker: l.marker, Size: 9, Color: l.color, Hollow: isModelled(f.Kind),
				Tip: fmt.Sprintf("%s: %.0f %% within %s", f.Variant, q.share, chart.Micros.Format(q.value)),
			})
		}
	}
	top := plot.Bottom + chart.BelowTitle + 8
	for _, f := range all {
		about := fmt.Sprintf("p50 %s · p99 %s · most %s", chart.Micros.Format(f.P50), chart.Micros.Format(f.P99), chart.Micros.Format(f.Max))
		if d.Width < 600 {
			about = fmt.Sprintf("p50 %s · p99 %s", chart.Micros.Format(f.P50), chart.Micros.Format(f.P99))
		}
		if isModelled(f.Kind) {
			about += ", modelled"
		}
		heading(d, 0, d.Width, top+13, f.Variant, about)
		strip := draw.Box{Left: plot.Left, Top: top + 18, Right: plot.Right, Bottom: top + 30}
		d.Add(draw.Line{Points: []draw.Point{{X: strip.Left, Y: strip.Bottom}, {X: strip.Right, Y: strip.Bottom}}, Stroke: draw.Stroke{Color: draw.Rule}})
		ticks := draw.Dots{Marker: draw.Tick, Size: 11, Color: lookOf(f.Variant).color, Faint: true}
		for _, v := range f.Values {
			ticks.At = append(ticks.At, draw.Point{X: x.At(v), Y: (strip.Top + strip.Bottom) / 2})
		}
		if ticks.At = distinct(ticks.At); len(ticks.At) > 0 {
			d.Mark(grown(strip, 6), ticks)
		}
		top += rowHeight
	}
	d.Height = top
}

// grown is a frame with room for markers whose middle lies on its edge.
func grown(b draw.Box, by float64) draw.Box {
	return draw.Box{Left: b.Left - by, Top: b.Top - by, Right: b.Right + by, Bottom: b.Bottom + by}
}

// distinct drops points that lie within half a pixel of one before: nobody could see them.
func distinct(points []draw.Point) (kept []draw.Point) {
	type cell struct{ x, y int }
	seen := map[cell]bool{}
	for _, p := range points {
		at := cell{int(math.Round(p.X * 2)), int(math.Round(p.Y * 2))}
		if !seen[at] {
			seen[at] = true
			kept = append(kept, p)
		}
	}
	return kept
}
