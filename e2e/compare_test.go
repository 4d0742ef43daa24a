package e2e_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The shape of compare's JSON, written down once more: it is an API, and a field that goes missing must fail here.
type (
	report struct {
		Schema string `json:"schema"`
		Host   struct {
			Kernel   string `json:"kernel"`
			CPUs     int    `json:"cpus"`
			Rootless *bool  `json:"rootless"`
		} `json:"host"`
		HostUnchanged *bool     `json:"host_unchanged"`
		Variants      []variant `json:"variants"`
	}
	variant struct {
		Name            string `json:"name"`
		Runs            int    `json:"runs"`
		Failures        *int   `json:"failures"`
		ENIs            *int   `json:"enis"`
		SubnetAddresses *int   `json:"subnet_addresses"`
		Phases          []struct {
			Name string `json:"name"`
			Kind string `json:"kind"`
			stats
		} `json:"phases"`
		Ready stats `json:"ready"`
		Total stats `json:"total"`
		Burst struct {
			N        int     `json:"n"`
			Failures *int    `json:"failures"`
			WallUS   float64 `json:"wall_us"`
			Queue    stats   `json:"queue"`
			Attach   stats   `json:"attach"`
			Total    stats   `json:"total"`
		} `json:"burst"`
		Warm stats `json:"warm"`
	}
	stats struct {
		N   int     `json:"n"`
		P50 float64 `json:"p50_us"`
		P90 float64 `json:"p90_us"`
		P99 float64 `json:"p99_us"`
		Max float64 `json:"max_us"`
	}
)

var variantNames = []string{"legacy", "legacy-inplace", "shared"}

// parseReport refuses anything else on stdout, and fields that the schema does not have.
func parseReport(t *testing.T, r result) (rep report) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(r.stdout))
	d.DisallowUnknownFields()
	if err := d.Decode(&rep); err != nil {
		t.Fatalf("%v; %v", err, r)
	}
	if d.More() || strings.Count(r.stdout, "\n") != 1 {
		t.Errorf("stdout holds more than one line of JSON; %v", r)
	}
	if rep.Schema != "enilab.compare/v1" || rep.HostUnchanged == nil || rep.Host.Rootless == nil {
		t.Fatalf("a field is missing; %v", r)
	}
	return rep
}

func (s stats) check(t *testing.T, what string, n int) {
	t.Helper()
	ordered := s.P50 <= s.P90 && s.P90 <= s.P99 && s.P99 <= s.Max
	if s.N != n || !ordered || (s.P50 > 0) != (n > 0) {
		t.Errorf("%s: %+v, want %d figures in order", what, s, n)
	}
}

func TestCompareJSON(t *testing.T) {
	asEach(t, func(t *testing.T, who identity) {
		for _, c := range []struct{ runs, burst int }{{3, 5}, {1, 0}} {
			t.Run(strconv.Itoa(c.runs)+" and "+strconv.Itoa(c.burst)+" at once", func(t *testing.T) {
				keepsMachine(t, who)
				r := who.command("compare", "--runs", strconv.Itoa(c.runs), "--burst", strconv.Itoa(c.burst), "--format", "json").do(t).want(t, 0)
				if r.stderr != "" {
					t.Errorf("progress, or worse, where there is no terminal; %v", r)
				}
				rep := parseReport(t, r)
				if !*rep.HostUnchanged || *rep.Host.Rootless != who.rootless || rep.Host.CPUs != runtime.NumCPU() || rep.Host.Kernel != kernel(t) {
					t.Errorf("host: %+v, unchanged %t", rep.Host, *rep.HostUnchanged)
				}
				var names []string
				for _, v := range rep.Variants {
					names = append(names, v.Name)
					v.check(t, c.runs, c.burst)
				}
				if !slices.Equal(names, variantNames) {
					t.Errorf("variants %v, want %v", names, variantNames)
				}
			})
		}
	})
}

func (v variant) check(t *testing.T, runs, burst int) {
	t.Helper()
	if v.Failures == nil || v.ENIs == nil || v.SubnetAddresses == nil || v.Burst.Failures == nil {
		t.Fatalf("%s: a field is missing", v.Name)
	}
	if v.Runs != runs || *v.Failures != 0 || v.Burst.N != burst || *v.Burst.Failures != 0 || (v.Burst.WallUS > 0) != (burst > 0) {
		t.Errorf("%s: %d runs, %d failures, burst of %d in %v µs, %d failures", v.Name, v.Runs, *v.Failures, v.Burst.N, v.Burst.WallUS, *v.Burst.Failures)
	}
	if want := map[bool]int{true: min(burst, 1), false: burst}[v.Name == "shared"]; burst > 0 && (*v.ENIs != want || *v.SubnetAddresses != want) {
		t.Errorf("%s: %d ENIs, %d addresses, want %d", v.Name, *v.ENIs, *v.SubnetAddresses, want)
	}
	v.Ready.check(t, v.Name+": ready", runs)
	v.Total.check(t, v.Name+": total", runs)
	v.Warm.check(t, v.Name+": warm", runs)
	v.Burst.Attach.check(t, v.Name+": burst's attach", burst)
	v.Burst.Total.check(t, v.Name+": burst's total", burst)
	var order []string
	whole := 0.0 // at the most
	for _, p := range v.Phases {
		p.check(t, v.Name+": "+p.Name, runs)
		if p.Kind != "measured" {
			t.Errorf("%s: %s is %q", v.Name, p.Name, p.Kind)
		}
		if !strings.Contains(p.Name, "/") {
			order = append(order, p.Name)
			whole += p.Max
		}
	}
	if want := []string{"place", "attach", "spawn", "init", "invoke", "other"}; !slices.Equal(order, want) {
		t.Errorf("%s: phases %v, want %v", v.Name, order, want)
	}
	if whole < v.Total.Max*0.99 { // histograms round
		t.Errorf("%s: the phases' longest add up to %v µs, less than the longest total of %v", v.Name, whole, v.Total.Max)
	}
}

func kernel(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(read(t, "/proc/sys/kernel/osrelease"))
}

func TestCompareCSV(t *testing.T) {
	keepsMachine(t)
	r := identities(t)[0].command("compare", "--runs", "2", "--burst", "3", "--format", "csv").do(t).want(t, 0)
	rows, err := csv.NewReader(strings.NewReader(r.stdout)).ReadAll() // it wants equally many fields in each
	if err != nil || r.stderr != "" {
		t.Fatalf("%v; %v", err, r)
	}
	if want := "variant figure kind n p50_us p90_us p99_us max_us failures enis subnet_addresses"; strings.Join(rows[0], " ") != want {
		t.Errorf("header %v, want %s", rows[0], want)
	}
	figures := map[string][]string{}
	for _, row := range rows[1:] {
		figures[row[0]] = append(figures[row[0]], row[1])
		n, burst := row[3], strings.HasPrefix(row[1], "burst.")
		if want := map[bool]string{true: "3", false: "2"}[burst]; n != want && row[1] != "burst.wall" || row[2] != "measured" || row[8] != "0" {
			t.Errorf("row %v", row)
		}
	}
	for _, v := range variantNames {
		for _, f := range []string{"attach", "spawn", "init", "ready", "total", "warm", "burst.wall", "burst.attach", "burst.total"} {
			if !slices.Contains(figures[v], f) {
				t.Errorf("%s has no row for %s, only %v", v, f, figures[v])
			}
		}
	}
}

func TestCompareTable(t *testing.T) {
	keepsMachine(t)
	r := identities(t)[0].command("compare", "--runs", "2", "--burst", "3").do(t).want(t, 0)
	if r.stderr != "" {
		t.Errorf("stderr: %s", r.stderr)
	}
	first, _, _ := strings.Cut(r.stdout, "\n")
	if !slices.Equal(strings.Fields(first), variantNames) {
		t.Errorf("columns %q, want %v", first, variantNames)
	}
	for _, want := range []string{"3 at once", "failures", "all measured", kernel(t), "Host unchanged."} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("the table does not say %q; %v", want, r)
		}
	}
}

// Progress is for people who look: on stderr, if it is a terminal, unless they do not want it.
func TestCompareProgress(t *testing.T) {
	for _, c := range []struct {
		name, flag string
		shown      bool
	}{{"shown", "--quiet=false", true}, {"quiet", "--quiet", false}} {
		t.Run(c.name, func(t *testing.T) {
			keepsMachine(t)
			screen, terminal := newTerminal(t)
			r := identities(t)[0].command("compare", "--runs", "1", "--burst", "0", "--format", "json", c.flag)
			r.Stderr = terminal
			r.start(t)
			terminal.Close() // the program has it
			var shown bytes.Buffer
			_, err := shown.ReadFrom(screen) // until the last holder of the terminal has gone
			if res := r.result(t); res.code != 0 {
				t.Fatalf("%v, %v\n%s", res, err, shown.String())
			} else {
				parseReport(t, res)
			}
			if got := strings.Contains(shown.String(), "measuring: 1 of 6"); got != c.shown {
				t.Errorf("progress shown: %t, want %t:\n%q", got, c.shown, shown.String())
			}
			if !c.shown && shown.Len() > 0 {
				t.Errorf("quiet, and yet it says %q", shown.String())
			}
			if _, rest, ok := strings.Cut(shown.String(), "\r\x1b[K"); c.shown && (!ok || strings.Contains(rest, "measuring")) {
				t.Errorf("the line is not cleared at the end: %q", shown.String())
			}
		})
	}
}

// newTerminal makes a pseudoterminal: what is written to the terminal appears on the screen.
func newTerminal(t *testing.T) (screen, terminal *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudoterminals here: %v", err)
	}
	t.Cleanup(func() { screen.Close() })
	n, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		terminal, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return screen, terminal
}
