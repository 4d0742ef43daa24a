package draw

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata anew")

// small has one of everything.
func small() *Drawing {
	d := &Drawing{Width: 100, Height: 80, Title: "One of <everything>", Description: `"small" & plain`}
	plot := Box{10, 10, 90, 60}
	d.Add(Area{Points: []Point{{10, 10}, {90, 10}, {50, 60}}, Fill: Fill{Color: Shade}})
	d.Mark(plot, Bars{Boxes: []Box{{10, 10, 40, 20}, {50, 10, 80, 20.125}}, Fill: Fill{Blue, Slanted}, Outline: Stroke{Color: Blue, Dash: Dash{3, 2}}, Tip: "a & b"})
	d.Mark(plot, Bars{Boxes: []Box{{10, 30, 40, 40}}, Fill: Fill{Color: Vermillion}})
	d.Mark(plot, Bars{Boxes: []Box{{50, 30, 80, 40}}, Fill: Fill{Grey, Empty}, Outline: Stroke{Color: Grey, Width: 0.75}})
	d.Mark(plot, Line{Points: []Point{{10, 60}, {50.004, 30}, {90, 60}}, Stroke: Stroke{Color: Green, Width: 2}})
	for i, m := range []Marker{Circle, Square, Diamond, Wedge, Cross, Tick} {
		x := 15 + 12*float64(i)
		d.Mark(plot, Dots{At: []Point{{x, 50}, {x + 2, 50}}, Marker: m, Size: 6, Color: Purple, Faint: i == 0})
		d.Mark(plot, Dots{At: []Point{{x, 25}}, Marker: m, Size: 6, Color: Purple, Hollow: true})
	}
	d.Add(Text{At: Point{50, 75}, Anchor: Middle, Size: 12, Bold: true, Ink: Ink, Halo: true, Words: "5 < 6"})
	return d
}

func TestGolden(t *testing.T) {
	for name, write := range map[string]func(io.Writer) error{
		"inline.svg": func(w io.Writer) error { return small().WriteInline(w, "small", "chart") },
		"file.svg":   func(w io.Writer) error { return small().WriteFile(w) },
		"style.css":  func(w io.Writer) error { _, err := io.WriteString(w, CSS()); return err },
	} {
		var got bytes.Buffer
		if err := write(&got); err != nil {
			t.Fatal(err)
		}
		file := "testdata/" + name
		if *update {
			if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != string(want) {
			t.Errorf("%s differs; if that is meant: go test ./internal/report/draw -update\ngot:\n%s", file, got.String())
		}
	}
}

// TestHostileWords puts what would end a text, an attribute or an element wherever words are taken.
func TestHostileWords(t *testing.T) {
	const hostile = "\"'><script>alert(1)</script></title>]]>&lt;\x00\x1b\u202e"
	d := small()
	d.Title, d.Description = hostile, hostile
	d.Add(Text{Size: 12, Ink: Ink, Words: hostile})
	d.Mark(d.Frame(), Bars{Boxes: []Box{{0, 0, 1, 1}}, Fill: Fill{Color: Blue}, Tip: hostile})
	d.Head(hostile, hostile)
	for name, write := range map[string]func(io.Writer) error{
		"inline": func(w io.Writer) error { return d.WriteInline(w, hostile, hostile) },
		"file":   d.WriteFile,
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		found := 0
		x := xml.NewDecoder(&b)
		for {
			token, err := x.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			switch v := token.(type) {
			case xml.StartElement:
				if v.Name.Local == "script" {
					t.Errorf("%s: words became an element", name)
				}
			case xml.CharData:
				if strings.Contains(string(v), "<script>alert(1)") {
					found++
				}
				if strings.ContainsAny(string(v), "\x00\x1b\u202e") {
					t.Errorf("%s: control characters are left in %q", name, v)
				}
			}
		}
		if found < 4 {
			t.Errorf("%s: the hostile words are there %d times only", name, found)
		}
	}
}

func TestHeadIsAbove(t *testing.T) {
	d := small()
	d.Head("A title that is rather long for so small a picture", "And what it says, in more words than fit into a line of it.")
	f := d.Frame()
	if f.Height() < 80+60 || f.Bottom != 80 {
		t.Errorf("frame %+v", f)
	}
	above := 0
	for _, s := range d.Shapes() {
		b := s.Bounds()
		if !f.Holds(b, 0.01) {
			t.Errorf("%+v lies outside", s)
		}
		if b.Bottom <= 0 {
			above++
		}
	}
	if above < 4 {
		t.Errorf("%d lines above", above)
	}
}
