package api

import (
	"context"
	"strings"

	"enilab/internal/wire"
	"enilab/internal/wire/stsapi"
)

// registerSTS has a server answer for STS.
func registerSTS(s *wire.Server, _ Config) {
	wire.Handle(s, stsapi.GetCallerIdentity, getCallerIdentity)
}

// getCallerIdentity tells who asks. The lab has no users: an access key is a user of that name, and who has none is the
// account's root.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
func getCallerIdentity(ctx context.Context, _ *stsapi.GetCallerIdentityRequest) (*stsapi.GetCallerIdentityResponse, error) {
	r := wire.RequestOf(ctx)
	arn, id := "arn:aws:iam::"+r.Account, r.Account
	if key := r.AccessKey; key == "" {
		arn += ":root"
	} else {
		arn += ":user/" + key
		id = "AIDA" + strings.TrimPrefix(key, "AKIA")
	}
	return &stsapi.GetCallerIdentityResponse{Account: new(r.Account), Arn: &arn, UserId: &id}, nil
}
