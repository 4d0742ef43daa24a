package draw

import (
	"fmt"
	"image/color"
	"strings"
)

// Color is a name in the palette: what it means, not how it looks.
type Color string

// Colors of the page.
const (
	Ink   Color = "ink"   // text
	Soft  Color = "soft"  // lesser text, axes
	Rule  Color = "rule"  // grids; they may be faint
	Shade Color = "shade" // areas behind data
	Paper Color = "paper"
)

// Colors of data. The hues are Okabe and Ito's, which people tell apart however they see colours, made darker or lighter
// until they stand out 3:1 from the paper.
const (
	Vermillion Color = "vermillion"
	Purple     Color = "purple"
	Blue       Color = "blue"
	Green      Color = "green"
	Olive      Color = "olive"
	Grey       Color = "grey"
)

// look is a colour on light and on dark paper, and in print.
type look struct{ light, dark rgb }

type rgb uint32

func (c rgb) String() string { return fmt.Sprintf("#%06x", uint32(c)) }

func (c rgb) rgba() color.RGBA { return color.RGBA{uint8(c >> 16), uint8(c >> 8), uint8(c), 255} }

var colors = []Color{Ink, Soft, Rule, Shade, Paper, Vermillion, Purple, Blue, Green, Olive, Grey}

var palette = map[Color]look{
	Ink:        {0x1b1f24, 0xe8eaed},
	Soft:       {0x57606a, 0xa8b0ba},
	Rule:       {0xd8dee4, 0x343b44},
	Shade:      {0xeef1f4, 0x20262d},
	Paper:      {0xffffff, 0x15181d},
	Vermillion: {0xd55e00, 0xf28e4c},
	Purple:     {0xb0568b, 0xd991bb},
	Blue:       {0x0072b2, 0x56b4e9},
	Green:      {0x00805e, 0x2cc59b},
	Olive:      {0x8a7400, 0xe3d44b},
	Grey:       {0x707a86, 0x8f99a5},
}

// Texture is what a filled area is filled with.
type Texture string

// Textures. Slanted alone means modelled; the others tell parts apart.
const (
	Solid   Texture = "" // the zero Texture
	Slanted Texture = "slanted"
	Upright Texture = "upright"
	Dotted  Texture = "dotted"
	Level   Texture = "level"
	Sparse  Texture = "sparse" // pale
	Empty   Texture = "empty"  // nothing but the outline
)

// cell is the side of a texture's square, thick and thin the widths of strokes in it, dotted the radius of a dot.
const (
	cell   = 5
	thick  = 2.1
	thin   = 0.8
	dotted = 1.55
)

// CSS defines the palette as custom properties and the classes that SVG here is written with: f-… fills, s-… strokes.
func CSS() string {
	var light, dark, classes strings.Builder
	for _, c := range colors {
		fmt.Fprintf(&light, "--%s:%s;", c, palette[c].light)
		fmt.Fprintf(&dark, "--%s:%s;", c, palette[c].dark)
		fmt.Fprintf(&classes, ".f-%[1]s{fill:var(--%[1]s)}.s-%[1]s{stroke:var(--%[1]s)}\n", c)
	}
	return ":root{color-scheme:light dark;" + light.String() + "}\n" +
		"@media screen and (prefers-color-scheme:dark){:root{" + dark.String() + "}}\n" +
		"svg text{font-family:system-ui,sans-serif;font-variant-numeric:tabular-nums}\n" +
		".halo{paint-order:stroke;stroke:var(--paper);stroke-width:3.5px;stroke-linejoin:round}\n" +
		classes.String()
}
