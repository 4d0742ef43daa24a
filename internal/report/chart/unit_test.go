package chart

import (
	"strings"
	"testing"
)

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		unit Unit
		v    float64
		want string
	}{
		{Micros, 0, "0"},
		{Micros, 0.25, "250 ns"},
		{Micros, 6, "6 µs"},
		{Micros, 29.44, "29.4 µs"},
		{Micros, 65, "65 µs"},
		{Micros, 999.4, "999 µs"},
		{Micros, 999.6, "1.00 ms"},
		{Micros, 2530, "2.53 ms"},
		{Micros, 9_996, "10.0 ms"},
		{Micros, 27_100, "27.1 ms"},
		{Micros, 392_400, "392 ms"},
		{Micros, 999_600, "1.00 s"},
		{Micros, 1_107_000, "1.11 s"},
		{Micros, 90e6, "90 s"},
		{Seconds, 7.93, "7.93 s"},
		{Seconds, 0.144, "144 ms"},
		{Seconds, 412, "412 s"},
		{Rate, 267.3, "267/s"},
		{Rate, 13_100, "13,100/s"},
		{Rate, 11_823.4, "11,823/s"},
		{Bytes, 512, "512 B"},
		{Bytes, 340_000, "332 KiB"},
		{Bytes, 8 << 30, "8 GiB"},
		{Megabit, 940, "940 Mbit/s"},
		{Megabit, 31_250, "31.2 Gbit/s"},
		{Count, 1, "1"},
		{Count, 1_000_000, "1,000,000"},
		{Percent, 50, "50 %"},
		{Percent, 0, "0 %"},
		{Ratio, 1.0834, "1.08 ×"},
		{Ratio, 717, "717 ×"},
		{Ratio, 0.8904, "0.89 ×"},
		{"furlongs", 3.5, "3.50 furlongs"},
	} {
		if got := strings.ReplaceAll(c.unit.Format(c.v), "\u00a0", " "); got != c.want {
			t.Errorf("%v %s is written %q, want %q", c.v, c.unit, got, c.want)
		}
	}
}

func TestTick(t *testing.T) {
	for _, c := range []struct {
		unit Unit
		v    float64
		want string
	}{
		{Micros, 0, "0"},
		{Micros, 500, "500 µs"},
		{Micros, 1500, "1.5 ms"},
		{Micros, 5000, "5 ms"},
		{Micros, 2_000_000, "2 s"},
		{Rate, 10_000, "10,000/s"},
		{Bytes, 100 << 10, "100 KiB"},
		{Count, 0, "0"},
		{Count, 250, "250"},
		{Ratio, 0.5, "0.5 ×"},
	} {
		if got := strings.ReplaceAll(c.unit.Tick(c.v), "\u00a0", " "); got != c.want {
			t.Errorf("%v %s is written %q, want %q", c.v, c.unit, got, c.want)
		}
	}
}

func TestTimes(t *testing.T) {
	for _, c := range []struct {
		a, b float64
		want string
	}{{20_800, 29, "717 times"}, {3, 2, "1.5 times"}, {1, 0, "many times"}, {3_000_000, 1, "3,000,000 times"}} {
		if got := strings.ReplaceAll(Times(c.a, c.b), "\u00a0", " "); got != c.want {
			t.Errorf("%v over %v is %q, want %q", c.a, c.b, got, c.want)
		}
	}
}
