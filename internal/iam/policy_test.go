package iam_test

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"enilab/internal/iam"
	"enilab/internal/state"
)

func allow(action string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"` + action + `","Resource":"*"}]}`
}

func TestLifeOfAPolicy(t *testing.T) {
	db, err := state.Open(filepath.Join(t.TempDir(), "state"))
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	s := iam.New(iam.Config{State: db})
	r, err := s.CreateRole(iam.CreateRoleInput{RoleName: "r", AssumeRolePolicyDocument: iam.LambdaTrust})
	must(t, err)
	p, err := s.CreatePolicy(iam.CreatePolicyInput{PolicyName: "own", Path: "/lab/", PolicyDocument: allow("ec2:*"), Description: "d", Tags: map[string]string{"a": "b"}})
	must(t, err)
	if p.ARN != "arn:aws:iam::123456789012:policy/lab/own" || p.DefaultVersionID != "v1" || !strings.HasPrefix(p.PolicyID, "ANPA") || len(p.PolicyID) != 21 {
		t.Errorf("%+v", p)
	}
	_, err = s.CreatePolicy(iam.CreatePolicyInput{PolicyName: "OWN", PolicyDocument: allow("s3:*")})
	wantCode(t, err, iam.EntityAlreadyExists, 409)

	wantCode(t, s.Allowed(r.ARN, "ec2:CreateNetworkInterface"), iam.AccessDenied, 403)
	must(t, s.AttachRolePolicy("r", p.ARN))
	must(t, s.Allowed(r.ARN, "ec2:CreateNetworkInterface"))
	v, err := s.CreatePolicyVersion(p.ARN, allow("s3:*"), false)
	must(t, err)
	must(t, s.Allowed(r.ARN, "ec2:CreateNetworkInterface"))
	must(t, s.SetDefaultPolicyVersion(p.ARN, v.VersionID))
	wantCode(t, s.Allowed(r.ARN, "ec2:CreateNetworkInterface"), iam.AccessDenied, 403)
	must(t, s.Allowed(r.ARN, "s3:GetObject"))
	_, err = s.CreatePolicyVersion(p.ARN, allow("ec2:*"), true)
	must(t, err)
	must(t, s.Allowed(r.ARN, "ec2:CreateNetworkInterface"))

	// The next start finds all of it.
	again := iam.New(iam.Config{State: db})
	must(t, again.Restore())
	must(t, again.Allowed(r.ARN, "ec2:CreateNetworkInterface"))
	want, err := s.GetPolicy(p.ARN)
	must(t, err)
	if got, err := again.GetPolicy(p.ARN); err != nil || !reflect.DeepEqual(got, want) || got.AttachmentCount != 1 || got.DefaultVersionID != "v3" {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}

	wantCode(t, again.DeletePolicyVersion(p.ARN, "v3"), iam.DeleteConflict, 409)
	wantCode(t, again.DeletePolicyVersion(p.ARN, "v9"), iam.NoSuchEntity, 404)
	wantCode(t, again.DeletePolicy(p.ARN), iam.DeleteConflict, 409) // attached
	must(t, again.DetachRolePolicy("r", p.ARN))
	wantCode(t, again.DeletePolicy(p.ARN), iam.DeleteConflict, 409) // versions
	must(t, again.DeletePolicyVersion(p.ARN, "v1"))
	must(t, again.DeletePolicyVersion(p.ARN, "v2"))
	for i := range 4 {
		v, err := again.CreatePolicyVersion(p.ARN, allow("s3:*"), false)
		must(t, err)
		if want := fmt.Sprint("v", i+4); v.VersionID != want {
			t.Errorf("version %s, want %s: a number is not used again", v.VersionID, want)
		}
	}
	_, err = again.CreatePolicyVersion(p.ARN, allow("s3:*"), false)
	wantCode(t, err, iam.LimitExceeded, 409)
	for i := range 4 {
		must(t, again.DeletePolicyVersion(p.ARN, fmt.Sprint("v", i+4)))
	}
	must(t, again.PutRolePermissionsBoundary("r", p.ARN))
	wantCode(t, again.DeletePolicy(p.ARN), iam.DeleteConflict, 409) // a boundary
	must(t, again.DeleteRolePermissionsBoundary("r"))
	must(t, again.DeletePolicy(p.ARN))
	wantCode(t, again.DeletePolicy(p.ARN), iam.NoSuchEntity, 404)
	wantCode(t, again.AttachRolePolicy("r", p.ARN), iam.NoSuchEntity, 404)
}

func TestPermissionsBoundary(t *testing.T) {
	s := iam.New(iam.Config{})
	narrow, err := s.CreatePolicy(iam.CreatePolicyInput{PolicyName: "narrow", PolicyDocument: allow("ec2:Describe*")})
	must(t, err)
	_, err = s.CreateRole(iam.CreateRoleInput{RoleName: "r", AssumeRolePolicyDocument: iam.LambdaTrust, PermissionsBoundary: narrow.ARN})
	must(t, err)
	must(t, s.AttachRolePolicy("r", vpcAccess))
	must(t, s.Allowed("r", "ec2:DescribeNetworkInterfaces"))
	wantCode(t, s.Allowed("r", "ec2:CreateNetworkInterface"), iam.AccessDenied, 403)
	wantCode(t, s.Allowed("r", "ec2:DescribeVpcs"), iam.AccessDenied, 403) // a boundary allows nothing by itself
	must(t, s.PutRolePermissionsBoundary("r", "arn:aws:iam::aws:policy/AmazonEC2FullAccess"))
	must(t, s.Allowed("r", "ec2:CreateNetworkInterface"))
	must(t, s.DeleteRolePermissionsBoundary("r"))
	must(t, s.Allowed("r", "ec2:CreateNetworkInterface"))
	wantCode(t, s.PutRolePermissionsBoundary("r", "arn:aws:iam::aws:policy/None"), iam.NoSuchEntity, 404)
	_, err = s.CreateRole(iam.CreateRoleInput{RoleName: "x", AssumeRolePolicyDocument: iam.LambdaTrust, PermissionsBoundary: "arn:aws:iam::aws:policy/None"})
	wantCode(t, err, iam.NoSuchEntity, 404)
}

// What AWS has in every account is there, under its path, with a document that can be evaluated.
func TestManagedPolicies(t *testing.T) {
	s := iam.New(iam.Config{})
	all := s.ListPolicies(true, true)
	if len(all) < 30 {
		t.Errorf("%d policies", len(all))
	}
	_, err := s.CreateRole(iam.CreateRoleInput{RoleName: "r", AssumeRolePolicyDocument: iam.LambdaTrust})
	must(t, err)
	for _, p := range all {
		v, err := s.GetPolicyVersion(p.ARN, p.DefaultVersionID)
		if err != nil || !v.IsDefault || !strings.Contains(v.Document, "Statement") || p.PolicyID == "" || p.CreateDate.IsZero() {
			t.Errorf("%+v: %+v, %v", p, v, err)
		}
		must(t, s.AttachRolePolicy("r", p.ARN))
		err = s.Allowed("r", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces")
		if want := mayManageENIs[p.PolicyName]; (err == nil) != want {
			t.Errorf("%s: Lambda may manage interfaces: %v, want %v", p.PolicyName, err, want)
		}
		must(t, s.DetachRolePolicy("r", p.ARN))
	}
	for _, arn := range []string{
		"service-role/AWSLambdaENIManagementAccess", "service-role/AWSLambdaSQSQueueExecutionRole", "AWSXRayDaemonWriteAccess", "AmazonS3ReadOnlyAccess",
		"AWSLambda_FullAccess", "AmazonEC2FullAccess", "PowerUserAccess", "CloudWatchLambdaInsightsExecutionRolePolicy",
	} {
		must(t, s.AttachRolePolicy("r", "arn:aws:iam::aws:policy/"+arn))
	}
	wantCode(t, s.TagPolicy(vpcAccess, map[string]string{"a": "b"}), iam.AccessDenied, 403)
	wantCode(t, s.DeletePolicy(vpcAccess), iam.AccessDenied, 403)
}

var mayManageENIs = map[string]bool{
	"AWSLambdaENIManagementAccess": true, "AWSLambdaVPCAccessExecutionRole": true, "AdministratorAccess": true, "PowerUserAccess": true,
	"AmazonEC2FullAccess": true, "AWSLambdaMSKExecutionRole": true,
}

func TestTags(t *testing.T) {
	s := iam.New(iam.Config{})
	_, err := s.CreateRole(iam.CreateRoleInput{RoleName: "r", AssumeRolePolicyDocument: iam.LambdaTrust, Tags: map[string]string{"Team": "a"}})
	must(t, err)
	must(t, s.TagRole("r", map[string]string{"team": "b", "stage": "dev"})) // keys differ by more than case
	r, err := s.GetRole("r")
	must(t, err)
	if want := map[string]string{"team": "b", "stage": "dev"}; !reflect.DeepEqual(r.Tags, want) {
		t.Errorf("%v, want %v", r.Tags, want)
	}
	must(t, s.UntagRole("r", []string{"TEAM", "none"}))
	if r, err = s.GetRole("r"); err != nil || len(r.Tags) != 1 {
		t.Errorf("%v, %v", r.Tags, err)
	}
	many := map[string]string{}
	for i := range 50 {
		many[fmt.Sprint("k", i)] = ""
	}
	wantCode(t, s.TagRole("r", many), iam.LimitExceeded, 409)
	wantCode(t, s.TagRole("r", map[string]string{"aws:x": ""}), iam.InvalidInput, 400)
	wantCode(t, s.TagRole("r", map[string]string{"": ""}), iam.ValidationError, 400)
	if r, err = s.GetRole("r"); err != nil || len(r.Tags) != 1 {
		t.Errorf("after refusals %v, %v", r.Tags, err)
	}
}
