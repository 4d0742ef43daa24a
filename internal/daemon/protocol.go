package daemon

import (
	"bytes"
	"encoding/json"
	"io"
	"time"

	"enilab/internal/lambda"
)

// What verbs and daemon say to each other, as JSON over HTTP on the lab's unix socket. Paths are below /v1/.

// Settings are what a lab is made with. They are kept, and a daemon that is started without any uses the former ones.
type Settings struct {
	Region           string        `json:"region"` // empty: as before, and DefaultRegion at first
	Account          string        `json:"account"`
	Workers          int           `json:"workers"`
	Internet         bool          `json:"internet"`
	Store            string        `json:"store"`      // the function store, an absolute path
	SharedPool       int           `json:"sharedPool"` // slots kept ready
	LegacyPool       int           `json:"legacyPool"`
	Model            lambda.Model  `json:"model"`
	Quotas           lambda.Quotas `json:"quotas"`
	Access           Access        `json:"access,omitempty"`           // empty: as before, and Owner at first
	Hosts            []string      `json:"hosts,omitempty"`            // names by which clients may call the API; nil: as before
	VerifySignatures *bool         `json:"verifySignatures,omitempty"` // of labs from before there was Access: true means Key
	Listen           string        `json:"listen"`                     // the AWS API's address, as it was asked for
}

// Info describes a running lab.
type Info struct {
	Schema   string         `json:"schema"` // "enilab.lab/v1"
	Name     string         `json:"name"`
	Version  string         `json:"version"`
	Listen   string         `json:"listen"`
	Since    time.Time      `json:"since"`    // this daemon's start
	Recovery *Recovery      `json:"recovery"` // what that start found
	Settings Settings       `json:"settings"`
	Counts   map[string]int `json:"counts"`
}

// Recovery is what a daemon found when it started.
type Recovery struct {
	From    string        `json:"from"` // "nothing", "killed", "stopped", "down" (its keeper ended) or "reboot"
	Adopted int           `json:"adopted"`
	Built   int           `json:"built"`
	Ended   int           `json:"ended"`   // processes of former environments
	Removed []string      `json:"removed"` // left-overs
	Took    time.Duration `json:"took_ns"`
	Notes   []string      `json:"notes,omitempty"`  // what could not be had again
	Mended  []Finding     `json:"mended,omitempty"` // what was adopted and not as the state says
}

// ApplyRequest asks for a lab to be as a topology says.
type ApplyRequest struct {
	File     string `json:"file"` // its name, for errors
	Dir      string `json:"dir"`  // what paths in it are relative to
	Topology []byte `json:"topology"`
	Store    string `json:"store"` // the function store, if the topology names none
	DryRun   bool   `json:"dryRun"`

	Settings *Settings `json:"settings,omitempty"` // those that the lab is about to have; nil: it keeps its own
}

// Applied is one line of the answer: a change that was made or, in a dry run, would be; or, last, how it all ended.
type Applied struct {
	Change *Change `json:"change,omitempty"`
	Error  string  `json:"error,omitempty"` // why it could not be made
	Usage  bool    `json:"usage,omitempty"` // the topology is at fault
	End    bool    `json:"end,omitempty"`
}

// Change is one step from what is to what should be.
type Change struct {
	Action Action `json:"action"`
	Kind   string `json:"kind"` // "vpc", "subnet", "security-group", "role", "layer", "resource" or "function"
	Name   string `json:"name"`
	Detail string `json:"detail,omitempty"`
}

// Action is what a change does.
type Action string

// The actions.
const (
	Create Action = "create"
	Update Action = "change"
	Delete Action = "delete"
)

// Payload is an event or an answer, for people to read and byte for byte: JSON within JSON loses its spaces.
type Payload struct {
	JSON json.RawMessage `json:"payload,omitempty"` // what is no JSON, as a string
	Raw  []byte          `json:"raw,omitempty"`     // its bytes, unless they are those of JSON
}

// NewPayload holds some bytes, of which there may be none.
func NewPayload(b []byte) (p Payload) {
	if len(b) == 0 {
		return p
	}
	var packed bytes.Buffer
	if json.Compact(&packed, b) != nil {
		packed.Reset()
		_ = encoder(&packed).Encode(string(b)) // a string always can be
		return Payload{bytes.TrimSpace(packed.Bytes()), b}
	}
	if p.JSON = packed.Bytes(); !bytes.Equal(b, p.JSON) {
		p.Raw = b
	}
	return p
}

// Bytes are those that it was made of.
func (p Payload) Bytes() []byte {
	if p.Raw != nil {
		return p.Raw
	}
	return p.JSON
}

// encoder writes JSON for programs and people, with < and & as they are: nobody takes it for HTML.
func encoder(w io.Writer) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}

// InvokeRequest is an event for a function.
type InvokeRequest struct {
	Payload
	Function string `json:"function"`
	Type     string `json:"type,omitempty"` // "RequestResponse" (empty), "Event" or "DryRun"
	Fresh    bool   `json:"fresh,omitempty"`
}

// InvokeResult is what came of it.
type InvokeResult struct {
	Schema        string `json:"schema"` // "enilab.invoke/v1"
	RequestID     string `json:"requestId"`
	Version       string `json:"version"`
	Environment   string `json:"environment,omitempty"`
	FunctionError string `json:"functionError,omitempty"`
	Payload
	Log      string `json:"log,omitempty"`
	Timeline []Span `json:"timeline,omitempty"`
	Total    int64  `json:"total_us"` // measured
}

// Span is one phase of a timeline.
type Span struct {
	Name string `json:"name"`
	Kind string `json:"kind"` // "measured" or "modelled"
	Took int64  `json:"took_us"`
	Of   string `json:"of,omitempty"` // the phase that it is a part of
}

// ModeRequest asks for a function to be connected in another way.
type ModeRequest struct {
	Function string      `json:"function"`
	Mode     lambda.Mode `json:"mode"`
}

// Node tells how to enter a node's namespace from outside.
type Node struct {
	Name string `json:"name"`
	Kind string `json:"kind"`          // "vpc", "resource", "eni", "environment" or "infrastructure"
	Pin  string `json:"pin,omitempty"` // its name under /run/netns of the realm
	PID  int    `json:"pid,omitempty"` // or a process that lives there, as the realm counts
}

// Failure is the body of an answer that is none.
type Failure struct {
	Message string `json:"error"`
	Usage   bool   `json:"usage,omitempty"` // the caller is at fault
}

func (f *Failure) Error() string { return f.Message }
