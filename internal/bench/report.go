// Package bench measures what the program exists for, beside the floor that the bare kernel sets in the same run, and
// reports it so that two runs can be compared.
package bench

import (
	"time"
)

// Schema names the shape of a Report's JSON. It is an API.
const Schema = "enilab.bench/v1"

// Report is one run of the benchmark.
type Report struct {
	Schema        string    `json:"schema"`
	Version       string    `json:"version"` // of enilab
	Began         time.Time `json:"began"`
	Took          float64   `json:"took_s"`
	Host          Host      `json:"host"`
	HostUnchanged bool      `json:"host_unchanged"`
	Figures       []Figure  `json:"figures"`
	Starts        []Start   `json:"starts"`  // one cold start of each variant: the one of the median total
	Bursts        []Burst   `json:"bursts"`  // many at once, environment by environment
	Skipped       []Skipped `json:"skipped"` // what could not be measured here
}

// Host is the machine, with whatever of its settings the figures hang on. What cannot be read is empty or zero.
type Host struct {
	Kernel         string     `json:"kernel"`
	Preemption     string     `json:"preemption"` // "dynamic: voluntary", …
	HZ             int        `json:"hz"`         // timer ticks a second
	RCU            string     `json:"rcu"`        // "normal" or "expedited", and what the command line adds
	CPUs           int        `json:"cpus"`
	CPU            string     `json:"cpu"`            // model
	Governor       string     `json:"governor"`       // of CPU 0's frequency
	Clock          string     `json:"clock"`          // clock source
	Virtualization string     `json:"virtualization"` // "kvm", …; "none"
	Mitigations    string     `json:"mitigations"`    // of the kernel's command line
	Memory         int64      `json:"memory_bytes"`
	Load           [3]float64 `json:"load"` // averages when the run began
	Rootless       bool       `json:"rootless"`
	Go             string     `json:"go"`
}

// Figure is one quantity. What tells it from others is its Scenario, Name, Variant and At.
type Figure struct {
	Scenario string `json:"scenario"`          // "idle", "burst", …: an entry of Scenarios
	Name     string `json:"name"`              // "attach", "attach/move", "total", "floor.netns", …
	Variant  string `json:"variant,omitempty"` // "legacy", "legacy-inplace", "shared", "routed-veth", a language, …
	At       int    `json:"at,omitempty"`      // how many there are of what grows: slots, ENIs, environments at once
	Kind     string `json:"kind"`              // "measured" or "modelled"
	Unit     string `json:"unit"`              // "us", "1/s", "B", "Mbit/s", "s", "1"
	Better   string `json:"better"`            // "lower" or "higher"; empty: neither, it is a count

	N        int     `json:"n"`
	Failures int     `json:"failures"`
	P50      float64 `json:"p50"`
	P90      float64 `json:"p90"`
	P99      float64 `json:"p99"`
	Max      float64 `json:"max"`

	// Floor names the figure of the same run that is the limit of this one, and Ratio is this over that, of the medians.
	Floor string  `json:"floor,omitempty"`
	Ratio float64 `json:"floor_ratio,omitempty"`

	// Values are all the samples in the order they were taken; of more than MaxValues, as many at even ranks, sorted.
	Values []float64 `json:"values"`
}

// MaxValues is how many samples a figure keeps for its distribution.
const MaxValues = 1000

// Start is one cold start, phase by phase.
type Start struct {
	Variant string `json:"variant"`
	Total   int64  `json:"total_us"`
	Ready   int64  `json:"ready_us"` // when the runtime asked for its first event
	Spans   []Span `json:"spans"`
}

// Span is one phase, or a step within one. Times are from the start's own beginning.
type Span struct {
	Name  string  `json:"name"`
	Kind  string  `json:"kind"` // "measured" or "modelled"
	Start float64 `json:"start_us"`
	Took  float64 `json:"took_us"`
	Steps []Span  `json:"steps,omitempty"`
}

// Burst is many cold starts at once. Times of its environments are from the first request.
type Burst struct {
	Variant      string        `json:"variant"`
	N            int           `json:"n"`
	Failures     int           `json:"failures"`
	Wall         int64         `json:"wall_us"` // first request → last response
	Environments []Environment `json:"environments"`
}

// Environment is one of a burst.
type Environment struct {
	Began float64 `json:"began_us"`
	Total float64 `json:"total_us"`
	Spans []Span  `json:"spans"` // times from Began
}

// Skipped says why a scenario was not measured.
type Skipped struct {
	Scenario string `json:"scenario"`
	Variant  string `json:"variant,omitempty"`
	Reason   string `json:"reason"`
}
