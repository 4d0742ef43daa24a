package api

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"enilab/internal/nstest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// reasonOf is why a call was throttled.
func reasonOf(err error) types.ThrottleReason {
	if e := (*types.TooManyRequestsException)(nil); errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

func TestInvoke(t *testing.T) {
	f := newFunctions(t)
	ctx := t.Context()
	made := f.create("f")
	type input = awslambda.InvokeInput

	out := answer(f.lambda.Invoke(ctx, &input{FunctionName: made.FunctionName, Payload: []byte(`"hello"`), LogType: types.LogTypeTail}))(t)
	equal(t, "answer", string(out.Payload), `"$LATEST  none"`)
	equal(t, "status", fmt.Sprintln(out.StatusCode, *out.ExecutedVersion, out.FunctionError == nil), "200 $LATEST true\n")
	log := string(answer(base64.StdEncoding.DecodeString(*out.LogResult))(t))
	id, _ := middleware.GetRequestIDMetadata(out.ResultMetadata)
	if want := regexp.MustCompile(`^START RequestId: ` + id + ` Version: \$LATEST\nhello\nEND RequestId: ` + id + `\nREPORT RequestId: ` + id + `\tDuration: [0-9.]+ ms\tBilled Duration: [0-9]+ ms\tMemory Size: 128 MB\t`); !want.MatchString(log) {
		t.Errorf("the log is %q, want %s", log, want)
	}

	out = answer(f.lambda.Invoke(ctx, &input{FunctionName: made.FunctionName, Payload: []byte(`"fail"`)}))(t)
	equal(t, "failure", fmt.Sprintln(out.StatusCode, *out.FunctionError, out.LogResult == nil), "200 Unhandled true\n")
	equal(t, "says", strings.Contains(string(out.Payload), `"errorMessage":"asked"`), true)

	for kind, status := range map[types.InvocationType]int32{types.InvocationTypeEvent: 202, types.InvocationTypeDryRun: 204} {
		out := answer(f.lambda.Invoke(ctx, &input{FunctionName: made.FunctionName, InvocationType: kind, LogType: types.LogTypeTail}))(t)
		equal(t, string(kind), fmt.Sprint(out.StatusCode, len(out.Payload), out.ExecutedVersion == nil, out.LogResult == nil), fmt.Sprint(status, 0, true, true))
	}

	answer(f.lambda.PublishVersion(ctx, &awslambda.PublishVersionInput{FunctionName: made.FunctionName}))(t)
	f.active("f:1")
	for name, version := range map[string]string{
		*made.FunctionArn: "$LATEST", *made.FunctionArn + ":1": "1", "123456789012:function:f": "$LATEST", "123456789012:function:f:1": "1", "f:1": "1", "f:$LATEST": "$LATEST",
	} {
		out := answer(f.lambda.Invoke(ctx, &input{FunctionName: &name}))(t)
		equal(t, name, *out.ExecutedVersion+string(out.Payload), version+`"`+version+`  none"`)
	}
	equal(t, "qualifier", *answer(f.lambda.Invoke(ctx, &input{FunctionName: made.FunctionArn, Qualifier: aws.String("1")}))(t).ExecutedVersion, "1")

	const trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0;Lineage=1:d0782663:0"
	sent := func(o *awslambda.Options) {
		o.APIOptions = append(o.APIOptions, smithyhttp.SetHeaderValue(traceHeader, trace))
	}
	for _, kind := range []types.InvocationType{types.InvocationTypeRequestResponse, types.InvocationTypeEvent} {
		out := answer(f.lambda.Invoke(ctx, &input{FunctionName: made.FunctionName, InvocationType: kind}, sent))(t)
		equal(t, "trace", middleware.GetRawResponse(out.ResultMetadata).(*smithyhttp.Response).Header.Get(traceHeader), trace)
	}

	encode := func(text string) *string { return aws.String(base64.StdEncoding.EncodeToString([]byte(text))) }
	out = answer(f.lambda.Invoke(ctx, &input{FunctionName: made.FunctionName, ClientContext: encode("{\"custom\":\n7}")}))(t)
	equal(t, "context", string(out.Payload), `"$LATEST  {\"custom\":7}"`)

	const content = "InvalidRequestContentException"
	for what, c := range map[string]struct {
		in input
		complaint
	}{
		"no JSON":           {input{Payload: []byte("{")}, complaint{content, 400, "Could not parse request body into json"}},
		"no JSON, later":    {input{Payload: []byte("{"), InvocationType: types.InvocationTypeEvent}, complaint{content, 400, "Could not parse request body into json"}},
		"no Base64":         {input{ClientContext: aws.String("?")}, complaint{content, 400, "Client context must be a valid Base64-encoded JSON object"}},
		"context":           {input{ClientContext: encode("{")}, complaint{content, 400, "Client context must be"}},
		"long context":      {input{ClientContext: encode(`"` + strings.Repeat("x", 2700) + `"`)}, complaint{content, 400, "at most 3583 bytes"}},
		"type":              {input{InvocationType: "Maybe"}, complaint{"ValidationException", 400, "Value 'Maybe' at 'invocationType'"}},
		"too large, later":  {input{Payload: make([]byte, 1<<20+1), InvocationType: types.InvocationTypeEvent}, complaint{"RequestEntityTooLargeException", 413, "Request must be smaller than 1048576 bytes for the InvokeFunction operation"}},
		"no such function":  {input{FunctionName: aws.String("g")}, complaint{notFound, 404, "Function not found: arn:aws:lambda:us-east-1:123456789012:function:g"}},
		"no such version":   {input{Qualifier: aws.String("2")}, complaint{notFound, 404, "function:f:2"}},
		"another account":   {input{FunctionName: aws.String("arn:aws:lambda:us-east-1:210987654321:function:f")}, complaint{"AccessDeniedException", 403, "another account"}},
		"another Region":    {input{FunctionName: aws.String("arn:aws:lambda:eu-west-1:123456789012:function:f")}, complaint{notFound, 404, "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"}},
		"another qualifier": {input{FunctionName: aws.String("f:1"), Qualifier: aws.String("2")}, complaint{invalid, 400, "The derived qualifier from the function name does not match the specified qualifier."}},
	} {
		if c.in.FunctionName == nil {
			c.in.FunctionName = made.FunctionName
		}
		c.is(t, what, failed(t, f.lambda.Invoke, &c.in))
	}

	// The lab answers without reading what is too large; a client that has not asked first may learn only that the
	// connection is gone.
	res, text := f.raw("POST", "/2015-03-31/functions/f/invocations", strings.Repeat(" ", 6<<20+1), "Expect", "100-continue")
	equal(t, "too large", fmt.Sprintln(res.StatusCode, res.Header.Get("X-Amzn-ErrorType")), "413 RequestEntityTooLargeException\n")
	equal(t, text, strings.Contains(text, "Request must be smaller than 6291456 bytes for the Invoke"), true)
}

// A function may be called what is a word in its ARN: AWS's own documents say my-function. Its versions are found, and its
// events arrive.
func TestFunctionsCalledFunction(t *testing.T) {
	f := newFunctions(t)
	ctx := t.Context()
	for _, name := range []string{"my-function", "function", "function-function"} {
		made := f.create(name)
		for version := range int32(2) {
			answer(f.lambda.UpdateFunctionConfiguration(ctx, &awslambda.UpdateFunctionConfigurationInput{FunctionName: &name, Timeout: aws.Int32(20 + version)}))(t)
			f.updated(name)
			out := answer(f.lambda.PublishVersion(ctx, &awslambda.PublishVersionInput{FunctionName: made.FunctionArn}))(t)
			f.active(*out.FunctionArn)
		}
		for _, c := range [][3]string{
			{name, "", "$LATEST"},
			{name, "$LATEST", "$LATEST"},
			{name, "1", "1"},
			{name + ":1", "", "1"},
			{name + ":$LATEST", "", "$LATEST"},
			{"123456789012:function:" + name, "1", "1"},
			{"123456789012:function:" + name + ":2", "", "2"},
			{*made.FunctionArn, "2", "2"},
			{*made.FunctionArn + ":2", "2", "2"},
		} {
			var qualifier *string
			if c[1] != "" {
				qualifier = &c[1]
			}
			got := answer(f.lambda.GetFunction(ctx, &awslambda.GetFunctionInput{FunctionName: &c[0], Qualifier: qualifier}))(t)
			equal(t, "version of "+c[0]+" "+c[1], *got.Configuration.Version, c[2])
			out := answer(f.lambda.Invoke(ctx, &awslambda.InvokeInput{FunctionName: &c[0], Qualifier: qualifier}))(t)
			equal(t, "executed version of "+c[0]+" "+c[1], *out.ExecutedVersion, c[2])
		}
		answer(f.lambda.DeleteFunction(ctx, &awslambda.DeleteFunctionInput{FunctionName: &name, Qualifier: aws.String("1")}))(t)
		complaint{notFound, 404, "function:" + name + ":1"}.is(t, name, failed(t, f.lambda.GetFunction, &awslambda.GetFunctionInput{FunctionName: &name, Qualifier: aws.String("1")}))
		answer(f.lambda.DeleteFunction(ctx, &awslambda.DeleteFunctionInput{FunctionName: aws.String(*made.FunctionArn + ":2")}))(t)
		equal(t, "versions", len(answer(f.lambda.ListVersionsByFunction(ctx, &awslambda.ListVersionsByFunctionInput{FunctionName: &name}))(t).Versions), 1)

		before := f.greetings(name)
		for _, n := range []string{name, name + ":$LATEST", *made.FunctionArn} {
			answer(f.lambda.Invoke(ctx, &awslambda.InvokeInput{FunctionName: &n, InvocationType: types.InvocationTypeEvent, Payload: []byte(`"hello"`)}))(t)
		}
		nstest.Eventually(t, 30*time.Second, func() error {
			if n := f.greetings(name) - before; n != 3 {
				return fmt.Errorf("%d of 3 events have arrived at %s", n, name)
			}
			return nil
		})
	}
}

// A function runs on when its caller has gone.
func TestCallerGoesAway(t *testing.T) {
	f := newFunctions(t)
	in := f.input("f")
	in.Code.ZipFile = script(t, "handler() { echo began; read -t 1 < <(sleep 1000); echo hello; REPLY=1; }")
	answer(f.lambda.CreateFunction(t.Context(), in))(t)
	f.active("f")
	ctx, cancel := context.WithCancel(t.Context())
	lines := answer(f.service.Logs(ctx, "f", true))(t)
	go func() {
		for line := range lines {
			if line.Text == "began" {
				cancel()
			}
		}
	}()
	if _, err := f.lambda.Invoke(ctx, &awslambda.InvokeInput{FunctionName: in.FunctionName}); !errors.Is(err, context.Canceled) {
		t.Errorf("the caller got %v before it went away", err)
	}
	nstest.Eventually(t, 2*time.Minute, func() error {
		if f.greetings("f") != 1 {
			return errors.New("the function did not come to its end")
		}
		return nil
	})
}

// greetings counts what a function has printed.
func (f *functions) greetings(name string) (n int) {
	f.Helper()
	for line := range answer(f.service.Logs(f.Context(), name, false))(f) {
		if line.Text == "hello" {
			n++
		}
	}
	return n
}
