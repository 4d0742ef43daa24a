package rollout

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"enilab/internal/lambda"
	"enilab/internal/spelling"
)

// WriteTable prints a report for people: a line for each step, the cold starts by network, and the drop.
func WriteTable(w io.Writer, r Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s from %s to shared while %v requests a second come; %v %% need a new environment.\n\n",
		spelling.Counted(r.Functions, "function"), map[bool]string{true: "moves", false: "move"}[r.Functions == 1],
		r.From, r.Rate, percentage(r.Fresh))
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "shared\tfor\tsent\tfailed\tcold\tall p50\tp90\tp99\tmax\tcold p50\tp90\tp99\tmax\tENIs\taddresses\t")
	for n, s := range r.Steps {
		list := r.during(n)
		all, starts := summarize(where(list, served), took), summarize(where(list, cold), took)
		fmt.Fprintf(t, "%d %%\t%.1f s\t%d\t%d\t%s %%\t%s\t%s\t%d\t%d\t\n", s.Percent, float64(s.Ended-s.Began)/1e6,
			len(list), len(list)-all.n, percentage(float64(count(list, func(i Invocation) bool { return i.Cold }))/float64(max(len(list), 1))),
			all.cells(), starts.cells(), s.ENIs, s.Addresses)
	}
	_ = t.Flush() // a string takes everything
	fmt.Fprint(&b, "Milliseconds from when a request was due until its answer.\n\nCold starts by the network that the environment got\n")
	t = tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "shared\tnetwork\tstarts\tattach p50\tp90\tp99\tmax\tstart p50\tp90\tp99\tmax\t")
	for n, s := range r.Steps {
		for _, mode := range lambda.Modes {
			of := func(i Invocation) bool { return cold(i) && i.Mode == string(mode) }
			list := r.during(n)
			if starts := summarize(where(list, of), took); starts.n > 0 {
				fmt.Fprintf(t, "%d %%\t%s\t%d\t%s\t%s\t\n", s.Percent, mode, starts.n, summarize(where(list, of), attach).cells(), starts.cells())
			}
		}
	}
	_ = t.Flush()
	fmt.Fprintf(&b, "\nAs it went, a bar for every %s\n%s", every(r.window()), r.drop())
	if notes := r.Notes(); len(notes) > 0 {
		fmt.Fprintf(&b, "\n%s\n", strings.Join(notes, "\n"))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func every(d time.Duration) string {
	if d == time.Second {
		return "second"
	}
	return fmt.Sprintf("%.0f seconds", d.Seconds())
}

func percentage(share float64) string {
	return strconv.FormatFloat(math.Round(share*1000)/10, 'f', -1, 64)
}

// cells are a table's, in milliseconds; empty of nothing.
func (s summary) cells() string {
	if s.n == 0 {
		return "\t\t\t"
	}
	return strings.Join([]string{milli(s.p50), milli(s.p90), milli(s.p99), milli(s.max)}, "\t")
}

// milli prints microseconds as milliseconds, to three significant digits.
func milli(us int64) string {
	ms := float64(us) / 1000
	switch {
	case ms >= 99.95: // what would be rounded up to it
		return fmt.Sprintf("%.0f", ms)
	case ms >= 9.995:
		return fmt.Sprintf("%.1f", ms)
	case ms >= 0.9995:
		return fmt.Sprintf("%.2f", ms)
	}
	return fmt.Sprintf("%.3f", ms)
}

func milliUnit(us float64) string { return milli(int64(us)) + " ms" }

// tardy is how late a request may be sent without a word: a processor is often taken for so long.
const tardy = 50 * time.Millisecond

// Notes say what failed, and where the machine did not keep up with the workload.
func (r Report) Notes() (notes []string) {
	failures := map[string]int{}
	for _, i := range r.Invocations {
		if i.Failure != "" {
			failures[i.Failure]++
		}
	}
	const most = 5
	why := slices.SortedFunc(maps.Keys(failures), func(a, b string) int {
		return cmp.Or(cmp.Compare(failures[b], failures[a]), cmp.Compare(a, b))
	})
	for _, w := range why[:min(len(why), most)] {
		notes = append(notes, fmt.Sprintf("Failed %s: %s", spelling.Counted(failures[w], "time"), w))
	}
	if more := len(why) - most; more > 0 {
		notes = append(notes, fmt.Sprintf("And %s of failures.", spelling.Counted(more, "more kind")))
	}
	if behind := time.Duration(r.Behind) * time.Microsecond; behind > tardy {
		notes = append(notes, fmt.Sprintf("The generator fell behind its schedule by up to %s ms: the machine was too busy to send. The figures include it.", milli(r.Behind)))
	}
	for _, s := range r.Steps {
		if s.Failure != "" {
			changed := spelling.Counted(s.Functions, "function")
			notes = append(notes, fmt.Sprintf("Step %d %%: only %s could be changed: %s", s.Percent, changed, s.Failure))
		}
		if float64(s.Waiting) > r.Rate { // a second's requests: by Little's law they wait a second on average
			notes = append(notes, fmt.Sprintf("At the end of step %d %%, %s had no answer yet: this machine does not hold the rate. Give a lower --rate or --fresh.",
				s.Percent, spelling.Counted(s.Waiting, "request")))
		}
	}
	return notes
}

// Err says whether the rollout was one that nobody noticed: nil if no invocation failed, and every function was changed.
func (r Report) Err() error {
	if n := count(r.Invocations, func(i Invocation) bool { return !served(i) }); n > 0 {
		return fmt.Errorf("%d of %d invocations failed", n, len(r.Invocations))
	}
	for _, s := range r.Steps {
		if s.Failure != "" {
			return fmt.Errorf("step %d %%: %s", s.Percent, s.Failure)
		}
	}
	return nil
}

// WriteCSV prints a row for each invocation.
func WriteCSV(w io.Writer, r Report) error {
	c := csv.NewWriter(w)
	_ = c.Write([]string{"at_us", "took_us", "late_us", "attach_us", "function", "mode", "fresh", "cold", "failure"})
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	for _, i := range r.Invocations {
		_ = c.Write([]string{
			number(i.At), number(i.Took), number(i.Late), number(i.Attach), strconv.Itoa(i.Function), i.Mode,
			strconv.FormatBool(i.Fresh), strconv.FormatBool(i.Cold), i.Failure,
		})
	}
	c.Flush() // a writer's error stays until Error
	return c.Error()
}
