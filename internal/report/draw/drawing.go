// Package draw holds a picture as shapes of known extent, writes it as SVG and paints it as PNG. What is drawn is data
// until then: a test can ask where everything lies.
package draw

// Drawing is a picture. Lengths are in pixels as CSS means them, y grows downwards.
type Drawing struct {
	Width, Height float64
	Title         string // what the picture is, for a reader who does not see it
	Description   string // what there is to see in it
	head          float64
	items         []item
}

type item struct {
	shape Shape
	plot  *Box // of a mark: the frame that it belongs in
}

// Add draws what explains: axes, labels, grids.
func (d *Drawing) Add(shapes ...Shape) {
	for _, s := range shapes {
		d.items = append(d.items, item{shape: s})
	}
}

// Mark draws data, which belongs inside plot.
func (d *Drawing) Mark(plot Box, shapes ...Shape) {
	for _, s := range shapes {
		d.items = append(d.items, item{s, &plot})
	}
}

// Head makes room above the picture and writes its title and some lines into it, for a picture that stands alone.
func (d *Drawing) Head(title, says string) {
	const left, size = 4, 12.5
	y := 0.0
	var lines []Shape
	for _, l := range Wrap(title, d.Width-2*left, 17, true) {
		y += 22
		lines = append(lines, Text{At: Point{left, y}, Size: 17, Bold: true, Ink: Ink, Words: l})
	}
	for _, l := range Wrap(says, d.Width-2*left, size, false) {
		y += 18
		lines = append(lines, Text{At: Point{left, y}, Size: size, Ink: Soft, Words: l})
	}
	d.head = y + 14
	for _, l := range lines {
		t := l.(Text)
		t.At.Y -= d.head
		d.Add(t)
	}
}

// Frame is the whole of the picture.
func (d *Drawing) Frame() Box { return Box{0, -d.head, d.Width, d.Height} }

// Marks calls visit for each shape that is data, with the frame that it belongs in.
func (d *Drawing) Marks(visit func(plot Box, s Shape)) {
	for _, i := range d.items {
		if i.plot != nil {
			visit(*i.plot, i.shape)
		}
	}
}

// Shapes are all, data and explanation, in the order of painting.
func (d *Drawing) Shapes() []Shape {
	all := make([]Shape, len(d.items))
	for n, i := range d.items {
		all[n] = i.shape
	}
	return all
}
