package iam_test

import (
	"encoding/base64"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"enilab/internal/iam"
	"enilab/internal/state"
)

func withRole(t *testing.T, c iam.Config) *iam.Service {
	t.Helper()
	s := iam.New(c)
	_, err := s.CreateRole(iam.CreateRoleInput{RoleName: "r", Path: "/p/", AssumeRolePolicyDocument: iam.LambdaTrust})
	must(t, err)
	return s
}

func TestCredentialsStandForTheirSession(t *testing.T) {
	s := withRole(t, iam.Config{})
	r, err := s.GetRole("r")
	must(t, err)
	c, err := s.IssueCredentials(r.ARN, "my-function", time.Hour)
	must(t, err)
	if !strings.HasPrefix(c.AccessKeyID, "ASIA") || len(c.AccessKeyID) != 20 || len(c.SecretAccessKey) != 40 {
		t.Errorf("%+v", c)
	}
	x, err := s.SessionOf(c.AccessKeyID, c.SessionToken)
	must(t, err)
	if x != c.Session || x.ARN("123456789012") != "arn:aws:sts::123456789012:assumed-role/r/my-function" || x.UserID() != r.RoleID+":my-function" {
		t.Errorf("%+v", x)
	}
	if secret, ok := s.SessionSecret(c.AccessKeyID); !ok || secret != c.SecretAccessKey {
		t.Error("the secret does not follow from the key")
	}
	if _, ok := s.SessionSecret("AKIAEXAMPLE"); ok {
		t.Error("a user's key has a session's secret")
	}
	_, err = s.IssueCredentials("nobody", "x", time.Hour)
	wantCode(t, err, iam.NoSuchEntity, 404)
}

func TestInvalidCredentials(t *testing.T) {
	s := withRole(t, iam.Config{})
	c, err := s.IssueCredentials("r", "a", time.Hour)
	must(t, err)
	other, err := s.IssueCredentials("r", "b", time.Hour)
	must(t, err)
	past, err := s.IssueCredentials("r", "c", -time.Second)
	must(t, err)
	foreign, err := withRole(t, iam.Config{}).IssueCredentials("r", "a", time.Hour)
	must(t, err)
	sealed, err := base64.StdEncoding.DecodeString(c.SessionToken)
	must(t, err)
	forged := base64.StdEncoding.EncodeToString([]byte(strings.Replace(string(sealed), `"Name":"a"`, `"Name":"x"`, 1)))

	for name, tt := range map[string]struct {
		key, token string
		code       iam.Code
	}{
		"no token":           {c.AccessKeyID, "", iam.InvalidClientTokenID},
		"no base64":          {c.AccessKeyID, "?", iam.InvalidClientTokenID},
		"too short":          {c.AccessKeyID, "AAAA", iam.InvalidClientTokenID},
		"another key's":      {c.AccessKeyID, other.SessionToken, iam.InvalidClientTokenID},
		"another lab's":      {foreign.AccessKeyID, foreign.SessionToken, iam.InvalidClientTokenID},
		"another session in": {c.AccessKeyID, forged, iam.InvalidClientTokenID},
		"expired":            {past.AccessKeyID, past.SessionToken, iam.ExpiredToken},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.SessionOf(tt.key, tt.token)
			wantCode(t, err, tt.code, 403)
		})
	}

	must(t, s.DeleteRole("r"))
	_, err = s.SessionOf(c.AccessKeyID, c.SessionToken)
	wantCode(t, err, iam.InvalidClientTokenID, 403)
	_, err = s.CreateRole(iam.CreateRoleInput{RoleName: "r", AssumeRolePolicyDocument: iam.LambdaTrust})
	must(t, err)
	_, err = s.SessionOf(c.AccessKeyID, c.SessionToken) // a role of the same name is another
	wantCode(t, err, iam.InvalidClientTokenID, 403)
}

func TestCredentialsOutliveTheService(t *testing.T) {
	db, err := state.Open(filepath.Join(t.TempDir(), "state"))
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	before := iam.New(iam.Config{State: db})
	must(t, before.Restore())
	_, err = before.CreateRole(iam.CreateRoleInput{RoleName: "r", AssumeRolePolicyDocument: iam.LambdaTrust})
	must(t, err)
	c, err := before.IssueCredentials("r", "a", time.Hour)
	must(t, err)

	after := iam.New(iam.Config{State: db})
	must(t, after.Restore())
	if x, err := after.SessionOf(c.AccessKeyID, c.SessionToken); err != nil || x != c.Session {
		t.Errorf("got %+v, %v; want %+v", x, err, c.Session)
	}
}
