package bench

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// WriteTable prints a report for people, a block for each scenario.
func WriteTable(w io.Writer, r Report) error {
	var b strings.Builder
	for _, s := range Scenarios() {
		rows := [][]string{{s.Name, "", "n", "p50", "p90", "p99", "max", "unit", "× floor", "failed"}}
		for _, f := range r.Figures {
			if f.Scenario == s.Name {
				rows = append(rows, f.row())
			}
		}
		if len(rows) > 1 {
			fmt.Fprintf(&b, "%s: %s\n", s.Name, s.About)
			rows[0][0] = ""
			writeRows(&b, rows, 0, 1, 7)
			b.WriteString("\n")
		}
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(&b, "Not measured: %s: %s\n", strings.TrimSuffix(s.Scenario+" "+s.Variant, " "), s.Reason)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// title is what tells a figure from the others of its scenario.
func (f Figure) title() string {
	name := f.Name
	if f.At > 0 {
		name += fmt.Sprintf(" at %d", f.At)
	}
	return name
}

func (f Figure) row() []string {
	row := []string{"  " + f.title(), f.Variant, strconv.Itoa(f.N)}
	for _, v := range []float64{f.P50, f.P90, f.P99, f.Max} {
		row = append(row, cell(v, f.N))
	}
	ratio, failures := "", ""
	if f.Ratio > 0 {
		ratio = strconv.FormatFloat(f.Ratio, 'f', 2, 64)
	}
	if f.Failures > 0 {
		failures = strconv.Itoa(f.Failures)
	}
	return append(row, unitName(f.Unit), ratio, failures)
}

func unitName(unit string) string {
	switch unit {
	case microseconds:
		return "µs"
	case count:
		return ""
	}
	return unit
}

// cell prints a figure with four digits at the least.
func cell(v float64, n int) string {
	if n == 0 {
		return "-"
	}
	return number(v)
}

func number(v float64) string {
	digits := 0
	switch {
	case v == float64(int64(v)):
	case v < 9.9995:
		digits = 3
	case v < 99.995:
		digits = 2
	case v < 999.95:
		digits = 1
	}
	text := strconv.FormatFloat(v, 'f', digits, 64)
	whole, fraction, dot := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if dot {
		whole += "." + fraction
	}
	return whole
}

// writeRows prints rows of as many cells each: some columns at the left, figures flush right.
func writeRows(b *strings.Builder, rows [][]string, left ...int) {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if i > 0 {
				line.WriteString("  ")
			}
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if slices.Contains(left, i) {
				line.WriteString(cell + pad)
			} else {
				line.WriteString(pad + cell)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// WriteCSV prints a row for each figure.
func WriteCSV(w io.Writer, r Report) error {
	c := csv.NewWriter(w)
	plain := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	_ = c.Write([]string{"scenario", "figure", "variant", "at", "kind", "unit", "better", "n", "failures", "p50", "p90", "p99", "max", "floor", "floor_ratio"})
	for _, f := range r.Figures {
		_ = c.Write([]string{
			f.Scenario, f.Name, f.Variant, strconv.Itoa(f.At), f.Kind, f.Unit, f.Better, strconv.Itoa(f.N), strconv.Itoa(f.Failures),
			plain(f.P50), plain(f.P90), plain(f.P99), plain(f.Max), f.Floor, plain(f.Ratio),
		})
	}
	c.Flush() // a writer's error stays until Error
	return c.Error()
}
