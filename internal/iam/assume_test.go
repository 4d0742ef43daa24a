package iam_test

import (
	"strings"
	"testing"
	"time"

	"enilab/internal/iam"
)

func TestAssumeRole(t *testing.T) {
	const (
		alice   = "arn:aws:iam::123456789012:user/alice"
		bob     = "arn:aws:iam::123456789012:user/bob"
		session = "arn:aws:sts::123456789012:assumed-role/deployer/ci"
	)
	for _, tt := range []struct {
		name, principal, condition, caller string
		want                               bool
	}{
		{"the account", `{"AWS":"arn:aws:iam::123456789012:root"}`, "", alice, true},
		{"the account's number", `{"AWS":"123456789012"}`, "", alice, true},
		{"another account", `{"AWS":"210987654321"}`, "", alice, false},
		{"everybody", `"*"`, "", alice, true},
		{"all of AWS", `{"AWS":"*"}`, "", alice, true},
		{"the user", `{"AWS":["` + bob + `","` + alice + `"]}`, "", alice, true},
		{"another user", `{"AWS":"` + bob + `"}`, "", alice, false},
		{"a service", `{"Service":"lambda.amazonaws.com"}`, "", alice, false},
		{"the session's role", `{"AWS":"arn:aws:iam::123456789012:role/deployer"}`, "", session, true},
		{"the session's role with its path", `{"AWS":"arn:aws:iam::123456789012:role/ci/deployer"}`, "", session, true},
		{"the session itself", `{"AWS":"` + session + `"}`, "", session, true},
		{"another role", `{"AWS":"arn:aws:iam::123456789012:role/other"}`, "", session, false},
		{"the external id", `"*"`, `{"StringEquals":{"sts:ExternalId":"secret"}}`, alice, true},
		{"another external id", `"*"`, `{"StringEquals":{"sts:ExternalId":"other"}}`, alice, false},
		{"a device that nobody has", `"*"`, `{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`, alice, false},
		{"a user of that name", `{"AWS":"*"}`, `{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/a*"}}`, alice, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := iam.New(iam.Config{})
			trust := `{"Statement":[{"Effect":"Allow","Principal":` + tt.principal + `,"Action":"sts:AssumeRole"`
			if tt.condition != "" {
				trust += `,"Condition":` + tt.condition
			}
			r, err := s.CreateRole(iam.CreateRoleInput{RoleName: "r", AssumeRolePolicyDocument: trust + "}]}"})
			must(t, err)
			c, err := s.AssumeRole(iam.AssumeRoleInput{RoleARN: r.ARN, SessionName: "me", ExternalID: "secret", Caller: tt.caller})
			if !tt.want {
				wantCode(t, err, iam.AccessDenied, 403)
				return
			}
			must(t, err)
			if x, err := s.SessionOf(c.AccessKeyID, c.SessionToken); err != nil || x.Role != "r" || x.Name != "me" {
				t.Errorf("%+v, %v", x, err)
			}
		})
	}
}

func TestAssumeRoleRefuses(t *testing.T) {
	s := iam.New(iam.Config{})
	r, err := s.CreateRole(iam.CreateRoleInput{RoleName: "r", AssumeRolePolicyDocument: strings.Replace(iam.LambdaTrust, `{"Service":"lambda.amazonaws.com"}`, `"*"`, 1)})
	must(t, err)
	for name, tt := range map[string]struct {
		in   iam.AssumeRoleInput
		code iam.Code
	}{
		"a short name":                {iam.AssumeRoleInput{RoleARN: r.ARN, SessionName: "m"}, iam.ValidationError},
		"a name with a space":         {iam.AssumeRoleInput{RoleARN: r.ARN, SessionName: "m e"}, iam.ValidationError},
		"a minute":                    {iam.AssumeRoleInput{RoleARN: r.ARN, SessionName: "me", Seconds: 60}, iam.ValidationError},
		"longer than the role allows": {iam.AssumeRoleInput{RoleARN: r.ARN, SessionName: "me", Seconds: 7200}, iam.ValidationError},
		"a name for an ARN":           {iam.AssumeRoleInput{RoleARN: "r", SessionName: "me"}, iam.ValidationError},
		"a role that is not there":    {iam.AssumeRoleInput{RoleARN: r.ARN + "x", SessionName: "me"}, iam.AccessDenied},
	} {
		t.Run(name, func(t *testing.T) {
			tt.in.Caller = "arn:aws:iam::123456789012:user/alice"
			_, err := s.AssumeRole(tt.in)
			wantCode(t, err, tt.code, map[iam.Code]int{iam.ValidationError: 400, iam.AccessDenied: 403}[tt.code])
		})
	}
	seconds := 7200
	must(t, s.UpdateRole("r", nil, &seconds))
	before := time.Now()
	c, err := s.AssumeRole(iam.AssumeRoleInput{RoleARN: r.ARN, SessionName: "me", Seconds: 7200, Caller: "arn:aws:iam::123456789012:user/alice"})
	must(t, err)
	if left := c.Session.Expiration.Sub(before); left < 7190*time.Second || left > 7500*time.Second {
		t.Errorf("it expires in %v", left)
	}
}
