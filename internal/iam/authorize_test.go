package iam_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"enilab/internal/iam"
)

// A session may what its role's policies say, resource by resource, and is refused in AWS's words.
func TestAuthorize(t *testing.T) {
	s := withRole(t, iam.Config{Account: "123456789012", Region: "us-east-1"})
	must(t, s.PutRolePolicy("r", "own", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"lambda:List*","Resource":"*"},
		{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:us-east-1:123456789012:function:other"},
		{"Effect":"Allow","Action":"lambda:GetFunction","Resource":"*","Condition":{"ArnEquals":{"lambda:SourceFunctionArn":"arn:aws:lambda:us-east-1:123456789012:function:me"}}},
		{"Effect":"Deny","Action":"lambda:ListTags","Resource":"*"}]}`))
	c, err := s.IssueCredentials("r", "me", time.Hour)
	must(t, err)
	const (
		user  = "User: arn:aws:sts::123456789012:assumed-role/r/me is not authorized to perform: "
		other = "arn:aws:lambda:us-east-1:123456789012:function:other"
	)
	for _, q := range []struct{ action, resource, refusal string }{
		{"lambda:ListFunctions", "*", ""},
		{"lambda:InvokeFunction", other, ""},
		{"lambda:GetFunction", other, ""}, // by the function's own code
		{"lambda:InvokeFunction", other + "2", user + "lambda:InvokeFunction on resource: " + other + "2 because no identity-based policy allows the lambda:InvokeFunction action"},
		{"iam:ListRoles", "*", user + "iam:ListRoles on resource: * because no identity-based policy allows the iam:ListRoles action"},
		{"lambda:ListTags", other, user + "lambda:ListTags on resource: " + other + " with an explicit deny in an identity-based policy"},
	} {
		err := s.Authorize(c.Session, q.action, q.resource)
		var refused *iam.Error
		switch {
		case q.refusal == "" && err != nil:
			t.Errorf("%s on %s: %v", q.action, q.resource, err)
		case q.refusal != "" && (!errors.As(err, &refused) || refused.Code != iam.AccessDenied || refused.Message != q.refusal):
			t.Errorf("%s on %s: %v, want %s", q.action, q.resource, err, q.refusal)
		}
	}
	must(t, s.PutRolePermissionsBoundary("r", "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"))
	if err := s.Authorize(c.Session, "lambda:InvokeFunction", other); err == nil || !strings.Contains(err.Error(), "because no permissions boundary allows the lambda:InvokeFunction action") {
		t.Errorf("beyond the boundary: %v", err)
	}
	must(t, s.PutRolePermissionsBoundary("r", "arn:aws:iam::aws:policy/AWSLambda_FullAccess"))
	must(t, s.Authorize(c.Session, "lambda:InvokeFunction", other))
	must(t, s.DeleteRolePolicy("r", "own"))
	must(t, s.DeleteRole("r"))
	wantCode(t, s.Authorize(c.Session, "lambda:ListFunctions", "*"), iam.NoSuchEntity, 404)
}
