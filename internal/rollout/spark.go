package rollout

import (
	"fmt"
	"strings"
)

var bars = []rune("▁▂▃▄▅▆▇█")

// spark draws figures as bars, each so many columns wide, on a scale from zero to the highest. What is negative is
// unknown, and left out.
func spark(figures []float64, width int) string {
	top := 0.0
	for _, f := range figures {
		top = max(top, f)
	}
	var b strings.Builder
	for _, f := range figures {
		bar := ' '
		switch {
		case f < 0:
		case top == 0:
			bar = bars[0]
		default:
			bar = bars[min(int(f/top*float64(len(bars))), len(bars)-1)]
		}
		b.WriteString(strings.Repeat(string(bar), width))
	}
	return b.String()
}

// span is from the lowest to the highest of the figures that are known.
func span(figures []float64, print func(float64) string) string {
	low, high, known := 0.0, 0.0, false
	for _, f := range figures {
		switch {
		case f < 0:
		case !known:
			low, high, known = f, f, true
		default:
			low, high = min(low, f), max(high, f)
		}
	}
	if !known {
		return ""
	}
	return fmt.Sprintf("%s to %s", print(low), print(high))
}

// drop is the picture: a line for each figure, a bar for each moment, and above them where the steps begin.
func (r Report) drop() string {
	moments := r.moments()
	if len(moments) == 0 {
		return ""
	}
	width := max(1, min(4, mostWindows/len(moments)))
	var b strings.Builder
	line := func(name string, figures []float64, print func(float64) string) {
		fmt.Fprintf(&b, "  %-11s %s  %s\n", name, spark(figures, width), span(figures, print))
	}
	latency := func(is func(Invocation) bool, of func(Invocation) int64, which func(summary) int64) []float64 {
		figures := make([]float64, len(moments))
		for n, m := range moments {
			if s := summarize(where(m, is), of); s.n > 0 {
				figures[n] = float64(which(s))
			} else {
				figures[n] = -1
			}
		}
		return figures
	}
	p50, p99 := func(s summary) int64 { return s.p50 }, func(s summary) int64 { return s.p99 }
	fmt.Fprintf(&b, "  %-11s %s\n", "shared", strings.TrimRight(string(r.marks(len(moments), width)), " "))
	line("all p50", latency(served, took, p50), milliUnit)
	line("all p99", latency(served, took, p99), milliUnit)
	line("cold p50", latency(cold, took, p50), milliUnit)
	line("attach p50", latency(cold, attach, p50), milliUnit)
	line("ENIs", r.enis(len(moments)), func(f float64) string { return fmt.Sprint(f) })
	return b.String()
}

// marks are the steps' percentages, where they begin; one that has no room is left out.
func (r Report) marks(moments, width int) []rune {
	row := []rune(strings.Repeat(" ", moments*width+len("100 %")))
	free := 0
	for _, s := range r.Steps {
		text := []rune(fmt.Sprintf("%d %%", s.Percent))
		at := int(s.Began/r.window().Microseconds()) * width
		if at < free || at+len(text) > len(row) {
			continue
		}
		copy(row[at:], text)
		free = at + len(text) + 1
	}
	return row
}

// enis are those in the subnet, at the last look of each moment.
func (r Report) enis(moments int) []float64 {
	figures := make([]float64, moments)
	for n := range figures {
		figures[n] = -1
	}
	for _, s := range r.Samples {
		if n := s.At / r.window().Microseconds(); n < int64(moments) {
			figures[n] = float64(s.ENIs)
		}
	}
	return figures
}
