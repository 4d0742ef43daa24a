package compare

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestStats(t *testing.T) {
	s := newSamples()
	if got := s.stats(); got != (Stats{}) {
		t.Errorf("of nothing: %+v", got)
	}
	for i := range 100 {
		s.add(time.Duration(100-i) * time.Microsecond) // 1 to 100, in no order that helps
	}
	got := s.stats()
	near := func(name string, got, want float64) {
		if got < want || got > want*1.001 { // three significant digits
			t.Errorf("%s %v, want %v", name, got, want)
		}
	}
	if got.N != 100 {
		t.Errorf("n %d", got.N)
	}
	near("p50", got.P50, 50)
	near("p90", got.P90, 90)
	near("p99", got.P99, 99)
	near("max", got.Max, 100)

	s.add(20 * time.Minute) // longer than any invocation: no outlier is dropped
	s.add(0)                // a clock that stood still
	if got := s.stats(); got.N != 102 || got.Max < 1.2e9 {
		t.Errorf("%+v", got)
	}
}

func stats(us float64) Stats { return Stats{N: 2, P50: us, P90: us + 1, P99: us + 2, Max: us + 3} }

var two = []Variant{
	{
		Name: "legacy", Runs: 2, ENIs: 3, SubnetAddresses: 3,
		Phases: []Phase{ // µs
			{"place", "measured", stats(1.5)},
			{"attach", "measured", stats(16_000)},
			{"attach/create", "measured", stats(400)},
			{"attach/move", "measured", stats(15_600)},
			{"invoke", "measured", stats(900)},
			{"other", "measured", stats(12)},
		},
		Ready: stats(18_000), Total: stats(19_000), Warm: stats(700),
		Burst: Burst{N: 3, WallUS: 123_456, Attach: stats(40_000), Total: stats(100_000)},
	},
	{
		Name: "shared", Runs: 2, Failures: 1, ENIs: 1, SubnetAddresses: 1,
		Phases: []Phase{ // µs
			{"place", "measured", stats(2)},
			{"fetch", "measured", stats(33)},
			{"attach", "measured", stats(26.25)},
			{"attach/neighbor", "measured", stats(9)},
			{"invoke", "measured", stats(800)},
			{"other", "measured", stats(11)},
		},
		Ready: stats(2000), Total: stats(3000), Warm: stats(600),
		Burst: Burst{N: 3, Failures: 2, WallUS: 50_000, Queue: stats(30_000), Attach: stats(60), Total: stats(40_000)},
	},
}

func TestPhaseNames(t *testing.T) {
	want := []string{"place", "fetch", "attach", "attach/create", "attach/move", "attach/neighbor", "invoke", "other"}
	if got := phaseNames(two); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := phaseNames(nil); len(got) != 0 {
		t.Errorf("of nothing: %v", got)
	}
}

func TestMilli(t *testing.T) {
	for us, want := range map[float64]string{
		0: "0.000 ms", 26.25: "0.026 ms", 999.4: "0.999 ms", 999.6: "1.00 ms", 1000: "1.00 ms", 9999: "10.0 ms", 99_960: "100 ms", 15_600: "15.6 ms", 123_456: "123 ms", 1e7: "10000 ms",
	} {
		if got := milli(us); got != want {
			t.Errorf("%v µs: %q, want %q", us, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	var b bytes.Buffer
	if err := WriteTable(&b, two); err != nil {
		t.Fatal(err)
	}
	const want = `                                legacy    shared
place                         0.002 ms  0.002 ms
fetch                                   0.033 ms
attach                         16.0 ms  0.026 ms
  · create                    0.400 ms
  · move                       15.6 ms
  · neighbor                            0.009 ms
invoke                        0.900 ms  0.800 ms
other                         0.012 ms  0.011 ms
ready (request → first next)   18.0 ms   2.00 ms
total (request → response)     19.0 ms   3.00 ms
total, p99                     19.0 ms   3.00 ms
warm                          0.700 ms  0.600 ms
attach, p99                    16.0 ms  0.028 ms
3 at once: all served after     123 ms   50.0 ms
queue, p50 of these           0.000 ms   30.0 ms
attach, p50 of these           40.0 ms  0.060 ms
ENIs in the subnet meanwhile         3         1
its addresses used                   3         1
failures                             0         3
`
	if got := "\n" + b.String(); trimmed(got) != trimmed(want) {
		t.Errorf("got%s\nwant%s", got, want)
	}
	b.Reset()
	if err := WriteTable(&b, nil); err != nil {
		t.Error(err)
	}
	alone := slices.Clone(two[:1])
	alone[0].Burst = Burst{}
	b.Reset()
	if err := WriteTable(&b, alone); err != nil || strings.Contains(b.String(), "at once") || strings.Contains(b.String(), "ENIs") {
		t.Errorf("without a burst: %v\n%s", err, b.String())
	}
}

// trimmed takes the common indent and the spaces at the lines' ends away.
func trimmed(s string) string {
	var lines []string
	indent := len(s)
	for line := range strings.Lines(s) {
		if line = strings.TrimRight(line, " \n"); line != "" {
			lines = append(lines, line)
			indent = min(indent, len(line)-len(strings.TrimLeft(line, " ")))
		}
	}
	for i := range lines {
		lines[i] = lines[i][indent:]
	}
	return strings.Join(lines, "\n")
}

func TestCSV(t *testing.T) {
	var b bytes.Buffer
	if err := WriteCSV(&b, two[1:]); err != nil {
		t.Fatal(err)
	}
	const want = `variant,figure,kind,n,p50_us,p90_us,p99_us,max_us,failures,enis,subnet_addresses
shared,place,measured,2,2,3,4,5,1,,
shared,fetch,measured,2,33,34,35,36,1,,
shared,attach,measured,2,26.25,27.25,28.25,29.25,1,,
shared,attach/neighbor,measured,2,9,10,11,12,1,,
shared,invoke,measured,2,800,801,802,803,1,,
shared,other,measured,2,11,12,13,14,1,,
shared,ready,measured,2,2000,2001,2002,2003,1,,
shared,total,measured,2,3000,3001,3002,3003,1,,
shared,warm,measured,2,600,601,602,603,1,,
shared,burst.wall,measured,1,50000,50000,50000,50000,2,1,1
shared,burst.queue,measured,2,30000,30001,30002,30003,2,1,1
shared,burst.attach,measured,2,60,61,62,63,2,1,1
shared,burst.total,measured,2,40000,40001,40002,40003,2,1,1
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	if rows, err := csv.NewReader(&b).ReadAll(); err != nil || len(rows) != 14 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

// The JSON is an API: these keys, and no variant's list is ever null.
func TestJSON(t *testing.T) {
	r := Report{
		Schema: Schema, Host: Host{"6.1.0", 2, true}, HostUnchanged: true,
		Variants: []Variant{{
			Name: "legacy", Runs: 30, ENIs: 50, SubnetAddresses: 50, Phases: []Phase{{"attach", "measured", stats(16_000)}},
			Ready: stats(1), Total: stats(2), Burst: Burst{N: 50, WallUS: 7, Queue: stats(9), Attach: stats(3), Total: stats(4)}, Warm: stats(5),
		}},
	}
	got, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"schema":"enilab.compare/v1","host":{"kernel":"6.1.0","cpus":2,"rootless":true},"host_unchanged":true,"variants":[` +
		`{"name":"legacy","runs":30,"failures":0,"enis":50,"subnet_addresses":50,` +
		`"phases":[{"name":"attach","kind":"measured","n":2,"p50_us":16000,"p90_us":16001,"p99_us":16002,"max_us":16003}],` +
		`"ready":{"n":2,"p50_us":1,"p90_us":2,"p99_us":3,"max_us":4},"total":{"n":2,"p50_us":2,"p90_us":3,"p99_us":4,"max_us":5},` +
		`"burst":{"n":50,"failures":0,"wall_us":7,"queue":{"n":2,"p50_us":9,"p90_us":10,"p99_us":11,"max_us":12},"attach":{"n":2,"p50_us":3,"p90_us":4,"p99_us":5,"max_us":6},"total":{"n":2,"p50_us":4,"p90_us":5,"p99_us":6,"max_us":7}},` +
		`"warm":{"n":2,"p50_us":5,"p90_us":6,"p99_us":7,"max_us":8}}]}`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	failed := variant{Trial: Trial{Mode: "legacy"}, ready: newSamples(), total: newSamples(), warm: newSamples(), queue: newSamples(), attach: newSamples(), bursts: newSamples()}
	b, err := json.Marshal(failed.report(Options{Runs: 1}))
	if err != nil || bytes.Contains(b, []byte("null")) {
		t.Errorf("of runs that all failed: %s, %v", b, err)
	}
}
