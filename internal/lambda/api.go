package lambda

import (
	"time"

	"enilab/sandbox"
)

// State is a function's State. https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
type State string

// The states of a function.
const (
	Pending  State = "Pending"
	Active   State = "Active"
	Inactive State = "Inactive"
	Failed   State = "Failed"
)

// UpdateStatus is a function's LastUpdateStatus.
type UpdateStatus string

// The states of a function's latest update.
const (
	UpdateInProgress UpdateStatus = "InProgress"
	UpdateSuccessful UpdateStatus = "Successful"
	UpdateFailed     UpdateStatus = "Failed"
)

// ReasonCode is a StateReasonCode or LastUpdateStatusReasonCode.
type ReasonCode string

// The reasons that the lab gives.
const (
	ReasonIdle          ReasonCode = "Idle"
	ReasonCreating      ReasonCode = "Creating"
	ReasonRestoring     ReasonCode = "Restoring"
	ReasonSubnetFull    ReasonCode = "SubnetOutOfIPAddresses"
	ReasonInternalError ReasonCode = "InternalError"
)

// Mode is how a function's environments are connected to its VPC: the lab's own addition to the API.
type Mode string

// The modes. Legacy follows EC2's two calls and moves the interface; LegacyInPlace makes it where it belongs, the best
// that Linux can do.
const (
	Shared        Mode = "shared"
	Legacy        Mode = "legacy"
	LegacyInPlace Mode = "legacy-inplace"
)

// Modes are all modes, in the order of the story.
var Modes = []Mode{Legacy, LegacyInPlace, Shared}

// VpcConfig connects a function to a VPC. The zero VpcConfig is no VPC: the function reaches the internet and nothing
// else.
type VpcConfig struct {
	SubnetIDs        []string // of one VPC, at most 16
	SecurityGroupIDs []string // one to five
	VpcID            string   // in answers; in requests only where subnets of several VPCs share a name

	// Kept without effect: the lab's subnets have no IPv6.
	Ipv6AllowedForDualStack bool `json:",omitempty"`
	Given                   bool `json:",omitempty"` // a request had a VpcConfig, empty or not: AWS shows it from then on
}

// Attached tells whether the configuration names a VPC.
func (c VpcConfig) Attached() bool { return len(c.SubnetIDs) > 0 || len(c.SecurityGroupIDs) > 0 }

// CreateFunctionInput asks for a function.
type CreateFunctionInput struct {
	FunctionName     string
	ZipFile          []byte            // the code archive; or
	StoreKey         string            // its key in the function store
	Role             string            // the execution role's ARN; empty: none, and the function may do everything
	Runtime          string            // must be given, such as "provided.al2023"
	Architecture     string            // empty means this machine's
	PackageType      string            // empty means "Zip", which is all there is
	Description      string            // at most 256 characters
	Handler          string            // handed to the runtime; must be given
	Environment      map[string]string // variables besides Lambda's own
	MemorySize       int               // MB, 128 to 10,240; zero means 128
	EphemeralStorage int               // MB in /tmp, 512 to 10,240; zero means 512
	Timeout          time.Duration     // 1 s to 15 min; zero means 3 s
	VpcConfig        VpcConfig
	Mode             Mode           // empty means Shared
	Layers           []string       // ARNs of layer versions, at most five; a later one's files lie over an earlier one's
	LoggingConfig    *LoggingConfig // nil: a text log in /aws/lambda/NAME
	TracingMode      string         // "Active" or "PassThrough"; empty means PassThrough
	Tags             map[string]string
	Publish          bool // version 1 at once, which is then what is answered
}

// UpdateFunctionConfigurationInput changes what is not nil.
type UpdateFunctionConfigurationInput struct {
	FunctionName     string
	Role             *string
	Runtime          *string
	Description      *string
	Handler          *string
	VpcConfig        *VpcConfig // the zero VpcConfig detaches
	Mode             *Mode
	Environment      map[string]string
	MemorySize       *int
	EphemeralStorage *int
	Layers           *[]string
	LoggingConfig    *LoggingConfig // what is empty in it stays as it is
	TracingMode      *string
	Timeout          *time.Duration
	RevisionID       string // unless empty, the function must be at this revision
}

// UpdateFunctionCodeInput replaces a function's code.
type UpdateFunctionCodeInput struct {
	FunctionName string
	ZipFile      []byte
	StoreKey     string
	Architecture string // empty: as it is
	RevisionID   string // unless empty, the function must be at this revision
	Publish      bool   // a version of it at once, which is then what is answered
	DryRun       bool   // check, and answer what would be, but change nothing
}

// PublishVersionInput asks for a version of what $LATEST is now.
type PublishVersionInput struct {
	FunctionName string
	CodeSha256   string  // unless empty, the code must have this hash
	RevisionID   string  // unless empty, $LATEST must be at this revision
	Description  *string // nil: that of $LATEST
}

// FunctionConfiguration describes a function, or a version of it.
type FunctionConfiguration struct {
	FunctionName               string
	FunctionARN                string
	Version                    string
	RevisionID                 string
	Role                       string `json:",omitempty"`
	Runtime                    string
	Architecture               string
	PackageType                string
	Description                string `json:",omitempty"`
	Handler                    string
	CodeSha256                 string
	CodeSize                   int64
	MemorySize                 int
	EphemeralStorage           int
	Timeout                    time.Duration
	Environment                map[string]string `json:",omitzero"` // nil: a request never had one; AWS shows an empty one
	Layers                     []FunctionLayer   `json:",omitempty"`
	VpcConfig                  VpcConfig
	LoggingConfig              LoggingConfig // as it was asked for; see Logging
	TracingMode                string        `json:",omitempty"`
	Mode                       Mode
	LastModified               time.Time
	State                      State
	StateReason                string     `json:",omitempty"`
	StateReasonCode            ReasonCode `json:",omitempty"`
	LastUpdateStatus           UpdateStatus
	LastUpdateStatusReason     string     `json:",omitempty"`
	LastUpdateStatusReasonCode ReasonCode `json:",omitempty"`
	Cause                      string     `json:",omitempty"` // of the failure that the state or the update tells: what was tried on what. Not for the wire
}

// FunctionDescription is all that GetFunction tells.
type FunctionDescription struct {
	Configuration       FunctionConfiguration
	Code                sandbox.Code
	Uploaded            bool // the code came with a request, so its key is the lab's
	Tags                map[string]string
	ReservedConcurrency *int // nil: none
}

// InvocationType says what a caller of Invoke waits for.
type InvocationType string

// The invocation types.
const (
	RequestResponse InvocationType = "RequestResponse" // the answer
	EventInvocation InvocationType = "Event"           // that the event is kept; two retries if the function fails
	DryRun          InvocationType = "DryRun"          // whether it could be invoked
)

// InvokeInput is an event for a function.
type InvokeInput struct {
	Function      FunctionRef
	Type          InvocationType // empty means RequestResponse
	Payload       []byte         // JSON, at most 6 MB; 1 MB for an Event
	ClientContext string         // JSON
	TraceHeader   string         // X-Amzn-Trace-Id as the caller sent it; what is wrong or missing in it Lambda makes
	LogTail       bool           // answer with the end of the log
	Fresh         bool           // start a new environment even if one is idle: the lab's own addition, to measure cold starts
}

// InvokeOutput is what came of an event.
type InvokeOutput struct {
	RequestID       string
	ExecutedVersion string
	Payload         []byte
	FunctionError   string // "Unhandled" if the function failed; the payload then says how
	LogTail         []byte // the last 4 KB of the log, if it was asked for
	TraceHeader     string // as the function got it; empty after a DryRun

	Timeline    *sandbox.Timeline // where the time went: the lab's own addition
	Environment string            // which environment served
}
