package draw

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// PNGScale is how many pixels of a PNG make one of the drawing.
const PNGScale = 2

// WritePNG paints the picture on light paper. It needs no fonts and no programs of the machine.
func WritePNG(w io.Writer, d *Drawing) error {
	f := d.Frame()
	p := painter{
		image:  image.NewRGBA(image.Rect(0, 0, int(math.Ceil(f.Width()*PNGScale)), int(math.Ceil(f.Height()*PNGScale)))),
		origin: Point{f.Left, f.Top}, faces: map[face]font.Face{},
	}
	draw.Draw(p.image, p.image.Bounds(), image.NewUniform(palette[Paper].light.rgba()), image.Point{}, draw.Src)
	for _, s := range d.Shapes() {
		if err := p.paint(s); err != nil {
			return fmt.Errorf("paint %q: %w", d.Title, err)
		}
	}
	return png.Encode(w, p.image)
}

// painter paints shapes on an image.
type painter struct {
	image  *image.RGBA
	origin Point
	faces  map[face]font.Face
}

type face struct {
	size float64
	bold bool
}

func (p *painter) paint(s Shape) error {
	switch v := s.(type) {
	case Bars:
		for _, b := range v.Boxes {
			corners := []Point{{b.Left, b.Top}, {b.Right, b.Top}, {b.Right, b.Bottom}, {b.Left, b.Bottom}}
			p.fill([][]Point{corners}, v.Fill, 1)
			p.stroke(append(corners, corners[0]), v.Outline, 1)
		}
	case Line:
		p.stroke(v.Points, v.Stroke, 1)
	case Area:
		p.fill([][]Point{v.Points}, v.Fill, 1)
	case Dots:
		p.dots(v)
	case Text:
		return p.text(v)
	}
	return nil
}

func (p *painter) dots(d Dots) {
	opacity := 1.0
	if d.Faint {
		opacity = 0.5
	}
	for _, at := range d.At {
		if lines := d.strokes(at); lines != nil {
			for _, l := range lines {
				p.stroke(l[:], Stroke{Color: d.Color, Width: d.strokeWidth()}, opacity)
			}
			continue
		}
		outline := d.outline(at)
		if outline == nil {
			outline = circle(at, d.Size/2)
		}
		if d.Hollow {
			p.fill([][]Point{outline}, Fill{Color: Paper}, 1)
			p.stroke(append(outline, outline[0]), Stroke{Color: d.Color, Width: d.strokeWidth()}, opacity)
		} else {
			p.fill([][]Point{outline}, Fill{Color: d.Color}, opacity)
		}
	}
}

func circle(middle Point, r float64) []Point {
	const corners = 24
	points := make([]Point, corners)
	for i := range points {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / corners)
		points[i] = Point{middle.X + r*cos, middle.Y + r*sin}
	}
	return points
}

// fill fills polygons, which all turn the same way: where they overlap they are one.
func (p *painter) fill(polygons [][]Point, f Fill, opacity float64) {
	if f.Color == "" || f.Texture == Empty {
		return
	}
	extent := p.extent(polygons)
	if extent.Empty() {
		return
	}
	r := vector.NewRasterizer(extent.Dx(), extent.Dy())
	left, top := float32(extent.Min.X), float32(extent.Min.Y)
	for _, polygon := range polygons {
		for i, at := range polygon {
			x, y := p.pixel(at)
			if i == 0 {
				r.MoveTo(x-left, y-top)
			} else {
				r.LineTo(x-left, y-top)
			}
		}
		r.ClosePath()
	}
	r.Draw(p.image, extent, p.source(f, opacity), extent.Min)
}

// extent is the pixels of the image that polygons touch.
func (p *painter) extent(polygons [][]Point) image.Rectangle {
	var all []Point
	for _, polygon := range polygons {
		all = append(all, polygon...)
	}
	if len(all) == 0 {
		return image.Rectangle{}
	}
	b := around(all, 0)
	left, top := p.pixel(Point{b.Left, b.Top})
	right, bottom := p.pixel(Point{b.Right, b.Bottom})
	return image.Rect(int(left)-1, int(top)-1, int(right)+2, int(bottom)+2).Intersect(p.image.Bounds())
}

func (p *painter) pixel(at Point) (x, y float32) {
	return float32((at.X - p.origin.X) * PNGScale), float32((at.Y - p.origin.Y) * PNGScale)
}

// source is what a fill is painted with.
func (p *painter) source(f Fill, opacity float64) image.Image {
	c := palette[f.Color].light.rgba()
	if f.Texture == Solid {
		return image.NewUniform(color.NRGBA{c.R, c.G, c.B, uint8(math.Round(255 * opacity))})
	}
	return textured{f.Texture, c, palette[Paper].light.rgba(), p.image.Bounds(), p.origin}
}

// textured is an endless texture, the same one that SVG's patterns make.
type textured struct {
	texture    Texture
	ink, paper color.RGBA
	bounds     image.Rectangle
	origin     Point
}

func (textured) ColorModel() color.Model   { return color.RGBAModel }
func (t textured) Bounds() image.Rectangle { return t.bounds }
func (t textured) At(x, y int) (c color.Color) {
	const samples = 3 // each way, against jagged edges
	inked := 0
	for i := range samples {
		for j := range samples {
			if t.inked((float64(x)+(float64(i)+0.5)/samples)/PNGScale+t.origin.X, (float64(y)+(float64(j)+0.5)/samples)/PNGScale+t.origin.Y) {
				inked++
			}
		}
	}
	mix := func(ink, paper uint8) uint8 {
		return uint8((int(ink)*inked + int(paper)*(samples*samples-inked)) / (samples * samples))
	}
	return color.RGBA{mix(t.ink.R, t.paper.R), mix(t.ink.G, t.paper.G), mix(t.ink.B, t.paper.B), 255}
}

func (t textured) inked(x, y float64) bool {
	within := func(v float64) float64 { return v - math.Floor(v/cell)*cell }
	switch t.texture {
	case Slanted:
		return within((x+y)/math.Sqrt2) < thick
	case Level:
		return within(y) < thick
	case Sparse:
		return within(y) < thin
	case Dotted:
		return math.Hypot(within(x)-cell/2.0, within(y)-cell/2.0) < dotted
	}
	return within(x) < thick
}

func (p *painter) text(t Text) error {
	f, err := p.face(face{t.Size, t.Bold})
	if err != nil {
		return err
	}
	words := Clean(t.Words)
	x, y := p.pixel(t.At)
	switch advance := float32(font.MeasureString(f, words)) / 64; t.Anchor {
	case Middle:
		x -= advance / 2
	case End:
		x -= advance
	}
	write := func(c Color, dx, dy float32) {
		d := font.Drawer{Dst: p.image, Src: image.NewUniform(palette[c].light.rgba()), Face: f, Dot: fixed.Point26_6{X: fixed.Int26_6((x + dx) * 64), Y: fixed.Int26_6((y + dy) * 64)}}
		d.DrawString(words)
	}
	if t.Halo {
		for i := range 12 {
			sin, cos := math.Sincos(2 * math.Pi * float64(i) / 12)
			write(Paper, float32(cos)*1.75*PNGScale, float32(sin)*1.75*PNGScale)
		}
	}
	write(t.Ink, 0, 0)
	return nil
}

func (p *painter) face(k face) (font.Face, error) {
	if f := p.faces[k]; f != nil {
		return f, nil
	}
	ttf := goregular.TTF
	if k.bold {
		ttf = gobold.TTF
	}
	parsed, err := opentype.Parse(ttf)
	if err != nil {
		return nil, fmt.Errorf("read the font: %w", err)
	}
	f, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: k.size * PNGScale, DPI: 72})
	if err != nil {
		return nil, fmt.Errorf("size the font: %w", err)
	}
	p.faces[k] = f
	return f, nil
}
