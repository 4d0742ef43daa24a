package api

import (
	"context"
	"strings"

	"enilab/internal/iam"
	"enilab/internal/wire"
	"enilab/internal/wire/iamapi"
)

// caller is who sent a request.
type caller struct {
	ARN, UserID string
	User        string // empty for the account's root and for a role's session
}

// callerOf tells who asks. Temporary credentials of the lab's are a role's session. The lab has no users: any other access
// key is a user of that name, and who has none is the account's root.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
func callerOf(ctx context.Context, roles *iam.Service) (caller, error) {
	r := wire.RequestOf(ctx)
	if r.AccessKey == "" {
		return caller{ARN: "arn:aws:iam::" + r.Account + ":root", UserID: r.Account}, nil
	}
	if r.SessionToken != "" && roles.Issued(r.AccessKey, r.SessionToken) { // else they are from elsewhere, and as good as any
		x, err := roles.SessionOf(r.AccessKey, r.SessionToken)
		return caller{ARN: x.ARN(r.Account), UserID: x.UserID()}, err
	}
	return caller{ARN: "arn:aws:iam::" + r.Account + ":user/" + r.AccessKey, UserID: "AIDA" + strings.TrimPrefix(r.AccessKey, "AKIA"), User: r.AccessKey}, nil
}

// getUser knows the caller alone.
func (h iamHandlers) getUser(ctx context.Context, in *iamapi.GetUserRequest) (*iamapi.GetUserResponse, error) {
	c, err := callerOf(ctx, h.Service)
	switch {
	case err != nil:
		return nil, err
	case in.UserName != nil && *in.UserName != c.User:
		return nil, refusalWith(404, noSuchEntity, "The user with name %s cannot be found.", *in.UserName)
	case strings.HasPrefix(c.ARN, "arn:aws:sts:"):
		return nil, refusal(validationError, "Must specify userName when calling with non-User credentials")
	}
	return &iamapi.GetUserResponse{User: &iamapi.User{
		Arn: &c.ARN, UserId: &c.UserID, UserName: set(c.User), Path: new("/"), CreateDate: h.Created(), Tags: []iamapi.Tag{},
	}}, nil
}

// listAccountAliases lists none: the account has only its number.
func (h iamHandlers) listAccountAliases(_ context.Context, in *iamapi.ListAccountAliasesRequest) (*iamapi.ListAccountAliasesResponse, error) {
	page, next, err := listing("ListAccountAliases", []string{}, func(s string) string { return s }, in.Marker, in.MaxItems)
	return &iamapi.ListAccountAliasesResponse{AccountAliases: page, Marker: next, IsTruncated: new(next != nil)}, err
}
