package lambda

import (
	"strconv"
	"time"
)

// report is what Lambda's log says at the end of an invocation.
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-view.html
type report struct {
	requestID string
	took      time.Duration
	init      time.Duration // zero unless this invocation started the environment
	memory    int           // MB that the function may use
	used      int64         // bytes at most, as the control group counts; zero if nobody knows
	status    string        // empty, "error" or "timeout"
	errorType string
	trace     trace
}

// appendStart is the line that an invocation's log begins with.
func appendStart(b []byte, requestID, version string) []byte {
	b = append(append(b, "START RequestId: "...), requestID...)
	return append(append(append(b, " Version: "...), version...), '\n')
}

// initReport is what Lambda's log says of an init that failed.
type initReport struct {
	took      time.Duration
	phase     string // "init", or "invoke" if it was run again within the invocation
	status    string // "error" or "timeout"
	errorType string
}

func (r *initReport) appendTo(b []byte) []byte {
	b = appendMilliseconds(append(b, "INIT_REPORT Init Duration: "...), r.took)
	b = append(append(b, "\tPhase: "...), r.phase...)
	b = append(append(b, "\tStatus: "...), r.status...)
	if r.errorType != "" {
		b = append(append(b, "\tError Type: "...), r.errorType...)
	}
	return append(b, '\n')
}

// appendTo adds the END and REPORT lines. It does without fmt because every warm invocation waits for it.
func (r *report) appendTo(b []byte) []byte {
	b = append(append(b, "END RequestId: "...), r.requestID...)
	b = append(append(b, "\nREPORT RequestId: "...), r.requestID...)
	b = appendMilliseconds(append(b, "\tDuration: "...), r.took)
	b = strconv.AppendInt(append(b, "\tBilled Duration: "...), r.billed(), 10)
	b = strconv.AppendInt(append(b, " ms\tMemory Size: "...), int64(r.memory), 10)
	b = append(b, " MB"...)
	if r.used > 0 {
		const mb = 1 << 20
		b = strconv.AppendInt(append(b, "\tMax Memory Used: "...), (r.used+mb-1)/mb, 10)
		b = append(b, " MB"...)
	}
	if r.init > 0 {
		b = appendMilliseconds(append(b, "\tInit Duration: "...), r.init)
	}
	if r.status != "" {
		b = append(append(b, "\tStatus: "...), r.status...)
	}
	if r.errorType != "" {
		b = append(append(b, "\tError Type: "...), r.errorType...)
	}
	b = append(b, "\t\n"...)
	if r.trace.sampled == "1" {
		b = append(append(b, "XRAY TraceId: "...), r.trace.root...)
		b = append(append(b, "\tSegmentId: "...), r.trace.parent...)
		b = append(b, "\tSampled: true\t\n"...)
	}
	return b
}

// billed is the duration with the init phase, in whole milliseconds.
// https://aws.amazon.com/blogs/compute/aws-lambda-standardizes-billing-for-init-phase/
func (r *report) billed() int64 {
	return int64((r.took + r.init + time.Millisecond - 1) / time.Millisecond)
}

func appendMilliseconds(b []byte, d time.Duration) []byte {
	b = strconv.AppendFloat(b, float64(d)/float64(time.Millisecond), 'f', 2, 64)
	return append(b, " ms"...)
}
