package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"enilab/internal/bench"
	"enilab/internal/report/chart"
	"enilab/internal/report/draw"
)

// languages shows cold starts by language, split into what connects the environment and what starts the language.
func languages(f figures) (Picture, bool) {
	const scenario = "language"
	type start struct {
		name                    string
		network, runtime, total bench.Figure
	}
	var starts []start
	for _, v := range f.variants(scenario) {
		s := start{name: v}
		s.network, _ = f.find(scenario, "network", v, 0)
		s.runtime, _ = f.find(scenario, "runtime", v, 0)
		s.total, _ = f.find(scenario, "total", v, 0)
		if s.network.N > 0 || s.runtime.N > 0 {
			starts = append(starts, s)
		}
	}
	if len(starts) == 0 {
		return Picture{}, false
	}
	slices.SortStableFunc(starts, func(a, b start) int {
		return cmp.Compare(a.network.P50+a.runtime.P50, b.network.P50+b.runtime.P50)
	})
	p := Picture{
		Name: "languages", Title: "Cold start by language: network and runtime",
		Table: Table{Caption: "Medians by language", Columns: []Column{
			{Head: "language"}, {Head: "starts", Unit: chart.Count}, {"network", chart.Micros}, {"runtime", chart.Micros}, {"total", chart.Micros}, {"total, p99", chart.Micros},
		}},
	}
	for _, s := range starts {
		p.Table.Add(words(s.name), count(max(s.network.N, s.runtime.N)), figure(s.network.P50, chart.Micros), figure(s.runtime.P50, chart.Micros), figure(s.total.P50, chart.Micros), figure(s.total.P99, chart.Micros))
	}
	fast, slow := starts[0], starts[len(starts)-1]
	p.Says = fmt.Sprintf("The network (place and attach) takes %s in %s and %s in %s; the language's own start (spawn and init) takes %s and %s. Medians of the parts, and until the answer.",
		chart.Micros.Format(fast.network.P50), draw.Clean(fast.name), chart.Micros.Format(slow.network.P50), draw.Clean(slow.name),
		chart.Micros.Format(fast.runtime.P50), chart.Micros.Format(slow.runtime.P50))
	p.draw = func(d *draw.Drawing) {
		longest := 0.0
		for _, s := range starts {
			longest = max(longest, s.network.P50+s.runtime.P50, s.total.P50)
		}
		network, runtime := draw.Fill{Color: draw.Blue}, draw.Fill{Color: draw.Grey, Texture: draw.Dotted}
		y := key(d, 0, barSample("network: place, attach", "measured", network), barSample("runtime: spawn, init", "measured", runtime),
			sample{words: "until the answer", dots: draw.Dots{Marker: draw.Diamond, Size: 9, Color: draw.Ink}}) + 6
		const height = 36.0
		left, right := 74.0, d.Width-132
		x := chart.Linear(chart.Micros, longest, left, right, int(d.Width/110))
		plot := draw.Box{Left: left, Top: y, Right: right, Bottom: y + height*float64(len(starts))}
		chart.Bottom(d, plot, x, chart.Micros.Tick, "")
		for i, s := range starts {
			top := y + height*float64(i)
			d.Add(draw.Text{At: draw.Point{X: 0, Y: top + height/2 + 4.5}, Size: 13, Ink: draw.Ink, Words: draw.Fit(s.name, left-8, 13, false)})
			middle := max(x.At(s.network.P50), left+1.5)
			bar := func(from, to float64, f bench.Figure, what string, look draw.Fill) {
				fill, line := fillOf(f.Kind, look)
				d.Mark(plot, draw.Bars{
					Boxes: []draw.Box{{Left: from, Top: top + 7, Right: max(to, from), Bottom: top + height - 7}}, Fill: fill, Outline: line,
					Tip: fmt.Sprintf("%s, %s: %s", s.name, what, chart.Micros.Format(f.P50)),
				})
			}
			bar(left, middle, s.network, "network", network)
			end := x.At(s.network.P50 + s.runtime.P50)
			bar(middle, end, s.runtime, "runtime", runtime)
			if s.total.N > 0 {
				d.Mark(grown(plot, 6), draw.Dots{At: []draw.Point{{X: x.At(s.total.P50), Y: top + height/2}}, Marker: draw.Diamond, Size: 9, Color: draw.Ink})
			}
			total := s.network.P50 + s.runtime.P50
			if s.total.N > 0 {
				total = s.total.P50
			}
			parts := chart.Micros.Format(s.network.P50) + " + " + chart.Micros.Format(s.runtime.P50)
			d.Add(draw.Text{At: draw.Point{X: d.Width - 1, Y: top + 15}, Anchor: draw.End, Size: chart.LabelSize, Bold: true, Ink: draw.Ink, Words: chart.Micros.Format(total)})
			d.Add(draw.Text{At: draw.Point{X: d.Width - 1, Y: top + 30}, Anchor: draw.End, Size: chart.TickSize, Ink: draw.Soft, Words: draw.Fit(parts, 116, chart.TickSize, false)})
		}
		d.Height = plot.Bottom + chart.Below
	}
	return p, true
}

// paths are the figures of the datapath, as a reader knows them.
var paths = []struct{ name, title string }{
	{"stream", "One TCP stream, out"},
	{"stream-reverse", "One TCP stream, back"},
	{"streams", "Many streams, out"},
	{"streams-reverse", "Many streams, back"},
	{"new-connections", "New connections a second"},
	{"round-trip", "Round trip"},
}

// datapath shows what flows once a function is connected.
func datapath(f figures) (Picture, bool) {
	const scenario = "datapath"
	var names []string
	for _, p := range paths {
		if slices.ContainsFunc(f, func(x bench.Figure) bool { return x.Scenario == scenario && x.Name == p.name && x.N > 0 }) {
			names = append(names, p.name)
		}
	}
	for _, x := range f {
		if x.Scenario == scenario && x.N > 0 && !slices.Contains(names, x.Name) {
			names = append(names, x.Name)
		}
	}
	if len(names) == 0 {
		return Picture{}, false
	}
	variants := f.variants(scenario)
	p := Picture{
		Name: "datapath", Title: "Once connected: throughput, connections, latency",
		Table: Table{Caption: "The datapath's medians", Columns: columns("figure", "variant", "runs", "p50", "p99", "most", "over plain veth")},
	}
	p.Says = datapathSays(f, names)
	for _, name := range names {
		floor, _ := f.find(scenario, name, "routed-veth", 0)
		for _, v := range variants {
			x, ok := f.find(scenario, name, v, 0)
			if !ok {
				continue
			}
			u, over := chart.Unit(x.Unit), words("–")
			if floor.P50 > 0 {
				over = figure(x.P50/floor.P50, chart.Ratio)
			}
			p.Table.Add(words(name), words(v), count(x.N), figure(x.P50, u), figure(x.P99, u), figure(x.Max, u), over)
		}
	}
	p.draw = func(d *draw.Drawing) { drawDatapath(d, f, names, variants) }
	return p, true
}

func datapathSays(f figures, names []string) string {
	var says []string
	for _, name := range names {
		legacy, okLegacy := f.find("datapath", name, "legacy", 0)
		shared, okShared := f.find("datapath", name, "shared", 0)
		if okLegacy && okShared && legacy.P50 > 0 {
			title := titleOf(name)
			says = append(says, strings.ToLower(title[:1])+title[1:]+" "+chart.Ratio.Format(shared.P50/legacy.P50))
		}
	}
	if len(says) == 0 {
		return "Medians of what was measured."
	}
	return "Shared over legacy: " + strings.Join(says, "; ") + ". The tunnel and the translation are the price of sharing. Medians; each thin stroke is one run."
}

func titleOf(name string) string {
	for _, p := range paths {
		if p.name == name {
			return p.title
		}
	}
	return draw.Clean(name)
}

func drawDatapath(d *draw.Drawing, f figures, names, variants []string) {
	abreast, between, rowHeight := 1, 36.0, 24.0
	if d.Width >= 600 {
		abreast = 2
	}
	w := (d.Width - float64(abreast-1)*between) / float64(abreast)
	height := panelTitle + rowHeight*float64(len(variants)) + 18
	for i, name := range names {
		left, y := float64(i%abreast)*(w+between), float64(i/abreast)*height
		var all figures
		for _, v := range variants {
			if x, ok := f.find("datapath", name, v, 0); ok {
				all = append(all, x)
			}
		}
		better := map[string]string{"lower": ", less is better", "higher": ", more is better"}[all[0].Better]
		title := titleOf(name) + better
		d.Add(draw.Text{At: draw.Point{X: left, Y: y + 14}, Size: 13, Bold: true, Ink: draw.Ink, Words: draw.Fit(title, w, 13, true)})
		drawPath(d, draw.Box{Left: left, Top: y + panelTitle, Right: left + w}, rowHeight, all)
	}
	d.Height = float64((len(names)+abreast-1)/abreast) * height
}

// drawPath draws one figure of the datapath, a bar for each variant.
func drawPath(d *draw.Drawing, column draw.Box, rowHeight float64, all figures) {
	most := 0.0
	for _, x := range all {
		most = max(most, x.P50, x.Max)
	}
	plot := draw.Box{Left: column.Left + 104, Top: column.Top, Right: column.Right - 86, Bottom: column.Top + rowHeight*float64(len(all))}
	s := chart.Within(0, most, plot.Left, plot.Right, 4)
	d.Add(draw.Line{Points: []draw.Point{{X: plot.Left, Y: plot.Top}, {X: plot.Left, Y: plot.Bottom}}, Stroke: draw.Stroke{Color: draw.Soft}})
	for i, x := range all {
		top := column.Top + rowHeight*float64(i)
		l := lookOf(x.Variant)
		d.Add(draw.Dots{At: []draw.Point{{X: column.Left + 5, Y: top + rowHeight/2}}, Marker: l.marker, Size: 8, Color: l.color})
		d.Add(draw.Text{At: draw.Point{X: column.Left + 14, Y: top + rowHeight/2 + 4.3}, Size: chart.LabelSize, Ink: draw.Ink, Words: draw.Fit(x.Variant, 86, chart.LabelSize, false)})
		fill, line := fillOf(x.Kind, draw.Fill{Color: l.color})
		d.Mark(plot, draw.Bars{
			Boxes: []draw.Box{{Left: plot.Left, Top: top + 4, Right: max(s.At(x.P50), plot.Left+1), Bottom: top + rowHeight - 4}}, Fill: fill, Outline: line,
			Tip: fmt.Sprintf("%s: %s", x.Variant, chart.Unit(x.Unit).Format(x.P50)),
		})
		ticks := draw.Dots{Marker: draw.Tick, Size: rowHeight - 4, Color: draw.Ink, Faint: true}
		if len(x.Values) <= 12 { // of more, nothing would be seen
			for _, v := range x.Values {
				ticks.At = append(ticks.At, draw.Point{X: s.At(v), Y: top + rowHeight/2})
			}
		}
		if ticks.At = distinct(ticks.At); len(ticks.At) > 0 {
			d.Mark(grown(plot, 2), ticks)
		}
		d.Add(draw.Text{At: draw.Point{X: column.Right, Y: top + rowHeight/2 + 4.3}, Anchor: draw.End, Size: chart.LabelSize, Ink: draw.Ink, Words: draw.Fit(chart.Unit(x.Unit).Format(x.P50), 84, chart.LabelSize, false)})
	}
}
