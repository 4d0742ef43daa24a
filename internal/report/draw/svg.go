package draw

import (
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// WriteInline writes SVG for a page that has CSS's style sheet. The id is the page's own for this picture; class and
// other attributes of the element are up to the caller.
func (d *Drawing) WriteInline(w io.Writer, id, class string) error {
	s := svg{id: id}
	s.open(d, fmt.Sprintf(` class="%s"`, escape(class)))
	s.body(d)
	_, err := io.WriteString(w, s.String())
	return err
}

// WriteFile writes SVG that stands alone, as light as a slide: every colour is an attribute, which every program reads.
func (d *Drawing) WriteFile(w io.Writer) error {
	s := svg{id: "p", alone: true}
	s.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	s.open(d, fmt.Sprintf(` width="%s" height="%s" font-family="Helvetica, Arial, sans-serif"`, num(d.Width), num(d.Frame().Height())))
	f := d.Frame()
	s.element("rect", attr("x", num(f.Left)), attr("y", num(f.Top)), attr("width", num(f.Width())), attr("height", num(f.Height())), s.fill(Paper))
	s.body(d)
	_, err := io.WriteString(w, s.String())
	return err
}

// svg is a picture as far as it is written.
type svg struct {
	strings.Builder
	id    string
	alone bool // no style sheet
}

func (s *svg) open(d *Drawing, attributes string) {
	f := d.Frame()
	fmt.Fprintf(s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="%s %s %s %s" role="img" aria-labelledby="%[5]s-title %[5]s-desc"%[6]s>`+"\n",
		num(f.Left), num(f.Top), num(f.Width()), num(f.Height()), escape(s.id), attributes)
	fmt.Fprintf(s, `<title id="%[1]s-title">%[2]s</title><desc id="%[1]s-desc">%[3]s</desc>`+"\n", escape(s.id), escape(d.Title), escape(d.Description))
}

func (s *svg) body(d *Drawing) {
	s.textures(d)
	for _, i := range d.items {
		class := ""
		if i.plot != nil && !s.alone {
			class = "mark"
		}
		s.shape(i.shape, class)
	}
	s.WriteString("</svg>\n")
}

// attr is an attribute, or nothing if it has no value.
func attr(name, value string) string {
	if value == "" {
		return ""
	}
	return fmt.Sprintf(` %s="%s"`, name, escape(value))
}

// element writes one without children.
func (s *svg) element(name string, attributes ...string) { s.begin(name, attributes, "/>\n") }

func (s *svg) begin(name string, attributes []string, end string) {
	s.WriteString("<" + name)
	for _, a := range attributes {
		s.WriteString(a)
	}
	s.WriteString(end)
}

func (s *svg) shape(shape Shape, class string) {
	switch v := shape.(type) {
	case Bars:
		s.path(v.Tip, attr("d", barsPath(v.Boxes)), s.look(class, v.Fill, v.Outline))
	case Line:
		s.path("", attr("d", linePath(v.Points)), s.look(class, Fill{}, v.Stroke), attr("stroke-linejoin", "round"))
	case Area:
		s.path("", attr("d", linePath(v.Points)+"z"), s.look(class, v.Fill, Stroke{}))
	case Dots:
		s.dots(v, class)
	case Text:
		s.text(v)
	}
}

func (s *svg) dots(d Dots, class string) {
	opacity := ""
	if d.Faint {
		opacity = "0.5"
	}
	var path strings.Builder
	fill, stroke, roundCap := Fill{Color: d.Color}, Stroke{}, ""
	if d.Hollow {
		fill, stroke = Fill{Color: Paper}, Stroke{Color: d.Color, Width: d.strokeWidth()}
	}
	for _, at := range d.At {
		switch {
		case d.Marker == Circle && d.Hollow:
			r := num(d.Size / 2)
			fmt.Fprintf(&path, "M%s %sa%[3]s %[3]s 0 1 0 %[4]s 0a%[3]s %[3]s 0 1 0 -%[4]s 0z", num(at.X-d.Size/2), num(at.Y), r, num(d.Size))
		case d.Marker == Circle: // a line of no length with round ends
			fmt.Fprintf(&path, "M%s %sh0", num(at.X), num(at.Y))
			fill, stroke, roundCap = Fill{}, Stroke{Color: d.Color, Width: d.Size}, "round"
		case d.strokes(at) != nil:
			fill, stroke = Fill{}, Stroke{Color: d.Color, Width: d.strokeWidth()}
			for _, l := range d.strokes(at) {
				path.WriteString(linePath(l[:]))
			}
		default:
			path.WriteString(linePath(d.outline(at)) + "z")
		}
	}
	s.path(d.Tip, attr("d", path.String()), s.look(class, fill, stroke), attr("stroke-linecap", roundCap), attr("opacity", opacity))
}

func (s *svg) text(t Text) {
	weight, class, halo := "", "", ""
	if t.Bold {
		weight = "600"
	}
	if t.Halo && s.alone {
		halo = attr("paint-order", "stroke") + attr("stroke", palette[Paper].light.String()) + attr("stroke-width", "3.5")
	} else if t.Halo {
		class = "halo"
	}
	anchor := string(t.Anchor)
	if t.Anchor == Start {
		anchor = ""
	}
	s.begin("text", []string{
		attr("x", num(t.At.X)), attr("y", num(t.At.Y)), attr("font-size", num(t.Size)), attr("font-weight", weight),
		attr("text-anchor", anchor), s.look(class, Fill{Color: t.Ink}, Stroke{}), halo,
	}, ">"+escape(t.Words)+"</text>\n")
}

// path writes a path, with what to show to who points at it.
func (s *svg) path(tip string, attributes ...string) {
	if tip == "" {
		s.element("path", attributes...)
		return
	}
	s.begin("path", attributes, "><title>"+escape(tip)+"</title></path>\n")
}

// look is the attributes of a shape's fill and stroke.
func (s *svg) look(class string, f Fill, line Stroke) string {
	classes, rest := strings.Fields(class), ""
	paint := func(property, letter string, c Color, t Texture) {
		switch {
		case c == "" || t == Empty:
			rest += attr(property, "none")
		case t != Solid:
			rest += attr(property, "url(#"+s.textureID(c, t)+")")
		case s.alone:
			rest += attr(property, palette[c].light.String())
		default:
			classes = append(classes, letter+string(c))
		}
	}
	paint("fill", "f-", f.Color, f.Texture)
	if line.Color != "" {
		paint("stroke", "s-", line.Color, Solid)
		if line.Width != 0 && line.Width != 1 {
			rest += attr("stroke-width", num(line.Width))
		}
		rest += attr("stroke-dasharray", dashes(line.Dash))
	}
	return attr("class", strings.Join(classes, " ")) + rest
}

func (s *svg) fill(c Color) string { return s.look("", Fill{Color: c}, Stroke{}) }

func (s *svg) textureID(c Color, t Texture) string { return s.id + "-" + string(t) + "-" + string(c) }

// textures defines the patterns that the drawing uses, once each.
func (s *svg) textures(d *Drawing) {
	seen := map[Fill]bool{}
	var defs svg
	defs.id, defs.alone = s.id, s.alone
	for _, i := range d.items {
		var f Fill
		switch v := i.shape.(type) {
		case Bars:
			f = v.Fill
		case Area:
			f = v.Fill
		}
		if f.Color != "" && f.Texture != Solid && f.Texture != Empty && !seen[f] {
			seen[f] = true
			defs.pattern(f)
		}
	}
	if len(seen) > 0 {
		s.WriteString("<defs>\n" + defs.String() + "</defs>\n")
	}
}

func (s *svg) pattern(f Fill) {
	turn := ""
	if f.Texture == Slanted {
		turn = "rotate(45)"
	}
	side := num(cell)
	s.begin("pattern", []string{
		attr("id", s.textureID(f.Color, f.Texture)), attr("width", side), attr("height", side),
		attr("patternUnits", "userSpaceOnUse"), attr("patternTransform", turn),
	}, ">\n")
	s.element("rect", attr("width", side), attr("height", side), s.fill(Paper))
	switch ink := s.fill(f.Color); f.Texture {
	case Dotted:
		middle := num(cell / 2.0)
		s.element("circle", attr("cx", middle), attr("cy", middle), attr("r", num(dotted)), ink)
	case Level:
		s.element("rect", attr("width", side), attr("height", num(thick)), ink)
	case Sparse:
		s.element("rect", attr("width", side), attr("height", num(thin)), ink)
	default:
		s.element("rect", attr("width", num(thick)), attr("height", side), ink)
	}
	s.WriteString("</pattern>\n")
}

func barsPath(boxes []Box) string {
	var b strings.Builder
	for _, x := range boxes {
		fmt.Fprintf(&b, "M%s %sh%sv%sh-%sz", num(x.Left), num(x.Top), num(x.Width()), num(x.Height()), num(x.Width()))
	}
	return b.String()
}

func linePath(points []Point) string {
	var b strings.Builder
	for i, p := range points {
		b.WriteString("ML"[min(i, 1):min(i, 1)+1] + num(p.X) + " " + num(p.Y))
	}
	return b.String()
}

func dashes(d Dash) string {
	words := make([]string, len(d))
	for i, v := range d {
		words[i] = num(v)
	}
	return strings.Join(words, " ")
}

// num is a length to a hundredth of a pixel.
func num(v float64) string { return strconv.FormatFloat(math.Round(v*100)/100+0, 'f', -1, 64) }

// escape makes text fit for XML and HTML, inside an element or an attribute.
func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(Clean(s))) // a Builder takes everything
	return b.String()
}
