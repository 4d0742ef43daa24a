package lambda

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// What a function of provided.al2023 printed on AWS, but for what the lab does not play.
// localstack/localstack, tests/aws/services/lambda_/test_lambda_common.snapshot.json, test_introspection_invoke[provided.al2023]
const recorded = `AWS_DEFAULT_REGION=us-east-1
AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1024
AWS_LAMBDA_FUNCTION_NAME=f
AWS_LAMBDA_FUNCTION_VERSION=$LATEST
AWS_LAMBDA_INITIALIZATION_TYPE=on-demand
AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/f
AWS_LAMBDA_LOG_STREAM_NAME=stream
AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001
AWS_REGION=us-east-1
AWS_XRAY_CONTEXT_MISSING=LOG_ERROR
AWS_XRAY_DAEMON_ADDRESS=169.254.79.129:2000
LAMBDA_RUNTIME_DIR=/var/runtime
LAMBDA_TASK_ROOT=/var/task
LANG=en_US.UTF-8
LD_LIBRARY_PATH=/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib
PATH=/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin
TEST_KEY=TEST_VAL
TZ=:UTC
_AWS_XRAY_DAEMON_ADDRESS=169.254.79.129
_AWS_XRAY_DAEMON_PORT=2000
_HANDLER=function.handler`

var recordedOf = FunctionConfiguration{
	FunctionName: "f", Version: "$LATEST", Runtime: "provided.al2023", Handler: "function.handler", MemorySize: 1024,
	Environment: map[string]string{"TEST_KEY": "TEST_VAL"},
}

func TestVariablesAreAsRecorded(t *testing.T) {
	at := surroundings{region: "us-east-1", runtimeAPI: "127.0.0.1:9001", logStream: "stream"}
	if got := strings.Join(variables(&recordedOf, at), "\n"); got != recorded {
		t.Errorf("got\n%s\nwant\n%s", got, recorded)
	}
	c := recordedOf
	c.Runtime = "provided.al2"
	got := variables(&c, at)
	for _, want := range []string{
		"PATH=/usr/local/bin:/usr/bin/:/bin:/opt/bin",
		"LD_LIBRARY_PATH=/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("provided.al2: no %s in %q", want, got)
		}
	}
	c.Runtime = "python3.12"
	if got := variables(&c, at); !slices.Contains(got, "AWS_EXECUTION_ENV=AWS_Lambda_python3.12") {
		t.Errorf("a managed runtime's AWS_EXECUTION_ENV is missing in %q", got)
	}
}

// A function's own variables take the place of Lambda's unless these are reserved, which no configuration has.
func TestVariablesOfTheFunction(t *testing.T) {
	c := recordedOf
	c.Environment = map[string]string{"TZ": "Europe/Vienna", "PATH": "/opt/bin", "AWS_XRAY_CONTEXT_MISSING": "RUNTIME_ERROR", "AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrap"}
	got := variables(&c, surroundings{})
	for name, value := range c.Environment {
		if isReserved(name) {
			t.Errorf("%s is reserved, and is not on AWS", name)
		}
		if !slices.Contains(got, name+"="+value) {
			t.Errorf("%s is not the function's in %q", name, got)
		}
	}
	for _, v := range got {
		name, _, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, "AWS_LAMBDA_") && c.Environment[name] == "" && !isReserved(name) {
			t.Errorf("%s can be set by the function, and its value would be lost", name)
		}
	}
}

func TestLogStream(t *testing.T) {
	at := time.Date(2026, 11, 29, 0, 30, 0, 0, time.FixedZone("CET", 3600))
	name := regexp.MustCompile(`^2026/11/28/\[\$LATEST\][0-9a-f]{32}$`)
	if a, b := logStream("$LATEST", at), logStream("$LATEST", at); !name.MatchString(a) || a == b {
		t.Errorf("two environments' log streams are %q and %q", a, b)
	}
}
