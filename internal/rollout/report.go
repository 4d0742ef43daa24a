// Package rollout moves a running workload from legacy to shared networking in steps, and records what its callers see.
package rollout

import "time"

// Schema names the shape of a Report's JSON. It is an API.
const Schema = "enilab.rollout/v1"

// Report is one rollout.
type Report struct {
	Schema        string       `json:"schema"`
	Version       string       `json:"version"` // of enilab
	Began         time.Time    `json:"began"`
	Kernel        string       `json:"kernel"`
	CPUs          int          `json:"cpus"`
	Rootless      bool         `json:"rootless"`
	HostUnchanged bool         `json:"host_unchanged"`
	From          string       `json:"from"`      // "legacy" or "legacy-inplace"
	Functions     int          `json:"functions"` // of which a step's share is migrated
	Rate          float64      `json:"rate"`      // requests a second, over all functions
	Fresh         float64      `json:"fresh"`     // share of the requests that need a new environment
	Seed          uint64       `json:"seed"`      // of the choice which those are
	Behind        int64        `json:"behind_us"` // the longest that a request was sent after it was due
	Steps         []Step       `json:"steps"`
	Samples       []Sample     `json:"samples"`     // of the subnet, about once a second
	Invocations   []Invocation `json:"invocations"` // in the order in which they were due
}

// Step is a share of the functions, and when it was reached. Times are from the rollout's beginning.
type Step struct {
	Percent   int   `json:"percent"`
	Functions int   `json:"functions"` // that were shared at the step's end
	Began     int64 `json:"began_us"`  // when the first function of the step began to change
	Done      int64 `json:"done_us"`   // when the last function's new network was in use
	Ended     int64 `json:"ended_us"`  // when the next step could begin
	Waiting   int   `json:"waiting"`   // requests without an answer then
	ENIs      int   `json:"enis"`      // of these functions in their subnet at the step's end
	// Addresses are those used of the functions' subnet at the step's end.
	Addresses int    `json:"subnet_addresses"`
	Failure   string `json:"failure,omitempty"` // why a function could not be changed; the next step tries again
}

// Sample is how many ENIs and addresses the functions had in their subnet at a moment.
type Sample struct {
	At        int64 `json:"at_us"`
	ENIs      int   `json:"enis"`
	Addresses int   `json:"subnet_addresses"`
}

// Invocation is what one caller saw. All figures are measured.
type Invocation struct {
	At       int64  `json:"at_us"`     // when it was due to be sent, from the rollout's beginning
	Took     int64  `json:"took_us"`   // from then until the answer
	Late     int64  `json:"late_us"`   // of it, until it was sent
	Attach   int64  `json:"attach_us"` // of it; zero in a warm one
	Function int    `json:"function"`  // which one it was for; steps take them in order, from 0
	Mode     string `json:"mode"`      // of the environment that served it; empty if it failed
	Fresh    bool   `json:"fresh"`     // it was to have a new environment
	Cold     bool   `json:"cold"`      // it had one: to be so, or because none was idle
	Failure  string `json:"failure,omitempty"`
}
