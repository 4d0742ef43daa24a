package bench

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(i + 1)
	}
	for _, c := range []struct {
		of   []float64
		q    float64
		want float64
	}{
		{nil, 0.5, 0},
		{[]float64{7}, 0.5, 7},
		{[]float64{7}, 0.99, 7},
		{[]float64{1, 2}, 0.5, 1},
		{[]float64{1, 2, 3}, 0.5, 2},
		{hundred, 0.5, 50},
		{hundred, 0.9, 90},
		{hundred, 0.99, 99},
		{hundred, 1, 100},
		{hundred[:60], 0.99, 60}, // of so few the rarest is the longest
	} {
		if got := quantile(c.of, c.q); got != c.want {
			t.Errorf("quantile %v of %d: %v, want %v", c.q, len(c.of), got, c.want)
		}
	}
}

// A figure keeps its samples in order; of too many, as many as there is room for, the least and the greatest among them.
func TestSummarize(t *testing.T) {
	few := summarize(Figure{Values: []float64{3, 1, 2}})
	if few.N != 3 || few.P50 != 2 || few.Max != 3 || !slices.Equal(few.Values, []float64{3, 1, 2}) {
		t.Errorf("%+v", few)
	}
	var values []float64
	for i := range 4 * MaxValues {
		values = append(values, float64(4*MaxValues-i))
	}
	many := summarize(Figure{Values: values})
	if many.N != 4*MaxValues || len(many.Values) != MaxValues || !slices.IsSorted(many.Values) {
		t.Fatalf("n %d, %d kept", many.N, len(many.Values))
	}
	if many.Values[0] != 1 || many.Values[MaxValues-1] != 4*MaxValues || many.Values[MaxValues/2] < 1990 || many.Values[MaxValues/2] > 2010 {
		t.Errorf("kept from %v by %v to %v", many.Values[0], many.Values[MaxValues/2], many.Values[MaxValues-1])
	}
	if none := summarize(Figure{}); none.N != 0 || none.Max != 0 || none.Values == nil {
		t.Errorf("of nothing: %+v", none)
	}
}

func TestRecorder(t *testing.T) {
	var told []string
	r := newRecorder(func(scenario, figure string, err error) { told = append(told, scenario+" "+figure+": "+err.Error()) })
	r.scenario = "idle"
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			r.figure("attach", "shared", 0, microseconds).over("floor.x").took(time.Duration(i+1) * time.Microsecond)
			r.figureOf("floor", "floor.x", "", 0, microseconds).took(2 * time.Microsecond)
		})
	}
	all.Wait()
	r.figure("build", "", 100, seconds).took(1500 * time.Millisecond)
	r.figure("total", "shared", 0, microseconds).failed(errors.New("no"))
	r.skip("java", "no JDK")
	var report Report
	r.fill(&report)
	if len(report.Figures) != 4 || report.Starts == nil || report.Bursts == nil {
		t.Fatalf("%+v", report)
	}
	find := func(name string) Figure {
		i := slices.IndexFunc(report.Figures, func(f Figure) bool { return f.Name == name })
		return report.Figures[i]
	}
	if f := find("attach"); f.N != 10 || f.P50 != 5 || f.Ratio != 2.5 || f.Floor != "floor.x" || f.Kind != "measured" || f.Better != "lower" || f.Scenario != "idle" {
		t.Errorf("%+v", f)
	}
	if f := find("floor.x"); f.Scenario != "floor" || f.N != 10 || f.Ratio != 0 {
		t.Errorf("%+v", f)
	}
	if f := find("build"); f.P50 != 1.5 || f.At != 100 {
		t.Errorf("%+v", f)
	}
	if f := find("total"); f.Failures != 1 || f.N != 0 || !slices.Equal(told, []string{"idle total: no"}) {
		t.Errorf("%+v, told %v", f, told)
	}
	if !slices.Equal(report.Skipped, []Skipped{{"idle", "java", "no JDK"}}) {
		t.Errorf("skipped %v", report.Skipped)
	}
}

func TestMedian(t *testing.T) {
	key := func(n int) float64 { return float64(n) }
	for _, c := range []struct {
		of   []int
		want int
	}{{[]int{4}, 4}, {[]int{9, 1}, 1}, {[]int{9, 1, 5}, 5}} {
		if got := median(c.of, key); got != c.want {
			t.Errorf("of %v: %d", c.of, got)
		}
	}
}
