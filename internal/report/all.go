package report

import (
	"fmt"
	"slices"

	"enilab/internal/bench"
	"enilab/internal/compare"
	"enilab/internal/report/chart"
)

// Scenarios are tables of all figures, one for each scenario, with what they were before if there is an earlier run.
func (d *Data) Scenarios() (tables []Table) {
	f := d.figures()
	for _, scenario := range f.scenarios() {
		t := Table{Caption: scenario, Columns: columns("figure", "variant", "at", "kind", "n", "failed", "p50", "p90", "p99", "most", "over its floor")}
		if d.before != nil {
			t.Columns = append(t.Columns, columns("p50 before", "now over before")...)
		}
		for _, x := range f {
			if x.Scenario == scenario {
				t.Rows = append(t.Rows, d.figureRow(x))
			}
		}
		tables = append(tables, t)
	}
	return tables
}

func (d *Data) figureRow(x bench.Figure) []Cell {
	u := chart.Unit(x.Unit)
	none := words("–")
	row := []Cell{words(x.Name), words(x.Variant), none, words(x.Kind), count(x.N), count(x.Failures), figure(x.P50, u), figure(x.P90, u), figure(x.P99, u), figure(x.Max, u), none}
	if x.Variant == "" {
		row[1] = none
	}
	if x.At > 0 {
		row[2] = count(x.At)
	}
	if x.Floor != "" {
		row[10] = words(chart.Ratio.Format(x.Ratio) + " " + x.Floor)
	}
	if d.before != nil {
		was, ok := figures(d.before.Figures).find(x.Scenario, x.Name, x.Variant, x.At)
		if !ok || was.P50 == 0 {
			return append(row, none, none)
		}
		row = append(row, figure(was.P50, u), figure(x.P50/was.P50, chart.Ratio))
	}
	return row
}

// Host are the settings that the figures hang on, as far as the files have them.
func (d *Data) Host() (t Table) {
	t = Table{Caption: "The machine that was measured", Columns: columns("setting", "value")}
	add := func(name, value string) {
		if value != "" && value != "0" {
			t.Add(words(name), words(value))
		}
	}
	yes := map[bool]string{true: "yes", false: "no"}
	switch {
	case d.bench != nil:
		h := d.bench.Host
		add("kernel", "Linux "+h.Kernel)
		add("preemption", h.Preemption)
		add("timer ticks a second", fmt.Sprint(h.HZ))
		add("RCU grace periods", h.RCU)
		add("CPUs", fmt.Sprint(h.CPUs))
		add("CPU", h.CPU)
		add("frequency governor", h.Governor)
		add("clock", h.Clock)
		add("virtualization", h.Virtualization)
		add("mitigations", h.Mitigations)
		add("memory", chart.Bytes.Format(float64(h.Memory)))
		add("load when it began (1, 5, 15 min)", fmt.Sprintf("%.2f, %.2f, %.2f", h.Load[0], h.Load[1], h.Load[2]))
		add("rootless", yes[h.Rootless])
		add("Go", h.Go)
		add("measuring took", chart.Seconds.Format(d.bench.Took))
		add("host unchanged", yes[d.bench.HostUnchanged])
	case d.compare != nil:
		add("kernel", "Linux "+d.compare.Host.Kernel)
		add("CPUs", fmt.Sprint(d.compare.Host.CPUs))
		add("rootless", yes[d.compare.Host.Rootless])
		add("host unchanged", yes[d.compare.HostUnchanged])
	case d.rollout != nil:
		add("kernel", "Linux "+d.rollout.Kernel)
		add("CPUs", fmt.Sprint(d.rollout.CPUs))
		add("rootless", yes[d.rollout.Rootless])
		add("host unchanged", yes[d.rollout.HostUnchanged])
	}
	return t
}

// Skipped is what could not be measured, and why.
func (d *Data) Skipped() (t Table) {
	t = Table{Caption: "What was skipped, and why", Columns: columns("scenario", "variant", "reason")}
	if d.bench != nil {
		for _, s := range d.bench.Skipped {
			t.Add(words(s.Scenario), words(s.Variant), words(s.Reason))
		}
	}
	return t
}

// Compared are the medians of compare, where a bench is shown as well; else the pictures show them.
func (d *Data) Compared() (t Table) {
	if d.compare == nil || d.bench == nil {
		return Table{}
	}
	t = Table{Caption: "Medians of enilab compare", Columns: columns("figure")}
	var names []string
	for _, v := range d.compare.Variants {
		t.Columns = append(t.Columns, Column{v.Name, chart.Micros})
		for _, p := range v.Phases {
			if !slices.Contains(names, p.Name) {
				names = append(names, p.Name)
			}
		}
	}
	row := func(name string, of func(compare.Variant) (compare.Stats, bool)) {
		cells := []Cell{words(name)}
		for _, v := range d.compare.Variants {
			if s, ok := of(v); ok && s.N > 0 {
				cells = append(cells, figure(s.P50, chart.Micros))
			} else {
				cells = append(cells, words("–"))
			}
		}
		t.Add(cells...)
	}
	for _, name := range names {
		row(name, func(v compare.Variant) (compare.Stats, bool) {
			i := slices.IndexFunc(v.Phases, func(p compare.Phase) bool { return p.Name == name })
			if i < 0 {
				return compare.Stats{}, false
			}
			return v.Phases[i].Stats, true
		})
	}
	row("ready", func(v compare.Variant) (compare.Stats, bool) { return v.Ready, true })
	row("total", func(v compare.Variant) (compare.Stats, bool) { return v.Total, true })
	row("warm", func(v compare.Variant) (compare.Stats, bool) { return v.Warm, true })
	row("burst, total", func(v compare.Variant) (compare.Stats, bool) { return v.Burst.Total, true })
	return t
}
