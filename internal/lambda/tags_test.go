package lambda_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"enilab/internal/lambda"
	"enilab/internal/nstest"
)

// Tags are the function's, outlast the daemon and are no change of the function.
func TestTags(t *testing.T) {
	nstest.NoLeaks(t)
	path, change := durable(t)
	b := newBed(t, change)
	in := bash(t, "handler() { :; }")
	in.FunctionName, in.Tags = "f", map[string]string{"AWS:x": "y"}
	_, err := b.CreateFunction(t.Context(), in)
	refused(t, err, lambda.InvalidParameterValue, 400, "AWS:x")
	in.Tags = map[string]string{"team": "a", "gone": "x"}
	b.create(t, in)
	made, err := b.GetFunctionConfiguration(lambda.FunctionRef{Name: "f"})
	must(t, err)
	f := made.FunctionARN

	must(t, b.TagResource(f, map[string]string{"team": "b", "empty": ""}))
	must(t, b.UntagResource(f, []string{"gone", "never"}))
	b.crash(t, path, func() {})
	want := map[string]string{"team": "b", "empty": ""}
	if got, err := b.ListTags(f); err != nil || !maps.Equal(got, want) {
		t.Errorf("tags %v, %v, want %v", got, err, want)
	}
	if d, err := b.GetFunction(lambda.FunctionRef{Name: "f"}); err != nil || !maps.Equal(d.Tags, want) || d.Configuration.RevisionID != made.RevisionID {
		t.Errorf("%+v, %v", d, err)
	}

	many := map[string]string{}
	for i := range 49 {
		many[fmt.Sprint(i)] = ""
	}
	for _, c := range []struct {
		arn    string
		tags   map[string]string
		code   lambda.Code
		status int
		word   string
	}{
		{f, many, lambda.InvalidParameterValue, 400, "Number of tags exceeds resource tag limit."},
		{f, map[string]string{"": ""}, lambda.InvalidParameterValue, 400, "1 to 128"},
		{f, map[string]string{strings.Repeat("ä", 129): ""}, lambda.InvalidParameterValue, 400, "1 to 128"},
		{f, map[string]string{"k": strings.Repeat("ä", 257)}, lambda.InvalidParameterValue, 400, "at most 256"},
		{f, map[string]string{"aws:k": ""}, lambda.InvalidParameterValue, 400, "aws:"},
		{f + ":$LATEST", nil, lambda.InvalidParameterValue, 400, "versions"},
		{f + "g", nil, lambda.ResourceNotFound, 404, "function:fg"},
		{"f", nil, lambda.ValidationException, 400, "'resource'"},
	} {
		refused(t, b.TagResource(c.arn, c.tags), c.code, c.status, c.word)
	}
	if got, err := b.ListTags(f); err != nil || !maps.Equal(got, want) {
		t.Errorf("tags %v, %v: a refusal changed them", got, err)
	}
}
