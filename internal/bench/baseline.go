package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"

	"golang.org/x/perf/benchmath"
)

// Parse reads an earlier run. Anything else is an error that names the file.
func Parse(file string, text []byte) (r Report, err error) {
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("%s: not the JSON of enilab bench: %w", file, err)
	}
	if r.Schema != Schema {
		return r, fmt.Errorf("%s: its schema is %q, want %s", file, r.Schema, Schema)
	}
	return r, nil
}

// WriteChanges prints what has changed from one run to another, with the confidence that it has: the probability of a
// difference like this if there were none (Mann-Whitney U-test on the samples; it assumes nothing of their distribution).
// A change that may be chance is a "~".
func WriteChanges(w io.Writer, before, after Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Change since %s (%s):\n", before.Began.Format("2006-01-02 15:04 MST"), before.Version)
	for _, d := range before.Host.differences(after.Host) {
		fmt.Fprintf(&b, "  Warning: the machine is not the same: %s\n", d)
	}
	var rows [][]string
	for _, f := range after.Figures {
		for _, old := range before.Figures {
			if f.same(old) && f.N > 0 && old.N > 0 {
				rows = append(rows, change(old, f))
			}
		}
	}
	if len(rows) == 0 {
		b.WriteString("  The two runs have no figure in common.\n")
	} else {
		writeRows(&b, rows, 0, 2, 4, 5)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (f Figure) same(g Figure) bool {
	return f.Scenario == g.Scenario && f.Name == g.Name && f.Variant == g.Variant && f.At == g.At && f.Unit == g.Unit
}

// change is one figure's: what it is, before, after, by how much, how sure, and the word on which way it went.
func change(old, f Figure) []string {
	unit := unitName(f.Unit)
	amount := func(v float64) string { return strings.TrimSpace(number(v) + " " + unit) }
	t := &benchmath.DefaultThresholds
	c := benchmath.AssumeNothing.Compare(benchmath.NewSample(clone(old.Values), t), benchmath.NewSample(clone(f.Values), t))
	delta, word := "~", ""
	if c.P < c.Alpha {
		delta, word = percent(old.P50, f.P50), verdict(f.Better, old.P50, f.P50)
	}
	name := f.title()
	if f.Variant != "" {
		name += " " + f.Variant
	}
	return []string{"  " + f.Scenario + ": " + name, amount(old.P50), "→ " + amount(f.P50), delta, fmt.Sprintf("(p=%.3f n=%d+%d)", c.P, c.N1, c.N2), word}
}

// clone is for a library that sorts what it is given.
func clone(values []float64) []float64 { return append([]float64{}, values...) }

func percent(old, now float64) string {
	switch {
	case old == now:
		return "±0 %"
	case old == 0:
		return "new"
	}
	p := math.Round((now/old - 1) * 100)
	if p < 0 {
		return fmt.Sprintf("−%.0f %%", -p)
	}
	return fmt.Sprintf("+%.0f %%", p)
}

func verdict(better string, old, now float64) string {
	switch {
	case better == "" || old == now:
		return ""
	case (now < old) == (better == "lower"):
		return "better"
	}
	return "worse"
}

// differences are those settings of two machines that figures hang on.
func (h Host) differences(other Host) (list []string) {
	for _, s := range []struct{ name, before, after string }{
		{"kernel", h.Kernel, other.Kernel},
		{"preemption", h.Preemption, other.Preemption},
		{"timer ticks", fmt.Sprint(h.HZ), fmt.Sprint(other.HZ)},
		{"RCU", h.RCU, other.RCU},
		{"CPUs", fmt.Sprint(h.CPUs), fmt.Sprint(other.CPUs)},
		{"CPU", h.CPU, other.CPU},
		{"governor", h.Governor, other.Governor},
		{"clock", h.Clock, other.Clock},
		{"virtualization", h.Virtualization, other.Virtualization},
		{"mitigations", h.Mitigations, other.Mitigations},
		{"memory", fmt.Sprintf("%d MB", h.Memory>>20), fmt.Sprintf("%d MB", other.Memory>>20)},
		{"rootless", fmt.Sprint(h.Rootless), fmt.Sprint(other.Rootless)},
		{"Go", h.Go, other.Go},
	} {
		if s.before != s.after {
			list = append(list, fmt.Sprintf("%s was %s, is %s", s.name, orNone(s.before), orNone(s.after)))
		}
	}
	return list
}

func orNone(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}
