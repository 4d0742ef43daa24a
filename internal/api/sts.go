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

func (h stsHandlers) assumeRole(ctx context.Context, in *stsapi.AssumeRoleRequest) (*stsapi.AssumeRoleResponse, error) {
	c, err := callerOf(ctx, h.Service)
	if err != nil {
		return nil, err
	}
	asked := assumption(in, c.ARN)
	made, err := h.AssumeRole(asked)
	if err != nil {
		return nil, err
	}
	out := &stsapi.AssumeRoleResponse{
		AssumedRoleUser: &stsapi.AssumedRoleUser{Arn: new(made.Session.ARN(wire.RequestOf(ctx).Account)), AssumedRoleId: new(made.Session.UserID())},
		Credentials: &stsapi.Credentials{
			AccessKeyId: new(made.AccessKeyID), SecretAccessKey: new(made.SecretAccessKey), SessionToken: new(made.SessionToken), Expiration: made.Session.Expiration,
		},
		SourceIdentity: in.SourceIdentity,
	}
	if asked.Policy != "" || len(asked.PolicyARNs) > 0 {
		out.PackedPolicySize = new(int32(asked.PackedPolicySize()))
	}
	return out, nil
}

// assumption is what a caller asks for.
func assumption(in *stsapi.AssumeRoleRequest, caller string) iam.AssumeRoleInput {
	asked := iam.AssumeRoleInput{
		RoleARN: *in.RoleArn, SessionName: *in.RoleSessionName, Seconds: int(given(in.DurationSeconds)), ExternalID: given(in.ExternalId), Caller: caller, Policy: given(in.Policy),
	}
	for _, p := range in.PolicyArns {
		asked.PolicyARNs = append(asked.PolicyARNs, given(p.Arn))
	}
	return asked
}
