package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"enilab/internal/report/draw"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageCSS string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"clean":  draw.Clean,
	"inline": inline,
	"swatch": swatch,
	"date":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") },
}).Parse(pageText))

// WritePage writes the report as one HTML file that needs nothing besides.
func (d *Data) WritePage(w io.Writer) error {
	view := struct {
		CSS       template.CSS
		Measured  time.Time
		Machine   string
		Facts     []Fact
		Sections  []Section
		Scenarios []Table
		Compared  Table
		Host      Table
		Skipped   Table
		Sources   []source
	}{
		//nolint:gosec // our own style sheet
		CSS: template.CSS(draw.CSS() + pageCSS), Measured: d.measured(), Machine: d.machine(), Facts: d.Facts(), Sections: d.Sections(),
		Scenarios: d.Scenarios(), Compared: d.Compared(), Host: d.Host(), Skipped: d.Skipped(), Sources: d.Sources(),
	}
	if err := page.Execute(w, view); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

// measured is when the figures were taken; zero if no file says.
func (d *Data) measured() time.Time {
	switch {
	case d.bench != nil:
		return d.bench.Began
	case d.rollout != nil:
		return d.rollout.Began
	}
	return time.Time{}
}

// machine names it in a few words.
func (d *Data) machine() string {
	kernel, cpus, cpu := "", 0, ""
	switch {
	case d.bench != nil:
		kernel, cpus, cpu = d.bench.Host.Kernel, d.bench.Host.CPUs, d.bench.Host.CPU
	case d.compare != nil:
		kernel, cpus = d.compare.Host.Kernel, d.compare.Host.CPUs
	case d.rollout != nil:
		kernel, cpus = d.rollout.Kernel, d.rollout.CPUs
	}
	words := fmt.Sprintf("Linux %s, %s", kernel, plural(cpus, "CPU"))
	if cpu != "" {
		words += " (" + cpu + ")"
	}
	return draw.Clean(words)
}

// inline is a picture in both widths; the style sheet shows the one that fits.
func inline(p Picture) (template.HTML, error) {
	var b strings.Builder
	for _, v := range []struct {
		name  string
		width float64
	}{{"wide", Wide}, {"narrow", Narrow}} {
		if err := p.Draw(v.width).WriteInline(&b, p.Name+"-"+v.name, "chart "+v.name); err != nil {
			return "", err
		}
	}
	return template.HTML(b.String()), nil //nolint:gosec // the writer has escaped it
}

// swatch is a small picture of how a variant, or what is measured or modelled, is drawn.
func swatch(of string) (template.HTML, error) {
	d := draw.Drawing{Width: 44, Height: 16, Title: of, Description: "how " + of + " is drawn"}
	switch of {
	case "measured", "modelled":
		f, line := fillOf(of, draw.Fill{Color: draw.Grey})
		d.Add(draw.Bars{Boxes: []draw.Box{{Left: 1, Top: 2, Right: 43, Bottom: 14}}, Fill: f, Outline: line})
	default:
		l := lookOf(of)
		d.Add(draw.Line{Points: []draw.Point{{X: 0, Y: 8}, {X: 44, Y: 8}}, Stroke: draw.Stroke{Color: l.color, Width: 2, Dash: l.dash}})
		d.Add(draw.Dots{At: []draw.Point{{X: 22, Y: 8}}, Marker: l.marker, Size: 10, Color: l.color})
	}
	var b strings.Builder
	err := d.WriteInline(&b, "swatch-"+of, "swatch")
	return template.HTML(b.String()), err //nolint:gosec // the writer has escaped it
}
