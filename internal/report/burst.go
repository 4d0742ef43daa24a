package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"enilab/internal/bench"
	"enilab/internal/report/chart"
	"enilab/internal/report/draw"
)

// burstSizes are how many at once there are bursts of, environment by environment.
func burstSizes(bursts []bench.Burst) (sizes []int) {
	for _, b := range bursts {
		if len(phasesOf([]bench.Burst{b})) > 0 && !slices.Contains(sizes, b.N) {
			sizes = append(sizes, b.N)
		}
	}
	slices.Sort(sizes)
	return sizes
}

// gantt shows many cold starts at once: a line for each environment, from the first request until its own answer.
func gantt(all []bench.Burst, n int) Picture {
	var bursts []bench.Burst
	for _, b := range all {
		if b.N == n && len(phasesOf([]bench.Burst{b})) > 0 && !slices.ContainsFunc(bursts, func(o bench.Burst) bool { return o.Variant == b.Variant }) {
			b.Environments = slices.Clone(b.Environments)
			slices.SortStableFunc(b.Environments, func(a, b bench.Environment) int {
				return cmp.Compare(a.Began+a.Total, b.Began+b.Total)
			})
			bursts = append(bursts, b)
		}
	}
	variants := make([]string, len(bursts))
	for i, b := range bursts {
		variants[i] = b.Variant
	}
	inOrder(variants)
	slices.SortStableFunc(bursts, func(a, b bench.Burst) int {
		return slices.Index(variants, a.Variant) - slices.Index(variants, b.Variant)
	})
	at := strconv.Itoa(n)
	p := Picture{
		Name: "burst-" + at, Title: at + " cold starts at once, environment by environment",
		Table: Table{Caption: "Each environment of the bursts", Columns: []Column{{Head: "variant"}, {Head: "environment"}, {"began", chart.Micros}, {"answered", chart.Micros}}},
	}
	phases := phasesOf(bursts)
	for _, name := range phases {
		p.Table.Columns = append(p.Table.Columns, Column{name, chart.Micros})
	}
	var says []string
	for _, b := range bursts {
		for i, e := range b.Environments {
			row := []Cell{words(b.Variant), count(i + 1), figure(e.Began, chart.Micros), figure(e.Began+e.Total, chart.Micros)}
			for _, name := range phases {
				row = append(row, figure(tookOf(e, name), chart.Micros))
			}
			p.Table.Add(row...)
		}
		says = append(says, fmt.Sprintf("%s after %s", draw.Clean(b.Variant), chart.Micros.Format(wallOf(b))))
	}
	p.Says = fmt.Sprintf("All sent at the same moment; each line is an environment, sorted by when it answered. The last answer came: %s.", strings.Join(says, ", "))
	if slices.Contains(phases, "queue") {
		var waits []string
		for _, b := range bursts {
			waits = append(waits, draw.Clean(b.Variant)+" "+chart.Micros.Format(medianOf(b, "queue")))
		}
		p.Says += fmt.Sprintf(" Median wait for a turn (queue): %s.", strings.Join(waits, ", "))
	}
	p.draw = func(d *draw.Drawing) { drawGantt(d, bursts, phases) }
	return p
}

// tookOf is how long a phase of an environment took; zero if it had none.
func tookOf(e bench.Environment, phase string) (took float64) {
	for _, s := range e.Spans {
		if s.Name == phase {
			took += s.Took
		}
	}
	return took
}

func medianOf(b bench.Burst, phase string) float64 {
	var all []float64
	for _, e := range b.Environments {
		all = append(all, tookOf(e, phase))
	}
	return chart.Quantile(chart.Sorted(all), 0.5)
}

func wallOf(b bench.Burst) float64 {
	wall := float64(b.Wall)
	for _, e := range b.Environments {
		wall = max(wall, e.Began+e.Total)
	}
	return wall
}

// phaseOrder is that of a cold start.
var phaseOrder = []string{"place", "fetch", "unpack", "queue", "attach", "spawn", "init", "invoke"}

// phasesOf are all that occur, in the order of a cold start; those that are not known come last.
func phasesOf(bursts []bench.Burst) (names []string) {
	for _, b := range bursts {
		for _, e := range b.Environments {
			for _, s := range e.Spans {
				if !slices.Contains(names, s.Name) {
					names = append(names, s.Name)
				}
			}
		}
	}
	rank := func(name string) int {
		if i := slices.Index(phaseOrder, name); i >= 0 {
			return i
		}
		return len(phaseOrder)
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
	return names
}

// tallest is how high a burst's panel may get.
const tallest = 230

func drawGantt(d *draw.Drawing, bursts []bench.Burst, phases []string) {
	longest := 0.0
	for _, b := range bursts {
		longest = max(longest, wallOf(b))
	}
	left, right := 8.0, d.Width-14
	x := chart.Linear(chart.Micros, longest, left, right, int(d.Width/110))
	y := key(d, 0, ganttKey(bursts, phases)...) + 4
	for _, b := range bursts {
		about := fmt.Sprintf("all answered after %s", chart.Micros.Format(wallOf(b)))
		if b.Failures > 0 {
			about = fmt.Sprintf("%d failed; %s", b.Failures, about)
		}
		heading(d, 0, d.Width, y+14, b.Variant, about)
		y += 22
		rows, skipped := everySo(b.Environments, tallest)
		if skipped > 1 {
			d.Add(draw.Text{At: draw.Point{X: left, Y: y + 11}, Size: chart.TickSize, Ink: draw.Soft, Words: fmt.Sprintf("one line for %d environments", skipped)})
			y += 18
		}
		h := min(max(tallest/float64(len(rows)), 1), 10)
		plot := draw.Box{Left: left, Top: y, Right: right, Bottom: y + h*float64(len(rows))}
		if b.Variant == bursts[len(bursts)-1].Variant {
			chart.Bottom(d, plot, x, chart.Micros.Tick, "since the first request")
			y = plot.Bottom + chart.BelowTitle
		} else {
			grid(d, plot, x)
			y = plot.Bottom + 12
		}
		drawEnvironments(d, plot, x, b.Variant, rows, h)
	}
	d.Height = y
}

// everySo thins rows until each has a pixel.
func everySo(all []bench.Environment, most int) (rows []bench.Environment, every int) {
	every = max(1, int(math.Ceil(float64(len(all))/float64(most))))
	for i := every - 1; i < len(all); i += every { // the last of each, so that the very last is seen if they go up evenly
		rows = append(rows, all[i])
	}
	if len(all)%every != 0 {
		rows = append(rows, all[len(all)-1])
	}
	return rows, every
}

func ganttKey(bursts []bench.Burst, phases []string) (samples []sample) {
	modelled := false
	for _, b := range bursts {
		for _, e := range b.Environments {
			modelled = modelled || slices.ContainsFunc(e.Spans, func(s bench.Span) bool { return isModelled(s.Kind) })
		}
	}
	for _, name := range phases {
		if name == "attach" {
			for _, b := range bursts {
				label := "attach, " + b.Variant
				samples = append(samples, barSample(label, "measured", phaseFill("attach", b.Variant)))
			}
			continue
		}
		samples = append(samples, barSample(name, "measured", phaseFill(name, "")))
	}
	if modelled {
		samples = append(samples, barSample("modelled", "modelled", draw.Fill{Color: draw.Grey}))
	}
	return samples
}

// drawEnvironments draws the rows, all bars of one look as one shape.
func drawEnvironments(d *draw.Drawing, plot draw.Box, x chart.Scale, variant string, rows []bench.Environment, h float64) {
	type lookKey struct{ name, kind string }
	var order []lookKey
	bars := map[lookKey][]draw.Box{}
	gap := 0.0
	if h >= 4 {
		gap = 1
	}
	for i, e := range rows {
		top := plot.Top + float64(i)*h
		for _, s := range e.Spans {
			k := lookKey{s.Name, s.Kind}
			if bars[k] == nil {
				order = append(order, k)
			}
			from, to := x.At(e.Began+s.Start), x.At(e.Began+s.Start+s.Took)
			bars[k] = append(bars[k], draw.Box{Left: from, Top: top, Right: max(to, from), Bottom: top + h - gap})
		}
	}
	for _, k := range order {
		f, line := fillOf(k.kind, phaseFill(k.name, variant))
		if h < 4 {
			line = draw.Stroke{} // it would hide what it surrounds
		}
		d.Mark(plot, draw.Bars{Boxes: bars[k], Fill: f, Outline: line, Tip: variant + ": " + k.name + ", " + k.kind})
	}
}
