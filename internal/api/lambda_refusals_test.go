package api

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestRefusalsAsRecorded has what Lambda answered to LocalStack's tests: tests/aws/services/lambda_/test_lambda_api.snapshot.json,
// test_function_name_and_qualifier_validation, test_ops_on_nonexisting_fn, test_delete_on_nonexisting_version and others.
func TestRefusalsAsRecorded(t *testing.T) {
	f := newFunctions(t)
	f.create("f")
	const (
		arn     = "arn:aws:lambda:us-east-1:123456789012:function:"
		missing = "Function not found: " + arn
	)
	long := func(n int) string { return strings.Repeat("a", n) }
	create := func(members string) string {
		return `{"FunctionName":"g","Role":"` + f.role + `","Code":{"S3Bucket":"bucket","S3Key":"k"},"Runtime":"provided.al2023","Handler":"h"` + members + `}`
	}
	with := func(member, value string) string { // instead of the one that create gives it
		before, after, _ := strings.Cut(create(""), `"`+member+`":"`)
		_, after, _ = strings.Cut(after, `"`)
		return before + `"` + member + `":"` + value + `"` + after
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		code, message      string // a part of it
	}{
		{"GET", "/2015-03-31/functions/" + long(65), "", 404, notFound, missing + long(65)},
		{"DELETE", "/2015-03-31/functions/" + long(65), "", 404, notFound, missing + long(65)},
		{"POST", "/2015-03-31/functions/" + long(65) + "/invocations", "", 404, notFound, missing + long(65) + ":$LATEST"},
		{"GET", "/2015-03-31/functions/" + long(140), "", 404, notFound, missing + long(140)},
		{"GET", "/2015-03-31/functions/g?Qualifier=$latest", "", 404, notFound, missing + "g:$latest"},
		{"POST", "/2015-03-31/functions/f/invocations?Qualifier=$latest", "", 404, notFound, missing + "f:$latest"},
		{"DELETE", "/2015-03-31/functions/g?Qualifier=$latest", "", 404, notFound, missing + "g"},
		{"GET", "/2015-03-31/functions/f?Qualifier=" + long(65), "", 404, notFound, missing + "f:" + long(65)},
		{"DELETE", "/2015-03-31/functions/f?Qualifier=" + long(65), "", 400, invalid, "Deletion of aliases is not currently supported."},
		{"DELETE", "/2015-03-31/functions/f?Qualifier=1233", "", 204, "", ""},
		{"DELETE", "/2015-03-31/functions/g?Qualifier=1233", "", 404, notFound, missing + "g"},
		{"GET", "/2015-03-31/functions/f?Qualifier=" + long(129), "", 400, "ValidationException", "1 validation error detected: Value '" + long(129) + "' at 'qualifier' failed to satisfy constraint: Member must have length less than or equal to 128"},
		{"GET", "/2015-03-31/functions/f?Qualifier=invalid!", "", 400, "ValidationException", "1 validation error detected: Value 'invalid!' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: "},
		{"GET", "/2015-03-31/functions/" + strings.TrimSuffix(arn, ":"), "", 404, notFound, missing + "function"},
		{"DELETE", "/2015-03-31/functions/" + strings.TrimSuffix(arn, ":"), "", 404, notFound, missing + "function"},
		{"POST", "/2015-03-31/functions/" + strings.TrimSuffix(arn, ":") + "/invocations", "", 404, notFound, missing + "function:$LATEST"},
		{"GET", "/2015-03-31/functions/" + arn, "", 400, "ValidationException", "1 validation error detected: Value '" + arn + "' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: "},
		{"GET", "/2015-03-31/functions/" + arn + "f:1:2", "", 400, "ValidationException", "at 'functionName' failed to satisfy constraint"},
		{"POST", "/2018-10-31/layers/l/versions", `{"Content":{"S3Bucket":"bucket","S3Key":"k"},"CompatibleRuntimes":["invalidruntime","invalidruntime2","nodejs20.x"],"CompatibleArchitectures":["invalidarch","x86_64"]}`, 400, "ValidationException", "2 validation errors detected: Value '[invalidarch, x86_64]' at 'compatibleArchitectures' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]; Value '[invalidruntime, invalidruntime2, nodejs20.x]' at 'compatibleRuntimes' failed to satisfy constraint: Member must satisfy enum value set: [nodejs, "},
		{"GET", "/2018-10-31/layers?CompatibleRuntime=runtimedoesnotexist", "", 400, "ValidationException", "1 validation error detected: Value 'runtimedoesnotexist' at 'compatibleRuntime' failed to satisfy constraint: Member must satisfy enum value set: ["},
		{"GET", "/2018-10-31/layers/l/versions?CompatibleRuntime=x", "", 400, "ValidationException", "Value 'x' at 'compatibleRuntime'"},
		{"GET", "/2015-03-31/functions/my-function!", "", 400, "ValidationException", "1 validation error detected: Value 'my-function!' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: "},
		{"GET", "/2015-03-31/functions/" + arn + "f:$LATEST?Qualifier=1", "", 400, invalid, "The derived qualifier from the function name does not match the specified qualifier."},
		{"GET", "/2019-09-30/functions/g/concurrency", "", 404, notFound, missing + "g"},
		{"PUT", "/2017-10-31/functions/g/concurrency", `{"ReservedConcurrentExecutions":1}`, 404, notFound, missing + "g:$LATEST"},
		{"GET", "/2019-09-25/functions/g/event-invoke-config", "", 404, notFound, "The function " + arn + "g:$LATEST doesn't have an EventInvokeConfig"},
		{"PUT", "/2019-09-25/functions/f/event-invoke-config", `{}`, 400, invalid, "You must specify at least one of error handling or destination setting."},
		{"PUT", "/2019-09-25/functions/f/event-invoke-config", `{"DestinationConfig":{"OnSuccess":{}}}`, 200, "", ""},
		{"GET", "/2021-10-31/functions/g/url", "", 404, notFound, "The resource you requested does not exist."},
		{"GET", "/2021-10-31/functions/f:live/url?Qualifier=dead", "", 400, invalid, "The derived qualifier from the function name does not match the specified qualifier."},
		{"POST", "/2021-10-31/functions/g/url", `{"AuthType":"NONE"}`, 404, notFound, "Function does not exist"},
		{"GET", "/2021-10-31/functions/g/urls", "", 404, notFound, "Function does not exist"},
		{"PUT", "/2015-03-31/functions/f/aliases/live", `{}`, 404, notFound, "Alias not found: " + arn + "f:live"},
		{"GET", "/2015-03-31/functions/f/aliases/live", "", 404, notFound, "Cannot find alias arn: " + arn + "f:live"},

		{"POST", "/2015-03-31/functions", with("FunctionName", long(65)), 400, invalid, "1 validation error detected: Value '" + long(65) + "' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64"},
		{"POST", "/2015-03-31/functions", with("Handler", long(129)), 400, "ValidationException", "at 'handler' failed to satisfy constraint: Member must have length less than or equal to 128"},
		{"POST", "/2015-03-31/functions", with("Handler", "a b"), 400, "ValidationException", `1 validation error detected: Value 'a b' at 'handler' failed to satisfy constraint: Member must satisfy regular expression pattern: [^\s]+`},
		{"POST", "/2015-03-31/functions", with("Handler", `a\n`), 400, "ValidationException", `at 'handler' failed to satisfy constraint: Member must satisfy regular expression pattern: [^\s]+`},
		{"POST", "/2015-03-31/functions", create(`,"Timeout":0`), 400, "ValidationException", "1 validation error detected: Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{"POST", "/2015-03-31/functions", create(`,"MemorySize":0`), 400, "ValidationException", "Value '0' at 'memorySize'"},
		{"POST", "/2015-03-31/functions", create(`,"TracingConfig":{"Mode":"Bogus"}`), 400, "ValidationException", "1 validation error detected: Value 'Bogus' at 'tracingConfig.mode' failed to satisfy constraint: Member must satisfy enum value set: [Active, PassThrough]"},
		{"POST", "/2015-03-31/functions", create(`,"Environment":{"Variables":{"COLOR":null}}`), 400, "ValidationException", "1 validation error detected: Value at 'environment.variables' failed to satisfy constraint: Map value must satisfy constraint: [Member must not be null]"},
		{"POST", "/2015-03-31/functions", create(`,"Tags":{"k":null}`), 400, "ValidationException", "Member must not be null]"},
		{"POST", "/2017-03-31/tags/" + arn + "f", `{"Tags":{}}`, 400, invalid, "An error occurred and the request cannot be processed."},
		{"PUT", "/2017-10-31/functions/f:1/concurrency", `{"ReservedConcurrentExecutions":1}`, 400, invalid, "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN."},

		// The model's constraints, in the sentence of those above.
		{"POST", "/2015-03-31/functions", create(`,"Description":"` + long(257) + `"`), 400, "ValidationException", "at 'description' failed to satisfy constraint: Member must have length less than or equal to 256"},
		{"POST", "/2015-03-31/functions", create(`,"VpcConfig":{"SubnetIds":["` + strings.Repeat(`a","`, 16) + `a"],"SecurityGroupIds":["b"]}`), 400, "ValidationException", "at 'vpcConfig.subnetIds' failed to satisfy constraint: Member must have length less than or equal to 16"},
		{"POST", "/2015-03-31/functions", create(`,"Environment":{"Variables":{"1a":"b"}}`), 400, "ValidationException", "at 'environment.variables' failed to satisfy constraint: Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]"},
		{"GET", "/2015-03-31/functions?MaxItems=0", "", 400, "ValidationException", "at 'maxItems' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{"GET", "/2015-03-31/functions?MaxItems=10001", "", 400, "ValidationException", "at 'maxItems' failed to satisfy constraint: Member must have value less than or equal to 10000"},
		{"GET", "/2015-03-31/functions?FunctionVersion=X", "", 400, "ValidationException", "at 'functionVersion' failed to satisfy constraint: Member must satisfy enum value set: [ALL]"},
	} {
		res, text := f.raw(c.method, c.path, c.body)
		var said struct{ Message string }
		_ = json.Unmarshal([]byte(text), &said)
		if code := res.Header.Get("X-Amzn-ErrorType"); res.StatusCode != c.status || code != c.code || !strings.Contains(said.Message, c.message) || c.status == 404 && said.Message != c.message {
			t.Errorf("%s %s %s: %d %s: %s\nwant %d %s: %s", c.method, c.path, c.body, res.StatusCode, code, said.Message, c.status, c.code, c.message)
		}
	}
}
