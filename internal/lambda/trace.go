package lambda

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"
)

// trace is an X-Ray tracing header: Root=1-8hex-24hex;Parent=16hex;Sampled=0;Lineage=1:8hex:0.
// https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
type trace struct {
	root    string // of the whole request, the time of its beginning in it
	parent  string // segment that what the function sends belongs to
	sampled string // "1": Lambda traces the invocation
	lineage string // by which Lambda finds functions that invoke each other in a circle; the lab only passes it on
}

// maxTrace is how much of a caller's header is looked at, in bytes. https://docs.aws.amazon.com/lambda/latest/api/API_TraceHeader.html
const maxTrace = 8192

// newTrace is the header that a function gets. What the caller sent is passed on, and what that lacks is made: "If Lambda
// receives a tracing header when your function is invoked, that header will be used … If a tracing header was not received,
// Lambda will generate one". A caller without a good root has sent none. In the mode PassThrough, "Lambda will only trace the
// request from an upstream service if it contains a tracing header with sampled=1", and then the parent is a segment that
// Lambda makes for the invocation. Decided tells whether the caller has said whether to trace; with the mode Active, Lambda
// decides of the others, see sampler.
// https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html
func newTrace(header string, now time.Time) (t trace, decided bool) {
	t = parseTrace(header)
	if t.root == "" {
		t = trace{root: fmt.Sprintf("1-%08x-%08x%016x", uint32(now.Unix()), rand.Uint32(), rand.Uint64())}
	}
	decided = t.sampled != ""
	if t.sampled != "1" {
		t.sampled = "0"
	}
	if t.parent == "" || t.sampled == "1" {
		t.parent = newSegment()
	}
	if t.lineage == "" {
		t.lineage = fmt.Sprintf("1:%08x:0", rand.Uint32())
	}
	return t, decided
}

// newSegment is the id of a segment that Lambda makes.
func newSegment() string { return fmt.Sprintf("%016x", rand.Uint64()) }

// sample has Lambda trace the request.
func (t trace) sample() trace {
	t.parent, t.sampled = newSegment(), "1"
	return t
}

// sampler decides which requests of a function Lambda traces with the mode Active, where callers have not decided: "The sampling
// rate is 1 request per second and 5 percent of additional requests", which cannot be configured.
// https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html
type sampler struct{ second atomic.Int64 } // in which the latest request was seen

// samples takes a request's time, and a number that chance has drawn from 0 to 1.
func (s *sampler) samples(now time.Time, chance float64) bool {
	second := now.Unix()
	return s.second.Swap(second) != second || chance < 0.05
}

// parseTrace reads what is well-formed in a header, which may come from anybody.
func parseTrace(header string) (t trace) {
	if len(header) > maxTrace {
		return trace{}
	}
	for field := range strings.SplitSeq(header, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch {
		case strings.EqualFold(key, "Root") && isTraceID(value):
			t.root = value
		case strings.EqualFold(key, "Parent") && isHex(value, 16):
			t.parent = value
		case strings.EqualFold(key, "Sampled") && (value == "0" || value == "1"):
			t.sampled = value
		case strings.EqualFold(key, "Lineage") && isLineage(value):
			t.lineage = value
		}
	}
	return t
}

func (t trace) String() string {
	return "Root=" + t.root + ";Parent=" + t.parent + ";Sampled=" + t.sampled + ";Lineage=" + t.lineage
}

// isTraceID tells whether s is version 1, the time in hexadecimal, and 96 bits.
func isTraceID(s string) bool {
	return len(s) == 35 && s[:2] == "1-" && s[10] == '-' && isHex(s[2:10], 8) && isHex(s[11:], 24)
}

func isHex(s string, digits int) bool {
	return len(s) == digits && strings.Trim(s, "0123456789abcdef") == ""
}

// isLineage takes the shapes seen from AWS, such as 1:d0782663:0 and a87bd80c:1|68fd508a:5, and leaves their meaning alone.
func isLineage(s string) bool {
	return s != "" && len(s) <= 255 && strings.Trim(s, "0123456789abcdef:|") == ""
}
