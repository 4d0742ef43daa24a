package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"enilab/internal/report/chart"
	"enilab/internal/report/draw"
	"enilab/internal/rollout"
)

// windows is how many parts the time of a rollout is summed up in.
const windows = 40

// window is what callers saw in a part of the time.
type window struct {
	from, to float64 // µs
	took     []float64
	cold     int
	failed   int
}

// drop shows what callers saw while their functions were moved from legacy to shared, in steps.
func drop(r *rollout.Report) (Picture, bool) {
	if r == nil || len(r.Invocations) == 0 {
		return Picture{}, false
	}
	parts := windowsOf(r)
	p := Picture{
		Name: "drop", Title: "The drop: latency while a running workload is moved to shared",
		Table: Table{Caption: "Windows of time", Columns: []Column{
			{"from", chart.Micros}, {"to", chart.Micros}, {"answers", chart.Count}, {"of them cold", chart.Count}, {"failures", chart.Count}, {"p50", chart.Micros}, {"p99", chart.Micros}, {Head: "steps begun"}, {"ENIs", chart.Count}, {"addresses", chart.Count},
		}},
		Samples: Table{Caption: "Each invocation", Columns: []Column{{"at", chart.Micros}, {"took", chart.Micros}, {"attach", chart.Micros}, {"late", chart.Micros}, {Head: "function"}, {Head: "mode"}, {Head: "cold"}, {Head: "failure"}}},
	}
	for _, w := range parts {
		row := []Cell{figure(w.from, chart.Micros), figure(w.to, chart.Micros), count(len(w.took)), count(w.cold), count(w.failed)}
		if len(w.took) > 0 {
			row = append(row, figure(chart.Quantile(w.took, 0.5), chart.Micros), figure(chart.Quantile(w.took, 0.99), chart.Micros))
		} else {
			row = append(row, words("–"), words("–"))
		}
		row = append(row, words(stepsIn(r.Steps, w)))
		if s, ok := sampleIn(r, w); ok {
			row = append(row, count(s.ENIs), count(s.Addresses))
		} else {
			row = append(row, words("–"), words("–"))
		}
		p.Table.Add(row...)
	}
	for _, v := range r.Invocations {
		p.Samples.Add(figure(float64(v.At), chart.Micros), figure(float64(v.Took), chart.Micros), figure(float64(v.Attach), chart.Micros), figure(float64(v.Late), chart.Micros), count(v.Function), words(v.Mode), words(strconv.FormatBool(v.Cold)), words(v.Failure))
	}
	p.Says = dropSays(r)
	p.draw = func(d *draw.Drawing) { drawDrop(d, r, parts) }
	return p, true
}

func stepsIn(steps []rollout.Step, w window) string {
	var names []string
	for _, s := range steps {
		if t := float64(s.Began); t >= w.from && (t < w.to) {
			name := percent(s)
			if s.Failure != "" {
				name += " (not all: " + s.Failure + ")"
			}
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// subnetOf is what the functions had of their subnet in the course of the time.
func subnetOf(r *rollout.Report) []rollout.Sample {
	if len(r.Samples) > 0 {
		return r.Samples
	}
	var ends []rollout.Sample
	for _, s := range r.Steps {
		ends = append(ends, rollout.Sample{At: max(s.Done, s.Ended), ENIs: s.ENIs, Addresses: s.Addresses})
	}
	return ends
}

// sampleIn is the last of a window.
func sampleIn(r *rollout.Report, w window) (last rollout.Sample, ok bool) {
	for _, s := range subnetOf(r) {
		if t := float64(s.At); t >= w.from && (t < w.to || t == endOf(r) && t == w.to) {
			last, ok = s, true
		}
	}
	return last, ok
}

func percent(s rollout.Step) string { return chart.Percent.Tick(float64(s.Percent)) }

// endOf is the end of the last invocation, or step.
func endOf(r *rollout.Report) float64 {
	end := 1.0
	for _, v := range r.Invocations {
		end = max(end, float64(v.At))
	}
	for _, s := range r.Steps {
		end = max(end, float64(s.Began), float64(s.Done), float64(s.Ended))
	}
	for _, s := range r.Samples {
		end = max(end, float64(s.At))
	}
	return end
}

func windowsOf(r *rollout.Report) []window {
	end := endOf(r)
	parts := make([]window, windows)
	for i := range parts {
		parts[i].from, parts[i].to = end*float64(i)/windows, end*float64(i+1)/windows
	}
	for _, v := range r.Invocations {
		w := &parts[min(int(float64(v.At)/end*windows), windows-1)]
		if v.Failure != "" {
			w.failed++
			continue
		}
		w.took = append(w.took, float64(v.Took))
		if v.Cold {
			w.cold++
		}
	}
	for i := range parts {
		parts[i].took = chart.Sorted(parts[i].took)
	}
	return parts
}

// dropSays compares what callers saw before the first function was moved with what they saw after the last.
func dropSays(r *rollout.Report) string {
	began, done := math.Inf(1), 0.0
	var shares []string
	for _, s := range r.Steps {
		if s.Percent > 0 {
			began = min(began, float64(s.Began))
		}
		done = max(done, float64(s.Done))
		shares = append(shares, percent(s))
	}
	var before, after, beforeCold, afterCold []float64
	failed := 0
	for _, v := range r.Invocations {
		switch at := float64(v.At); {
		case v.Failure != "":
			failed++
		case at < began:
			before = append(before, float64(v.Took))
			if v.Cold {
				beforeCold = append(beforeCold, float64(v.Took))
			}
		case at >= done:
			after = append(after, float64(v.Took))
			if v.Cold {
				afterCold = append(afterCold, float64(v.Took))
			}
		}
	}
	us := func(values []float64, q float64) string {
		return chart.Micros.Format(chart.Quantile(chart.Sorted(values), q))
	}
	says := fmt.Sprintf("%s served %s requests a second while the share of them in shared mode went %s.", plural(r.Functions, "function"), chart.Count.Format(r.Rate), strings.Join(shares, ", "))
	if len(before) > 0 && len(after) > 0 {
		says += fmt.Sprintf(" 99 of 100 callers had their answer within %s before and %s after", us(before, 0.99), us(after, 0.99))
		if len(beforeCold) > 0 && len(afterCold) > 0 {
			says += fmt.Sprintf("; the median cold start took %s before and %s after", us(beforeCold, 0.5), us(afterCold, 0.5))
		}
		says += "."
	}
	return says + fmt.Sprintf(" %s of %s failed.", chart.Count.Format(float64(failed)), plural(len(r.Invocations), "invocation"))
}
