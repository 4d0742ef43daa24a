package lambda

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reservedVariables are Lambda's own: a function's configuration cannot set them.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
var reservedVariables = []string{
	"_HANDLER", "_X_AMZN_TRACE_ID",
	"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV",
	"AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION",
	"AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
	"AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
	"AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
}

func isReserved(name string) bool { return slices.Contains(reservedVariables, name) }

// xrayDaemon is where AWS's environments find the X-Ray daemon. The lab has none; nobody answers there.
const xrayDaemon = "169.254.79.129"

// surroundings is what an environment's variables say of the environment rather than of its function.
type surroundings struct {
	region     string
	runtimeAPI string // address and port
	logStream  string
	endpoint   string // URL of AWS's API; empty: there is none
	identity   Identity
}

// variables is what an environment's process finds in its own environment: names, values and paths as AWS's page has them
// and as a function of provided.al2 and one of provided.al2023 have printed them (localstack/localstack, test_lambda_common.snapshot.json,
// test_introspection_invoke). _X_AMZN_TRACE_ID, which changes with each event, is the runtime's to set.
func variables(c *FunctionConfiguration, at surroundings) []string {
	osOnly, logging := strings.HasPrefix(c.Runtime, "provided"), c.Logging()
	v := map[string]string{
		"TZ": ":UTC", "LANG": "en_US.UTF-8",
		"PATH":                     "/usr/local/bin:/usr/bin/:/bin:/opt/bin",
		"LD_LIBRARY_PATH":          "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
		"AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
		"AWS_XRAY_DAEMON_ADDRESS":  xrayDaemon + ":2000",
		"_AWS_XRAY_DAEMON_ADDRESS": xrayDaemon,
		"_AWS_XRAY_DAEMON_PORT":    "2000",
	}
	if c.Runtime != "provided.al2" {
		v["PATH"] = "/var/lang/bin:" + v["PATH"]
		v["LD_LIBRARY_PATH"] = "/var/lang/lib:" + v["LD_LIBRARY_PATH"]
	}
	if at.endpoint != "" {
		v["AWS_ENDPOINT_URL"] = at.endpoint
	}
	maps.Copy(v, c.Environment)
	maps.Copy(v, map[string]string{
		"_HANDLER":                        c.Handler,
		"AWS_REGION":                      at.region,
		"AWS_DEFAULT_REGION":              at.region,
		"AWS_LAMBDA_FUNCTION_NAME":        c.FunctionName,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(c.MemorySize),
		"AWS_LAMBDA_FUNCTION_VERSION":     c.Version,
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME":       logging.LogGroup,
		"AWS_LAMBDA_LOG_STREAM_NAME":      at.logStream,
		"AWS_LAMBDA_RUNTIME_API":          at.runtimeAPI,
		"LAMBDA_TASK_ROOT":                "/var/task",
		"LAMBDA_RUNTIME_DIR":              "/var/runtime",
	})
	if id := at.identity; id.AccessKeyID != "" {
		v["AWS_ACCESS_KEY_ID"], v["AWS_SECRET_ACCESS_KEY"], v["AWS_SESSION_TOKEN"] = id.AccessKeyID, id.SecretAccessKey, id.SessionToken
	}
	if logging.LogFormat == "JSON" { // https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-advanced.html
		v["AWS_LAMBDA_LOG_FORMAT"], v["AWS_LAMBDA_LOG_LEVEL"] = logging.LogFormat, logging.ApplicationLogLevel
	}
	if !osOnly {
		v["AWS_EXECUTION_ENV"] = "AWS_Lambda_" + c.Runtime
	}
	list := make([]string, 0, len(v))
	for name, value := range v {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// variables are those of an environment that has its slot.
func (s *Service) variables(e *environment) []string {
	at := surroundings{region: s.Region, runtimeAPI: e.slot.APIAddress.String(), logStream: e.logStream, identity: e.identity}
	if e.identity.Serve != nil {
		at.endpoint = "http://" + e.slot.Endpoint.Addr().String()
	}
	return variables(&e.generation.config, at)
}

// logStream names an environment's log stream as Lambda does: 2026/11/28/[$LATEST]32hex.
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-view.html
func logStream(version string, began time.Time) string {
	return fmt.Sprintf("%s[%s]%016x%016x", began.UTC().Format("2006/01/02/"), version, rand.Uint64(), rand.Uint64())
}
