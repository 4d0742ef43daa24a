package draw

import "math"

// Point is a place in a drawing.
type Point struct{ X, Y float64 }

// Box is a rectangle.
type Box struct{ Left, Top, Right, Bottom float64 }

// Width of the box.
func (b Box) Width() float64 { return b.Right - b.Left }

// Height of the box.
func (b Box) Height() float64 { return b.Bottom - b.Top }

// Holds tells whether o lies within b, but for slack on each side.
func (b Box) Holds(o Box, slack float64) bool {
	return o.Left >= b.Left-slack && o.Right <= b.Right+slack && o.Top >= b.Top-slack && o.Bottom <= b.Bottom+slack
}

// Meets tells whether the two share more than an edge.
func (b Box) Meets(o Box) bool {
	return b.Left < o.Right && o.Left < b.Right && b.Top < o.Bottom && o.Top < b.Bottom
}

func around(points []Point, margin float64) Box {
	b := Box{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}
	for _, p := range points {
		b = Box{min(b.Left, p.X), min(b.Top, p.Y), max(b.Right, p.X), max(b.Bottom, p.Y)}
	}
	return Box{b.Left - margin, b.Top - margin, b.Right + margin, b.Bottom + margin}
}

// Shape is one of Bars, Line, Area, Dots and Text.
type Shape interface {
	// Bounds is the extent without the width of strokes; of a Text an estimate, rather too large than too small.
	Bounds() Box
}

// Fill is a colour and a texture in it. The zero Fill is none.
type Fill struct {
	Color   Color
	Texture Texture
}

// Stroke is a line's look. The zero Stroke is none.
type Stroke struct {
	Color Color
	Width float64 // zero means 1
	Dash  Dash
}

// Dash is the lengths of strokes and gaps in turn; nil is an unbroken line.
type Dash []float64

// Bars are rectangles of one look.
type Bars struct {
	Boxes   []Box
	Fill    Fill
	Outline Stroke
	Tip     string // shown to who points at it; empty: none
}

// Bounds are those of all boxes.
func (b Bars) Bounds() Box {
	var corners []Point
	for _, x := range b.Boxes {
		corners = append(corners, Point{x.Left, x.Top}, Point{x.Right, x.Bottom})
	}
	return around(corners, 0)
}

// Line joins points.
type Line struct {
	Points []Point
	Stroke Stroke
}

// Bounds of all points.
func (l Line) Bounds() Box { return around(l.Points, 0) }

// Area is a polygon.
type Area struct {
	Points []Point
	Fill   Fill
}

// Bounds of all corners.
func (a Area) Bounds() Box { return around(a.Points, 0) }

// Marker is the form of a dot.
type Marker string

// Markers tell series apart where colour does not.
const (
	Circle  Marker = "circle"
	Square  Marker = "square"
	Diamond Marker = "diamond"
	Wedge   Marker = "wedge" // a triangle that stands on its base
	Cross   Marker = "cross" // strokes only
	Tick    Marker = "tick"  // a vertical stroke
)

// Dots are many markers of one look.
type Dots struct {
	At     []Point
	Marker Marker
	Size   float64 // from side to side
	Color  Color
	Hollow bool // an outline around the colour of the paper
	Faint  bool // shows how many lie upon each other
	Tip    string
}

// Bounds of all markers.
func (d Dots) Bounds() Box {
	b := around(d.At, d.Size/2)
	if d.Marker == Tick {
		b.Left, b.Right = b.Left+d.Size/2, b.Right-d.Size/2
	}
	return b
}

// outline is a marker's corners around its middle, in the order of drawing; nil for a Circle and for strokes.
func (d Dots) outline(at Point) []Point {
	h := d.Size / 2
	switch d.Marker {
	case Square:
		h *= 0.9
		return []Point{{at.X - h, at.Y - h}, {at.X + h, at.Y - h}, {at.X + h, at.Y + h}, {at.X - h, at.Y + h}}
	case Diamond:
		return []Point{{at.X, at.Y - h}, {at.X + h, at.Y}, {at.X, at.Y + h}, {at.X - h, at.Y}}
	case Wedge:
		return []Point{{at.X, at.Y - h}, {at.X + h, at.Y + h*0.8}, {at.X - h, at.Y + h*0.8}}
	}
	return nil
}

// strokes are the lines of a marker that has no area; nil for the others.
func (d Dots) strokes(at Point) [][2]Point {
	h := d.Size / 2
	switch d.Marker {
	case Cross:
		return [][2]Point{{{at.X - h, at.Y - h}, {at.X + h, at.Y + h}}, {{at.X - h, at.Y + h}, {at.X + h, at.Y - h}}}
	case Tick:
		return [][2]Point{{{at.X, at.Y - h}, {at.X, at.Y + h}}}
	}
	return nil
}

// strokeWidth is that of a hollow marker's outline and of markers made of strokes.
func (d Dots) strokeWidth() float64 {
	if d.Marker == Tick {
		return 1
	}
	return 1.6
}

// Anchor is the side of a text that lies at its point.
type Anchor string

// Anchors, as SVG names them.
const (
	Start  Anchor = "start" // the zero Anchor means Start
	Middle Anchor = "middle"
	End    Anchor = "end"
)

// Text is one line of words.
type Text struct {
	At     Point // on the baseline
	Anchor Anchor
	Size   float64
	Bold   bool
	Ink    Color
	Halo   bool // surrounded by the paper's colour, where it lies upon data
	Words  string
}

// Bounds estimates, with the widest of the usual fonts.
func (t Text) Bounds() Box {
	w := TextWidth(t.Words, t.Size, t.Bold)
	left := t.At.X
	switch t.Anchor {
	case Middle:
		left -= w / 2
	case End:
		left -= w
	}
	return Box{left, t.At.Y - 0.76*t.Size, left + w, t.At.Y + 0.24*t.Size}
}
