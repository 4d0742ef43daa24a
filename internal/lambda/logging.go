package lambda

import (
	"cmp"
	"encoding/json"
	"math"
	"time"
)

// LoggingConfig says where a function's log goes and how it is written. The lab writes one log for each function; the
// group is its name. https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html
type LoggingConfig struct {
	LogFormat           string `json:",omitempty"` // "Text" or "JSON"
	LogGroup            string `json:",omitempty"`
	ApplicationLogLevel string `json:",omitempty"` // with JSON: TRACE to FATAL, for the function to go by
	SystemLogLevel      string `json:",omitempty"` // with JSON: DEBUG, INFO or WARN, for the lab's own lines
}

// Logging is how a function's log is written, with AWS's defaults for what was never said.
func (c *FunctionConfiguration) Logging() LoggingConfig {
	l := c.LoggingConfig
	l.LogFormat = cmp.Or(l.LogFormat, "Text")
	l.LogGroup = cmp.Or(l.LogGroup, "/aws/lambda/"+c.FunctionName)
	if l.LogFormat == "JSON" {
		l.ApplicationLogLevel, l.SystemLogLevel = cmp.Or(l.ApplicationLogLevel, "INFO"), cmp.Or(l.SystemLogLevel, "INFO")
	}
	return l
}

// change is l with what a request says of it. Levels go when the format becomes Text.
func (l LoggingConfig) change(in *LoggingConfig) (LoggingConfig, error) {
	if in == nil {
		return l, nil
	}
	l.LogFormat, l.LogGroup = cmp.Or(in.LogFormat, l.LogFormat), cmp.Or(in.LogGroup, l.LogGroup)
	if l.LogFormat != "JSON" {
		if in.ApplicationLogLevel != "" || in.SystemLogLevel != "" {
			return l, refuse(InvalidParameterValue, "ApplicationLogLevel and SystemLogLevel need LogFormat JSON: a log in the format Text is not filtered")
		}
		l.ApplicationLogLevel, l.SystemLogLevel = "", ""
		return l, nil
	}
	l.ApplicationLogLevel = cmp.Or(in.ApplicationLogLevel, l.ApplicationLogLevel)
	l.SystemLogLevel = cmp.Or(in.SystemLogLevel, l.SystemLogLevel)
	return l, nil
}

// platformEvent is a line of the lab's own in a JSON log.
// https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
type platformEvent struct {
	Time   string `json:"time"`
	Type   string `json:"type"`
	Record any    `json:"record"`
}

type startRecord struct {
	RequestID string `json:"requestId"`
	Version   string `json:"version"`
}

type initStartRecord struct {
	InitializationType string `json:"initializationType"`
	Phase              string `json:"phase"`
	RuntimeVersion     string `json:"runtimeVersion"`
	RuntimeVersionARN  string `json:"runtimeVersionArn"`
}

type initReportRecord struct {
	InitializationType string  `json:"initializationType"`
	Metrics            metrics `json:"metrics"`
	Phase              string  `json:"phase"`
	Status             string  `json:"status"`
	ErrorType          string  `json:"errorType,omitempty"`
}

type reportRecord struct {
	RequestID string   `json:"requestId"`
	Metrics   metrics  `json:"metrics"`
	Tracing   *tracing `json:"tracing,omitempty"`
	Status    string   `json:"status"`
	ErrorType string   `json:"errorType,omitempty"`
}

type metrics struct {
	DurationMs       float64  `json:"durationMs"`
	BilledDurationMs *int64   `json:"billedDurationMs,omitempty"`
	MemorySizeMB     int      `json:"memorySizeMB,omitempty"`
	MaxMemoryUsedMB  *int64   `json:"maxMemoryUsedMB,omitempty"`
	InitDurationMs   *float64 `json:"initDurationMs,omitempty"`
}

type tracing struct {
	SpanID string `json:"spanId"`
	Type   string `json:"type"`
	Value  string `json:"value"`
}

// appendEvent adds a line of the lab's own to a JSON log.
func appendEvent(b []byte, at time.Time, what string, record any) []byte {
	line, err := json.Marshal(platformEvent{at.UTC().Format("2006-01-02T15:04:05.000Z"), what, record})
	if err != nil {
		panic(err) // of strings and numbers
	}
	return append(append(b, line...), '\n')
}

// appendJSON adds what a JSON log says at the end of an invocation. At WARN that is said of failures alone, and only at
// DEBUG does the runtime's end have a line of its own.
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html#monitoring-cloudwatchlogs-log-level-mapping
func (r *report) appendJSON(b []byte, at time.Time, level string) []byte {
	status := cmp.Or(r.status, "success")
	if level == "WARN" && status == "success" {
		return b
	}
	record := reportRecord{RequestID: r.requestID, Status: status, ErrorType: r.errorType, Metrics: metrics{DurationMs: milliseconds(r.took)}}
	if r.trace.sampled == "1" {
		record.Tracing = &tracing{r.trace.parent, "X-Amzn-Trace-Id", "Root=" + r.trace.root + ";Parent=" + r.trace.parent + ";Sampled=1"}
	}
	if level == "DEBUG" || status != "success" {
		b = appendEvent(b, at, "platform.runtimeDone", record)
	}
	record.Metrics.BilledDurationMs, record.Metrics.MemorySizeMB = new(r.billed()), r.memory
	if r.used > 0 {
		const mb = 1 << 20
		record.Metrics.MaxMemoryUsedMB = new((r.used + mb - 1) / mb)
	}
	if r.init > 0 {
		record.Metrics.InitDurationMs = new(milliseconds(r.init))
	}
	return appendEvent(b, at, "platform.report", record)
}

func milliseconds(d time.Duration) float64 {
	return math.Round(float64(d)/float64(time.Microsecond)) / 1000
}

// sayStart begins the log of an invocation.
func (e *environment) sayStart(requestID string) {
	c := &e.generation.config
	if c.LoggingConfig.LogFormat != "JSON" {
		e.say(appendStart(e.line[:0], requestID, c.Version))
		return
	}
	if c.LoggingConfig.SystemLogLevel != "WARN" {
		e.say(appendEvent(e.line[:0], time.Now(), "platform.start", startRecord{requestID, c.Version}))
	}
}

// appendJSON adds what a JSON log says of an init that failed.
func (r *initReport) appendJSON(b []byte, at time.Time, _ string) []byte {
	return appendEvent(b, at, "platform.initReport", initReportRecord{"on-demand", metrics{DurationMs: milliseconds(r.took)}, r.phase, r.status, r.errorType})
}

// sayReport says how an init or an invocation has ended.
func (e *environment) sayReport(r interface {
	appendTo(b []byte) []byte
	appendJSON(b []byte, at time.Time, level string) []byte
},
) {
	c := &e.generation.config
	if c.LoggingConfig.LogFormat != "JSON" {
		e.say(r.appendTo(e.line[:0]))
		return
	}
	e.say(r.appendJSON(e.line[:0], time.Now(), c.Logging().SystemLogLevel))
}
