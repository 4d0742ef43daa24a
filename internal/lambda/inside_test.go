package lambda_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"enilab/internal/lambda"
	"enilab/internal/nstest"
)

// inside is a function in Bash without a library. Its answer is what the command prints of an event whose headers are in
// $headers and whose body is in $body, as a JSON string without escapes.
func inside(command string) []byte {
	return zipOf(entry{"bootstrap", 0o755, `#!/bin/bash
set -u
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
while true; do
	headers=$(mktemp)
	body=$(curl -sS -D "$headers" $api/next) || exit 1
	id=$(grep -i '^lambda-runtime-aws-request-id:' "$headers" | tr -d '\r' | cut -d' ' -f2)
	answer=$( { ` + command + `; } 2>&1)
	echo "answer: $answer"
	curl -sS -d "\"$answer\"" $api/$id/response >/dev/null
done
`})
}

// tell is what such a function answers.
func tell(t *testing.T, out lambda.InvokeOutput) string {
	t.Helper()
	if out.FunctionError != "" {
		t.Fatalf("%s %s\n%s", out.FunctionError, out.Payload, out.LogTail)
	}
	return strings.Trim(string(out.Payload), `"`)
}

// Every event brings the trace of its caller, or one of its own, and who invoked it is told which.
func TestTraceOfEachEvent(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	f := b.create(t, lambda.CreateFunctionInput{FunctionName: "trace", ZipFile: inside(`grep -i '^lambda-runtime-trace-id:' "$headers" | tr -d '\r' | cut -d' ' -f2`)})
	const caller = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled="
	for _, c := range []struct{ sent, want string }{
		{"", `^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0;Lineage=1:[0-9a-f]{8}:0$`},
		{caller + "0;Lineage=1:d0782663:0", "^" + caller + "0;Lineage=1:d0782663:0$"},
		{caller + "1", "^Root=1-5759e988-bd862e3fe1be46a994272793;Parent=[0-9a-f]{16};Sampled=1;"},
	} {
		out, err := b.Invoke(t.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: f}, TraceHeader: c.sent, LogTail: true})
		must(t, err)
		got := tell(t, out)
		if !regexp.MustCompile(c.want).MatchString(got) || got != out.TraceHeader {
			t.Errorf("sent %q: the function got %q, its caller was told %q", c.sent, got, out.TraceHeader)
		}
		if traced := strings.Contains(string(out.LogTail), "\nXRAY TraceId: 1-5759e988-bd862e3fe1be46a994272793\tSegmentId: "); traced != strings.HasSuffix(c.sent, "1") {
			t.Errorf("sent %q: the log says %q", c.sent, out.LogTail)
		}
	}

	// With the mode Active the first request without a decision is traced, and one whose caller has decided is not.
	_, err := b.UpdateFunctionConfiguration(t.Context(), lambda.UpdateFunctionConfigurationInput{FunctionName: f, TracingMode: new("Active")})
	must(t, err)
	must(t, b.WaitFunctionActive(within(t, 20*time.Second), lambda.FunctionRef{Name: f}))
	for _, c := range []struct{ sent, want string }{{"Root=1-5759e988-bd862e3fe1be46a994272793", ";Sampled=1;"}, {caller + "0", ";Sampled=0;"}} {
		nstest.Eventually(t, 20*time.Second, func() error { // one of the requests above may have been the first of this second
			out, err := b.Invoke(t.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: f}, TraceHeader: c.sent, LogTail: true})
			must(t, err)
			if got := tell(t, out); !strings.Contains(got, c.want) || got != out.TraceHeader || strings.Contains(string(out.LogTail), "\nXRAY ") != strings.Contains(got, "Sampled=1") {
				return fmt.Errorf("Active, sent %q: the function got %q; the log says %q", c.sent, got, out.LogTail)
			}
			return nil
		})
	}

	const asynchronous = "Root=1-6736a5ff-25b8e80625995fc3195d1db8;Parent=1cd4b7ac54511616;Sampled=0;Lineage=1:01bc76f7:0"
	out, err := b.Invoke(t.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: f}, TraceHeader: asynchronous, Type: lambda.EventInvocation})
	must(t, err)
	if out.TraceHeader != asynchronous {
		t.Errorf("the caller of an asynchronous event was told %q", out.TraceHeader)
	}
	log, err := b.Logs(within(t, 20*time.Second), f, true)
	must(t, err)
	for line := range log {
		if line.Text == "answer: "+asynchronous {
			return
		}
	}
	t.Error("the asynchronous event came without its caller's trace")
}

// AWS's tutorial runs word for word. https://docs.aws.amazon.com/lambda/latest/dg/runtimes-walkthrough.html
func TestTutorialOfACustomRuntime(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	const bootstrap = `#!/bin/sh

set -euo pipefail

# Initialization - load function handler
source $LAMBDA_TASK_ROOT/"$(echo $_HANDLER | cut -d. -f1).sh"

# Processing
while true
do
  HEADERS="$(mktemp)"
  # Get an event. The HTTP request will block until one is received
  EVENT_DATA=$(curl -sS -LD "$HEADERS" "http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/next")

  # Extract request ID by scraping response headers received above
  REQUEST_ID=$(grep -Fi Lambda-Runtime-Aws-Request-Id "$HEADERS" | tr -d '[:space:]' | cut -d: -f2)

  # Run the handler function from the script
  RESPONSE=$($(echo "$_HANDLER" | cut -d. -f2) "$EVENT_DATA")

  # Send the response
  curl "http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/$REQUEST_ID/response"  -d "$RESPONSE"
done
`
	const function = `function handler () {
  EVENT_DATA=$1
  echo "$EVENT_DATA" 1>&2;
  RESPONSE="Echoing request: '$EVENT_DATA'"

  echo $RESPONSE
}
`
	f := b.create(t, lambda.CreateFunctionInput{
		FunctionName: "bash-runtime", Handler: "function.handler",
		ZipFile: zipOf(entry{"bootstrap", 0o755, bootstrap}, entry{"function.sh", 0o755, function}),
	})
	const event, want = `{"text":"Hello"}`, `Echoing request: '{"text":"Hello"}'`
	for range 2 { // cold and warm
		out, err := b.Invoke(t.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: f}, Payload: []byte(event), LogTail: true})
		must(t, err)
		if string(out.Payload) != want || out.FunctionError != "" {
			t.Errorf("%s %q, want %q\n%s", out.FunctionError, out.Payload, want, out.LogTail)
		}
	}
}

// /tmp has the size that the function asks for, and is no part of its memory.
func TestEphemeralStorage(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	if b.cgroups == "" {
		t.Skip("memory is not limited here")
	}
	const fill = `head -c 200M /dev/zero > /tmp/big; df --output=size --block-size=1M /tmp | tail -1 | tr -d ' '`
	for size, want := range map[int]string{0: "512", 1024: "1024"} {
		f := b.create(t, lambda.CreateFunctionInput{FunctionName: "tmp-" + want, MemorySize: 128, EphemeralStorage: size, ZipFile: inside(fill)})
		out := b.invoke(t, f, event{})
		if got := tell(t, out); got != want {
			t.Errorf("/tmp has %q MB, want %s", got, want)
		}
		log := string(out.LogTail)
		used := 0
		if _, err := fmt.Sscanf(log[strings.Index(log, "Max Memory Used:"):], "Max Memory Used: %d MB", &used); err != nil || used < 1 || used > 60 {
			t.Errorf("%v, used %d MB: %s", err, used, log)
		}
	}
}

// Every REPORT line tells the most memory that the environment has used, also when nobody looks and nothing is long.
func TestEveryReportTellsMemory(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	if b.cgroups == "" {
		t.Skip("memory is not counted here")
	}
	f := b.create(t, lambda.CreateFunctionInput{FunctionName: "f", ZipFile: inside("true")})
	for range 3 {
		if _, err := b.Invoke(t.Context(), lambda.InvokeInput{Function: b.ref(t, f), Payload: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
	}
	reports := 0
	for _, line := range b.lines(t, f) {
		if strings.HasPrefix(line, "REPORT ") {
			reports++
			if !strings.Contains(line, "\tMax Memory Used: ") {
				t.Error(line)
			}
		}
	}
	if reports != 3 {
		t.Errorf("%d reports, want 3", reports)
	}
}
