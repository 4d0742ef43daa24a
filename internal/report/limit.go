package report

import (
	"cmp"
	"fmt"
	"slices"

	"enilab/internal/bench"
	"enilab/internal/report/chart"
	"enilab/internal/report/draw"
)

// mostLimits is how many figures the picture of the limits shows; the table of all figures has the rest.
const mostLimits = 24

// limits shows how near each figure is to what the bare kernel allows in the same run.
func limits(all figures) (Picture, bool) {
	var f figures
	for _, x := range all {
		if x.Floor != "" && x.Ratio > 0 && x.N > 0 && len(f) < mostLimits {
			f = append(f, x)
		}
	}
	if len(f) == 0 {
		return Picture{}, false
	}
	p := Picture{
		Name: "limits", Title: "How near to the kernel's own limit",
		Table: Table{Caption: "Figures over their floor, medians", Columns: columns("figure", "variant", "at", "p50", "floor", "ratio")},
	}
	for _, x := range f {
		p.Table.Add(words(x.Scenario+" "+x.Name), words(x.Variant), count(x.At), figure(x.P50, chart.Unit(x.Unit)), words(x.Floor), figure(x.Ratio, chart.Ratio))
	}
	by := func(a, b bench.Figure) int { return cmp.Compare(a.Ratio, b.Ratio) }
	near, far := slices.MinFunc(f, by), slices.MaxFunc(f, by)
	p.Says = fmt.Sprintf("1 is what the same kernel operations take on this machine without enilab, in the same run. The figures lie between %s (%s) and %s (%s).",
		chart.Ratio.Format(near.Ratio), draw.Clean(nameOf(near)), chart.Ratio.Format(far.Ratio), draw.Clean(nameOf(far)))
	p.draw = func(d *draw.Drawing) { drawLimits(d, f) }
	return p, true
}

func nameOf(x bench.Figure) string {
	name := x.Name
	if x.Scenario != "idle" {
		name = x.Scenario + " " + name
	}
	if x.Variant != "" {
		name += ", " + x.Variant
	}
	if x.At > 0 {
		name += ", " + chart.Count.Format(float64(x.At))
	}
	return name
}

func drawLimits(d *draw.Drawing, f figures) {
	left, row := 250.0, 22.0
	if d.Width < 600 {
		left = 168
	}
	low, high := 1.0, 1.0
	for _, x := range f {
		low, high = min(low, x.Ratio), max(high, x.Ratio)
	}
	plot := draw.Box{Left: left, Top: 24, Right: d.Width - 64, Bottom: 28 + row*float64(len(f))}
	s := chart.Decades(low, max(high, 2), plot.Left, plot.Right)
	chart.Bottom(d, plot, s, chart.Ratio.Tick, "times the floor, logarithmic")
	one := s.At(1)
	d.Add(draw.Line{Points: []draw.Point{{X: one, Y: plot.Top}, {X: one, Y: plot.Bottom}}, Stroke: draw.Stroke{Color: draw.Ink, Width: 1.5, Dash: draw.Dash{5, 3}}})
	label := draw.Text{At: draw.Point{X: one, Y: 14}, Anchor: draw.Middle, Size: chart.TickSize, Ink: draw.Ink, Words: "the bare kernel"}
	if label.Bounds().Right > d.Width {
		label.At.X, label.Anchor = d.Width-1, draw.End
	}
	d.Add(label)
	for i, x := range f {
		y := plot.Top + 2 + row*(float64(i)+0.5)
		l := lookOf(x.Variant)
		d.Add(draw.Text{At: draw.Point{X: left - 10, Y: y + 4.3}, Anchor: draw.End, Size: chart.LabelSize, Ink: draw.Ink, Words: draw.Fit(nameOf(x), left-12, chart.LabelSize, false)})
		d.Mark(plot, draw.Line{Points: []draw.Point{{X: one, Y: y}, {X: s.At(x.Ratio), Y: y}}, Stroke: draw.Stroke{Color: l.color, Width: 2, Dash: l.dash}})
		d.Mark(grown(plot, 6), draw.Dots{At: []draw.Point{{X: s.At(x.Ratio), Y: y}}, Marker: l.marker, Size: 9, Color: l.color, Hollow: isModelled(x.Kind), Tip: nameOf(x) + ": " + chart.Ratio.Format(x.Ratio)})
		d.Add(draw.Text{At: draw.Point{X: d.Width - 1, Y: y + 4.3}, Anchor: draw.End, Size: chart.LabelSize, Ink: draw.Ink, Words: chart.Ratio.Format(x.Ratio)})
	}
	d.Height = plot.Bottom + chart.BelowTitle
}
