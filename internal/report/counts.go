package report

import (
	"fmt"
	"slices"
	"strings"

	"enilab/internal/report/chart"
	"enilab/internal/report/draw"
)

// Titles of panels that other words hang on.
const (
	addressesTitle = "Addresses of the subnet in use"
	refusedTitle   = "Cold starts that failed"
)

func itself(variant string) string { return variant }

// addresses shows what environments take of the customer's subnet, against how many are at work at once.
func addresses(f figures) (Picture, bool) {
	const scenario = "concurrency"
	variants := f.variants(scenario)
	end := 0.0
	if all := f.series(scenario, "subnet-addresses", ""); len(all) > 0 {
		end = all[len(all)-1].P50
	}
	const across = "environments at once"
	panels := []panel{
		{title: addressesTitle, across: across, lines: linesOf(f, scenario, "addresses", median, itself, false, variants...)},
		{title: "Network interfaces (ENIs)", across: across, lines: linesOf(f, scenario, "enis", median, itself, false, variants...)},
		{title: refusedTitle, across: across, lines: linesOf(f, scenario, "failures", median, itself, false, variants...)},
	}
	panels = slices.DeleteFunc(panels, func(p panel) bool { return len(p.lines) == 0 })
	if len(panels) == 0 {
		return Picture{}, false
	}
	for i := range panels {
		panels[i].unit = chart.Count
		if end > 0 && panels[i].title == addressesTitle {
			panels[i].end, panels[i].endIs = end, fmt.Sprintf("the subnet's end: %s", chart.Count.Format(end))
		}
	}
	p := Picture{Name: "addresses", Title: "Interfaces and addresses used, against concurrency", Says: addressesSays(panels, end)}
	p.Table = tableOf("ENIs and addresses of the subnet by concurrency", panels)
	if end > 0 {
		p.Table.Add(words("the subnet's addresses"), words("all"), words(""), count(int(end)))
	}
	p.draw = func(d *draw.Drawing) { d.Height = drawPanels(d, 0, panels) }
	return p, true
}

func addressesSays(panels []panel, end float64) string {
	noun := "interface"
	if panels[0].title == addressesTitle {
		noun = "address"
	}
	var says []string
	most := 0.0
	for _, s := range panels[0].lines {
		last := s.points[len(s.points)-1]
		most = max(most, last.X)
		says = append(says, fmt.Sprintf("%s in %s mode", plural(int(last.Y), noun), draw.Clean(s.name)))
	}
	text := fmt.Sprintf("%s at once take %s.", plural(int(most), "environment"), strings.Join(says, ", and "))
	if end == 0 {
		return text
	}
	text += fmt.Sprintf(" The subnet has %s", plural(int(end), "address"))
	refused := slices.IndexFunc(panels, func(p panel) bool { return p.title == refusedTitle && p.lines[0].name == "legacy" })
	if refused >= 0 {
		points := panels[refused].lines[0].points
		text += fmt.Sprintf("; %s of legacy failed", plural(int(points[len(points)-1].Y), "cold start"))
	}
	return text + "."
}

func plural(n int, noun string) string {
	s := chart.Count.Format(float64(n)) + "\u00a0" + noun
	switch {
	case n == 1:
		return s
	case noun[len(noun)-1] == 's':
		return s + "es"
	}
	return s + "s"
}

// tableOf is what panels show, a row for each point.
func tableOf(caption string, panels []panel) Table {
	t := Table{Caption: caption, Columns: columns("figure", "series", "at", "value")}
	for _, p := range panels {
		for _, s := range p.lines {
			for _, q := range s.points {
				t.Add(words(p.title), words(s.name), figure(q.X, chart.Count), figure(q.Y, p.unit))
			}
		}
	}
	return t
}

// crowd shows how long bursts of several sizes take as a whole.
func crowd(f figures) (Picture, bool) {
	const scenario = "burst"
	variants := f.variants(scenario)
	panels := []panel{
		{title: "Until the last answer", unit: chart.Micros, logX: true, logY: true, across: "cold starts at once", lines: linesOf(f, scenario, "wall", median, itself, false, variants...)},
		{title: "Attach, half of them within", unit: chart.Micros, logX: true, logY: true, across: "cold starts at once", lines: linesOf(f, scenario, "attach", median, itself, false, variants...)},
	}
	panels = slices.DeleteFunc(panels, func(p panel) bool { return len(p.lines) == 0 || len(p.lines[0].points) < 2 })
	if len(panels) == 0 {
		return Picture{}, false
	}
	p := Picture{Name: "burst-sizes", Title: "Bursts from small to large", Table: tableOf("Bursts by size", panels)}
	for _, s := range panels[0].lines {
		last := s.points[len(s.points)-1]
		p.Says += fmt.Sprintf("%s answers %s at once after %s. ", draw.Clean(s.name), chart.Count.Format(last.X), panels[0].unit.Format(last.Y))
	}
	p.Says += "Both axes are logarithmic."
	p.draw = func(d *draw.Drawing) { d.Height = drawPanels(d, 0, panels) }
	return p, true
}

// growth shows whether what a start waits for grows with what is there already.
func growth(f figures) (Picture, bool) {
	quantile := func(name string) func(string) string { return func(string) string { return name } }
	attach := func(scenario string) []series {
		v := f.variants(scenario)
		if len(v) == 0 {
			v = []string{""}
		}
		return append(linesOf(f, scenario, "attach", median, quantile("p50"), false, v...), linesOf(f, scenario, "attach", tail, quantile("p99"), true, v...)...)
	}
	each := func(scenario, name, label string) []series {
		return linesOf(f, scenario, name, median, quantile(label), false, append(f.variants(scenario), "")...)
	}
	panels := []panel{
		{title: "Attach, while slots are bound", unit: chart.Micros, across: "slots", lines: attach("growth-slots")},
		{title: "Attach, while there are ENIs", unit: chart.Micros, across: "ENIs", lines: attach("growth-enis")},
		{title: "New connections a second", unit: chart.Rate, across: "ENIs", lines: each("growth-enis", "new-connections", "p50")},
		{title: "Time to make one more ENI", unit: chart.Micros, across: "ENIs", lines: each("growth-enis", "eni-build", "p50")},
	}
	for _, kind := range append(f.variants("pool"), "") {
		of := func(name, label string) []series {
			return linesOf(f, "pool", name, median, quantile(label), name == "teardown", kind)
		}
		about := ""
		if kind != "" {
			about = ": " + kind
		}
		panels = append(panels,
			panel{title: "Pool made and ended" + about, unit: chart.Seconds, across: "slots", lines: append(of("build", "made"), of("teardown", "ended")...)},
			panel{title: "Memory of a slot" + about, unit: chart.Bytes, across: "slots", lines: of("slot-memory", "a slot")})
	}
	panels = slices.DeleteFunc(panels, func(p panel) bool { return len(p.lines) == 0 || len(p.lines[0].points) < 2 })
	if len(panels) == 0 {
		return Picture{}, false
	}
	for i := range panels {
		panels[i].logX = true
		for j := range panels[i].lines {
			l := &panels[i].lines[j].look
			*l = lookOf("shared")
			if panels[i].lines[j].hollow {
				l.dash = draw.Dash{2, 3}
			}
		}
	}
	p := Picture{Name: "growth", Title: "Does it stay flat as it grows?", Table: tableOf("Figures by size", panels)}
	var says []string
	for _, c := range panels {
		points := c.lines[0].points
		first, last := points[0], points[len(points)-1]
		if c.unit != chart.Seconds && first.Y > 0 { // those are for all together, and grow with them
			says = append(says, fmt.Sprintf("%s %s (%s to %s %s)", strings.ToLower(c.title[:1])+c.title[1:], chart.Ratio.Format(last.Y/first.Y), chart.Count.Format(first.X), chart.Count.Format(last.X), c.across))
		}
	}
	p.Says = "1 × is perfectly flat, from the smallest to the largest: " + strings.Join(says, "; ") + "."
	if len(says) == 0 {
		p.Says = "What is made or ended all together grows with how many there are."
	}
	p.draw = func(d *draw.Drawing) { d.Height = drawPanels(d, 0, panels) }
	return p, true
}
