package chart

import (
	"math"
	"strconv"
	"strings"
)

// Unit is what a figure counts, as the reports name it.
type Unit string

// Units of the reports.
const (
	Micros  Unit = "us"
	Seconds Unit = "s"
	Rate    Unit = "1/s"
	Bytes   Unit = "B"
	Megabit Unit = "Mbit/s"
	Count   Unit = "1"
	Percent Unit = "%"
	Ratio   Unit = "x" // so many times as much
)

// step is a larger or smaller unit in the same family.
type step struct {
	from float64 // it is used from here on
	over float64 // and is so many of the unit
	name string
}

var ladders = map[Unit][]step{
	Micros:  {{0, 1e-3, "ns"}, {0.9995, 1, "µs"}, {999.5, 1e3, "ms"}, {999.5e3, 1e6, "s"}},
	Seconds: {{0, 1e-6, "µs"}, {0.9995e-3, 1e-3, "ms"}, {0.9995, 1, "s"}},
	Rate:    {{0, 1, "/s"}},
	Bytes:   {{0, 1, "B"}, {1023.5, 1 << 10, "KiB"}, {1023.5 * (1 << 10), 1 << 20, "MiB"}, {1023.5 * (1 << 20), 1 << 30, "GiB"}},
	Megabit: {{0, 1, "Mbit/s"}, {999.5, 1e3, "Gbit/s"}},
	Percent: {{0, 1, "%"}},
	Ratio:   {{0, 1, "×"}},
}

// Format writes a figure for people: three significant digits, in a unit in which it is neither large nor small.
func (u Unit) Format(v float64) string {
	if u == Ratio && v < 10 {
		return u.write(v, func(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) })
	}
	return u.write(v, digits(3))
}

// Tick writes a round figure: no more digits than it has.
func (u Unit) Tick(v float64) string {
	return u.write(v, func(v float64) string { return trim(strconv.FormatFloat(v, 'f', 3, 64)) })
}

func (u Unit) write(v float64, number func(float64) string) string {
	ladder, ok := ladders[u]
	if !ok {
		if u == Count || u == "" {
			return group(number(v))
		}
		return group(number(v)) + "\u00a0" + string(u)
	}
	if v == 0 {
		if u == Ratio || u == Percent {
			return "0\u00a0" + ladder[0].name
		}
		return "0"
	}
	s := ladder[0]
	for _, next := range ladder[1:] {
		if math.Abs(v) >= next.from {
			s = next
		}
	}
	if u == Rate {
		return group(number(v)) + s.name
	}
	return group(number(v/s.over)) + "\u00a0" + s.name
}

// base is what round figures of about v are multiples of.
func (u Unit) base(v float64) float64 {
	base := 1.0
	for u == Bytes && v >= base*(1<<10) {
		base *= 1 << 10
	}
	return base
}

// digits writes with so many significant digits; whole figures keep all of theirs.
func digits(n int) func(float64) string {
	return func(v float64) string {
		if v == math.Trunc(v) && math.Abs(v) < 1e15 {
			return strconv.FormatFloat(v, 'f', 0, 64)
		}
		decimals := n - 1 - int(math.Floor(math.Log10(math.Abs(v))+1e-9))
		rounded := strconv.FormatFloat(v, 'f', max(decimals, 0), 64)
		if f, err := strconv.ParseFloat(rounded, 64); err == nil && decimals > 0 && math.Abs(f) >= math.Pow(10, float64(n-decimals)) {
			rounded = strconv.FormatFloat(v, 'f', decimals-1, 64) // 9.996 is 10.0
		}
		return rounded
	}
}

func trim(s string) string {
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// group puts commas between thousands.
func group(s string) string {
	sign, rest := "", s
	if strings.HasPrefix(s, "-") {
		sign, rest = "-", s[1:]
	}
	whole, fraction, _ := strings.Cut(rest, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return sign + whole
}

// Times writes how many times as much a is as b: "370 times", "1.5 times".
func Times(a, b float64) string {
	if !(b > 0) {
		return "many times"
	}
	r := a / b
	if r >= 10 {
		return group(strconv.FormatFloat(r, 'f', 0, 64)) + "\u00a0times"
	}
	return strconv.FormatFloat(r, 'f', 1, 64) + "\u00a0times"
}
