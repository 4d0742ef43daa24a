package bench

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// around makes samples close to a centre, of which no two are equal.
func around(centre float64, n int) (values []float64) {
	for i := range n {
		values = append(values, centre+float64(i-n/2)*centre/1000)
	}
	return values
}

func report(figures ...Figure) Report {
	r := Report{Schema: Schema, Version: "v1", Began: time.Date(2026, 11, 25, 3, 4, 0, 0, time.UTC), Host: Host{Kernel: "6.1", CPUs: 2, Governor: "powersave"}}
	for _, f := range figures {
		r.Figures = append(r.Figures, summarize(f))
	}
	return r
}

func figure(name, variant string, at int, unit string, values []float64) Figure {
	return Figure{Scenario: "idle", Name: name, Variant: variant, At: at, Kind: "measured", Unit: unit, Better: better[unit], Values: values}
}

// The text is what people decide by.
func TestWriteChanges(t *testing.T) {
	before := report(
		figure("attach", "shared", 0, microseconds, around(45, 61)),
		figure("spawn", "shared", 0, microseconds, around(1200, 61)),
		figure("total", "shared", 0, microseconds, around(7000, 21)),
		figure("rate", "", 100, perSecond, around(100, 11)),
		figure("enis", "", 0, count, []float64{1}),
		figure("gone", "", 0, microseconds, around(1, 3)),
	)
	after := report(
		figure("attach", "shared", 0, microseconds, around(29, 61)),
		figure("spawn", "shared", 0, microseconds, around(1200.1, 61)),
		figure("total", "shared", 0, microseconds, around(7700, 21)),
		figure("rate", "", 100, perSecond, around(250, 11)),
		figure("enis", "", 0, count, []float64{2}),
		figure("new", "", 0, microseconds, around(1, 3)),
	)
	after.Host.Governor, after.Host.Kernel = "", "6.18"
	var b bytes.Buffer
	if err := WriteChanges(&b, before, after); err != nil {
		t.Fatal(err)
	}
	const want = `Change since 2026-11-25 03:04 UTC (v1):
  Warning: the machine is not the same: kernel was 6.1, is 6.18
  Warning: the machine is not the same: governor was powersave, is unknown
  idle: attach shared     45 µs  → 29 µs         −36 %  (p=0.000 n=61+61)  better
  idle: spawn shared   1,200 µs  → 1,200 µs          ~  (p=0.878 n=61+61)
  idle: total shared   7,000 µs  → 7,700 µs      +10 %  (p=0.000 n=21+21)  worse
  idle: rate at 100     100 1/s  → 250 1/s      +150 %  (p=0.000 n=11+11)  better
  idle: enis                  1  → 2                 ~  (p=1.000 n=1+1)
`
	if got := b.String(); normal(got) != normal(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	b.Reset()
	if err := WriteChanges(&b, report(), after); err != nil || !strings.Contains(b.String(), "no figure in common") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

// normal makes of all white space in a line one space: columns are another test's.
func normal(s string) string {
	var lines []string
	for line := range strings.Lines(s) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}

func TestParse(t *testing.T) {
	whole, err := json.Marshal(report(figure("attach", "shared", 0, microseconds, around(45, 61))))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := Parse("good.json", whole); err != nil || len(r.Figures) != 1 || r.Figures[0].N != 61 {
		t.Errorf("%+v, %v", r, err)
	}
	for text, words := range map[string]string{
		"hello":                          "not the JSON of enilab bench",
		`{"schema":"enilab.compare/v1"}`: `"enilab.compare/v1", want enilab.bench/v1`,
		string(whole[:len(whole)/2]):     "unexpected end",
	} {
		if _, err := Parse("former.json", []byte(text)); err == nil || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), "former.json") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
