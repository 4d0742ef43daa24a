package api

import (
	"strings"
	"testing"
)

// TestAbsentAsThePageSays holds what docs/differences.md says of event source mappings, function URLs and what is like them.
func TestAbsentAsThePageSays(t *testing.T) {
	f := newFunctions(t)
	f.create("f")
	const unknown = "UnknownOperationException"
	for _, c := range []struct {
		operation, method, path, body string
		status                        int
		want                          string // of the answer, or the error's code
	}{
		{"ListEventSourceMappings", "GET", "/2015-03-31/event-source-mappings/", "", 200, `{"EventSourceMappings":[]}`},
		{"CreateEventSourceMapping", "POST", "/2015-03-31/event-source-mappings/", `{"FunctionName":"f"}`, 404, unknown},
		{"GetEventSourceMapping", "GET", "/2015-03-31/event-source-mappings/1", "", 404, unknown},
		{"UpdateEventSourceMapping", "PUT", "/2015-03-31/event-source-mappings/1", "{}", 404, unknown},
		{"DeleteEventSourceMapping", "DELETE", "/2015-03-31/event-source-mappings/1", "", 404, unknown},
		{"ListFunctionUrlConfigs", "GET", "/2021-10-31/functions/f/urls", "", 200, `{"FunctionUrlConfigs":[]}`},
		{"GetFunctionUrlConfig", "GET", "/2021-10-31/functions/f/url", "", 404, notFound},
		{"CreateFunctionUrlConfig", "POST", "/2021-10-31/functions/f/url", `{"AuthType":"NONE"}`, 400, invalid},
		{"UpdateFunctionUrlConfig", "PUT", "/2021-10-31/functions/f/url", `{"AuthType":"NONE"}`, 404, unknown},
		{"DeleteFunctionUrlConfig", "DELETE", "/2021-10-31/functions/f/url", "", 404, unknown},
		{"GetFunctionCodeSigningConfig", "GET", "/2020-06-30/functions/f/code-signing-config", "", 200, `"CodeSigningConfigArn":""`},
		{"PutFunctionCodeSigningConfig", "PUT", "/2020-06-30/functions/f/code-signing-config", "{}", 404, unknown},
		{"GetFunctionRecursionConfig", "GET", "/2024-08-31/functions/f/recursion-config", "", 200, `{"RecursiveLoop":"Terminate"}`},
		{"PutFunctionRecursionConfig", "PUT", "/2024-08-31/functions/f/recursion-config", `{"RecursiveLoop":"Allow"}`, 404, unknown},
		{"GetRuntimeManagementConfig", "GET", "/2021-07-20/functions/f/runtime-management-config", "", 200, `"UpdateRuntimeOn":"Auto"`},
		{"PutRuntimeManagementConfig", "PUT", "/2021-07-20/functions/f/runtime-management-config", "{}", 404, unknown},
		{"InvokeWithResponseStream", "POST", "/2021-11-15/functions/f/response-streaming-invocations", "{}", 404, unknown},
		{"InvokeAsync", "POST", "/2014-11-13/functions/f/invoke-async", "{}", 404, unknown},
	} {
		res, text := f.raw(c.method, c.path, c.body)
		if text += res.Header.Get("X-Amzn-ErrorType"); res.StatusCode != c.status || !strings.Contains(text, c.want) {
			t.Errorf("%s: %d %s, want %d %s", c.operation, res.StatusCode, text, c.status, c.want)
		}
	}
}
