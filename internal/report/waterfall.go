package report

import (
	"fmt"
	"slices"

	"enilab/internal/bench"
	"enilab/internal/report/chart"
	"enilab/internal/report/draw"
)

// waterfall shows one cold start of each variant, phase by phase, on one scale, and magnifies the beginning of shared's.
func waterfall(starts []bench.Start, medians bool) Picture {
	starts = slices.Clone(starts)
	names := make([]string, len(starts))
	for i, s := range starts {
		names[i] = s.Variant
	}
	inOrder(names)
	slices.SortStableFunc(starts, func(a, b bench.Start) int {
		return slices.Index(names, a.Variant) - slices.Index(names, b.Variant)
	})
	p := Picture{
		Name: "waterfall", Title: "One cold start in each mode, phase by phase",
		Table: Table{Caption: "Phases and steps of each start", Columns: []Column{
			{Head: "variant"}, {Head: "phase"}, {Head: "kind"}, {"begins", chart.Micros}, {"takes", chart.Micros},
		}},
	}
	if medians {
		p.Title = "A cold start in each mode: the medians of its phases, end to end"
	}
	p.Says = waterfallSays(starts)
	for _, s := range starts {
		rest := float64(s.Total)
		for _, r := range rowsOf(s.Spans) {
			name := r.Name
			if r.of != "" {
				name = r.of + "/" + r.Name
			} else {
				rest -= r.Took
			}
			p.Table.Add(words(s.Variant), words(name), words(r.Kind), figure(r.Start, chart.Micros), figure(r.Took, chart.Micros))
		}
		if rest > 0 {
			p.Table.Add(words(s.Variant), words("other"), words("measured"), words(""), figure(rest, chart.Micros))
		}
		p.Table.Add(words(s.Variant), words("total"), words("measured"), figure(0, chart.Micros), figure(float64(s.Total), chart.Micros))
	}
	p.draw = func(d *draw.Drawing) { drawWaterfall(d, starts) }
	return p
}

func waterfallSays(starts []bench.Start) string {
	attach := func(s bench.Start) float64 {
		for _, x := range s.Spans {
			if x.Name == "attach" {
				return x.Took
			}
		}
		return 0
	}
	var legacy, shared *bench.Start
	for i := range starts {
		switch starts[i].Variant {
		case "legacy":
			legacy = &starts[i]
		case "shared":
			shared = &starts[i]
		}
	}
	us := chart.Micros.Format
	if legacy == nil || shared == nil || attach(*shared) == 0 {
		return fmt.Sprintf("Each bar is a phase, where it lies between the request and the answer. This start of %s took %s.", draw.Clean(starts[0].Variant), us(float64(starts[0].Total)))
	}
	return fmt.Sprintf("Connecting to the VPC (attach) takes %s of %s in legacy mode, and %s of %s in shared mode: %s less. The other phases are the same work in every mode.",
		us(attach(*legacy)), us(float64(legacy.Total)), us(attach(*shared)), us(float64(shared.Total)), chart.Times(attach(*legacy), attach(*shared)))
}

// row is a line of the waterfall.
type row struct {
	bench.Span
	of string // the phase that it is a step of
}

func rowsOf(spans []bench.Span) (rows []row) {
	for _, s := range spans {
		rows = append(rows, row{Span: s})
		for _, step := range s.Steps {
			rows = append(rows, row{step, s.Name})
		}
	}
	return rows
}

// Heights of a waterfall's lines.
const (
	phaseHeight = 18.0
	stepHeight  = 15.0
	shortest    = 2.0 // a bar's length
)

func (r row) height() float64 {
	if r.of != "" {
		return stepHeight
	}
	return phaseHeight
}

func drawWaterfall(d *draw.Drawing, starts []bench.Start) {
	left, right := 112.0, d.Width-66
	if d.Width < 600 {
		left, right = 90, d.Width-62
	}
	longest := 0.0
	for _, s := range starts {
		longest = max(longest, float64(s.Total))
		for _, x := range s.Spans {
			longest = max(longest, x.Start+x.Took)
		}
	}
	ticks := int(d.Width / 110)
	x := chart.Linear(chart.Micros, longest, left, right, ticks)
	y := 4.0
	modelled := false
	for i, s := range starts {
		heading(d, 0, d.Width, y+14, s.Variant, chart.Micros.Format(float64(s.Total))+" until the answer")
		y += 22
		rows := rowsOf(s.Spans)
		plot := draw.Box{Left: left, Top: y, Right: right, Bottom: y + heightOf(rows)}
		last := i == len(starts)-1
		if last {
			chart.Bottom(d, plot, x, chart.Micros.Tick, "")
		} else {
			grid(d, plot, x)
		}
		for _, r := range rows {
			modelled = modelled || isModelled(r.Kind)
			drawRow(d, plot, x, y, r, s.Variant)
			y += r.height()
		}
		switch {
		case last && s.Variant == "shared":
			y = magnify(d, plot, x, s)
		case last:
			y += chart.Below
		}
		y += 12
	}
	samples := []sample{barSample("measured", "measured", draw.Fill{Color: draw.Grey})}
	if modelled {
		samples = append(samples, barSample("modelled", "modelled", draw.Fill{Color: draw.Grey}))
	}
	d.Height = key(d, y, samples...)
}

func heightOf(rows []row) (h float64) {
	for _, r := range rows {
		h += r.height()
	}
	return h
}

// grid draws upright lines for a scale whose figures stand elsewhere.
func grid(d *draw.Drawing, plot draw.Box, s chart.Scale) {
	for _, v := range s.Ticks() {
		x := s.At(v)
		d.Add(draw.Line{Points: []draw.Point{{X: x, Y: plot.Top}, {X: x, Y: plot.Bottom}}, Stroke: draw.Stroke{Color: draw.Rule}})
	}
}

// drawRow draws a phase or step: name, bar, how long it took.
func drawRow(d *draw.Drawing, plot draw.Box, x chart.Scale, y float64, r row, variant string) {
	h, inset, size, indent, ink := r.height(), 2.5, chart.LabelSize, 16.0, draw.Ink
	fill := phaseFill(r.Name, variant)
	if r.of != "" {
		inset, size, indent, ink = 4, chart.TickSize, 26, draw.Soft
		fill = phaseFill(r.of, variant)
	}
	base := y + h/2 + 4.3
	d.Add(draw.Text{At: draw.Point{X: indent, Y: base}, Size: size, Ink: ink, Words: draw.Fit(r.Name, plot.Left-indent-6, size, false)})
	d.Add(draw.Text{At: draw.Point{X: d.Width - 1, Y: base}, Anchor: draw.End, Size: size, Ink: ink, Words: chart.Micros.Format(r.Took)})
	from, to := x.At(r.Start), x.At(r.Start+r.Took)
	if to-from < shortest { // visible, however short
		from = min(from, plot.Right-shortest)
		to = from + shortest
	}
	f, line := fillOf(r.Kind, fill)
	d.Mark(plot, draw.Bars{
		Boxes: []draw.Box{{Left: from, Top: y + inset, Right: to, Bottom: y + h - inset}}, Fill: f, Outline: line,
		Tip: fmt.Sprintf("%s, %s: %s, %s", variant, r.Name, chart.Micros.Format(r.Took), r.Kind),
	})
}

// magnify draws the beginning of a start once more, from the request until shortly after attach, under its plot.
func magnify(d *draw.Drawing, plot draw.Box, x chart.Scale, s bench.Start) float64 {
	end := 0.0
	for _, p := range s.Spans {
		if p.Name == "attach" {
			end = (p.Start + p.Took) * 1.12
		}
	}
	if end == 0 || end > float64(s.Total)/4 { // visible as it is
		return plot.Bottom + chart.Below
	}
	var rows []row
	for _, r := range rowsOf(s.Spans) {
		if r.Start < end {
			rows = append(rows, r)
		}
	}
	top := plot.Bottom + 52
	zoom := draw.Box{Left: plot.Left, Top: top, Right: plot.Right, Bottom: top + heightOf(rows)}
	wide := chart.Within(0, end, zoom.Left, zoom.Right, int(d.Width/130))
	d.Add(draw.Area{Fill: draw.Fill{Color: draw.Shade}, Points: []draw.Point{
		{X: x.At(0), Y: plot.Bottom + chart.Below}, {X: max(x.At(end), x.At(0)+1.5), Y: plot.Bottom + chart.Below}, {X: zoom.Right, Y: top}, {X: zoom.Left, Y: top},
	}})
	d.Add(draw.Bars{Boxes: []draw.Box{zoom}, Fill: draw.Fill{Color: draw.Shade}})
	magnified := (zoom.Right - zoom.Left) / (x.At(end) - x.At(0))
	d.Add(draw.Text{
		At: draw.Point{X: zoom.Right, Y: top - 6}, Anchor: draw.End, Size: chart.LabelSize, Ink: draw.Ink,
		Words: fmt.Sprintf("its first %s, %.0f times magnified", chart.Micros.Format(end), magnified),
	})
	y := top
	chart.Bottom(d, zoom, wide, chart.Micros.Tick, "")
	for _, r := range rows {
		drawRow(d, zoom, wide, y, r, s.Variant)
		y += r.height()
	}
	return zoom.Bottom + chart.Below
}
