package draw

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"testing"
)

func painted(t *testing.T, d *Drawing) image.Image {
	t.Helper()
	var b bytes.Buffer
	if err := WritePNG(&b, d); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// at is the colour of a point of the drawing.
func at(img image.Image, d *Drawing, p Point) color.RGBA {
	f := d.Frame()
	return color.RGBAModel.Convert(img.At(int((p.X-f.Left)*PNGScale), int((p.Y-f.Top)*PNGScale))).(color.RGBA)
}

func TestPNGShowsShapes(t *testing.T) {
	d := &Drawing{Width: 100, Height: 50}
	d.Add(Bars{Boxes: []Box{{10, 10, 30, 20}}, Fill: Fill{Color: Vermillion}})
	d.Add(Line{Points: []Point{{40, 40}, {90, 40}, {90, 10}}, Stroke: Stroke{Color: Blue, Width: 4}})
	d.Add(Dots{At: []Point{{50, 15}}, Marker: Circle, Size: 10, Color: Green})
	d.Add(Dots{At: []Point{{70, 15}}, Marker: Square, Size: 10, Color: Green, Hollow: true})
	d.Add(Line{Points: []Point{{5, 45}, {35, 45}}, Stroke: Stroke{Color: Ink, Width: 2, Dash: Dash{10, 10}}})
	d.Head("Title", "words")
	img := painted(t, d)
	if b := img.Bounds(); b.Dx() != 200 || b.Dy() != int(math.Ceil(d.Frame().Height()*PNGScale)) {
		t.Errorf("size %v", b)
	}
	for p, want := range map[Point]Color{
		{20, 15}: Vermillion, {9, 15}: Paper, {60, 40}: Blue, {90, 25}: Blue, {90, 40}: Blue, {60, 36}: Paper, {50, 15}: Green, {44, 10}: Paper,
		{70, 15}: Paper, {65.5, 15}: Green, {10, 45}: Ink, {20, 45}: Paper, {30, 45}: Ink,
	} {
		if got := at(img, d, p); got != palette[want].light.rgba() {
			t.Errorf("at %v is %v, want %s, %v", p, got, want, palette[want].light.rgba())
		}
	}
}

// TestPNGTextures measures how much of an area each texture inks.
func TestPNGTextures(t *testing.T) {
	for texture, want := range map[Texture]float64{
		Solid: 1, Upright: float64(thick) / cell, Level: float64(thick) / cell, Slanted: float64(thick) / cell, Dotted: math.Pi * dotted * dotted / cell / cell, Sparse: float64(thin) / cell, Empty: 0,
	} {
		d := &Drawing{Width: 100, Height: 100}
		d.Add(Bars{Boxes: []Box{{0, 0, 100, 100}}, Fill: Fill{Ink, texture}})
		img := painted(t, d)
		ink, paper := palette[Ink].light.rgba(), palette[Paper].light.rgba()
		sum := 0.0
		for y := range 200 {
			for x := range 200 {
				c := color.RGBAModel.Convert(img.At(x, y)).(color.RGBA)
				sum += float64(int(paper.R)-int(c.R)) / float64(int(paper.R)-int(ink.R))
			}
		}
		if got := sum / 200 / 200; math.Abs(got-want) > 0.02 {
			t.Errorf("%q inks %.3f, want %.3f", texture, got, want)
		}
	}
}

// TestPNGText finds ink where words are, and none beyond the width that the layout has reckoned with.
func TestPNGText(t *testing.T) {
	for _, anchor := range []Anchor{Start, Middle, End} {
		d := &Drawing{Width: 300, Height: 30}
		text := Text{At: Point{150, 20}, Anchor: anchor, Size: 13, Ink: Ink, Words: "attach 27.1\u00a0ms × 2 → µs"}
		d.Add(text)
		img := painted(t, d)
		inked := 0
		for y := range 60 {
			for x := range 600 {
				if c := color.RGBAModel.Convert(img.At(x, y)).(color.RGBA); c.R < 128 {
					inked++
					if p := (Point{float64(x) / PNGScale, float64(y) / PNGScale}); !text.Bounds().Holds(Box{p.X, p.Y, p.X, p.Y}, 1) {
						t.Fatalf("%s: ink at %v, outside %+v", anchor, p, text.Bounds())
					}
				}
			}
		}
		if inked < 300 {
			t.Errorf("%s: %d pixels of ink", anchor, inked)
		}
	}
}

func TestDashed(t *testing.T) {
	pieces := dashed([]Point{{0, 0}, {10, 0}, {10, 10}}, Dash{6, 2})
	want := [][]Point{{{0, 0}, {6, 0}}, {{8, 0}, {10, 0}, {10, 4}}, {{10, 6}, {10, 10}}}
	if len(pieces) != len(want) {
		t.Fatalf("got %v, want %v", pieces, want)
	}
	for i, p := range pieces {
		for j, at := range p {
			if math.Hypot(at.X-want[i][j].X, at.Y-want[i][j].Y) > 1e-9 {
				t.Errorf("piece %d: %v, want %v", i, p, want[i])
			}
		}
	}
}
