package lambda

import (
	"strings"
	"testing"
	"time"
)

func TestLoggingConfig(t *testing.T) {
	c := FunctionConfiguration{FunctionName: "f"}
	if got := c.Logging(); got != (LoggingConfig{LogFormat: "Text", LogGroup: "/aws/lambda/f"}) {
		t.Errorf("by default %+v", got)
	}
	var err error
	if c.LoggingConfig, err = c.LoggingConfig.change(&LoggingConfig{LogFormat: "JSON", LogGroup: "/my/group"}); err != nil {
		t.Fatal(err)
	}
	if got := c.Logging(); got != (LoggingConfig{"JSON", "/my/group", "INFO", "INFO"}) {
		t.Errorf("JSON %+v", got)
	}
	if c.LoggingConfig, err = c.LoggingConfig.change(&LoggingConfig{SystemLogLevel: "WARN"}); err != nil || c.Logging() != (LoggingConfig{"JSON", "/my/group", "INFO", "WARN"}) {
		t.Errorf("a level alone: %+v, %v", c.Logging(), err)
	}
	if c.LoggingConfig, err = c.LoggingConfig.change(&LoggingConfig{LogFormat: "Text"}); err != nil || c.Logging() != (LoggingConfig{LogFormat: "Text", LogGroup: "/my/group"}) {
		t.Errorf("Text again: %+v, %v", c.Logging(), err)
	}
	if _, err = c.LoggingConfig.change(&LoggingConfig{ApplicationLogLevel: "DEBUG"}); codeOf(err) != InvalidParameterValue {
		t.Errorf("a level of Text: %v", err)
	}
}

func TestJSONLog(t *testing.T) {
	at := time.Date(2026, 11, 28, 12, 0, 0, 5e6, time.UTC)
	good := report{requestID: "id", took: 2500 * time.Microsecond, init: 40 * time.Millisecond, memory: 128, used: 30 << 20}
	bad := report{requestID: "id", took: time.Millisecond, memory: 128, status: "error", errorType: "Runtime.ExitError", trace: trace{root: "1-2", parent: "3", sampled: "1"}}
	const reported = `{"time":"2026-11-28T12:00:00.005Z","type":"platform.report","record":{"requestId":"id","metrics":{"durationMs":2.5,"billedDurationMs":43,"memorySizeMB":128,"maxMemoryUsedMB":30,"initDurationMs":40},"status":"success"}}` + "\n"
	for _, c := range []struct {
		r     report
		level string
		want  string
	}{
		{good, "INFO", reported},
		{good, "WARN", ""},
		{good, "DEBUG", `{"time":"2026-11-28T12:00:00.005Z","type":"platform.runtimeDone","record":{"requestId":"id","metrics":{"durationMs":2.5},"status":"success"}}` + "\n" + reported},
		{bad, "WARN", `{"time":"2026-11-28T12:00:00.005Z","type":"platform.runtimeDone","record":{"requestId":"id","metrics":{"durationMs":1},"tracing":{"spanId":"3","type":"X-Amzn-Trace-Id","value":"Root=1-2;Parent=3;Sampled=1"},"status":"error","errorType":"Runtime.ExitError"}}` + "\n" +
			`{"time":"2026-11-28T12:00:00.005Z","type":"platform.report","record":{"requestId":"id","metrics":{"durationMs":1,"billedDurationMs":1,"memorySizeMB":128},"tracing":{"spanId":"3","type":"X-Amzn-Trace-Id","value":"Root=1-2;Parent=3;Sampled=1"},"status":"error","errorType":"Runtime.ExitError"}}` + "\n"},
	} {
		if got := string(c.r.appendJSON(nil, at, c.level)); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.level, got, c.want)
		}
	}
	if got := string(appendEvent(nil, at, "platform.start", startRecord{"id", "$LATEST"})); !strings.Contains(got, `"record":{"requestId":"id","version":"$LATEST"}`) {
		t.Error(got)
	}
}

func TestLogVariables(t *testing.T) {
	c := &FunctionConfiguration{FunctionName: "f", Runtime: "provided.al2023", LoggingConfig: LoggingConfig{LogFormat: "JSON", LogGroup: "/my/group", ApplicationLogLevel: "DEBUG"}}
	text := "\n" + strings.Join(variables(c, surroundings{}), "\n") + "\n"
	for _, want := range []string{"AWS_LAMBDA_LOG_GROUP_NAME=/my/group", "AWS_LAMBDA_LOG_FORMAT=JSON", "AWS_LAMBDA_LOG_LEVEL=DEBUG"} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("no %s in %s", want, text)
		}
	}
	c.LoggingConfig = LoggingConfig{}
	if text := strings.Join(variables(c, surroundings{}), "\n"); strings.Contains(text, "LOG_FORMAT") || strings.Contains(text, "LOG_LEVEL") {
		t.Error(text)
	}
}
