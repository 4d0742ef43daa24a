package api

import (
	"context"

	"enilab/internal/iam"
	"enilab/internal/wire"
	"enilab/internal/wire/stsapi"
)

// stsHandlers are the operations of STS.
type stsHandlers struct{ *iam.Service }

// registerSTS has a server answer for STS.
func registerSTS(s *wire.Server, c Config) {
	h := stsHandlers{c.IAM}
	wire.Handle(s, stsapi.GetCallerIdentity, h.getCallerIdentity)
	wire.Handle(s, stsapi.AssumeRole, h.assumeRole)
}

func (h stsHandlers) getCallerIdentity(ctx context.Context, _ *stsapi.GetCallerIdentityRequest) (*stsapi.GetCallerIdentityResponse, error) {
	c, err := callerOf(ctx, h.Service)
	return &stsapi.GetCallerIdentityResponse{Account: new(wire.RequestOf(ctx).Account), Arn: &c.ARN, UserId: &c.UserID}, err
}

// assumeRole takes what narrows a session, and changes nothing by it: docs/differences.md.
func (h stsHandlers) assumeRole(ctx context.Context, in *stsapi.AssumeRoleRequest) (*stsapi.AssumeRoleResponse, error) {
	c, err := callerOf(ctx, h.Service)
	if err != nil {
		return nil, err
	}
	made, err := h.AssumeRole(iam.AssumeRoleInput{
		RoleARN: *in.RoleArn, SessionName: *in.RoleSessionName, Seconds: int(given(in.DurationSeconds)), ExternalID: given(in.ExternalId), Caller: c.ARN,
	})
	return &stsapi.AssumeRoleResponse{
		AssumedRoleUser: &stsapi.AssumedRoleUser{Arn: new(made.Session.ARN(wire.RequestOf(ctx).Account)), AssumedRoleId: new(made.Session.UserID())},
		Credentials: &stsapi.Credentials{
			AccessKeyId: new(made.AccessKeyID), SecretAccessKey: new(made.SecretAccessKey), SessionToken: new(made.SessionToken), Expiration: made.Session.Expiration,
		},
		SourceIdentity: in.SourceIdentity,
	}, err
}
