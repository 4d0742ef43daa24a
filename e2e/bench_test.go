package e2e_test

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// The shape of bench's JSON, written down once more: it is an API, and a field that goes missing must fail here.
type (
	benchReport struct {
		Schema  string    `json:"schema"`
		Version string    `json:"version"`
		Began   time.Time `json:"began"`
		Took    float64   `json:"took_s"`
		Host    struct {
			Kernel         string     `json:"kernel"`
			Preemption     *string    `json:"preemption"`
			HZ             *int       `json:"hz"`
			RCU            *string    `json:"rcu"`
			CPUs           int        `json:"cpus"`
			CPU            *string    `json:"cpu"`
			Governor       *string    `json:"governor"`
			Clock          string     `json:"clock"`
			Virtualization *string    `json:"virtualization"`
			Mitigations    *string    `json:"mitigations"`
			Memory         int64      `json:"memory_bytes"`
			Load           [3]float64 `json:"load"`
			Rootless       *bool      `json:"rootless"`
			Go             string     `json:"go"`
		} `json:"host"`
		HostUnchanged *bool         `json:"host_unchanged"`
		Figures       []benchFigure `json:"figures"`
		Starts        []struct {
			Variant string      `json:"variant"`
			Total   int64       `json:"total_us"`
			Ready   int64       `json:"ready_us"`
			Spans   []benchSpan `json:"spans"`
		} `json:"starts"`
		Bursts []struct {
			Variant      string `json:"variant"`
			N            int    `json:"n"`
			Failures     *int   `json:"failures"`
			Wall         int64  `json:"wall_us"`
			Environments []struct {
				Began float64     `json:"began_us"`
				Total float64     `json:"total_us"`
				Spans []benchSpan `json:"spans"`
			} `json:"environments"`
		} `json:"bursts"`
		Skipped []struct{ Scenario, Variant, Reason string } `json:"skipped"`
	}
	benchFigure struct {
		Scenario string    `json:"scenario"`
		Name     string    `json:"name"`
		Variant  string    `json:"variant"`
		At       int       `json:"at"`
		Kind     string    `json:"kind"`
		Unit     string    `json:"unit"`
		Better   string    `json:"better"`
		N        int       `json:"n"`
		Failures *int      `json:"failures"`
		P50      float64   `json:"p50"`
		P90      float64   `json:"p90"`
		P99      float64   `json:"p99"`
		Max      float64   `json:"max"`
		Floor    string    `json:"floor"`
		Ratio    float64   `json:"floor_ratio"`
		Values   []float64 `json:"values"`
	}
	benchSpan struct {
		Name  string      `json:"name"`
		Kind  string      `json:"kind"`
		Start *float64    `json:"start_us"`
		Took  *float64    `json:"took_us"`
		Steps []benchSpan `json:"steps"`
	}
)

func parseBench(t *testing.T, text string) (r benchReport) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil || d.More() {
		t.Fatalf("%v, or more than one value:\n%s", err, text)
	}
	h := r.Host
	if r.Schema != "enilab.bench/v1" || r.HostUnchanged == nil || h.Preemption == nil || h.HZ == nil || h.RCU == nil || h.CPU == nil ||
		h.Governor == nil || h.Virtualization == nil || h.Mitigations == nil || h.Rootless == nil || r.Starts == nil || r.Bursts == nil || r.Skipped == nil {
		t.Fatalf("a field is missing, or null:\n%s", text)
	}
	return r
}

// A quick run of two scenarios through the built program: nothing but JSON on stdout, nothing left.
func TestBenchJSON(t *testing.T) {
	asEach(t, func(t *testing.T, who identity) {
		keepsMachine(t, who)
		res := who.command("bench", "--quick", "--scenario", "idle,pool", "--format", "json").do(t).want(t, 0)
		if res.stderr != "" {
			t.Errorf("progress, or worse, where there is no terminal; %v", res)
		}
		r := parseBench(t, res.stdout)
		if !*r.HostUnchanged || *r.Host.Rootless != who.rootless || r.Host.CPUs != runtime.NumCPU() || r.Host.Kernel != kernel(t) || r.Took <= 0 || r.Version == "" || r.Host.Memory <= 0 {
			t.Errorf("%+v, took %v s, version %q, unchanged %t", r.Host, r.Took, r.Version, *r.HostUnchanged)
		}
		seen := map[string]bool{}
		for _, f := range r.Figures {
			seen[strings.TrimSuffix(f.Scenario+" "+f.Name+" "+f.Variant, " ")] = true
			if f.Kind != "measured" || f.N == 0 || f.N != len(f.Values) || f.Failures == nil || *f.Failures != 0 || f.P50 > f.P90 || f.P90 > f.P99 || f.P99 > f.Max || f.Better == "" {
				t.Errorf("%+v", f)
			}
			if (f.Floor == "") != (f.Ratio == 0) {
				t.Errorf("%s %s of %s: %v times %q", f.Scenario, f.Name, f.Variant, f.Ratio, f.Floor)
			}
		}
		for _, want := range []string{
			"floor floor.attach-inplace", "floor floor.move", "floor floor.netns", "floor floor.spawn", "floor floor.spawn-whole",
			"idle attach legacy", "idle attach legacy-inplace", "idle attach shared", "idle attach/move legacy", "idle total shared", "idle ready shared", "idle warm shared",
			"pool build slots", "pool build parked", "pool teardown slots", "pool slot-memory parked",
		} {
			if !seen[want] {
				t.Errorf("there is no figure %q", want)
			}
		}
		if len(r.Starts) != 3 || r.Starts[0].Ready <= 0 || len(r.Starts[0].Spans) < 5 || len(r.Starts[0].Spans[1].Steps) < 3 {
			t.Errorf("starts %+v", r.Starts)
		}
	})
}

// What was measured is not lost with the place where it was to go.
func TestBenchWithoutItsFile(t *testing.T) {
	asEach(t, func(t *testing.T, who identity) {
		dir, err := os.MkdirTemp(filepath.Dir(enilab), "bench-") // a way that all may go
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		r := who.command("bench", "--quick", "--scenario=floor", "-o", filepath.Join(dir, "out.json")).start(t)
		r.until(t, "it works", func() bool { return r.inner() != 0 })
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		res := r.result(t)
		var got benchReport
		if err := json.Unmarshal([]byte(res.stdout), &got); err != nil || got.Schema != "enilab.bench/v1" || len(got.Figures) == 0 {
			t.Errorf("on standard output is no result: %v: %.200s", err, res.stdout)
		}
		want := filepath.Join(dir, "out.json") + ": no such file or directory; the JSON went to standard output\n"
		if res.code != 1 || !strings.HasSuffix(res.stderr, want) {
			t.Errorf("exit code %d: %s", res.code, res.stderr)
		}
	})
}

// What is kept with -o is what was printed, and what a later run is compared with; both formats for people and sheets
// show each figure.
func TestBenchBaseline(t *testing.T) {
	keepsMachine(t)
	who := identities(t)[0]
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "first.json")
	table := who.command("bench", "--quick", "--scenario=floor", "-o", file).do(t).want(t, 0)
	first := parseBench(t, read(t, file))
	names := []string{"floor.attach-inplace", "floor.create", "floor.move", "floor.bind", "floor.spawn", "floor.spawn-whole", "floor.netns"}
	for _, want := range append(names, "p99", "µs", "Host unchanged.", kernel(t)) {
		if !strings.Contains(table.stdout, want) {
			t.Errorf("the table does not say %q; %v", want, table)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 || len(first.Figures) != len(names) {
		t.Errorf("left %v, %d figures, %v", left, len(first.Figures), err)
	}

	sheet := who.command("bench", "--quick", "--scenario=floor", "--format=csv", "--baseline", file).do(t).want(t, 0, "Change since", "floor: floor.move", "n=5+5", "p=")
	rows, err := csv.NewReader(strings.NewReader(sheet.stdout)).ReadAll()
	if err != nil || len(rows) != len(names)+1 {
		t.Fatalf("%d rows, %v; %v", len(rows), err, sheet)
	}
	for _, row := range rows[1:] {
		if row[0] != "floor" || !slices.Contains(names, row[1]) || row[4] != "measured" || row[7] != "5" || row[8] != "0" {
			t.Errorf("row %v", row)
		}
	}
	if strings.Contains(sheet.stderr, "Warning") {
		t.Errorf("the machine is the same; %v", sheet)
	}
}

func TestBenchBadUsage(t *testing.T) {
	keepsMachine(t)
	who := identities(t)[0]
	dir := t.TempDir()
	other := filepath.Join(dir, "compare.json")
	if err := os.WriteFile(other, []byte(`{"schema":"enilab.compare/v1"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		said []string
	}{
		{[]string{"--scenario=idel"}, 2, []string{`"idel"`, `did you mean "idle"?`}},
		{[]string{"--scenario=idle,brust"}, 2, []string{`"brust"`, `did you mean "burst"?`}},
		{[]string{"--scenario=xyzzy"}, 2, []string{`"xyzzy"`, "floor", "idle", "burst", "sustained", "warm", "pool", "concurrency", "language"}},
		{[]string{"--scenario=idle,,pool"}, 2, []string{`""`, "floor"}},
		{[]string{"--format=xml"}, 2, []string{`"xml"`, "json"}},
		{[]string{"--baseline", "/nonexistent.json"}, 2, []string{"--baseline", "/nonexistent.json"}},
		{[]string{"--baseline", other}, 2, []string{"--baseline", other, "enilab.compare/v1", "enilab.bench/v1"}},
		{[]string{"--baseline", enilab}, 2, []string{"--baseline", enilab, "JSON"}},
		{[]string{"-o", "/nonexistent/out.json"}, 2, []string{"--output /nonexistent/out.json: no such file or directory"}},
		{[]string{"-o", "/"}, 2, []string{"--output /: it is there, and not a file"}},
		{[]string{"-o", "/dev/full"}, 2, []string{"--output /dev/full: it is there, and not a file"}},
		{[]string{"--store=/nonexistent"}, 2, []string{"/nonexistent", "make build"}},
		{[]string{"now"}, 2, []string{`"now"`, "enilab bench --help"}},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			who.command(append([]string{"bench"}, c.args...)...).do(t).wantLine(t, c.code, c.said...)
		})
	}
}
