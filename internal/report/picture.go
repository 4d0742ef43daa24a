package report

import (
	"strings"

	"enilab/internal/report/chart"
	"enilab/internal/report/draw"
)

// Picture is one figure of the report. The table behind it holds what is drawn.
type Picture struct {
	Name  string // of its file, without suffix
	Title string
	Says  string // what there is to see, in plain words with figures
	Table Table
	// Samples are all that the table sums up, for programs; empty if the table is all.
	Samples Table
	draw    func(d *draw.Drawing)
}

// Widths of a picture. Words have the same size in both.
const (
	Wide   = 820
	Narrow = 360
)

// Draw lays the picture out in a width.
func (p Picture) Draw(width float64) *draw.Drawing {
	d := &draw.Drawing{Width: width, Title: p.Title, Description: p.Says + " The table behind the picture has the figures."}
	p.draw(d)
	return d
}

// Alone is the picture for a slide: wide, with its title and what it says.
func (p Picture) Alone() *draw.Drawing {
	d := p.Draw(Wide)
	d.Head(p.Title, p.Says)
	return d
}

// look is how a series is told from others: by more than its colour.
type look struct {
	color  draw.Color
	marker draw.Marker
	dash   draw.Dash
}

func lookOf(variant string) look {
	switch variant {
	case "legacy":
		return look{draw.Vermillion, draw.Circle, draw.Dash{9, 3}}
	case "legacy-inplace":
		return look{draw.Purple, draw.Diamond, draw.Dash{2, 3}}
	case "shared":
		return look{draw.Blue, draw.Square, nil}
	case "routed-veth":
		return look{draw.Green, draw.Wedge, draw.Dash{9, 3, 2, 3}}
	}
	return look{draw.Olive, draw.Cross, draw.Dash{5, 5}}
}

// fillOf is a bar's look: solid if it is measured, slanted lines if it is modelled, whatever else it shows.
func fillOf(kind string, f draw.Fill) (draw.Fill, draw.Stroke) {
	if isModelled(kind) {
		return draw.Fill{Color: f.Color, Texture: draw.Slanted}, draw.Stroke{Color: f.Color, Dash: draw.Dash{3, 2}}
	}
	line := draw.Stroke{}
	if f.Texture != draw.Solid {
		line = draw.Stroke{Color: f.Color, Width: 0.75}
	}
	return f, line
}

func isModelled(kind string) bool { return kind == "modelled" }

// phaseFill is a phase's look within a cold start. Attach, which is all that differs between the variants, has the
// variant's colour; the others are grey, each with a texture of its own.
func phaseFill(phase, variant string) draw.Fill {
	switch phase {
	case "attach":
		return draw.Fill{Color: lookOf(variant).color}
	case "place", "fetch", "unpack":
		return draw.Fill{Color: draw.Grey, Texture: draw.Level}
	case "queue":
		return draw.Fill{Color: draw.Grey, Texture: draw.Sparse}
	case "spawn":
		return draw.Fill{Color: draw.Grey, Texture: draw.Upright}
	case "init":
		return draw.Fill{Color: draw.Grey, Texture: draw.Dotted}
	case "invoke":
		return draw.Fill{Color: draw.Grey}
	}
	return draw.Fill{Color: draw.Grey, Texture: draw.Empty}
}

// cutStep takes "attach/move" apart.
func cutStep(name string) (phase, step string, ok bool) { return strings.Cut(name, "/") }

// sample is an entry of a key.
type sample struct {
	words   string
	fill    draw.Fill
	outline draw.Stroke
	dots    draw.Dots // instead of a bar
	line    draw.Stroke
}

func barSample(words, kind string, f draw.Fill) sample {
	fill, line := fillOf(kind, f)
	return sample{words: words, fill: fill, outline: line}
}

const keyHeight = 20

// key explains looks in lines from y on, and returns where it ends.
func key(d *draw.Drawing, y float64, samples ...sample) float64 {
	const swatch = 22
	x := 0.0
	for _, s := range samples {
		words := draw.Fit(s.words, d.Width-swatch-8, chart.TickSize, false)
		w := swatch + 6 + draw.TextWidth(words, chart.TickSize, false)
		if x > 0 && x+w > d.Width {
			x, y = 0, y+keyHeight
		}
		middle := y + 9
		box := draw.Box{Left: x + 0.5, Top: middle - 5.5, Right: x + swatch, Bottom: middle + 5.5}
		if s.line.Color != "" {
			d.Add(draw.Line{Points: []draw.Point{{X: box.Left, Y: middle}, {X: box.Right, Y: middle}}, Stroke: s.line})
		}
		switch {
		case s.dots.Marker != "":
			s.dots.At = []draw.Point{{X: x + swatch/2, Y: middle}}
			d.Add(s.dots)
		case s.fill.Color != "":
			d.Add(draw.Bars{Boxes: []draw.Box{box}, Fill: s.fill, Outline: s.outline})
		}
		d.Add(draw.Text{At: draw.Point{X: x + swatch + 6, Y: middle + 4.3}, Size: chart.TickSize, Ink: draw.Soft, Words: words})
		x += w + 16
	}
	return y + keyHeight
}

// heading is the line above a panel: the variant's marker and name, and something about it.
func heading(d *draw.Drawing, left, right, y float64, variant, about string) {
	l := lookOf(variant)
	d.Add(draw.Dots{At: []draw.Point{{X: left + 6, Y: y - 4.5}}, Marker: l.marker, Size: 9, Color: l.color})
	name := draw.Fit(variant, (right-left)/2, 13.5, true)
	d.Add(draw.Text{At: draw.Point{X: left + 16, Y: y}, Size: 13.5, Bold: true, Ink: draw.Ink, Words: name})
	used := left + 16 + draw.TextWidth(name, 13.5, true) + 10
	d.Add(draw.Text{At: draw.Point{X: used, Y: y}, Size: chart.LabelSize, Ink: draw.Soft, Words: draw.Fit(about, right-used, chart.LabelSize, false)})
}
