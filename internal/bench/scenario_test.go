package bench_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"enilab/internal/bench"
	"enilab/internal/nstest"
	"enilab/internal/realm"
	"enilab/internal/testlab"
	"enilab/sandbox"
)

const whoamiArg = "__whoami"

// A lab lives in a realm: so do its tests.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case sandbox.InitArg:
			sandbox.Init()
		case whoamiArg:
			fmt.Fprintln(os.Stderr, whoami(os.Args[2]))
			os.Exit(1)
		case realm.Arg:
			if _, err := realm.Enter(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Args = append(os.Args[:1], os.Args[2:]...)
			os.Exit(m.Run())
		}
	}
	if os.Geteuid() != 0 { // the tests will say what they need
		os.Exit(m.Run())
	}
	code, err := realm.Run(context.Background(), realm.Config{Args: os.Args[1:], Stdout: os.Stdout, Stderr: os.Stderr})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func whoami(listen string) error {
	l, err := net.Listen("tcp4", listen)
	if err != nil {
		return err
	}
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{"client": r.RemoteAddr})
	}))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// options are those of a quick run, with the Go example alone in the store.
func options(t *testing.T, scenarios ...string) bench.Options {
	t.Helper()
	nstest.NeedRoot(t)
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is missing; scripts/deps.sh test installs it")
	}
	code, err := nstest.ExampleZip("../..")
	must(t, err)
	store := t.TempDir()
	must(t, os.WriteFile(filepath.Join(store, "go.zip"), code, 0o644))
	return bench.Options{
		Scenarios: scenarios, Quick: true, Lab: testlab.Name(t, "test"), Store: store, Code: "go.zip", Handler: "bootstrap",
		Whoami: []string{"/proc/self/exe", whoamiArg, "{address}:80"},
		Failed: func(scenario, figure string, err error) { t.Errorf("%s: %s: %v", scenario, figure, err) },
	}
}

// wanted is what each scenario must report: a figure, with the variants and sizes that it has in a quick run.
var wanted = []struct {
	scenario, figure string
	variants         []string
	at               []int
}{
	{"floor", "floor.attach-inplace", nil, nil},
	{"floor", "floor.bind", nil, nil},
	{"floor", "floor.move", nil, nil},
	{"floor", "floor.netns", nil, nil},
	{"floor", "floor.spawn", nil, nil},
	{"floor", "floor.spawn-whole", nil, nil},
	{"idle", "attach", []string{"legacy", "legacy-inplace", "shared"}, nil},
	{"idle", "attach/move", []string{"legacy"}, nil},
	{"idle", "ready", []string{"legacy", "legacy-inplace", "shared"}, nil},
	{"idle", "warm", []string{"legacy", "legacy-inplace", "shared"}, nil},
	{"rest", "floor.bind", nil, nil},
	{"rest", "attach", []string{"legacy", "legacy-inplace", "shared"}, nil},
	{"burst", "wall", []string{"legacy", "legacy-inplace", "shared"}, []int{10, 100}},
	{"burst", "queue", []string{"legacy", "legacy-inplace", "shared"}, []int{10, 100}},
	{"burst", "attach", []string{"legacy", "legacy-inplace", "shared"}, []int{10, 100}},
	{"sustained", "cold-starts", []string{"legacy", "legacy-inplace", "shared"}, nil},
	{"warm", "invocations", []string{"in-process", "aws-wire"}, nil},
	{"pool", "build", []string{"slots", "parked"}, []int{100}},
	{"pool", "slot-memory", []string{"slots", "parked"}, []int{100}},
	{"growth-slots", "attach", []string{"shared"}, []int{10, 100}},
	{"growth-enis", "attach", []string{"shared"}, []int{1, 10}},
	{"growth-enis", "new-connections", nil, []int{1, 10}},
	{"growth-enis", "eni-build", nil, []int{10}},
	{"lab", "build", nil, []int{5}},
	{"lab", "teardown", nil, []int{5}},
	{"memory", "environment", []string{"legacy", "shared"}, nil},
	{"concurrency", "enis", []string{"legacy", "shared"}, []int{1, 5, 11, 20}},
	{"language", "runtime", []string{"go"}, nil},
}

// withoutRights are the scenarios that are measured once more without root: those in which rights make a difference.
var withoutRights = []string{"floor", "idle", "pool", "concurrency"}

// long are those whose length is a time.
var long = []string{"rest", "sustained", "warm"}

// A quick run of everything: each figure is there, in order, and what the story claims holds.
func TestScenarios(t *testing.T) {
	nstest.NoLeaks(t)
	var names []string
	for _, w := range wanted {
		if !slices.Contains(names, w.scenario) && (!realm.Rootless() || slices.Contains(withoutRights, w.scenario)) && (nstest.Thorough() || !slices.Contains(long, w.scenario)) {
			names = append(names, w.scenario)
		}
	}
	o := options(t, names...)
	told := map[string]bool{}
	o.Progress = func(scenario string, done, of int) { told[scenario] = told[scenario] || done == of }
	r, err := bench.Run(t.Context(), o)
	must(t, err)
	for _, w := range wanted {
		if !slices.Contains(names, w.scenario) {
			continue
		}
		variants, at := w.variants, w.at
		if variants == nil {
			variants = []string{""}
		}
		if at == nil {
			at = []int{0}
		}
		for _, v := range variants {
			for _, n := range at {
				f, ok := find(r, w.scenario, w.figure, v, n)
				if f.Unit == "B" { // counters of the whole machine, where other tests give back at the same time
					f.Max = max(f.Max, 1)
				}
				if !ok || f.N == 0 || f.N != len(f.Values) && f.N <= bench.MaxValues || f.P50 > f.P90 || f.P90 > f.P99 || f.P99 > f.Max || f.Max <= 0 || f.Kind != "measured" {
					t.Errorf("%s: %s %s at %d: %+v (%t)", w.scenario, w.figure, v, n, f, ok)
				}
			}
		}
	}
	for _, f := range r.Figures {
		if f.Floor != "" && f.Ratio <= 0 {
			t.Errorf("%s %s of %s has no ratio to %s", f.Scenario, f.Name, f.Variant, f.Floor)
		}
	}
	for _, name := range names {
		if name != "floor" && !told[name] {
			t.Errorf("%s never said that it was done", name)
		}
	}
	checkStory(t, r)
}

func checkStory(t *testing.T, r bench.Report) {
	t.Helper()
	at := func(scenario, name, variant string, n int) float64 {
		f, _ := find(r, scenario, name, variant, n)
		return f.P50
	}
	if capacity := at("concurrency", "subnet-addresses", "", 0); capacity != 11 {
		t.Errorf("a /28 has %v addresses", capacity)
	}
	for n, want := range map[int][2]float64{1: {1, 0}, 5: {5, 0}, 11: {11, 0}, 20: {11, 9}} {
		for _, name := range []string{"enis", "addresses"} {
			if got := at("concurrency", name, "legacy", n); got != want[0] {
				t.Errorf("%d legacy environments: %v %s, want %v", n, got, name, want[0])
			}
			if got := at("concurrency", name, "shared", n); got != 1 {
				t.Errorf("%d shared environments: %v %s, want 1", n, got, name)
			}
		}
		if got := at("concurrency", "failures", "legacy", n); got != want[1] {
			t.Errorf("%d legacy environments: %v found no address, want %v", n, got, want[1])
		}
		if got := at("concurrency", "failures", "shared", n); got != 0 {
			t.Errorf("%d shared environments: %v failures", n, got)
		}
	}
	if bursts := map[bool]int{true: 0, false: 3}[realm.Rootless()]; len(r.Starts) != 3 || len(r.Bursts) != bursts {
		t.Fatalf("%d starts, %d bursts", len(r.Starts), len(r.Bursts))
	}
	for _, s := range r.Starts {
		if len(s.Spans) < 5 || s.Total <= 0 || s.Ready <= 0 || s.Ready > s.Total {
			t.Errorf("%+v", s)
		}
	}
	for _, b := range r.Bursts {
		if b.N != 100 || len(b.Environments) != b.N || b.Failures != 0 {
			t.Errorf("%s: %d environments of %d", b.Variant, len(b.Environments), b.N)
		}
		for _, e := range b.Environments {
			if e.Began < 0 || e.Began+e.Total > float64(b.Wall)+1 || len(e.Spans) < 5 {
				t.Errorf("%s: an environment from %v for %v µs of %d", b.Variant, e.Began, e.Total, b.Wall)
			}
		}
	}
	if !realm.Rootless() && !slices.ContainsFunc(r.Skipped, func(s bench.Skipped) bool {
		return s.Scenario == "language" && s.Variant == "bash" && strings.Contains(s.Reason, "bash.zip")
	}) {
		t.Errorf("skipped %v; the store has no bash.zip", r.Skipped)
	}
	if !realm.Rootless() && nstest.Thorough() && !slices.ContainsFunc(r.Skipped, func(s bench.Skipped) bool { return s.Scenario == "warm" && s.Variant == "echo" }) {
		t.Errorf("skipped %v; the store has no echo.zip", r.Skipped)
	}
}

func find(r bench.Report, scenario, name, variant string, at int) (bench.Figure, bool) {
	i := slices.IndexFunc(r.Figures, func(f bench.Figure) bool {
		return f.Scenario == scenario && f.Name == name && f.Variant == variant && f.At == at
	})
	if i < 0 {
		return bench.Figure{}, false
	}
	return r.Figures[i], true
}

// A caller that goes away ends the run, and a function that fails ends it with its words. Nothing is left of either.
func TestRunFails(t *testing.T) {
	nstest.NoLeaks(t)
	if _, err := bench.Run(t.Context(), bench.Options{Scenarios: []string{"idle", "idel"}}); !errors.Is(err, bench.ErrUnknown) || !strings.Contains(err.Error(), "idel") {
		t.Errorf("unknown scenario: %v", err)
	}
	o := options(t, "floor", "idle", "pool")
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("seen enough")
	o.Progress = func(string, int, int) { cancel(why) }
	if _, err := bench.Run(ctx, o); !errors.Is(err, why) && !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	o.Code = "absent.zip"
	o.Progress = nil
	if _, err := bench.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "absent.zip") {
		t.Errorf("without code: %v", err)
	}
}
