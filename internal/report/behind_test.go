package report

import (
	"bytes"
	"encoding/csv"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"enilab/internal/bench"
	"enilab/internal/report/chart"
	"enilab/internal/report/draw"
)

// picture finds one by name.
func picture(t *testing.T, d *Data, name string) Picture {
	t.Helper()
	for _, p := range d.Pictures() {
		if p.Name == name {
			return p
		}
	}
	t.Fatalf("there is no picture %q", name)
	return Picture{}
}

// records are a table as CSV has it, without its head.
func records(t *testing.T, table Table) [][]string {
	t.Helper()
	var b bytes.Buffer
	if err := table.WriteCSV(&b); err != nil {
		t.Fatal(err)
	}
	all, err := csv.NewReader(&b).ReadAll() // it wants equally many fields in each
	if err != nil {
		t.Fatal(err)
	}
	return all[1:]
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestWaterfallShowsItsTable compares the bars with the rows: as many, in one order, as long as the figures say.
func TestWaterfallShowsItsTable(t *testing.T) {
	r := newMaker(1).bench(3)
	p := picture(t, dataOf(t, r), "waterfall")
	var rows [][]string
	for _, row := range records(t, p.Table) {
		if row[1] != "total" && row[1] != "other" {
			rows = append(rows, row)
		}
	}
	spans := 0
	for _, s := range r.Starts {
		for _, x := range rowsOf(s.Spans) {
			if got := number(t, rows[spans][4]); got != x.Took || rows[spans][0] != s.Variant {
				t.Errorf("row %v: want %s's %s with %v", rows[spans], s.Variant, x.Name, x.Took)
			}
			spans++
		}
	}
	var bars []draw.Bars
	var lefts []float64 // of their plots
	p.Draw(Wide).Marks(func(plot draw.Box, s draw.Shape) { bars, lefts = append(bars, s.(draw.Bars)), append(lefts, plot.Left) })
	if spans != len(rows) || len(bars) < spans {
		t.Fatalf("%d spans, %d rows, %d bars", spans, len(rows), len(bars))
	}
	scale := 0.0 // pixels of a µs
	for i, row := range rows {
		width, took := bars[i].Bounds().Width(), number(t, row[4])
		if !strings.Contains(bars[i].Tip, chart.Micros.Format(took)) {
			t.Errorf("bar %d says %q, its row %v", i, bars[i].Tip, took)
		}
		if width <= shortest+1e-9 {
			continue // as short as a bar gets
		}
		if scale == 0 {
			scale = width / took
		}
		if math.Abs(width/took/scale-1) > 1e-6 {
			t.Errorf("bar of %v: %v pixels, and not %v", row, width, took*scale)
		}
		if at, want := bars[i].Bounds().Left, lefts[i]+number(t, row[3])*scale; math.Abs(at-want) > 1e-6 {
			t.Errorf("bar of %v begins at %v, and not %v", row, at, want)
		}
	}
}

// TestDotsHaveRows compares each dot of the charts of lines with its row, by what it says when it is pointed at.
func TestDotsHaveRows(t *testing.T) {
	d := dataOf(t, newMaker(1).bench(3))
	for _, name := range []string{"addresses", "growth", "burst-sizes"} {
		p := picture(t, d, name)
		var said, want []string
		p.Draw(Narrow).Marks(func(_ draw.Box, s draw.Shape) {
			if dots, ok := s.(draw.Dots); ok {
				said = append(said, dots.Tip)
			}
		})
		for _, row := range p.Table.Rows {
			if row[1].Text() != "all" {
				want = append(want, row[1].Text()+", at "+row[2].Text()+": "+row[3].Text())
			}
		}
		if !slices.Equal(said, want) {
			t.Errorf("%s shows\n%q\nand its table says\n%q", name, said, want)
		}
	}
}

// TestFiguresReachTheirTables looks for figures of the file behind the pictures.
func TestFiguresReachTheirTables(t *testing.T) {
	r := newMaker(1).bench(3)
	d := dataOf(t, r)
	for name, pick := range map[string]func(bench.Figure) bool{
		"addresses":           func(f bench.Figure) bool { return f.Scenario == "concurrency" },
		"languages":           func(f bench.Figure) bool { return f.Scenario == "language" },
		"datapath":            func(f bench.Figure) bool { return f.Scenario == "datapath" },
		"growth":              func(f bench.Figure) bool { return strings.HasPrefix(f.Scenario, "growth") || f.Scenario == "pool" },
		"burst-sizes":         func(f bench.Figure) bool { return f.Scenario == "burst" && f.Name != "total" },
		"limits":              func(f bench.Figure) bool { return f.Floor != "" },
		"distribution-attach": func(f bench.Figure) bool { return f.Scenario == "idle" && f.Name == "attach" },
		"distribution-total":  func(f bench.Figure) bool { return f.Scenario == "idle" && f.Name == "total" },
	} {
		rows := records(t, picture(t, d, name).Table)
		picked := 0
		for _, f := range r.Figures {
			if !pick(f) {
				continue
			}
			picked++
			if !slices.ContainsFunc(rows, func(row []string) bool {
				return slices.Contains(row, strconv.FormatFloat(f.P50, 'f', -1, 64))
			}) {
				t.Errorf("%s: nowhere in its table is %v, the median of %s %s %s at %d", name, f.P50, f.Scenario, f.Name, f.Variant, f.At)
			}
		}
		if picked == 0 {
			t.Errorf("%s: no figure was looked for", name)
		}
	}
}

// TestDistributionShowsAll checks the curve at figures that can be counted.
func TestDistributionShowsAll(t *testing.T) {
	points := curve(bench.Figure{Values: []float64{30, 10, 20, 20}})
	want := []draw.Point{{X: 10}, {X: 10}, {X: 10, Y: 25}, {X: 20, Y: 25}, {X: 20, Y: 50}, {X: 20, Y: 50}, {X: 20, Y: 75}, {X: 30, Y: 75}, {X: 30, Y: 100}}
	if !slices.Equal(points, want) {
		t.Errorf("got %v, want %v", points, want)
	}
	p := picture(t, dataOf(t, newMaker(1).bench(3)), "distribution-attach")
	if n := len(p.Samples.Rows); n != 300 {
		t.Errorf("%d samples, want 300", n)
	}
}

// TestBurstTable has each environment, in the order in which they answered.
func TestBurstTable(t *testing.T) {
	r := newMaker(1).bench(40)
	p := picture(t, dataOf(t, r), "burst-40")
	rows := records(t, p.Table)
	if len(rows) != 40*len(r.Bursts) {
		t.Fatalf("%d rows", len(rows))
	}
	for i, row := range rows {
		if i%40 > 0 && number(t, row[3]) < number(t, rows[i-1][3]) {
			t.Errorf("row %v comes after %v", row, rows[i-1])
		}
		if sum := number(t, row[2]) + number(t, row[4]) + number(t, row[5]) + number(t, row[6]) + number(t, row[7]) + number(t, row[8]) + number(t, row[9]); math.Abs(sum-number(t, row[3])) > 5 {
			t.Errorf("row %v: its phases add up to %v", row, sum)
		}
	}
}

// TestDropCountsAll adds the windows up, and computes what is said of before and after once more.
func TestDropCountsAll(t *testing.T) {
	r := newMaker(2).rollout(1000)
	p := picture(t, dataOf(t, r), "drop")
	answers, failed, cold := 0, 0, 0
	for _, w := range windowsOf(r) {
		answers, failed, cold = answers+len(w.took), failed+w.failed, cold+w.cold
	}
	wantCold := 0
	var before, after []float64
	for _, v := range r.Invocations {
		if v.Failure != "" {
			continue
		}
		if v.Cold {
			wantCold++
		}
		if v.At < r.Steps[1].Began {
			before = append(before, float64(v.Took))
		} else if v.At >= r.Steps[3].Done {
			after = append(after, float64(v.Took))
		}
	}
	if answers != 999 || failed != 1 || cold != wantCold {
		t.Errorf("%d answers, %d failures, %d cold; want 999, 1, %d", answers, failed, cold, wantCold)
	}
	slices.Sort(before)
	slices.Sort(after)
	for _, values := range [][]float64{before, after} {
		p99 := chart.Micros.Format(values[int(math.Ceil(0.99*float64(len(values))))-1])
		if !strings.Contains(p.Says, p99) {
			t.Errorf("%q does not say %q", p.Says, p99)
		}
	}
	if len(records(t, p.Samples)) != 1000 || len(p.Table.Rows) != windows {
		t.Errorf("%d samples, %d windows", len(p.Samples.Rows), len(p.Table.Rows))
	}
	var steps []string
	for _, row := range records(t, p.Table) {
		if row[7] != "" {
			steps = append(steps, row[7])
		}
	}
	if got := strings.Join(steps, "|"); got != "0\u00a0%|10\u00a0%|50\u00a0%|100\u00a0%" {
		t.Errorf("steps %q", got)
	}
}
