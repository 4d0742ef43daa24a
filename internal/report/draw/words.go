package draw

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Advances of the printable ASCII characters in thousandths of the font's size, of DejaVu Sans: with Verdana the widest
// of what browsers use when a page asks for sans-serif. What fits in it fits in the others.
var (
	plainAdvances = [...]uint16{
		318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636, 636, 636, 636, 636,
		636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557, 863, 748, 787,
		603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635, 615, 352, 635,
		634, 278, 278, 579, 278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
	}
	boldAdvances = [...]uint16{
		348, 456, 521, 838, 696, 1002, 872, 306, 457, 457, 523, 838, 380, 415, 380, 365, 696, 696, 696, 696, 696, 696, 696, 696,
		696, 696, 400, 400, 838, 838, 838, 580, 1000, 774, 762, 734, 830, 683, 683, 821, 837, 372, 372, 775, 637, 995, 837, 850,
		733, 850, 770, 720, 682, 812, 774, 1103, 771, 724, 725, 457, 365, 457, 838, 500, 500, 675, 716, 593, 716, 678, 435, 716,
		712, 343, 343, 665, 343, 1042, 712, 687, 716, 716, 493, 595, 478, 712, 652, 924, 645, 652, 582, 712, 365, 712, 838,
	}
)

// TextWidth estimates how wide words are, rather too wide than too narrow.
func TextWidth(words string, size float64, bold bool) float64 {
	advances := plainAdvances
	if bold {
		advances = boldAdvances
	}
	sum := 0
	for _, r := range words {
		switch i := int(r) - ' '; {
		case i >= 0 && i < len(advances):
			sum += int(advances[i])
		case r == '\u00a0' || r == '·':
			sum += int(advances[0])
		case r < 0x250: // Latin
			sum += 700
		default:
			sum += 1000
		}
	}
	return float64(sum) * size / 1000
}

// Fit shortens words to a width, with an ellipsis in place of what is cut off.
func Fit(words string, width, size float64, bold bool) string {
	if TextWidth(words, size, bold) <= width {
		return words
	}
	for len(words) > 0 {
		_, last := utf8.DecodeLastRuneInString(words)
		words = words[:len(words)-last]
		if short := strings.TrimRight(words, " ") + "…"; TextWidth(short, size, bold) <= width {
			return short
		}
	}
	return ""
}

// Wrap breaks words into lines of a width, between words; a word that is longer than a line is shortened.
func Wrap(words string, width, size float64, bold bool) (lines []string) {
	line := ""
	breakable := func(r rune) bool { return r == ' ' || r == '\n' } // not no-break spaces: they are in figures
	for _, w := range strings.FieldsFunc(words, breakable) {
		w = Fit(w, width, size, bold)
		switch longer := line + " " + w; {
		case line == "":
			line = w
		case TextWidth(longer, size, bold) <= width:
			line = longer
		default:
			lines = append(lines, line)
			line = w
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// Clean replaces what is no printable character: control characters, and those that turn the direction of writing.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\u00a0' {
			return r
		}
		return '\uFFFD'
	}, s)
}
