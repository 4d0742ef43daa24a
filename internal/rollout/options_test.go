package rollout

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"enilab/internal/lambda"
)

func usual() Options {
	return Options{From: lambda.Legacy, Functions: 10, Steps: Steps{0, 10, 50, 100}, Hold: 5 * time.Second, Rate: 50, Fresh: 0.2}
}

func TestValidate(t *testing.T) {
	if err := usual().Validate(); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		change func(*Options)
		said   string // empty: nothing is wrong
	}{
		{func(o *Options) { o.From = lambda.LegacyInPlace }, ""},
		{func(o *Options) { o.From = lambda.Shared }, `from "shared": give legacy or legacy-inplace`},
		{func(o *Options) { o.From = "" }, `from ""`},
		{func(o *Options) { o.Functions = 0 }, "functions 0: give 1 to 100"},
		{func(o *Options) { o.Functions = 101 }, "functions 101"},
		{func(o *Options) { o.Rate = 0.5 }, "rate 0.5: give 1 to 1000"},
		{func(o *Options) { o.Rate = 1001 }, "rate 1001"},
		{func(o *Options) { o.Rate = math.NaN() }, "rate NaN"},
		{func(o *Options) { o.Fresh = -0.1 }, "fresh -0.1"},
		{func(o *Options) { o.Fresh = 1.1 }, "fresh 1.1"},
		{func(o *Options) { o.Fresh = math.NaN() }, "fresh NaN"},
		{func(o *Options) { o.Fresh, o.Rate = 1, 1000 }, ""},
		{func(o *Options) { o.Hold = time.Second - 1 }, "hold 999.999999ms: give 1s to 10m"},
		{func(o *Options) { o.Hold = time.Hour }, "hold 1h0m0s"},
		{func(o *Options) { o.Hold = 10 * time.Minute }, ""},
		{func(o *Options) { o.Hold, o.Rate = 10*time.Minute, 100 }, "rate 100: for 40m0s that is 240000 requests, and 200000 can be recorded"},
		{func(o *Options) { o.Steps = nil }, "steps: 0 are given"},
		{func(o *Options) { o.Steps = Steps{0} }, ""},
		{func(o *Options) { o.Steps = Steps{-1, 10} }, "steps -1,10: -1 is no percentage"},
		{func(o *Options) { o.Steps = Steps{0, 101} }, "steps 0,101: 101 is no percentage"},
		{func(o *Options) { o.Steps = Steps{0, 50, 10} }, "steps 0,50,10: 10 does not follow 50"},
		{func(o *Options) { o.Steps = Steps{50, 50} }, "50 does not follow 50"},
		{func(o *Options) { o.Steps = Steps{1, 5} }, "steps 1,5: 1 % and 5 % of 10 functions are both 1"},
		{func(o *Options) { o.Steps, o.Functions = Steps{1, 5}, 100 }, ""},
		{func(o *Options) { o.Steps, o.Functions = make(Steps, 21), 100 }, "steps: 21 are given; give 1 to 20"},
	} {
		o := usual()
		c.change(&o)
		if err := o.Validate(); (err == nil) != (c.said == "") || err != nil && !strings.HasPrefix(err.Error(), c.said) && !strings.Contains(err.Error(), c.said) {
			t.Errorf("%+v: %v, want %q", o, err, c.said)
		}
	}
}

func TestStepsSet(t *testing.T) {
	for text, want := range map[string]Steps{
		"0,10,50,100": {0, 10, 50, 100}, " 5, 7": {5, 7}, "100": {100}, "-1": {-1}, "": nil, " ": nil, "1,,2": nil, "10%": nil, "1.5": nil, "ten": nil, "1,": nil,
		"99999999999999999999": nil,
	} {
		got := Steps{3}
		err := got.Set(text)
		if (err == nil) != (want != nil) || err == nil && !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
		if err != nil && !strings.Contains(err.Error(), "give percentages") {
			t.Errorf("%q: %v", text, err)
		}
		again := Steps{}
		if err == nil && (again.Set(got.String()) != nil || !slices.Equal(again, got)) {
			t.Errorf("%q comes back as %v", got.String(), again)
		}
	}
}

func TestShare(t *testing.T) {
	for _, c := range [][3]int{{0, 10, 0}, {1, 10, 1}, {10, 10, 1}, {11, 10, 2}, {50, 3, 2}, {100, 3, 3}, {99, 100, 99}, {100, 1, 1}} {
		if got := share(c[0], c[1]); got != c[2] {
			t.Errorf("%d %% of %d functions: %d, want %d", c[0], c[1], got, c[2])
		}
	}
}
