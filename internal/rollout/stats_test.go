package rollout

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A quantile is a figure that was measured, and so many percent are at most that, and no fewer would do.
func TestQuantile(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 1))
	for n := range 300 {
		list := make([]int64, n)
		for i := range list {
			list[i] = chance.Int64N(50)
		}
		slices.Sort(list)
		for _, percent := range []int{50, 90, 99, 100} {
			got := quantile(list, percent)
			if n == 0 {
				if got != 0 {
					t.Errorf("of none: %d", got)
				}
				continue
			}
			most, fewer := 0, 0
			for _, v := range list {
				if v <= got {
					most++
				}
				if v < got {
					fewer++
				}
			}
			if !slices.Contains(list, got) || most*100 < percent*n || fewer*100 >= percent*n {
				t.Errorf("p%d of %v: %d", percent, list, got)
			}
		}
	}
}

// example is a small rollout with all that a table may have to show.
func example() Report {
	r := Report{
		Schema: Schema, From: "legacy", Functions: 4, Rate: 20, Fresh: 0.25,
		Steps: []Step{
			{Percent: 0, Ended: 2_000_100, Waiting: 1, ENIs: 6, Addresses: 6},
			{Percent: 50, Functions: 2, Began: 2_000_110, Done: 2_040_000, Ended: 4_000_100, Waiting: 21, ENIs: 4, Addresses: 4},
			{Percent: 100, Functions: 3, Began: 4_000_110, Done: 4_010_000, Ended: 6_000_100, ENIs: 1, Addresses: 1, Failure: "no address left"},
		},
	}
	for i := range 120 {
		at := int64(25_000 + i*50_000)
		v := Invocation{At: at, Took: 2000 + int64(i%7)*300, Late: 100, Function: i % 4, Mode: "legacy"}
		if at > 4_000_000 || at > 2_000_000 && v.Function < 2 {
			v.Mode = "shared"
		}
		if i%5 == 0 {
			v.Cold, v.Fresh, v.Attach = true, true, 21_000+int64(i)*100
			if v.Mode == "shared" {
				v.Attach = 60 + int64(i%3)
			}
			v.Took = v.Attach + 9000
		}
		r.Invocations = append(r.Invocations, v)
	}
	for i, enis := range []int{4, 6, 5, 4, 2, 1} {
		r.Samples = append(r.Samples, Sample{int64(i) * 1_000_000, enis, enis})
	}
	return r
}

// Every invocation is in one step and one moment: that in which it was due.
func TestDuringAndMoments(t *testing.T) {
	r := example()
	var steps, moments []Invocation
	for n := range r.Steps {
		if got := len(r.during(n)); got != 40 {
			t.Errorf("step %d has %d invocations, want 40", n, got)
		}
		steps = append(steps, r.during(n)...)
	}
	for n, m := range r.moments() {
		for _, i := range m {
			if i.At/1e6 != int64(n) {
				t.Errorf("moment %d has %+v", n, i)
			}
		}
		moments = append(moments, m...)
	}
	if len(r.moments()) != 6 || !slices.Equal(steps, r.Invocations) || !slices.Equal(moments, r.Invocations) {
		t.Errorf("%d moments; %d and %d of %d invocations", len(r.moments()), len(steps), len(moments), len(r.Invocations))
	}
	if empty := (Report{}); empty.moments() != nil && len(empty.moments()) > 0 || empty.drop() != "" {
		t.Error("an empty report has moments")
	}
}

// However long a run is, its moments fit a terminal, and are whole seconds.
func TestWindow(t *testing.T) {
	for length, want := range map[time.Duration]time.Duration{
		time.Second: time.Second, 20 * time.Second: time.Second, time.Minute: time.Second, 61 * time.Second: 2 * time.Second, time.Hour: time.Minute,
		time.Hour + time.Second: 61 * time.Second,
	} {
		r := Report{Steps: []Step{{Ended: length.Microseconds()}}}
		if got := r.window(); got != want || len(r.moments()) > mostWindows {
			t.Errorf("%v: %v, %d moments; want %v", length, got, len(r.moments()), want)
		}
	}
}

func TestSpark(t *testing.T) {
	for _, c := range []struct {
		figures []float64
		width   int
		want    string
	}{
		{[]float64{0, 1, 2, 3, 4, 5, 6, 7, 8}, 1, "▁▂▃▄▅▆▇██"},
		{[]float64{100, -1, 50}, 2, "██  ▅▅"},
		{[]float64{0, 0}, 1, "▁▁"},
		{[]float64{-1}, 3, "   "},
		{nil, 1, ""},
	} {
		if got := spark(c.figures, c.width); got != c.want {
			t.Errorf("%v: %q, want %q", c.figures, got, c.want)
		}
	}
	if got := span([]float64{3, -1, 1, 2}, func(f float64) string { return fmt.Sprint(f) }); got != "1 to 3" {
		t.Errorf("span %q", got)
	}
}
