package lambda

import (
	"errors"
	"strings"
	"testing"
)

const testAccount, testRegion = "123456789012", "us-east-1"

func TestRef(t *testing.T) {
	s := &Service{Config: Config{Region: testRegion, Account: testAccount}}
	const arn = "arn:aws:lambda:us-east-1:123456789012:function:"
	for _, c := range []struct {
		name, qualifier string
		want            FunctionRef
		code            Code
	}{
		{"f", "", FunctionRef{"f", ""}, ""},
		{"f:1", "", FunctionRef{"f", "1"}, ""},
		{"f:$LATEST", "", FunctionRef{"f", "$LATEST"}, ""},
		{"f", "live", FunctionRef{"f", "live"}, ""},
		{"f:1", "1", FunctionRef{"f", "1"}, ""},
		{"f:1", "2", FunctionRef{}, InvalidParameterValue},
		{"123456789012:function:f", "", FunctionRef{"f", ""}, ""},
		{"123456789012:function:f:7", "", FunctionRef{"f", "7"}, ""},
		{arn + "f", "", FunctionRef{"f", ""}, ""},
		{arn + "f", "$LATEST", FunctionRef{"f", "$LATEST"}, ""},
		{arn + "f:live", "", FunctionRef{"f", "live"}, ""},

		// Names that read as if they were a part of an ARN.
		{"my-function", "", FunctionRef{"my-function", ""}, ""},
		{"my-function:1", "", FunctionRef{"my-function", "1"}, ""},
		{"my-function:$LATEST", "", FunctionRef{"my-function", "$LATEST"}, ""},
		{"function", "", FunctionRef{"function", ""}, ""},
		{"function:function", "", FunctionRef{"function", "function"}, ""},
		{"function-function", "1", FunctionRef{"function-function", "1"}, ""},
		{"123456789012:function", "", FunctionRef{"123456789012", "function"}, ""},
		{"123456789012:function:function", "", FunctionRef{"function", ""}, ""},
		{"123456789012:function:function:function", "", FunctionRef{"function", "function"}, ""},
		{arn + "my-function:1", "", FunctionRef{"my-function", "1"}, ""},
		{arn + "function:function", "", FunctionRef{"function", "function"}, ""},
		{"arn:aws:lambda:us-east-1:123456789012:function", "", FunctionRef{"function", ""}, ""},
		{"arn:aws:lambda:us-east-1:123456789012:f", "", FunctionRef{"f", ""}, ""},
		{"arn:aws:lambda:us-east-1:123456789012:f:1", "", FunctionRef{"f", "1"}, ""},

		{"arn:aws:lambda:eu-west-1:123456789012:function:f", "", FunctionRef{}, ResourceNotFound},
		{"arn:aws-cn:lambda:us-east-1:123456789012:function:f", "", FunctionRef{}, ResourceNotFound},
		{"arn:aws:lambda:us-east-1:210987654321:function:f", "", FunctionRef{}, AccessDenied},
		{"arn:aws:lambda:eu-west-1:210987654321:function:f", "", FunctionRef{}, AccessDenied},
		{"210987654321:function:f", "", FunctionRef{}, AccessDenied},

		{"", "", FunctionRef{}, ValidationException},
		{"f:", "", FunctionRef{}, ValidationException},
		{":f", "", FunctionRef{}, ValidationException},
		{"f:$LATEST:1", "", FunctionRef{}, ValidationException},
		{"bad name!", "", FunctionRef{}, ValidationException},
		{arn, "", FunctionRef{}, ValidationException},
		{arn + "f:1:2", "", FunctionRef{}, ValidationException},
		{arn + ":1", "", FunctionRef{}, ValidationException},
		{"arn:aws:lambda:us-east-1:123456789012:f:1:2", "", FunctionRef{}, ValidationException},
		{"arn:aws:lambda:us-east-1:123456789012:", "", FunctionRef{}, ValidationException},
		{"arn:aws:lambda:us-east-1:123456789012", "", FunctionRef{}, ValidationException},
		{"arn:aws:s3:us-east-1:123456789012:function:f", "", FunctionRef{}, ValidationException},
		{"arn:aws:lambda::123456789012:function:f", "", FunctionRef{}, ValidationException},

		// What the model's pattern lets through is not refused with it.
		{"function:function:function", "", FunctionRef{}, InvalidParameterValue},
		{"function:1:2", "", FunctionRef{}, InvalidParameterValue},
		{"us-east-1:123456789012:function:f", "", FunctionRef{}, InvalidParameterValue},

		// What there cannot be is not found: recorded by LocalStack, test_function_name_and_qualifier_validation.
		{"f", "$latest", FunctionRef{"f", "$latest"}, ""},
		{strings.Repeat("f", 65), "", FunctionRef{strings.Repeat("f", 65), ""}, ""},
		{"f.g", "", FunctionRef{"f.g", ""}, ""},
	} {
		got, err := s.Ref(c.name, c.qualifier)
		if got != c.want || codeOf(err) != c.code {
			t.Errorf("%q with the qualifier %q is %+v, %v; want %+v, %s", c.name, c.qualifier, got, err, c.want, c.code)
		}
	}
	var refused *Error
	_, err := s.Ref("arn:aws:lambda:eu-west-1:123456789012:function:f", "")
	if !errors.As(err, &refused) || refused.Message != "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')" || refused.Status() != 404 {
		t.Error(err)
	}
	if _, err := s.Ref("210987654321:function:f", ""); !errors.As(err, &refused) || refused.Status() != 403 {
		t.Error(err)
	}
	for name, want := range map[string]string{"f": "f", "my-function:$LATEST": "my-function", arn + "function": "function", "my-function:1": "", "f:live": ""} {
		got, err := s.Function(name)
		if want == "" && codeOf(err) != InvalidParameterValue || want != "" && (err != nil || got != want) {
			t.Errorf("%q is the function %q, %v; want %q", name, got, err, want)
		}
	}
}

// FuzzFunctionARN holds that a name, a partial ARN or an ARN is read as what it was printed from, and printed as it was
// read.
func FuzzFunctionARN(f *testing.F) {
	for _, name := range []string{"f", "my-function", "function", "function-function", "function_1", "123456789012", "arn", "lambda", "aws"} {
		for _, qualifier := range []string{"", "$LATEST", "1", "live", "function", "my-function"} {
			f.Add("aws", testRegion, testAccount, name, qualifier)
			f.Add("", "", testAccount, name, qualifier)
			f.Add("", "", "", name, qualifier)
		}
	}
	f.Add("aws-us-gov", "us-gov-west-1", testAccount, "a:function:b", "$LATEST")
	f.Fuzz(func(t *testing.T, partition, region, account, name, qualifier string) {
		a := functionARN{partition, region, account, FunctionRef{name, qualifier}}
		valid := isFunctionName(name) && (qualifier == "" || isQualifier(qualifier)) &&
			(a == functionARN{FunctionRef: a.FunctionRef} ||
				isAccount(account) && (partition == "" && region == "" || isPartition(partition) && isRegion(region)))
		text := a.String()
		got, ok := parseFunctionARN(text)
		if valid && (!ok || got != a) {
			t.Errorf("%+v is printed as %q, and read as %+v, %v", a, text, got, ok)
		}
		if ok && got.String() != text {
			t.Errorf("%q is read as %+v, and printed as %q", text, got, got)
		}
	})
}

func TestRoleARNs(t *testing.T) {
	for arn, want := range map[string]bool{
		"arn:aws:iam::123456789012:role/lambda": true, "arn:aws:iam::123456789012:role/service-role/a.b@c": true,
		"lambda": false, "arn:aws:iam::1:role/x": false, "arn:aws:iam::123456789012:user/x": false, "arn:aws:iam::123456789012:role/": false, "arn:aws:iam::123456789012:role/a b": false,
	} {
		if isRoleARN(arn) != want {
			t.Errorf("%q is a role: %v", arn, !want)
		}
	}
}
