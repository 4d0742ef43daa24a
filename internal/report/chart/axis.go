package chart

import (
	"slices"

	"enilab/internal/report/draw"
)

// Sizes of text. Narrower screens get a narrower drawing, not smaller words.
const (
	LabelSize = 12.5
	TickSize  = 12
)

// Below is the room that Bottom needs under a plot, and with a title.
const (
	Below      = 20
	BelowTitle = 36
)

// Bottom draws the horizontal axis of a plot: upright grid lines, figures and, if it has one, a title under them.
func Bottom(d *draw.Drawing, plot draw.Box, s Scale, format func(float64) string, title string) {
	clear := -1e9 // where the last figure ends
	for _, v := range s.Ticks() {
		x := s.At(v)
		d.Add(draw.Line{Points: []draw.Point{{X: x, Y: plot.Top}, {X: x, Y: plot.Bottom}}, Stroke: draw.Stroke{Color: draw.Rule}})
		t := keepInside(d, draw.Text{At: draw.Point{X: x, Y: plot.Bottom + 15}, Anchor: draw.Middle, Size: TickSize, Ink: draw.Soft, Words: format(v)})
		if b := t.Bounds(); b.Left > clear+6 {
			d.Add(t)
			clear = b.Right
		}
	}
	d.Add(draw.Line{Points: []draw.Point{{X: plot.Left, Y: plot.Bottom}, {X: plot.Right, Y: plot.Bottom}}, Stroke: draw.Stroke{Color: draw.Soft}})
	if title != "" {
		title = draw.Fit(title, d.Width-8, TickSize, false)
		d.Add(keepInside(d, draw.Text{At: draw.Point{X: plot.Right, Y: plot.Bottom + 31}, Anchor: draw.End, Size: TickSize, Ink: draw.Soft, Words: title}))
	}
}

// keepInside moves a text that would leave the drawing at a side.
func keepInside(d *draw.Drawing, t draw.Text) draw.Text {
	b := t.Bounds()
	if b.Left < 1 {
		t.At.X += 1 - b.Left
	} else if b.Right > d.Width-1 {
		t.At.X -= b.Right - d.Width + 1
	}
	return t
}

// Left draws the upright axis of a plot: level grid lines and figures.
func Left(d *draw.Drawing, plot draw.Box, s Scale, format func(float64) string) {
	clear := 1e9 // the top of the last figure
	for _, v := range s.Ticks() {
		y := s.At(v)
		d.Add(draw.Line{Points: []draw.Point{{X: plot.Left, Y: y}, {X: plot.Right, Y: y}}, Stroke: draw.Stroke{Color: draw.Rule}})
		t := draw.Text{At: draw.Point{X: plot.Left - 8, Y: y + 4}, Anchor: draw.End, Size: TickSize, Ink: draw.Soft, Words: format(v)}
		if b := t.Bounds(); b.Bottom < clear-1 {
			d.Add(t)
			clear = b.Top
		}
	}
}

// LeftRoom is how much room the figures of an upright axis need.
func LeftRoom(s Scale, format func(float64) string) float64 {
	room := 0.0
	for _, v := range s.Ticks() {
		room = max(room, draw.TextWidth(format(v), TickSize, false))
	}
	return room + 10
}

// Spread moves places along a line until each keeps gap from the next and all lie within low and high, as near as can be
// to where they were. The order of the places is kept.
func Spread(places []float64, gap, low, high float64) []float64 {
	order := make([]int, len(places))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case places[a] < places[b]:
			return -1
		case places[a] > places[b]:
			return 1
		}
		return 0
	})
	out := slices.Clone(places)
	at := low
	for _, i := range order { // push down
		out[i] = max(out[i], at)
		at = out[i] + gap
	}
	at = high
	for _, i := range slices.Backward(order) { // and back up, where that has gone too far
		out[i] = min(out[i], at)
		at = out[i] - gap
	}
	return out
}
