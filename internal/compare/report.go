// Package compare measures the variants of connecting an environment against each other, interleaved, and reports what
// it saw.
package compare

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Schema names the shape of a Report's JSON. It is an API.
const Schema = "enilab.compare/v1"

// Report is what a comparison found.
type Report struct {
	Schema        string    `json:"schema"`
	Host          Host      `json:"host"`
	HostUnchanged bool      `json:"host_unchanged"`
	Variants      []Variant `json:"variants"`
}

// Host is the machine that was measured.
type Host struct {
	Kernel   string `json:"kernel"`
	CPUs     int    `json:"cpus"`
	Rootless bool   `json:"rootless"`
}

// Variant is one way to connect an environment.
type Variant struct {
	Name            string  `json:"name"`
	Runs            int     `json:"runs"`
	Failures        int     `json:"failures"`
	ENIs            int     `json:"enis"`             // in the customer's subnet while the burst's environments live
	SubnetAddresses int     `json:"subnet_addresses"` // used meanwhile, of the functions' subnet
	Phases          []Phase `json:"phases"`           // of the sequential runs
	Ready           Stats   `json:"ready"`            // request → the runtime's first next
	Total           Stats   `json:"total"`            // request → response
	Burst           Burst   `json:"burst"`
	Warm            Stats   `json:"warm"` // request → response, in an environment that is there
}

// Phase is one phase of a cold start over all sequential runs, or a step within one ("attach/move").
type Phase struct {
	Name string `json:"name"`
	Kind string `json:"kind"` // "measured" or "modelled"
	Stats
}

// Burst is many cold starts at once.
type Burst struct {
	N        int   `json:"n"`
	Failures int   `json:"failures"`
	WallUS   int64 `json:"wall_us"` // first request → last response
	Queue    Stats `json:"queue"`   // the wait for a turn to be attached; zero for who had none to wait for
	Attach   Stats `json:"attach"`
	Total    Stats `json:"total"`
}

// Stats sums up durations, in microseconds. No outlier is dropped.
type Stats struct {
	N   int     `json:"n"`
	P50 float64 `json:"p50_us"`
	P90 float64 `json:"p90_us"`
	P99 float64 `json:"p99_us"`
	Max float64 `json:"max_us"`
}

// samples collects durations of one kind.
type samples struct{ h *hdrhistogram.Histogram }

// newSamples holds 1 ns to 1 h, more than an invocation may take, with three significant digits.
func newSamples() samples { return samples{hdrhistogram.New(1, int64(time.Hour), 3)} }

func (s samples) add(d time.Duration) { _ = s.h.RecordValue(max(int64(d), 1)) }

func (s samples) stats() Stats {
	us := func(ns int64) float64 { return float64(ns) / 1e3 }
	return Stats{
		N: int(s.h.TotalCount()), Max: us(s.h.Max()),
		P50: us(s.h.ValueAtQuantile(50)), P90: us(s.h.ValueAtQuantile(90)), P99: us(s.h.ValueAtQuantile(99)),
	}
}
