package iam_test

import (
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"enilab/internal/events"
	"enilab/internal/iam"
	"enilab/internal/state"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t *testing.T, err error, code iam.Code, status int) {
	t.Helper()
	refusal := new(iam.Error)
	if !errors.As(err, &refusal) || refusal.Code != code || refusal.Status() != status {
		t.Errorf("got %v, want %s with %d", err, code, status)
	}
}

const vpcAccess = "arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole"

func TestLifeOfARole(t *testing.T) {
	s := iam.New(iam.Config{})
	in := iam.CreateRoleInput{RoleName: "lambda-role", Path: "/service-role/", AssumeRolePolicyDocument: iam.LambdaTrust}
	r, err := s.CreateRole(in)
	must(t, err)
	if r.ARN != "arn:aws:iam::123456789012:role/service-role/lambda-role" || !strings.HasPrefix(r.RoleID, "AROA") || len(r.RoleID) != 21 || r.MaxSessionDuration != 3600 {
		t.Errorf("%+v", r)
	}
	in.RoleName = "Lambda-Role"
	_, err = s.CreateRole(in)
	wantCode(t, err, iam.EntityAlreadyExists, 409)

	must(t, s.AttachRolePolicy(r.RoleName, vpcAccess))
	must(t, s.AttachRolePolicy(r.RoleName, vpcAccess))
	must(t, s.PutRolePolicy(r.RoleName, "own", `{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`))
	attached, err := s.ListAttachedRolePolicies(r.RoleName)
	must(t, err)
	if len(attached) != 1 || attached[0].PolicyName != "AWSLambdaVPCAccessExecutionRole" || attached[0].ARN != vpcAccess {
		t.Errorf("attached: %+v", attached)
	}
	p, err := s.GetPolicy(vpcAccess)
	must(t, err)
	if p.AttachmentCount != 1 {
		t.Errorf("attached %d times", p.AttachmentCount)
	}
	must(t, s.Allowed(r.ARN, "ec2:CreateNetworkInterface", "s3:GetObject"))

	wantCode(t, s.DeleteRole(r.RoleName), iam.DeleteConflict, 409)
	must(t, s.DetachRolePolicy(r.RoleName, vpcAccess))
	wantCode(t, s.DeleteRole(r.RoleName), iam.DeleteConflict, 409)
	must(t, s.DeleteRolePolicy(r.RoleName, "own"))
	must(t, s.DeleteRole(r.RoleName))
	wantCode(t, s.DeleteRole(r.RoleName), iam.NoSuchEntity, 404)
	if err := s.RoleExists(r.ARN); err == nil || !strings.Contains(err.Error(), "cannot be assumed by Lambda") {
		t.Error(err)
	}
}

func TestRefusals(t *testing.T) {
	s := iam.New(iam.Config{})
	_, err := s.CreateRole(iam.CreateRoleInput{RoleName: "r", AssumeRolePolicyDocument: iam.LambdaTrust})
	must(t, err)
	create := func(in iam.CreateRoleInput) error {
		_, err := s.CreateRole(in)
		return err
	}
	_, unknown := s.GetRole("x")
	_, unknownInline := s.GetRolePolicy("r", "x")
	for _, tt := range []struct {
		name   string
		err    error
		code   iam.Code
		status int
	}{
		{"a name with a space", create(iam.CreateRoleInput{RoleName: "a b", AssumeRolePolicyDocument: iam.LambdaTrust}), iam.ValidationError, 400},
		{"no trust policy", create(iam.CreateRoleInput{RoleName: "a"}), iam.ValidationError, 400},
		{"a path without an end", create(iam.CreateRoleInput{RoleName: "a", Path: "/x", AssumeRolePolicyDocument: iam.LambdaTrust}), iam.ValidationError, 400},
		{"a session of a second", create(iam.CreateRoleInput{RoleName: "a", MaxSessionDuration: 1, AssumeRolePolicyDocument: iam.LambdaTrust}), iam.ValidationError, 400},
		{"a trust policy with a resource", create(iam.CreateRoleInput{RoleName: "a", AssumeRolePolicyDocument: `{"Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}}`}), iam.MalformedPolicyDocument, 400},
		{"a trust policy for all actions of S3", create(iam.CreateRoleInput{RoleName: "a", AssumeRolePolicyDocument: `{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*"}}`}), iam.MalformedPolicyDocument, 400},
		{"no JSON", s.PutRolePolicy("r", "p", "no"), iam.MalformedPolicyDocument, 400},
		{"something after it", s.PutRolePolicy("r", "p", `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}{}`), iam.MalformedPolicyDocument, 400},
		{"an unknown element", s.PutRolePolicy("r", "p", `{"Statement":{"Effect":"Allow","Actions":"*","Resource":"*"}}`), iam.MalformedPolicyDocument, 400},
		{"no statement", s.PutRolePolicy("r", "p", `{"Version":"2012-10-17"}`), iam.MalformedPolicyDocument, 400},
		{"an unknown version", s.PutRolePolicy("r", "p", `{"Version":"2026-01-01","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`), iam.MalformedPolicyDocument, 400},
		{"no resource", s.PutRolePolicy("r", "p", `{"Statement":{"Effect":"Allow","Action":"*"}}`), iam.MalformedPolicyDocument, 400},
		{"an action without a vendor", s.PutRolePolicy("r", "p", `{"Statement":{"Effect":"Allow","Action":"CreateVpc","Resource":"*"}}`), iam.MalformedPolicyDocument, 400},
		{"an effect in lower case", s.PutRolePolicy("r", "p", `{"Statement":{"Effect":"allow","Action":"*","Resource":"*"}}`), iam.MalformedPolicyDocument, 400},
		{"a resource that is no ARN", s.PutRolePolicy("r", "p", `{"Statement":{"Effect":"Allow","Action":"*","Resource":"eni-1"}}`), iam.MalformedPolicyDocument, 400},
		{"a policy with a principal", s.PutRolePolicy("r", "p", `{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`), iam.MalformedPolicyDocument, 400},
		{"a policy of 11 KB", s.PutRolePolicy("r", "p", `{"Statement":{"Effect":"Allow","Action":"*","Resource":"arn:`+strings.Repeat("a", 11_000)+`"}}`), iam.LimitExceeded, 409},
		{"a policy nobody knows", s.AttachRolePolicy("r", "arn:aws:iam::aws:policy/X"), iam.NoSuchEntity, 404},
		{"a policy that is not attached", s.DetachRolePolicy("r", vpcAccess), iam.NoSuchEntity, 404},
		{"an unknown role", unknown, iam.NoSuchEntity, 404},
		{"an unknown inline policy", unknownInline, iam.NoSuchEntity, 404},
		{"a role that does not exist", s.Allowed("nobody", "ec2:CreateNetworkInterface"), iam.NoSuchEntity, 404},
	} {
		t.Run(tt.name, func(t *testing.T) { wantCode(t, tt.err, tt.code, tt.status) })
	}
	if left, _ := s.ListRolePolicies("r"); len(left) != 0 || len(s.ListRoles("/")) != 1 {
		t.Errorf("refusals left %v and %d roles", left, len(s.ListRoles("/")))
	}
}

func TestRolesOutliveTheService(t *testing.T) {
	db, err := state.Open(filepath.Join(t.TempDir(), "state"))
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	bus := new(events.Bus)
	told := bus.Subscribe(t.Context(), 8)
	before := iam.New(iam.Config{State: db, Events: bus})
	r, err := before.CreateRole(iam.CreateRoleInput{RoleName: "r", AssumeRolePolicyDocument: iam.LambdaTrust, Tags: map[string]string{"a": "b"}, Declared: true})
	must(t, err)
	must(t, before.AttachRolePolicy("r", vpcAccess))
	must(t, before.PutRolePolicy("r", "p", `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`))
	for _, want := range []string{"created", "changed", "changed"} {
		if e := <-told; e.Type != events.RoleChanged || e.Name != "r" || e.State != want {
			t.Errorf("told %+v, want %s", e, want)
		}
	}

	after := iam.New(iam.Config{State: db})
	must(t, after.Restore())
	if got, err := after.GetRole("r"); err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("got %+v, %v; want %+v", got, err, r)
	}
	must(t, after.RoleExists(r.ARN))
	must(t, after.Allowed("r", "ec2:CreateNetworkInterface", "s3:GetObject"))
	must(t, after.DetachRolePolicy("r", vpcAccess))
	must(t, after.DeleteRolePolicy("r", "p"))
	must(t, after.DeleteRole("r"))

	last := iam.New(iam.Config{State: db})
	must(t, last.Restore())
	if roles := last.ListRoles(""); len(roles) != 0 {
		t.Errorf("left: %v", roles)
	}
}

func TestTrustCanBeWithdrawn(t *testing.T) {
	s := iam.New(iam.Config{})
	r, err := s.CreateRole(iam.CreateRoleInput{RoleName: "r", AssumeRolePolicyDocument: iam.LambdaTrust})
	must(t, err)
	wantCode(t, s.UpdateAssumeRolePolicy("r", "{}"), iam.MalformedPolicyDocument, 400)
	must(t, s.RoleExists(r.ARN))
	must(t, s.UpdateAssumeRolePolicy("r", strings.Replace(iam.LambdaTrust, "lambda", "ec2", 1)))
	wantCode(t, s.RoleExists(r.ARN), iam.AccessDenied, 403)
}
