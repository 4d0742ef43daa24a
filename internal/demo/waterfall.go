package demo

import (
	"fmt"
	"io"
	"strings"
	"time"

	"enilab/sandbox"
)

// barWidth is how many characters the whole of a start takes.
const barWidth = 48

// writeWaterfall draws a timeline: each phase where it lies within the whole, with its steps behind it.
func writeWaterfall(w io.Writer, t *sandbox.Timeline) error {
	var b strings.Builder
	for _, s := range t.Spans {
		from := int(s.Start * barWidth / t.Total)
		to := max(int((s.Start+s.Took)*barWidth/t.Total), from+1)
		bar := strings.Repeat(" ", from) + strings.Repeat("█", to-from) + strings.Repeat(" ", max(barWidth-to, 0))
		fmt.Fprintf(&b, "    %-7s %9s  %s", s.Name, span(s.Took), strings.TrimRight(bar, " "))
		if len(s.Steps) > 0 {
			steps := make([]string, len(s.Steps))
			for i, step := range s.Steps {
				steps[i] = step.Name + " " + span(step.Took)
			}
			fmt.Fprintf(&b, "\n    %-7s %9s  %s", "", "", strings.Join(steps, ", "))
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "    %-7s %9s\n    %-7s %9s\n", "other", span(t.Other()), "total", span(t.Total))
	_, err := io.WriteString(w, b.String())
	return err
}

// span prints a duration to three significant digits, in the unit that a class can compare: ms, or µs below 1 ms.
func span(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%.0f µs", float64(d)/1e3)
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.2f ms", float64(d)/1e6)
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}
