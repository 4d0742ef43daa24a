package main

import (
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// schema names the shape of a report's JSON.
const schema = "enilab.peers/v1"

// report is what a bench saw.
type report struct {
	Schema  string    `json:"schema"`
	Date    string    `json:"date"` // UTC, ISO 8601
	Kernel  string    `json:"kernel"`
	CPUs    int       `json:"cpus"`
	CPU     string    `json:"cpu"`
	Rounds  int       `json:"rounds"`
	Rows    []*row    `json:"rows"`
	Skipped []skipped `json:"skipped"`
	Peers   []version `json:"peers"`
}

type version struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type skipped struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// row is what one peer took for one kind of work. Figures are in microseconds; no outlier is dropped.
type row struct {
	Work     work     `json:"work"`
	Name     string   `json:"name"`
	Includes string   `json:"includes"`
	N        int      `json:"n"`
	Failures int      `json:"failures"`
	Errors   []string `json:"errors,omitempty"` // each once
	P50      float64  `json:"p50_us"`
	P90      float64  `json:"p90_us"`
	P99      float64  `json:"p99_us"`
	Max      float64  `json:"max_us"`
	Ratio    float64  `json:"ratio,omitempty"` // its p50 over enilab shared's of the same work; 0: there is none

	took []time.Duration
}

func newReport(rounds int) report {
	return report{
		Schema: schema, Date: time.Now().UTC().Format(time.RFC3339), Rounds: rounds,
		Kernel: firstOf("/proc/sys/kernel/osrelease", ""), CPUs: runtime.NumCPU(), CPU: firstOf("/proc/cpuinfo", "model name"),
		Rows: []*row{}, Skipped: []skipped{}, Peers: []version{}, // never null in JSON
	}
}

// firstOf returns the value of the first line of a file that begins with a word; the empty word is in any.
func firstOf(path, word string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, word); ok {
			return strings.TrimLeft(strings.TrimSpace(value), ": \t")
		}
	}
	return "unknown"
}

func (r *report) skip(p peer, why error) {
	r.Skipped = append(r.Skipped, skipped{p.name, oneLine(why)})
}

func (r *report) add(p peer, of string) {
	r.Peers = append(r.Peers, version{p.name, of})
	for _, l := range p.lines {
		r.Rows = append(r.Rows, &row{Work: l.work, Name: l.name, Includes: l.includes})
	}
}

// count adds what one run of a peer brought: each of its rows gets a sample or a failure.
func (r *report) count(p peer, samples []sample, err error) {
	for _, l := range p.lines {
		row := r.row(l.key)
		i := slices.IndexFunc(samples, func(s sample) bool { return s.key == l.key })
		if i >= 0 {
			row.took = append(row.took, samples[i].took)
			continue
		}
		row.Failures++
		what := "no figure"
		if err != nil {
			what = oneLine(err)
		}
		if !slices.Contains(row.Errors, what) {
			row.Errors = append(row.Errors, what)
		}
	}
	r.sum()
}

func (r *report) row(k key) *row {
	i := slices.IndexFunc(r.Rows, func(row *row) bool { return row.Work == k.work && row.Name == k.name })
	if i < 0 {
		return nil
	}
	return r.Rows[i]
}

// sum brings the figures up to date.
func (r *report) sum() {
	for _, row := range r.Rows {
		took := slices.Sorted(slices.Values(row.took))
		row.N = len(took)
		row.P50, row.P90, row.P99, row.Max = at(took, 50), at(took, 90), at(took, 99), at(took, 100)
	}
	for _, row := range r.Rows {
		if ours := r.row(key{row.Work, reference}); ours != nil && ours.P50 > 0 {
			row.Ratio = row.P50 / ours.P50
		}
	}
}

// at is the smallest of sorted times that no fewer than percent of them exceed not, in microseconds; 0 of none.
func at(sorted []time.Duration, percent int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := (len(sorted)*percent + 99) / 100 // rounded up
	return float64(sorted[rank-1]) / 1e3
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
