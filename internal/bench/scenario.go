package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"enilab/internal/compare"
)

// Options say what is measured, and with what.
type Options struct {
	Scenarios []string // names of Scenarios; none: all
	Quick     bool     // a tenth of it or less, for classrooms and tests
	Lab       string   // name of the lab's control groups
	Store     string   // directory of the function store: one archive for each of the languages
	Code      string   // key of the function that is started
	Handler   string   // of that code
	Whoami    []string // argument vector of the HTTP service that customers have; "{address}" stands for its address

	Progress func(scenario string, done, of int)    // nil: nobody looks
	Failed   func(scenario, figure string, _ error) // nil: failures are counted only
}

// Scenario is a part of the benchmark.
type Scenario struct {
	Name  string
	About string

	// measure records the scenario's figures. Each makes its own lab, and ends it: none finds what another has left. What
	// cannot be measured on this machine it skips; its error ends the run.
	measure func(*run, context.Context) error
}

// Scenarios are all there are, in the order in which they run. The floor is measured between the starts that it is the
// floor of, in the same condition.
func Scenarios() []Scenario {
	return []Scenario{
		{"floor", "the bare kernel's part of attach, move, bind, namespace and process start, without enilab", (*run).floor},
		{"idle", "cold starts one at a time, each right after its slot was made, between the floor's", (*run).idle},
		{"rest", "cold starts on a machine at rest, caches cold, between a floor's of its own", (*run).rest},
		{"burst", "10, 100 and 500 cold starts at once", (*run).burst},
		{"sustained", "cold starts without a pause, environments ended meanwhile", (*run).sustained},
		{"warm", "warm invocations by 16 clients, in process and over the AWS wire", (*run).warm},
		{"pool", "slots made and ended by the hundred and thousand, and what one weighs", (*run).pool},
		{"growth-slots", "attach while up to 4,000 slots are bound", (*run).growthSlots},
		{"growth-enis", "attach and new connections while there are up to 1,000 Hyperplane ENIs", (*run).growthENIs},
		{"lab", "a lab of 100 VPCs built and ended", (*run).manyVPCs},
		{"memory", "what a slot and an environment take", (*run).memory},
		{"concurrency", "interfaces and addresses used by up to 1,000 environments at work at once", (*run).concurrency},
		{"language", "cold starts of Go, Node.js, Python, Bash and Java", (*run).language},
		{"datapath", "throughput, new connections and round trips over a plain veth, legacy and shared", (*run).datapath},
	}
}

// ErrUnknown is met by who asks for a scenario that there is not.
var ErrUnknown = errors.New("unknown scenario")

// Names lists the scenarios' names in order.
func Names() (names []string) {
	for _, s := range Scenarios() {
		names = append(names, s.Name)
	}
	return names
}

// Run measures what the options ask for, on the machine that it runs on and in the realm that it runs in. The report
// lacks what only the outside knows: version, and whether the host is unchanged.
func Run(ctx context.Context, o Options) (Report, error) {
	for _, name := range o.Scenarios {
		if !slices.Contains(Names(), name) {
			return Report{}, fmt.Errorf("%w %q: there are %v", ErrUnknown, name, Names())
		}
	}
	began := time.Now()
	r := &run{Options: o, recorder: newRecorder(o.Failed)}
	report := Report{Schema: Schema, Began: began.UTC()}
	for _, s := range Scenarios() {
		if !r.wants(s.Name) {
			continue
		}
		r.scenario = s.Name
		if err := s.measure(r, ctx); err != nil {
			return report, fmt.Errorf("%s: %w", s.Name, err)
		}
		if err := compare.Calm(ctx); err != nil { // what it has let go of disturbs nobody after it
			return report, fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	r.recorder.fill(&report)
	report.Took = time.Since(began).Seconds()
	return report, nil
}

// run is one run under way. The figures are recorded under the scenario that is being measured.
type run struct {
	Options
	*recorder
}

func (r *run) wants(name string) bool {
	return len(r.Scenarios) == 0 || slices.Contains(r.Scenarios, name)
}

// or chooses between a whole run's count and a quick one's.
func (r *run) or(whole, quick int) int {
	if r.Quick {
		return quick
	}
	return whole
}

// progress tells whoever looks.
func (r *run) progress(done, of int) {
	if r.Progress != nil {
		r.Progress(r.scenario, done, of)
	}
}
