package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// formats of the output.
var formats = map[string]func(io.Writer, report) error{
	"table":    writeTable,
	"markdown": writeMarkdown,
	"json":     func(w io.Writer, r report) error { return json.NewEncoder(w).Encode(r) },
}

var headings = map[work]string{
	attach: "Attach: until a network namespace that is there can send to the customer's server; it is empty, but for enilab shared",
	detach: "Detach: until its interface is gone",
	start:  "Start: from the request until the function's first `next`; the same Go program everywhere",
}

var columns = []string{"", "p50", "p90", "p99", "max", "n", "failed", "to enilab shared", "what is included"}

// sections lists the rows of each kind of work, as words.
func (r report) sections(do func(heading string, rows [][]string) error) error {
	for _, w := range []work{attach, detach, start} {
		var rows [][]string
		for _, row := range r.Rows {
			if row.Work == w {
				rows = append(rows, row.words())
			}
		}
		if rows == nil {
			continue
		}
		if err := do(headings[w], rows); err != nil {
			return err
		}
	}
	return nil
}

func (row row) words() []string {
	words := []string{row.Name, ms(row.P50), ms(row.P90), ms(row.P99), ms(row.Max), fmt.Sprint(row.N), fmt.Sprint(row.Failures), row.verdict(), row.Includes}
	if row.N == 0 {
		copy(words[1:], []string{"–", "–", "–", "–"})
	}
	return words
}

// verdict says how a row stands to enilab shared, by their medians.
func (row row) verdict() string {
	switch {
	case row.N == 0 || row.Ratio == 0:
		return "–"
	case row.Name == reference:
		return "1"
	case strings.HasPrefix(row.Name, enilabName):
		return significant(row.Ratio) + " ×"
	case row.Ratio >= 1:
		return significant(row.Ratio) + " × (enilab ahead)"
	}
	return significant(row.Ratio) + " × (enilab behind)"
}

func ms(us float64) string { return significant(us/1e3) + " ms" }

// significant prints three digits.
func significant(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

func writeTable(w io.Writer, r report) error {
	err := r.sections(func(heading string, rows [][]string) error {
		fmt.Fprintln(w, heading)
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, row := range append([][]string{columns}, rows...) {
			fmt.Fprintln(t, "  "+strings.Join(row, "\t"))
		}
		if err := t.Flush(); err != nil {
			return err
		}
		_, err := fmt.Fprintln(w)
		return err
	})
	for _, note := range r.notes() {
		fmt.Fprintln(w, note)
	}
	return err
}

func writeMarkdown(w io.Writer, r report) error {
	err := r.sections(func(heading string, rows [][]string) error {
		fmt.Fprintf(w, "**%s**\n\n| %s |\n|---|%s---|---|\n", heading, strings.Join(columns, " | "), strings.Repeat("--:|", len(columns)-3))
		for _, row := range rows {
			fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
		}
		_, err := fmt.Fprintln(w)
		return err
	})
	for _, note := range r.notes() {
		fmt.Fprintf(w, "%s\n\n", note)
	}
	return err
}

// notes is what stands below the tables.
func (r report) notes() (notes []string) {
	var versions []string
	for _, p := range r.Peers {
		if p.Version != "" && !slices.Contains(versions, p.Version) {
			versions = append(versions, p.Version)
		}
	}
	notes = append(notes,
		fmt.Sprintf("Measured on %s: %d rounds, in each every peer once, in an order that rotates; Linux %s, %d CPUs (%s). Times are of one after the other, nothing else at work, "+
			"from the call of the program that a user would wait for; all page caches are warm and no outlier is dropped. enilab's are by its own clock, within a lab that runs.", r.Date, r.Rounds, r.Kernel, r.CPUs, r.CPU),
		"Versions: "+strings.Join(versions, "; ")+".")
	if note := r.target(); note != "" {
		notes = append(notes, note)
	}
	for _, s := range r.Skipped {
		notes = append(notes, fmt.Sprintf("Skipped %s: %s", s.Name, s.Reason))
	}
	for _, row := range r.Rows {
		for _, e := range row.Errors {
			notes = append(notes, fmt.Sprintf("Failed, %s of %s: %s", row.Work, row.Name, e))
		}
	}
	return notes
}

// Targets for a whole cold start in shared mode.
const (
	targetMS = 4.5
	rival    = "crun-pooled"
)

func (r report) target() string {
	ours, theirs := r.row(key{start, reference}), r.row(key{start, rival})
	if ours == nil || ours.N == 0 {
		return ""
	}
	note := fmt.Sprintf("Target: a cold start of enilab shared takes %s, %s %.1f ms", ms(ours.P50), atMost(ours.P50 <= targetMS*1e3), targetMS)
	if theirs != nil && theirs.N > 0 {
		ratio := ours.P50 / theirs.P50
		note += fmt.Sprintf("; that is %.2f of crun run without a network (%s), %s 1.0", ratio, ms(theirs.P50), atMost(ratio <= 1))
	}
	return note + "."
}

func atMost(met bool) string {
	if met {
		return "met: ≤"
	}
	return "not met: >"
}
