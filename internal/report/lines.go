package report

import (
	"fmt"
	"math"
	"slices"

	"enilab/internal/report/chart"
	"enilab/internal/report/draw"
)

// series is a line of a panel.
type series struct {
	name   string // at its end
	look   look
	hollow bool // markers with a hole: a second figure of the same variant
	points []draw.Point
}

// panel is a chart of lines: something against how many there are of what grows.
type panel struct {
	title  string
	unit   chart.Unit
	across string // what grows
	lines  []series
	logX   bool
	logY   bool
	end    float64 // of what there is, drawn as a line across; zero: none
	endIs  string  // what it says
}

// linesOf makes series of figures; those without a point are left out.
func linesOf(f figures, scenario, name string, value func(p50, p99 float64) float64, label func(variant string) string, hollow bool, variants ...string) (all []series) {
	for _, v := range variants {
		s := series{name: label(v), look: lookOf(v), hollow: hollow}
		for _, x := range f.series(scenario, name, v) {
			if x.N > 0 {
				s.points = append(s.points, draw.Point{X: float64(x.At), Y: value(x.P50, x.P99)})
			}
		}
		if len(s.points) > 0 {
			all = append(all, s)
		}
	}
	return all
}

func median(p50, _ float64) float64 { return p50 }
func tail(_, p99 float64) float64   { return p99 }

// Heights of a panel's parts.
const (
	panelTitle = 26.0
	panelPlot  = 150.0
	panelGap   = 14.0
)

// drawPanels lays panels out, two abreast where there is room, and returns where they end.
func drawPanels(d *draw.Drawing, y float64, panels []panel) float64 {
	abreast := 1
	if d.Width >= 600 && len(panels) > 1 {
		abreast = 2
	}
	const between = 28
	w := (d.Width - float64(abreast-1)*between) / float64(abreast)
	for i, p := range panels {
		left := float64(i%abreast) * (w + between)
		end := p.draw(d, draw.Box{Left: left, Top: y, Right: left + w})
		if i%abreast == abreast-1 || i == len(panels)-1 {
			y = end + panelGap
		}
	}
	return y - panelGap
}

// draw draws the panel into a column, and returns where it ends.
func (p panel) draw(d *draw.Drawing, column draw.Box) float64 {
	low, high := draw.Point{X: math.Inf(1), Y: math.Inf(1)}, draw.Point{Y: p.end}
	for _, s := range p.lines {
		for _, q := range s.points {
			high = draw.Point{X: max(high.X, q.X), Y: max(high.Y, q.Y)}
			if q.X > 0 {
				low.X = min(low.X, q.X)
			}
			if q.Y > 0 {
				low.Y = min(low.Y, q.Y)
			}
		}
	}
	low.X, low.Y = min(low.X, high.X), min(low.Y, high.Y)
	for i, l := range draw.Wrap(p.title, column.Width(), 13, true) {
		if i == 0 {
			d.Add(draw.Text{At: draw.Point{X: column.Left, Y: column.Top + 14}, Size: 13, Bold: true, Ink: draw.Ink, Words: l})
		}
	}
	plot := draw.Box{Top: column.Top + panelTitle, Bottom: column.Top + panelTitle + panelPlot}
	y := chart.Linear(p.unit, high.Y, plot.Bottom, plot.Top, 4)
	if p.logY {
		y = chart.Decades(low.Y, high.Y, plot.Bottom, plot.Top)
	}
	plot.Left = column.Left + chart.LeftRoom(y, p.unit.Tick)
	names := 0.0
	for _, s := range p.lines {
		names = max(names, draw.TextWidth(s.name, chart.LabelSize, false))
	}
	names = min(names, column.Width()/3)
	plot.Right = column.Right - names - 14
	x := chart.Linear(chart.Count, high.X, plot.Left, plot.Right, 4)
	if p.logX {
		x = chart.WithTicks(chart.Log(low.X, high.X, plot.Left, plot.Right), p.sizes())
	}
	chart.Left(d, plot, y, p.unit.Tick)
	chart.Bottom(d, plot, x, chart.Count.Tick, p.across)
	if p.end > 0 {
		at := y.At(p.end)
		d.Mark(plot, draw.Line{Points: []draw.Point{{X: plot.Left, Y: at}, {X: plot.Right, Y: at}}, Stroke: draw.Stroke{Color: draw.Ink, Width: 1.5, Dash: draw.Dash{5, 3}}})
		d.Add(draw.Text{At: draw.Point{X: plot.Right - 4, Y: at + 14}, Anchor: draw.End, Size: chart.LabelSize, Ink: draw.Ink, Halo: true, Words: draw.Fit(p.endIs, plot.Width()-8, chart.LabelSize, false)})
	}
	p.drawLines(d, plot, x, y, names)
	return plot.Bottom + chart.BelowTitle
}

// sizes are those that something was measured at.
func (p panel) sizes() (at []float64) {
	for _, s := range p.lines {
		for _, q := range s.points {
			at = append(at, q.X)
		}
	}
	slices.Sort(at)
	return slices.Compact(at)
}

func (p panel) drawLines(d *draw.Drawing, plot draw.Box, x, y chart.Scale, names float64) {
	var ends []float64
	for _, s := range p.lines {
		line := draw.Line{Stroke: draw.Stroke{Color: s.look.color, Width: 2, Dash: s.look.dash}}
		for _, q := range s.points {
			line.Points = append(line.Points, draw.Point{X: x.At(q.X), Y: y.At(q.Y)})
		}
		if s.hollow {
			line.Stroke.Width = 1.25
		}
		d.Mark(plot, line)
		ends = append(ends, line.Points[len(line.Points)-1].Y)
	}
	for _, s := range p.lines {
		for _, q := range s.points {
			d.Mark(grown(plot, 6), draw.Dots{
				At: []draw.Point{{X: x.At(q.X), Y: y.At(q.Y)}}, Marker: s.look.marker, Size: 8, Color: s.look.color, Hollow: s.hollow,
				Tip: fmt.Sprintf("%s, at %s: %s", s.name, chart.Count.Format(q.X), p.unit.Format(q.Y)),
			})
		}
	}
	for i, at := range chart.Spread(ends, 16, plot.Top+4, plot.Bottom-2) {
		d.Add(draw.Text{At: draw.Point{X: plot.Right + 10, Y: at + 4.3}, Size: chart.LabelSize, Ink: draw.Ink, Words: draw.Fit(p.lines[i].name, names, chart.LabelSize, false)})
	}
}
