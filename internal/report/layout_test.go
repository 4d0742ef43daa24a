package report

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"enilab/internal/bench"
	"enilab/internal/compare"
	"enilab/internal/report/draw"
	"enilab/internal/rollout"
)

// dataOf reads reports as the command does.
func dataOf(t *testing.T, reports ...any) *Data {
	t.Helper()
	d := new(Data)
	for i, r := range reports {
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Add(fmt.Sprintf("sample-%d.json", i), text); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// cases are data of every sort that there may be.
func cases(t *testing.T) map[string]*Data {
	hostile := newMaker(4).bench(7)
	for i := range hostile.Figures {
		hostile.Figures[i].Variant += hostileName
		hostile.Figures[i].Name = strings.Replace(hostile.Figures[i].Name, "attach/", "attach/"+hostileName, 1)
	}
	for i := range hostile.Starts {
		hostile.Starts[i].Variant += hostileName
		for j := range hostile.Starts[i].Spans {
			hostile.Starts[i].Spans[j].Name += hostileName
		}
	}
	modelled := newMaker(5).bench(10)
	for i := range modelled.Starts {
		modelled.Starts[i].Spans = append(modelled.Starts[i].Spans, bench.Span{Name: "model.eni", Kind: "modelled", Start: 30e6, Took: 90e6})
	}
	odd := &bench.Report{
		Schema: bench.Schema, Figures: []bench.Figure{
			{Scenario: "idle", Name: "attach", Variant: "shared", Kind: "measured", Unit: "us", N: 1, P50: 5, P90: 5, P99: 5, Max: 5, Values: []float64{5}},
			{Scenario: "idle", Name: "total", Variant: "shared", Kind: "measured", Unit: "us", N: 3, Max: 1e15, Values: []float64{0, 0, 1e15}},
			{Scenario: "concurrency", Name: "enis", Variant: "shared", At: 1, Unit: "1", N: 1},
			{Scenario: "language", Name: "network", Variant: "go", Unit: "us", N: 1},
			{Scenario: "datapath", Name: "nobody's", Variant: "nobody", Unit: "furlongs", N: 1, P50: 1e15},
			{Scenario: "growth-slots", Name: "attach", Variant: "shared", At: 1, Unit: "us", N: 1, P50: 1},
			{Scenario: "growth-slots", Name: "attach", Variant: "shared", At: 2, Unit: "us", N: 1, P50: 0},
			{Scenario: "floor", Name: "x", Floor: "y", Ratio: 1e9, N: 1, Unit: "us"},
		},
		Starts: []bench.Start{{Variant: "shared", Spans: []bench.Span{{Name: "attach"}, {Name: "spawn", Start: 1e15, Took: 1e15}}}},
		Bursts: []bench.Burst{{Variant: "shared", N: 1, Environments: []bench.Environment{{}}}, {Variant: "shared", N: 2, Environments: []bench.Environment{{}, {Spans: []bench.Span{{Name: "attach"}}}}}},
	}
	still := &rollout.Report{Schema: rollout.Schema, Invocations: []rollout.Invocation{{Failure: "x"}}, Steps: []rollout.Step{{}, {}, {Percent: 100}}}
	return map[string]*Data{
		"all":       dataOf(t, newMaker(1).bench(100), newMaker(2).rollout(2000), newMaker(3).compare()),
		"compare":   dataOf(t, newMaker(3).compare()),
		"hostile":   dataOf(t, hostile),
		"modelled":  dataOf(t, modelled),
		"odd":       dataOf(t, odd, still),
		"many":      dataOf(t, newMaker(6).bench(100), &compare.Report{Schema: compare.Schema, Variants: []compare.Variant{{Name: "shared"}}}),
		"unsettled": dataOf(t, newMaker(7).rollout(40)),
	}
}

// eachDrawing visits every picture of every case, as wide, narrow and alone.
func eachDrawing(t *testing.T, visit func(t *testing.T, d *draw.Drawing)) {
	for name, data := range cases(t) {
		for _, p := range data.Pictures() {
			for form, d := range map[string]*draw.Drawing{"wide": p.Draw(Wide), "narrow": p.Draw(Narrow), "alone": p.Alone()} {
				t.Run(name+"/"+p.Name+"/"+form, func(t *testing.T) { visit(t, d) })
			}
		}
	}
}

func TestEverythingLiesInItsFrame(t *testing.T) {
	eachDrawing(t, func(t *testing.T, d *draw.Drawing) {
		if !(d.Height > 20) {
			t.Fatalf("height %v", d.Height)
		}
		marks := 0
		d.Marks(func(plot draw.Box, s draw.Shape) {
			marks++
			if b := s.Bounds(); !plot.Holds(b, 0.01) {
				t.Errorf("%T %+v lies outside its plot %+v", s, b, plot)
			}
		})
		if marks == 0 {
			t.Error("no mark")
		}
		for _, s := range d.Shapes() {
			b := s.Bounds()
			if !d.Frame().Holds(b, 0.01) || math.IsNaN(b.Left+b.Top+b.Right+b.Bottom) {
				t.Errorf("%T %+v lies outside the picture, %+v", s, b, d.Frame())
			}
			if text, ok := s.(draw.Text); ok && text.Size < 11 {
				t.Errorf("%q is written too small: %v", text.Words, text.Size)
			}
		}
	})
}

func TestNoLabelCoversAnother(t *testing.T) {
	eachDrawing(t, func(t *testing.T, d *draw.Drawing) {
		var labels []draw.Text
		for _, s := range d.Shapes() {
			if label, ok := s.(draw.Text); ok {
				labels = append(labels, label)
			}
		}
		for i, a := range labels {
			for _, b := range labels[i+1:] {
				// Lines of text may touch where no letter goes down or up so far.
				x, y := a.Bounds(), b.Bounds()
				x.Top, x.Bottom, y.Top, y.Bottom = x.Top+1.5, x.Bottom-1.5, y.Top+1.5, y.Bottom-1.5
				if x.Meets(y) {
					t.Errorf("%q and %q overlap: %+v, %+v", a.Words, b.Words, x, y)
				}
			}
		}
	})
}

// TestModelledIsSlanted checks that what is modelled, and it alone, has slanted lines.
func TestModelledIsSlanted(t *testing.T) {
	all := cases(t)
	slanted := func(d *Data, picture string) (n int) {
		for _, p := range d.Pictures() {
			if p.Name != picture {
				continue
			}
			p.Draw(Wide).Marks(func(_ draw.Box, s draw.Shape) {
				if b, ok := s.(draw.Bars); ok && b.Fill.Texture == draw.Slanted {
					n++
					if b.Outline.Dash == nil || !strings.Contains(b.Tip, "modelled") {
						t.Errorf("slanted, and not a modelled bar: %+v", b)
					}
				}
			})
		}
		return n
	}
	if n := slanted(all["modelled"], "waterfall"); n != len(sampleVariants) {
		t.Errorf("%d of %d modelled spans are slanted", n, len(sampleVariants))
	}
	for _, p := range all["all"].Pictures() {
		if n := slanted(all["all"], p.Name); n != 0 {
			t.Errorf("%s: %d measured bars are slanted", p.Name, n)
		}
	}
}

// TestLooksDifferWithoutColour compares what tells variants apart for who sees no colours.
func TestLooksDifferWithoutColour(t *testing.T) {
	markers, dashes := map[draw.Marker]string{}, map[string]string{}
	for _, v := range append(history, "another") {
		l := lookOf(v)
		if other, ok := markers[l.marker]; ok {
			t.Errorf("%s and %s have one marker", v, other)
		}
		if other, ok := dashes[fmt.Sprint(l.dash)]; ok {
			t.Errorf("%s and %s have one dash", v, other)
		}
		markers[l.marker], dashes[fmt.Sprint(l.dash)] = v, v
	}
	textures := map[draw.Texture]string{}
	for _, phase := range []string{"place", "queue", "spawn", "init", "invoke", "other"} {
		f := phaseFill(phase, "shared")
		if other, ok := textures[f.Texture]; ok || f.Texture == draw.Slanted {
			t.Errorf("%s looks like %s", phase, other)
		}
		textures[f.Texture] = phase
	}
}
