package draw

import (
	"math"
	"testing"
)

// contrast of two colours as WCAG 2 defines it: 1 to 21.
func contrast(a, b rgb) float64 {
	luminance := func(c rgb) float64 {
		channel := func(v uint32) float64 {
			s := float64(v&255) / 255
			if s <= 0.04045 {
				return s / 12.92
			}
			return math.Pow((s+0.055)/1.055, 2.4)
		}
		return 0.2126*channel(uint32(c)>>16) + 0.7152*channel(uint32(c)>>8) + 0.0722*channel(uint32(c))
	}
	x, y := luminance(a)+0.05, luminance(b)+0.05
	return max(x, y) / min(x, y)
}

func TestContrast(t *testing.T) {
	if c := contrast(0, 0xffffff); math.Abs(c-21) > 1e-9 {
		t.Fatalf("black on white is %v", c)
	}
	for _, c := range colors {
		want := 3.0 // of what is drawn
		switch c {
		case Paper, Rule, Shade: // they carry nothing
			continue
		case Ink, Soft: // of text
			want = 4.5
		}
		for theme, papers := range map[string][2]rgb{
			"light": {palette[c].light, palette[Paper].light}, "dark": {palette[c].dark, palette[Paper].dark},
			"light shade": {palette[c].light, palette[Shade].light}, "dark shade": {palette[c].dark, palette[Shade].dark},
		} {
			if got := contrast(papers[0], papers[1]); got < want {
				t.Errorf("%s on %s has a contrast of %.2f, want %v", c, theme, got, want)
			}
		}
	}
	if len(colors) != len(palette) {
		t.Errorf("%d colours are listed, and the palette has %d", len(colors), len(palette))
	}
}
