package report

import (
	"math"
	"slices"
	"strconv"

	"enilab/internal/report/chart"
	"enilab/internal/report/draw"
	"enilab/internal/rollout"
)

func drawDrop(d *draw.Drawing, r *rollout.Report, parts []window) {
	low, high := math.Inf(1), 0.0
	for _, v := range r.Invocations {
		if v.Failure == "" && v.Took > 0 {
			low, high = min(low, float64(v.Took)), max(high, float64(v.Took))
		}
	}
	if high == 0 {
		low, high = 1, 10
	}
	top := key(d, 0, dropKey(r)...) + 22
	plot := draw.Box{Top: top, Bottom: top + 270, Right: d.Width - 40}
	y := chart.Decades(low, high, plot.Bottom, plot.Top)
	plot.Left = chart.LeftRoom(y, chart.Micros.Tick)
	x := chart.Within(0, endOf(r), plot.Left, plot.Right, int(d.Width/85))
	drawSteps(d, plot, x, r.Steps)
	chart.Left(d, plot, y, chart.Micros.Tick)
	chart.Bottom(d, plot, x, chart.Micros.Tick, "")
	drawInvocations(d, plot, x, y, r)
	drawRunning(d, plot, x, y, parts)
	d.Height = drawENIs(d, plot, x, r)
}

func dropKey(r *rollout.Report) (samples []sample) {
	seen := map[[2]string]bool{}
	for _, v := range r.Invocations {
		if v.Failure != "" {
			seen[[2]string{"failed", ""}] = true
			continue
		}
		seen[[2]string{v.Mode, strconv.FormatBool(v.Cold)}] = true
	}
	for _, mode := range modesOf(r) {
		if seen[[2]string{mode, "true"}] {
			samples = append(samples, sample{words: mode + ", cold", dots: invocationDots(mode, true)})
		}
		if seen[[2]string{mode, "false"}] {
			samples = append(samples, sample{words: mode + ", warm", dots: invocationDots(mode, false)})
		}
	}
	if seen[[2]string{"failed", ""}] {
		samples = append(samples, sample{words: "failed", dots: failedDots()})
	}
	return append(samples, sample{words: "p50 of a window", line: running[0].stroke}, sample{words: "p99 of a window", line: running[1].stroke})
}

// modesOf are those of the environments that answered, in the order of history.
func modesOf(r *rollout.Report) (modes []string) {
	for _, v := range r.Invocations {
		if v.Failure == "" && !slices.Contains(modes, v.Mode) {
			modes = append(modes, v.Mode)
		}
	}
	inOrder(modes)
	return modes
}

func invocationDots(mode string, cold bool) draw.Dots {
	l := lookOf(mode)
	if cold {
		return draw.Dots{Marker: l.marker, Size: 7, Color: l.color, Hollow: true}
	}
	return draw.Dots{Marker: l.marker, Size: 3, Color: l.color, Faint: true}
}

func failedDots() draw.Dots { return draw.Dots{Marker: draw.Cross, Size: 8, Color: draw.Ink} }

// drawInvocations draws a dot for each, warm ones first: there are most of them.
func drawInvocations(d *draw.Drawing, plot draw.Box, x, y chart.Scale, r *rollout.Report) {
	frame := grown(plot, 6)
	for _, cold := range []bool{false, true} {
		for _, mode := range modesOf(r) {
			dots := invocationDots(mode, cold)
			if d.Width < 600 {
				dots.Size *= 0.7
			}
			for _, v := range r.Invocations {
				if v.Failure == "" && v.Cold == cold && v.Mode == mode {
					dots.At = append(dots.At, draw.Point{X: x.At(float64(v.At)), Y: y.At(float64(v.Took))})
				}
			}
			if dots.At = distinct(dots.At); len(dots.At) > 0 {
				d.Mark(frame, dots)
			}
		}
	}
	failed := failedDots()
	for _, v := range r.Invocations {
		if v.Failure != "" {
			failed.At = append(failed.At, draw.Point{X: x.At(float64(v.At)), Y: plot.Top + 6})
		}
	}
	if failed.At = distinct(failed.At); len(failed.At) > 0 {
		d.Mark(frame, failed)
	}
}

// running are the quantiles whose course is drawn.
var running = []struct {
	name   string
	q      float64
	stroke draw.Stroke
}{
	{"p50", 0.5, draw.Stroke{Color: draw.Ink, Width: 2}},
	{"p99", 0.99, draw.Stroke{Color: draw.Ink, Width: 2, Dash: draw.Dash{6, 3}}},
}

func drawRunning(d *draw.Drawing, plot draw.Box, x, y chart.Scale, parts []window) {
	var ends []float64
	var names []string
	for _, k := range running {
		var line []draw.Point
		for _, w := range parts {
			if len(w.took) > 0 {
				line = append(line, draw.Point{X: x.At((w.from + w.to) / 2), Y: y.At(chart.Quantile(w.took, k.q))})
			}
		}
		if len(line) == 0 {
			continue
		}
		d.Add(draw.Line{Points: line, Stroke: draw.Stroke{Color: draw.Paper, Width: 5}})
		d.Mark(plot, draw.Line{Points: line, Stroke: k.stroke})
		ends, names = append(ends, line[len(line)-1].Y), append(names, k.name)
	}
	for i, at := range chart.Spread(ends, 15, plot.Top, plot.Bottom) {
		d.Add(draw.Text{At: draw.Point{X: plot.Right + 6, Y: at + 4.3}, Size: chart.LabelSize, Bold: true, Ink: draw.Ink, Words: names[i]})
	}
}

// drawSteps marks when each share of the functions began to change, and shades until it was in use.
func drawSteps(d *draw.Drawing, plot draw.Box, x chart.Scale, steps []rollout.Step) {
	var places []float64
	for _, s := range steps {
		from, to := x.At(float64(s.Began)), x.At(float64(s.Done))
		if to > from {
			d.Add(draw.Bars{Boxes: []draw.Box{{Left: from, Top: plot.Top, Right: to, Bottom: plot.Bottom}}, Fill: draw.Fill{Color: draw.Shade}})
		}
		d.Mark(plot, draw.Line{Points: []draw.Point{{X: from, Y: plot.Top}, {X: from, Y: plot.Bottom}}, Stroke: draw.Stroke{Color: draw.Soft, Width: 1.25, Dash: draw.Dash{2, 3}}})
		places = append(places, from)
	}
	for i, at := range chart.Spread(places, 46, plot.Left+12, plot.Right+14) {
		d.Add(draw.Text{At: draw.Point{X: at, Y: plot.Top - 7}, Anchor: draw.Middle, Size: chart.LabelSize, Bold: true, Ink: draw.Ink, Words: percent(steps[i])})
	}
}

// drawENIs draws how many interfaces the functions have in their subnet, under the plot and on its time.
func drawENIs(d *draw.Drawing, above draw.Box, x chart.Scale, r *rollout.Report) float64 {
	samples := subnetOf(r)
	if len(samples) == 0 {
		return above.Bottom + chart.Below
	}
	most := 0.0
	for _, s := range samples {
		most = max(most, float64(s.ENIs))
	}
	top := above.Bottom + chart.Below + 24
	plot := draw.Box{Left: above.Left, Top: top, Right: above.Right, Bottom: top + 70}
	y := chart.Linear(chart.Count, most, plot.Bottom, plot.Top, 2)
	d.Add(draw.Text{At: draw.Point{X: 0, Y: top - 10}, Size: chart.TickSize, Ink: draw.Soft, Words: draw.Fit("interfaces (ENIs) of these functions in their subnet", d.Width, chart.TickSize, false)})
	chart.Left(d, plot, y, chart.Count.Tick)
	chart.Bottom(d, plot, x, chart.Micros.Tick, "since the rollout began")
	var dots, line []draw.Point
	for i, s := range samples {
		at := draw.Point{X: x.At(float64(s.At)), Y: y.At(float64(s.ENIs))}
		if i > 0 { // it is not known when between the two it changed
			line = append(line, draw.Point{X: at.X, Y: line[len(line)-1].Y})
		}
		dots, line = append(dots, at), append(line, at)
	}
	d.Mark(plot, draw.Line{Points: line, Stroke: draw.Stroke{Color: draw.Ink, Width: 2}})
	d.Mark(grown(plot, 6), draw.Dots{At: dots, Marker: draw.Circle, Size: 5, Color: draw.Ink})
	last := samples[len(samples)-1]
	d.Add(draw.Text{At: draw.Point{X: plot.Right + 6, Y: y.At(float64(last.ENIs)) + 4.3}, Size: chart.LabelSize, Bold: true, Ink: draw.Ink, Words: draw.Fit(chart.Count.Format(float64(last.ENIs)), 34, chart.LabelSize, true)})
	return plot.Bottom + chart.BelowTitle
}
