package chart

import (
	"math"
	"slices"
	"testing"
)

func TestLinear(t *testing.T) {
	for _, c := range []struct {
		unit  Unit
		high  float64
		ticks int
		want  []float64
	}{
		{Micros, 27, 5, []float64{0, 10, 20, 30}},
		{Micros, 35_200, 7, []float64{0, 10_000, 20_000, 30_000, 40_000}},
		{Micros, 100, 4, []float64{0, 25, 50, 75, 100}},
		{Count, 3, 10, []float64{0, 1, 2, 3}},
		{Count, 9, 4, []float64{0, 5, 10}},
		{Count, 251, 4, []float64{0, 100, 200, 300}},
		{Bytes, 340_000, 4, []float64{0, 100 << 10, 200 << 10, 300 << 10, 400 << 10}},
		{Micros, 0, 4, []float64{0, 0.25, 0.5, 0.75, 1}},
		{Micros, math.NaN(), 1, []float64{0, 1}},
	} {
		s := Linear(c.unit, c.high, 10, 110, c.ticks)
		if got := s.Ticks(); !slices.EqualFunc(got, c.want, near) || math.Signbit(got[0]) {
			t.Errorf("to %v %s in %d: ticks %v, want %v", c.high, c.unit, c.ticks, got, c.want)
		}
		if last := c.want[len(c.want)-1]; !near(s.At(0), 10) || !near(s.At(last), 110) || !near(s.At(last/2), 60) {
			t.Errorf("to %v: maps 0, half and all to %v, %v, %v", c.high, s.At(0), s.At(last/2), s.At(last))
		}
		if !near(s.At(-5), 10) || !near(s.At(1e300), 110) {
			t.Errorf("to %v: leaves its range", c.high)
		}
	}
}

func TestWithin(t *testing.T) {
	s := Within(0, 43, 0, 430, 4)
	if got := s.Ticks(); !slices.EqualFunc(got, []float64{0, 20, 40}, near) || !near(s.At(43), 430) {
		t.Errorf("ticks %v, end %v", got, s.At(43))
	}
	if s := Within(5, 5, 0, 10, 4); math.IsNaN(s.At(5)) {
		t.Error("an empty range maps to nothing")
	}
}

func TestLogarithmic(t *testing.T) {
	s := Log(1, 1000, 0, 300)
	for v, want := range map[float64]float64{1: 0, 10: 100, 100: 200, 1000: 300, 0: 0, -7: 0, 1e9: 300} {
		if got := s.At(v); !near(got, want) {
			t.Errorf("%v lies at %v, want %v", v, got, want)
		}
	}
	for _, c := range []struct{ low, high, from, to float64 }{{12, 34_000, 10, 50_000}, {0.9, 1.03, 0.5, 2}, {20, 20, 20, 200}, {0, 0, 1, 10}} {
		ticks := Decades(c.low, c.high, 0, 100).Ticks()
		if got := Decades(c.low, c.high, 0, 100); !near(got.At(c.from), 0) || !near(got.At(c.to), 100) {
			t.Errorf("%v to %v: ends at %v and %v, ticks %v", c.low, c.high, got.At(c.from), got.At(c.to), ticks)
		}
		if !slices.IsSorted(ticks) || len(ticks) < 2 {
			t.Errorf("%v to %v: ticks %v", c.low, c.high, ticks)
		}
	}
	if got := WithTicks(s, []float64{7}).Ticks(); !slices.Equal(got, []float64{7}) {
		t.Errorf("ticks %v", got)
	}
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(b)) }

func TestSpread(t *testing.T) {
	for name, c := range map[string]struct {
		places         []float64
		gap, low, high float64
		want           []float64
	}{
		"room enough":  {[]float64{50, 10, 90}, 15, 0, 100, []float64{50, 10, 90}},
		"on one place": {[]float64{50, 50, 50}, 10, 0, 100, []float64{50, 60, 70}},
		"at the end":   {[]float64{99, 98}, 10, 0, 100, []float64{100, 90}},
		"at the start": {[]float64{-5, 0}, 10, 0, 100, []float64{0, 10}},
		"none":         {nil, 10, 0, 100, nil},
	} {
		if got := Spread(c.places, c.gap, c.low, c.high); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestQuantile(t *testing.T) {
	values := Sorted([]float64{5, 1, 4, 2, 3, 10, 9, 8, 7, 6})
	for q, want := range map[float64]float64{0: 1, 0.1: 1, 0.11: 2, 0.5: 5, 0.9: 9, 0.99: 10, 1: 10} {
		if got := Quantile(values, q); got != want {
			t.Errorf("of ten, at %v: %v, want %v", q, got, want)
		}
	}
	if got := Quantile(nil, 0.5); got != 0 {
		t.Errorf("of none: %v", got)
	}
}
