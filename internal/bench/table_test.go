package bench

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// two scenarios, one figure with a floor and one that failed.
func someReport() Report {
	attach := figure("attach", "shared", 0, microseconds, around(45, 3))
	attach.Floor, attach.Ratio = "floor.x", 1.256
	failing := Figure{Scenario: "pool", Name: "build", Variant: "slots", At: 4000, Kind: "measured", Unit: seconds, Better: "lower", Failures: 2}
	memory := Figure{Scenario: "pool", Name: "slot-memory", Variant: "slots", At: 4000, Kind: "measured", Unit: memoryBytes, Better: "lower", Values: []float64{312345.6}}
	r := report(attach, failing, memory)
	r.Skipped = []Skipped{{"language", "java", "java is not installed"}, {"burst", "", "too little memory"}}
	return r
}

func TestWriteTable(t *testing.T) {
	var b bytes.Buffer
	if err := WriteTable(&b, someReport()); err != nil {
		t.Fatal(err)
	}
	const want = `idle: cold starts one at a time, each right after its slot was made, between the floor's
                  n  p50    p90    p99    max  unit  × floor  failed
  attach  shared  3   45  45.05  45.05  45.05  µs       1.26

pool: slots made and ended by the hundred and thousand, and what one weighs
                              n      p50      p90      p99      max  unit  × floor  failed
  build at 4000        slots  0        -        -        -        -  s                   2
  slot-memory at 4000  slots  1  312,346  312,346  312,346  312,346  B

Not measured: language java: java is not installed
Not measured: burst: too little memory
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 7: "7", 0.1234: "0.123", 9.9996: "10.00", 12.346: "12.35", 99.996: "100.0", 123.46: "123.5", 999.96: "1,000", 1234.5: "1,234", 1e6: "1,000,000", 1234567: "1,234,567",
	} {
		if got := number(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
}

func TestWriteCSV(t *testing.T) {
	var b bytes.Buffer
	if err := WriteCSV(&b, someReport()); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(rows) != 4 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if want := strings.Split("pool,build,slots,4000,measured,s,lower,0,2,0,0,0,0,,0", ","); !slices.Equal(rows[2], want) {
		t.Errorf("%v", rows[2])
	}
}

// The JSON is an API: these keys, and no list is ever null.
func TestJSON(t *testing.T) {
	r := newRecorder(nil)
	var empty Report
	r.fill(&empty)
	b, err := json.Marshal(empty)
	if err != nil || bytes.Contains(b, []byte("null")) {
		t.Errorf("%s, %v", b, err)
	}
	f, err := json.Marshal(summarize(figure("attach", "shared", 4, microseconds, []float64{1, 2})))
	const want = `{"scenario":"idle","name":"attach","variant":"shared","at":4,"kind":"measured","unit":"us","better":"lower","n":2,"failures":0,"p50":1,"p90":2,"p99":2,"max":2,"values":[1,2]}`
	if err != nil || string(f) != want {
		t.Errorf("%s, %v", f, err)
	}
}
