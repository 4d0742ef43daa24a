package compare

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// WriteTable prints a report for people: milliseconds, medians, a column for each variant.
func WriteTable(w io.Writer, variants []Variant) error {
	var t table
	row := func(name string, cell func(Variant) string) {
		cells := []string{name}
		for _, v := range variants {
			cells = append(cells, cell(v))
		}
		t = append(t, cells)
	}
	row("", func(v Variant) string { return v.Name })
	for _, name := range phaseNames(variants) {
		label := name
		if _, step, ok := strings.Cut(name, "/"); ok {
			label = "  · " + step
		}
		row(label, func(v Variant) string {
			if p, ok := v.phase(name); ok {
				return milli(p.P50)
			}
			return ""
		})
	}
	row("ready (request → first next)", func(v Variant) string { return milli(v.Ready.P50) })
	row("total (request → response)", func(v Variant) string { return milli(v.Total.P50) })
	row("total, p99", func(v Variant) string { return milli(v.Total.P99) })
	row("warm", func(v Variant) string { return milli(v.Warm.P50) })
	row("attach, p99", func(v Variant) string {
		p, _ := v.phase("attach")
		return milli(p.P99)
	})
	if len(variants) > 0 && variants[0].Burst.N > 0 {
		row(fmt.Sprintf("%d at once: all served after", variants[0].Burst.N), func(v Variant) string { return milli(float64(v.Burst.WallUS)) })
		row("queue, p50 of these", func(v Variant) string { return milli(v.Burst.Queue.P50) })
		row("attach, p50 of these", func(v Variant) string { return milli(v.Burst.Attach.P50) })
		row("ENIs in the subnet meanwhile", func(v Variant) string { return strconv.Itoa(v.ENIs) })
		row("its addresses used", func(v Variant) string { return strconv.Itoa(v.SubnetAddresses) })
	}
	row("failures", func(v Variant) string { return strconv.Itoa(v.Failures + v.Burst.Failures) })
	_, err := io.WriteString(w, t.String())
	return err
}

// table is rows of as many cells each: names at the left, figures flush right.
type table [][]string

func (t table) String() string {
	width := map[int]int{}
	for _, row := range t {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range t {
		var line strings.Builder
		line.WriteString(fmt.Sprintf("%-*s", width[0], row[0]))
		for i, cell := range row[1:] {
			line.WriteString(fmt.Sprintf("  %*s", width[i+1], cell))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

func (v Variant) phase(name string) (Phase, bool) {
	for _, p := range v.Phases {
		if p.Name == name {
			return p, true
		}
	}
	return Phase{}, false
}

// phaseNames merges the variants' phases, keeping steps behind their phase.
func phaseNames(variants []Variant) (names []string) {
	seen := map[string]bool{}
	for _, v := range variants {
		at := 0
		for _, p := range v.Phases {
			if seen[p.Name] {
				for at = 0; names[at] != p.Name; at++ {
				}
				at++
				continue
			}
			seen[p.Name] = true
			if phase, _, ok := strings.Cut(p.Name, "/"); ok { // behind the other variants' steps
				for at < len(names) && strings.HasPrefix(names[at], phase+"/") {
					at++
				}
			}
			names = append(names[:at], append([]string{p.Name}, names[at:]...)...)
			at++
		}
	}
	return names
}

// milli prints microseconds as milliseconds, to three significant digits.
func milli(us float64) string {
	ms := us / 1000
	switch {
	case ms >= 99.95: // what would be rounded up to it
		return fmt.Sprintf("%.0f ms", ms)
	case ms >= 9.995:
		return fmt.Sprintf("%.1f ms", ms)
	case ms >= 0.9995:
		return fmt.Sprintf("%.2f ms", ms)
	}
	return fmt.Sprintf("%.3f ms", ms)
}

// WriteCSV prints a row for each figure of each variant.
func WriteCSV(w io.Writer, variants []Variant) error {
	c := csv.NewWriter(w)
	number := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	_ = c.Write([]string{"variant", "figure", "kind", "n", "p50_us", "p90_us", "p99_us", "max_us", "failures", "enis", "subnet_addresses"})
	for _, v := range variants {
		row := func(figure, kind string, s Stats, failures int, rest ...string) {
			_ = c.Write(append([]string{v.Name, figure, kind, strconv.Itoa(s.N), number(s.P50), number(s.P90), number(s.P99), number(s.Max), strconv.Itoa(failures)}, rest...))
		}
		for _, p := range v.Phases {
			row(p.Name, p.Kind, p.Stats, v.Failures, "", "")
		}
		row("ready", "measured", v.Ready, v.Failures, "", "")
		row("total", "measured", v.Total, v.Failures, "", "")
		row("warm", "measured", v.Warm, v.Failures, "", "")
		enis, used := strconv.Itoa(v.ENIs), strconv.Itoa(v.SubnetAddresses)
		wall := float64(v.Burst.WallUS)
		row("burst.wall", "measured", Stats{1, wall, wall, wall, wall}, v.Burst.Failures, enis, used)
		row("burst.queue", "measured", v.Burst.Queue, v.Burst.Failures, enis, used)
		row("burst.attach", "measured", v.Burst.Attach, v.Burst.Failures, enis, used)
		row("burst.total", "measured", v.Burst.Total, v.Burst.Failures, enis, used)
	}
	c.Flush() // a writer's error stays until Error
	return c.Error()
}
