package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"enilab/internal/bench"
	"enilab/internal/compare"
	"enilab/internal/report/chart"
	"enilab/internal/rollout"
)

var update = flag.Bool("update", false, "write testdata anew")

// sampleVersion says of every sample what it is.
const sampleVersion = "test data, measured nowhere"

// maker makes figures that look as measured ones do, the same ones in every run.
type maker struct{ *rand.Rand }

func newMaker(seed uint64) maker { return maker{rand.New(rand.NewPCG(seed, 2019))} }

// about is n values around a median, with the long tail that latencies have.
func (m maker) about(median, spread float64, n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		v := median * math.Exp(m.NormFloat64()*spread)
		if m.IntN(25) == 0 {
			v *= 1 + 2*m.Float64()
		}
		values[i] = math.Round(v*10) / 10
	}
	return values
}

func (m maker) figure(scenario, name, variant string, at int, unit string, values []float64) bench.Figure {
	s := chart.Sorted(values)
	better := "lower"
	if unit == "1/s" || unit == "Mbit/s" {
		better = "higher"
	}
	return bench.Figure{
		Scenario: scenario, Name: name, Variant: variant, At: at, Kind: "measured", Unit: unit, Better: better, N: len(values),
		P50: chart.Quantile(s, 0.5), P90: chart.Quantile(s, 0.9), P99: chart.Quantile(s, 0.99), Max: s[len(s)-1], Values: values,
	}
}

// sampleSteps are a start's phases and steps, in µs.
var sampleSteps = map[string][]bench.Span{
	"legacy":         {{Name: "reserve", Took: 11}, {Name: "create", Took: 560}, {Name: "move", Took: 19500}, {Name: "configure", Took: 270}, {Name: "publish", Took: 350}, {Name: "up", Took: 140}},
	"legacy-inplace": {{Name: "reserve", Took: 11}, {Name: "create", Took: 610}, {Name: "configure", Took: 210}, {Name: "publish", Took: 260}, {Name: "up", Took: 110}},
	"shared":         {{Name: "slot-to-eni", Took: 14}, {Name: "eni-to-slot", Took: 15}},
}

var sampleVariants = []string{"legacy", "legacy-inplace", "shared"}

func (m maker) start(variant string) bench.Start {
	at := 0.0
	var spans []bench.Span
	add := func(name string, took float64) *bench.Span {
		spans = append(spans, bench.Span{Name: name, Kind: "measured", Start: at, Took: took})
		at += took
		return &spans[len(spans)-1]
	}
	add("place", 6)
	began, sum := at, 0.0
	var steps []bench.Span
	for _, s := range sampleSteps[variant] {
		s.Kind, s.Start = "measured", began+sum
		steps = append(steps, s)
		sum += s.Took
	}
	add("attach", sum).Steps = steps
	for _, p := range []struct {
		name string
		took float64
	}{{"spawn", 1200}, {"init", 2700}, {"invoke", 2500}} {
		add(p.name, m.about(p.took, 0.1, 1)[0])
	}
	ready := at - spans[4].Took
	return bench.Start{Variant: variant, Total: int64(at + 60), Ready: int64(ready), Spans: spans}
}

// burst is n at once on two CPUs: legacy waits for the lock within attach, one after the other.
func (m maker) burst(variant string, n int) bench.Burst {
	b := bench.Burst{Variant: variant, N: n}
	lock, cpu := 0.0, [2]float64{}
	hold := map[string]float64{"legacy": 19000, "legacy-inplace": 1100, "shared": 30}[variant]
	for range n {
		began := 20 * m.Float64()
		placed := began + 300*m.Float64()
		lock = max(lock, placed) + hold*(0.8+0.4*m.Float64())
		core := &cpu[0]
		if cpu[1] < cpu[0] {
			core = &cpu[1]
		}
		ran := max(*core, lock) + 5500*(0.8+0.4*m.Float64())
		*core = ran
		from, spans := began, []bench.Span(nil)
		until := func(name string, to float64) {
			to = max(to, from+1)
			spans = append(spans, bench.Span{Name: name, Kind: "measured", Start: math.Round(from - began), Took: math.Round(to - from)})
			from = to
		}
		until("place", began+5)
		until("queue", max(placed, lock-hold))
		until("attach", lock)
		until("spawn", lock+(ran-lock)*0.25)
		until("init", lock+(ran-lock)*0.7)
		until("invoke", ran)
		b.Environments = append(b.Environments, bench.Environment{Began: math.Round(began), Total: math.Round(ran - began), Spans: spans})
		b.Wall = max(b.Wall, int64(ran))
	}
	return b
}

func (m maker) bench(environments int) *bench.Report {
	r := &bench.Report{
		Schema: bench.Schema, Version: sampleVersion, Began: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), Took: 412, HostUnchanged: true,
		Host: bench.Host{
			Kernel: "6.18.0-test", Preemption: "dynamic: voluntary", HZ: 250, RCU: "normal", CPUs: 2, CPU: "Sample CPU 3000", Governor: "performance",
			Clock: "tsc", Virtualization: "kvm", Memory: 8 << 30, Load: [3]float64{0.12, 0.2, 0.1}, Go: "go1.26.0",
		},
	}
	add := func(f ...bench.Figure) { r.Figures = append(r.Figures, f...) }
	floor := func(f bench.Figure, name string, of float64) bench.Figure {
		f.Floor, f.Ratio = name, math.Round(f.P50/of*1000)/1000
		return f
	}
	for _, name := range slices.Sorted(maps.Keys(sampleFloors)) {
		median := sampleFloors[name]
		add(m.figure("floor", name, "", 0, "us", m.about(median, 0.1, 20)))
	}
	for _, v := range sampleVariants {
		s := m.start(v)
		r.Starts = append(r.Starts, s)
		for _, row := range rowsOf(s.Spans) {
			name := row.Name
			if row.of != "" {
				name = row.of + "/" + row.Name
			}
			n := 20
			if name == "attach" {
				n = 100
			}
			f := m.figure("idle", name, v, 0, "us", m.about(row.Took, 0.18, n))
			switch {
			case name == "attach" && v == "legacy-inplace":
				f = floor(f, "floor.attach-inplace", sampleFloors["floor.attach-inplace"])
			case name == "attach/move":
				f = floor(f, "floor.move", sampleFloors["floor.move"])
			case name == "spawn":
				f = floor(f, "floor.spawn", sampleFloors["floor.spawn"])
			}
			add(f)
		}
		add(m.figure("idle", "ready", v, 0, "us", m.about(float64(s.Ready), 0.12, 20)))
		add(m.figure("idle", "total", v, 0, "us", m.about(float64(s.Total), 0.12, 100)))
		add(m.figure("idle", "warm", v, 0, "us", m.about(1500, 0.2, 20)))
		for _, n := range []int{10, 100, 500} {
			b := m.burst(v, n)
			var attach, total []float64
			for _, e := range b.Environments[:min(n, 20)] {
				attach, total = append(attach, e.Spans[2].Took), append(total, e.Total)
			}
			add(m.figure("burst", "wall", v, n, "us", []float64{float64(b.Wall)}), m.figure("burst", "attach", v, n, "us", attach), m.figure("burst", "total", v, n, "us", total))
			if n == 100 {
				b.N = environments
				b.Environments = b.Environments[:environments]
				r.Bursts = append(r.Bursts, b)
			}
		}
		add(m.figure("sustained", "cold-starts", v, 0, "1/s", m.about(map[string]float64{"legacy": 41, "legacy-inplace": 205, "shared": 268}[v], 0.03, 10)))
	}
	add(m.figure("warm", "invocations", "in-process", 0, "1/s", m.about(11800, 0.02, 10)), m.figure("warm", "latency", "in-process", 0, "us", m.about(1300, 0.2, 30)))
	for _, n := range []int{100, 1000, 4000} {
		x := float64(n)
		for kind, k := range []float64{1, 2.7} {
			v := []string{"slots", "parked"}[kind]
			add(m.figure("pool", "build", v, n, "s", m.about(x*0.0018*k, 0.02, 3)), m.figure("pool", "teardown", v, n, "s", m.about(x*0.0012*k, 0.02, 3)), m.figure("pool", "slot-memory", v, n, "B", m.about(240e3*k, 0.01, 3)))
		}
	}
	for _, n := range []int{100, 500, 1000, 2000, 4000} {
		add(m.figure("growth-slots", "attach", "shared", n, "us", m.about(29+float64(n)/900, 0.1, 20)))
	}
	for _, n := range []int{1, 10, 100, 1000} {
		add(m.figure("growth-enis", "attach", "shared", n, "us", m.about(29.5, 0.1, 20)), m.figure("growth-enis", "new-connections", "shared", n, "1/s", m.about(13100, 0.02, 5)), m.figure("growth-enis", "eni-build", "", n, "us", m.about(11000+2*float64(n), 0.1, 10)))
	}
	add(m.figure("lab", "build", "", 100, "s", m.about(1.6, 0.02, 3)), m.figure("lab", "teardown", "", 100, "s", m.about(1.4, 0.02, 3)))
	paths := map[string]float64{"routed-veth": 1, "legacy": 0.97, "shared": 0.9}
	for _, v := range slices.Sorted(maps.Keys(paths)) {
		k := paths[v]
		add(m.figure("datapath", "stream", v, 0, "Mbit/s", m.about(31000*k, 0.02, 5)), m.figure("datapath", "stream-reverse", v, 0, "Mbit/s", m.about(29500*k, 0.02, 5)),
			m.figure("datapath", "streams", v, 0, "Mbit/s", m.about(36000*k, 0.03, 5)), m.figure("datapath", "streams-reverse", v, 0, "Mbit/s", m.about(35500*k, 0.03, 5)),
			m.figure("datapath", "new-connections", v, 0, "1/s", m.about(17000*k*k, 0.02, 5)), m.figure("datapath", "round-trip", v, 0, "us", m.about(24/k, 0.05, 20)))
	}
	add(m.figure("memory", "slot", "", 0, "B", m.about(340e3, 0.01, 3)), m.figure("memory", "environment", "", 0, "B", m.about(9.1e6, 0.01, 3)))
	for _, n := range []int{1, 10, 50, 100, 200, 300, 500, 750, 1000} {
		used := float64(min(n, 251))
		counts := map[string][2]float64{"enis": {used, 1}, "addresses": {used, 1}, "failures": {float64(n) - used, 0}}
		for _, name := range slices.Sorted(maps.Keys(counts)) {
			for i, v := range []string{"legacy", "shared"} {
				f := m.figure("concurrency", name, v, n, "1", []float64{counts[name][i]})
				f.Better = ""
				add(f)
			}
		}
	}
	add(m.figure("concurrency", "subnet-addresses", "", 0, "1", []float64{251}))
	languages := map[string]float64{"go": 3900, "bash": 9000, "python": 38000, "nodejs": 61000, "java": 240000}
	for _, v := range slices.Sorted(maps.Keys(languages)) {
		network, runtime := m.about(36, 0.1, 10), m.about(languages[v], 0.08, 10)
		total := make([]float64, len(runtime))
		for i := range total {
			total[i] = network[i] + runtime[i]*1.25
		}
		add(m.figure("language", "network", v, 0, "us", network), m.figure("language", "runtime", v, 0, "us", runtime), m.figure("language", "total", v, 0, "us", total))
	}
	r.Skipped = []bench.Skipped{{Scenario: "pool", Variant: "huge", Reason: "there is memory for 4,000 slots only: 8 GiB"}}
	return r
}

var sampleFloors = map[string]float64{"floor.attach-inplace": 1120, "floor.move": 19100, "floor.netns": 380, "floor.spawn": 980}

func (m maker) rollout(invocations int) *rollout.Report {
	r := &rollout.Report{
		Schema: rollout.Schema, Version: sampleVersion, Began: time.Date(2030, 1, 2, 4, 0, 0, 0, time.UTC), Kernel: "6.18.0-test", CPUs: 2, HostUnchanged: true, From: "legacy", Fresh: 0.2, Seed: 2,
		Functions: 20, Rate: float64(invocations) / 40,
	}
	const second = int64(1e6)
	for i, percent := range []int{0, 10, 50, 100} {
		began := int64(i) * 10 * second
		r.Steps = append(r.Steps, rollout.Step{Percent: percent, Began: began, Done: began + int64(i)*second*3/4, Ended: began + 10*second, ENIs: []int{46, 42, 24, 1}[i], Addresses: []int{46, 42, 24, 1}[i]})
	}
	for i := range 40 {
		n := []int{46, 42, 24, 1}[i/10] + []int{2, 0}[i%2]*[]int{1, 1, 1, 0}[i/10]
		r.Samples = append(r.Samples, rollout.Sample{At: int64(i) * second, ENIs: n, Addresses: n})
	}
	for i := range invocations {
		at := int64(float64(i) / float64(invocations) * 40e6)
		share := 0
		for _, s := range r.Steps {
			if at >= s.Done {
				share = s.Percent
			}
		}
		v := rollout.Invocation{At: at, Function: i % 20, Mode: "legacy", Cold: m.IntN(5) == 0}
		attach := m.about(22000, 0.25, 1)[0]
		if m.IntN(100) < share {
			v.Mode, attach = "shared", m.about(31, 0.2, 1)[0]
		}
		v.Took = int64(m.about(1700, 0.2, 1)[0])
		if v.Cold {
			v.Attach = int64(attach)
			v.Took += v.Attach + int64(m.about(5200, 0.15, 1)[0])
		}
		if i == invocations/3 {
			v = rollout.Invocation{At: at, Took: 9000, Cold: true, Failure: "the environment ended before it answered"}
		}
		r.Invocations = append(r.Invocations, v)
	}
	return r
}

func (m maker) compare() *compare.Report {
	r := &compare.Report{Schema: compare.Schema, Host: compare.Host{Kernel: "6.18.0-test", CPUs: 2}, HostUnchanged: true}
	stats := func(median float64) compare.Stats {
		return compare.Stats{N: 30, P50: median, P90: median * 1.2, P99: median * 1.9, Max: median * 2.4}
	}
	for _, name := range sampleVariants {
		v := compare.Variant{Name: name, Runs: 30, ENIs: 50, SubnetAddresses: 50, Warm: stats(1500), Burst: compare.Burst{N: 50, WallUS: 240000, Attach: stats(12000), Total: stats(90000)}}
		if name == "shared" {
			v.ENIs, v.SubnetAddresses = 1, 1
		}
		s := m.start(name)
		for _, row := range rowsOf(s.Spans) {
			phase := row.Name
			if row.of != "" {
				phase = row.of + "/" + phase
			}
			v.Phases = append(v.Phases, compare.Phase{Name: phase, Kind: "measured", Stats: stats(row.Took)})
		}
		v.Phases = append(v.Phases, compare.Phase{Name: "other", Kind: "measured", Stats: stats(60)})
		v.Ready, v.Total = stats(float64(s.Ready)), stats(float64(s.Total))
		r.Variants = append(r.Variants, v)
	}
	return r
}

// samples are the files of testdata. They are made here and nowhere measured.
func samples() map[string]any {
	return map[string]any{"bench.json": newMaker(1).bench(30), "rollout.json": newMaker(2).rollout(600), "compare.json": newMaker(3).compare()}
}

func TestSamplesAreCurrent(t *testing.T) {
	for name, r := range samples() {
		got, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "testdata/"+name, append(got, '\n'))
	}
}

// golden compares with a file, or writes it.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what is made now; if that is meant: go test ./internal/report -update", file)
	}
}
