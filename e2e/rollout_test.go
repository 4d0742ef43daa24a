package e2e_test

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The shape of rollout's JSON, written down once more: it is an API, and a field that goes missing must fail here.
type (
	rolloutReport struct {
		Schema        string    `json:"schema"`
		Version       string    `json:"version"`
		Began         time.Time `json:"began"`
		Kernel        string    `json:"kernel"`
		CPUs          int       `json:"cpus"`
		Rootless      *bool     `json:"rootless"`
		HostUnchanged *bool     `json:"host_unchanged"`
		From          string    `json:"from"`
		Functions     int       `json:"functions"`
		Rate          float64   `json:"rate"`
		Fresh         float64   `json:"fresh"`
		Seed          uint64    `json:"seed"`
		Behind        int64     `json:"behind_us"`
		Steps         []struct {
			Percent   int    `json:"percent"`
			Functions int    `json:"functions"`
			Began     int64  `json:"began_us"`
			Done      int64  `json:"done_us"`
			Ended     int64  `json:"ended_us"`
			Waiting   int    `json:"waiting"`
			ENIs      int    `json:"enis"`
			Addresses int    `json:"subnet_addresses"`
			Failure   string `json:"failure"`
		} `json:"steps"`
		Samples []struct {
			At        int64 `json:"at_us"`
			ENIs      int   `json:"enis"`
			Addresses int   `json:"subnet_addresses"`
		} `json:"samples"`
		Invocations []struct {
			At       int64  `json:"at_us"`
			Took     int64  `json:"took_us"`
			Late     int64  `json:"late_us"`
			Attach   int64  `json:"attach_us"`
			Function int    `json:"function"`
			Mode     string `json:"mode"`
			Fresh    bool   `json:"fresh"`
			Cold     bool   `json:"cold"`
			Failure  string `json:"failure"`
		} `json:"invocations"`
	}
)

// busy is what a machine says that cannot keep up. It may.
var busy = regexp.MustCompile(`(?m)^Note: (The generator fell behind|At the end of step) .*\n`)

func TestRolloutJSON(t *testing.T) {
	asEach(t, func(t *testing.T, who identity) {
		keepsMachine(t, who)
		r := who.command("rollout", "--rate", "20", "--hold", "1s", "--steps", "0,100", "--functions", "5", "--seed", "7", "--format", "json").do(t).want(t, 0)
		if busy.ReplaceAllString(r.stderr, "") != "" {
			t.Errorf("progress, or worse, where there is no terminal; %v", r)
		}
		var rep rolloutReport
		d := json.NewDecoder(strings.NewReader(r.stdout))
		d.DisallowUnknownFields()
		if err := d.Decode(&rep); err != nil || d.More() || strings.Count(r.stdout, "\n") != 1 {
			t.Fatalf("stdout is not one line of this JSON: %v; %v", err, r)
		}
		if rep.Schema != "enilab.rollout/v1" || rep.Version == "" || time.Since(rep.Began) > patience || rep.Kernel != kernel(t) || rep.CPUs != runtime.NumCPU() ||
			rep.Rootless == nil || *rep.Rootless != who.rootless || rep.HostUnchanged == nil || !*rep.HostUnchanged ||
			rep.From != "legacy" || rep.Functions != 5 || rep.Rate != 20 || rep.Fresh != 0.2 || rep.Seed != 7 || rep.Behind <= 0 || len(rep.Samples) < 2 {
			t.Errorf("%+v", rep)
		}
		if len(rep.Steps) != 2 || rep.Steps[1].Functions != 5 || rep.Steps[0].ENIs < 2 {
			t.Fatalf("steps: %+v", rep.Steps)
		}
		if last := rep.Steps[1]; last.Waiting == 0 && (last.ENIs != 1 || last.Addresses != 1) { // else legacy's are still at work
			t.Errorf("when all is shared: %+v", last)
		}
		attach := map[string][]int64{}
		for _, i := range rep.Invocations {
			if i.Failure != "" || i.Took <= 0 || i.Late < 0 || i.Cold != (i.Attach > 0) || i.Fresh && !i.Cold {
				t.Errorf("%+v", i)
			}
			if i.At > rep.Steps[1].Done && i.Mode != "shared" || i.At+i.Took < rep.Steps[1].Began && i.Mode != "legacy" {
				t.Errorf("%+v: not its step's mode; %+v", i, rep.Steps)
			}
			if i.Cold {
				attach[i.Mode] = append(attach[i.Mode], i.Attach)
			}
		}
		if len(rep.Invocations) < 40 || len(attach["legacy"]) < 3 || len(attach["shared"]) < 3 {
			t.Fatalf("%d invocations, cold ones' attach: %v", len(rep.Invocations), attach)
		}
		median := func(mode string) int64 { return slices.Sorted(slices.Values(attach[mode]))[len(attach[mode])/2] }
		if legacy, shared := median("legacy"), median("shared"); shared*2 > legacy {
			t.Errorf("attach takes %d µs in legacy mode and %d in shared mode: where is the drop?", legacy, shared)
		}
	})
}

// The result goes into the file that is asked for, in place of what it held, and nowhere else.
func TestRolloutCSVFile(t *testing.T) {
	keepsMachine(t)
	file := filepath.Join(t.TempDir(), "invocations.csv")
	if err := os.WriteFile(file, []byte(strings.Repeat("x\n", 100_000)), 0o644); err != nil {
		t.Fatal(err)
	}
	r := identities(t)[0].command("rollout", "--rate", "20", "--hold", "1s", "--steps", "0", "--from", "legacy-inplace", "--format", "csv", "-o", file).do(t).want(t, 0)
	if r.stdout+busy.ReplaceAllString(r.stderr, "") != "" {
		t.Errorf("%v", r)
	}
	rows, err := csv.NewReader(strings.NewReader(read(t, file))).ReadAll()
	if err != nil || len(rows) < 21 || strings.Join(rows[0], " ") != "at_us took_us late_us attach_us function mode fresh cold failure" {
		t.Fatalf("%d rows, %v, %v", len(rows), rows, err)
	}
	for _, row := range rows[1:] {
		if row[5] != "legacy-inplace" || row[8] != "" {
			t.Errorf("row %v", row)
		}
	}
}

// People get a table, with the drop, and progress on their terminal that is gone in the end.
func TestRolloutTable(t *testing.T) {
	keepsMachine(t)
	screen, terminal := newTerminal(t)
	r := identities(t)[0].command("rollout", "--rate", "20", "--hold", "1s", "--steps", "0,100")
	r.Stderr = terminal
	r.start(t)
	terminal.Close() // the program has it
	var shown strings.Builder
	buffer := make([]byte, 4096)
	for { // until the last holder of the terminal has gone
		n, err := screen.Read(buffer)
		shown.Write(buffer[:n])
		if err != nil {
			break
		}
	}
	res := r.result(t).want(t, 0)
	for _, want := range []string{
		"10 functions move from legacy to shared while 20 requests a second come", "\n     0 %  ", "\n   100 %  ", "attach p50", "bar for every second", "▁", "█",
		"All measured; Linux " + kernel(t), "Host unchanged.",
	} {
		if !strings.Contains(res.stdout, want) {
			t.Errorf("the table does not say %q; %v", want, res)
		}
	}
	if steps := regexp.MustCompile(`(?m)^ +(\d+) % +[\d.]+ s +(\d+) `).FindAllStringSubmatch(res.stdout, -1); len(steps) != 2 || steps[0][1] != "0" || steps[1][1] != "100" {
		t.Errorf("steps %q of %v", steps, res)
	}
	if !strings.Contains(shown.String(), "of 2 s: 0 % shared") || !strings.HasSuffix(shown.String(), "\r\x1b[K") {
		t.Errorf("progress: %q", shown.String())
	}
}

func TestRolloutBadUsage(t *testing.T) {
	keepsMachine(t)
	who := identities(t)[0]
	file := filepath.Join(t.TempDir(), "report")
	for _, c := range []struct {
		args string
		code int
		said []string
	}{
		{"--steps 0,50,10", 2, []string{"--steps 0,50,10", "ascending"}},
		{"--steps 0,101", 2, []string{"--steps 0,101"}},
		{"--steps -5", 2, []string{"--steps -5"}},
		{"--steps=", 2, []string{"--steps", "0,10,50,100"}},
		{"--steps 0,half", 2, []string{"--steps", `"half"`}},
		{"--steps 0,1,2", 2, []string{"--steps 0,1,2", "more functions"}},
		{"--steps 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20", 2, []string{"--steps", "21"}},
		{"--rate 0", 2, []string{"--rate 0", "1 to 1000"}},
		{"--rate NaN", 2, []string{"--rate NaN"}},
		{"--rate fast", 2, []string{"--rate", `"fast"`}},
		{"--hold 10ms", 2, []string{"--hold 10ms", "1s to 10m"}},
		{"--hold 5", 2, []string{"--hold", "unit"}},
		{"--hold 10m --rate 1000", 2, []string{"--rate 1000", "200000"}},
		{"--fresh 20", 2, []string{"--fresh 20", "0 to 1"}},
		{"--functions 0", 2, []string{"--functions 0", "1 to 100"}},
		{"--from shared", 2, []string{`--from "shared"`, "legacy-inplace"}},
		{"--format xml", 2, []string{`"xml"`, "json"}},
		{"10", 2, []string{`"10"`, "enilab rollout --help"}},
		{"-o /nonexistent/report", 2, []string{"--output /nonexistent/report: no such file or directory"}},
		{"-o " + file + " --code none.zip", 3, []string{`"none.zip"`}},
	} {
		t.Run(c.args, func(t *testing.T) {
			who.command(append([]string{"rollout"}, strings.Fields(c.args)...)...).do(t).wantLine(t, c.code, c.said...)
		})
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("there is a report of a rollout that never was")
	}
}

// A device that is full is seen when there is something to write; that is not lost.
func TestRolloutWithoutItsFile(t *testing.T) {
	const short = "rollout --rate 20 --hold 1s --steps 0 --from legacy-inplace -o /dev/full"
	r := identities(t)[0].command(strings.Fields(short)...).do(t)
	const said = "write /dev/full: no space left on device; it went to standard output"
	if r.code != 1 || !strings.Contains(r.stdout, "Milliseconds from when") || !strings.Contains(r.stderr, said) {
		t.Errorf("exit code %d: %s%s", r.code, r.stdout, r.stderr)
	}
}

// Interrupted while it works, it cleans up and leaves neither an empty file nor a half one.
func TestRolloutInterrupted(t *testing.T) {
	asEach(t, func(t *testing.T, who identity) {
		keepsMachine(t, who)
		dir, err := os.MkdirTemp(filepath.Dir(enilab), "rollout-") // a way that all may go
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "report.json")
		r := who.command("rollout", "--format", "json", "-o", file).start(t)
		r.until(t, "it has slots and environments", func() bool { inner := r.inner(); return inner != 0 && len(descendants(inner)) > 30 })
		r.signal(t, true, syscall.SIGINT)
		res := r.result(t)
		res.wantLine(t, 130, "interrupted")
		if _, err := os.Stat(file); err == nil {
			t.Error("there is a report of a rollout that was interrupted")
		}
	})
}
