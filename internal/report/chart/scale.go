// Package chart has what charts are made of: scales with round ticks, axes, labels that keep clear of each other, figures
// as people write them, and quantiles.
package chart

import "math"

// Scale maps figures to pixels.
type Scale interface {
	// At is where a figure lies; what is beyond the scale lies at its end.
	At(v float64) float64
	// Ticks are round figures within the scale, in rising order.
	Ticks() []float64
}

// linear runs from low at start to high at end.
type linear struct{ low, high, start, end, step float64 }

// Linear makes a scale from zero to at least high, and to a figure that is round in the unit, with about ticks steps.
func Linear(unit Unit, high, start, end float64, ticks int) Scale {
	if !(high > 0) {
		high = 1
	}
	base := unit.base(high)
	step := roundStep(high/base/float64(max(ticks, 1))) * base
	if unit == Count { // there is no half of one
		step = max(step, 1)
		if step == 2.5 {
			step = 5
		}
	}
	return linear{0, math.Ceil(high/step-1e-9) * step, start, end, step}
}

// Within makes a scale that ends where it is told: for axes whose end means something.
func Within(low, high, start, end float64, ticks int) Scale {
	if !(high > low) {
		high = low + 1
	}
	return linear{low, high, start, end, roundStep((high - low) / float64(max(ticks, 1)))}
}

// roundStep is the smallest of 1, 2, 2.5 and 5 times a power of ten that is not below v.
func roundStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 2.5, 5} {
		if v <= m*power*(1+1e-9) {
			return m * power
		}
	}
	return 10 * power
}

func (l linear) At(v float64) float64 {
	v = min(max(v, l.low), l.high)
	return l.start + (v-l.low)/(l.high-l.low)*(l.end-l.start)
}

func (l linear) Ticks() (ticks []float64) {
	for i := math.Ceil(l.low/l.step - 1e-9); i*l.step <= l.high*(1+1e-9); i++ {
		ticks = append(ticks, i*l.step+0) // no negative zero
	}
	return ticks
}

// WithTicks is a scale whose figures are others than the round ones.
func WithTicks(s Scale, at []float64) Scale { return ticked{s, at} }

type ticked struct {
	Scale
	at []float64
}

func (t ticked) Ticks() []float64 { return t.at }

// logarithmic runs from low at start to high at end; both are above zero.
type logarithmic struct{ low, high, start, end float64 }

// Log makes a scale that holds low to high. What is not above zero lies at its start.
func Log(low, high, start, end float64) Scale {
	if !(low > 0) {
		low = 1
	}
	if !(high > low) {
		high = low * 10
	}
	return logarithmic{low, high, start, end}
}

// Decades makes a logarithmic scale out to round figures.
func Decades(low, high, start, end float64) Scale {
	l := Log(low, high, start, end).(logarithmic)
	l.low = roundDown(l.low)
	l.high = 1 / roundDown(1/l.high)
	return l
}

// roundDown is the largest of 1, 2 and 5 times a power of ten that is not above v.
func roundDown(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)+1e-9))
	for _, m := range []float64{5, 2} {
		if v >= m*power*(1-1e-9) {
			return m * power
		}
	}
	return power
}

func (l logarithmic) At(v float64) float64 {
	v = min(max(v, l.low), l.high)
	return l.start + math.Log(v/l.low)/math.Log(l.high/l.low)*(l.end-l.start)
}

// Ticks are the powers of ten, and 2 and 5 times them where there are few.
func (l logarithmic) Ticks() (ticks []float64) {
	between := []float64{1}
	if math.Log10(l.high/l.low) <= 3 {
		between = []float64{1, 2, 5}
	}
	for e := math.Floor(math.Log10(l.low)); e <= math.Ceil(math.Log10(l.high)); e++ {
		for _, m := range between {
			if v := m * math.Pow(10, e); v >= l.low*(1-1e-9) && v <= l.high*(1+1e-9) {
				ticks = append(ticks, v)
			}
		}
	}
	return ticks
}
