package api

import (
	"context"
	"maps"
	"slices"
	"strings"

	"enilab/internal/iam"
	"enilab/internal/wire"
	"enilab/internal/wire/iamapi"
)

func (h iamHandlers) createRole(_ context.Context, in *iamapi.CreateRoleRequest) (*iamapi.CreateRoleResponse, error) {
	if in.PermissionsBoundary != nil { // to ignore it would allow more than was asked for
		return nil, refusal(invalidInput, "The parameter PermissionsBoundary is not supported: the lab's roles have none.")
	}
	tags := map[string]string{}
	for _, t := range in.Tags {
		for other := range tags {
			if strings.EqualFold(other, *t.Key) {
				return nil, refusal(invalidInput, "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
			}
		}
		tags[*t.Key] = *t.Value
	}
	r, err := h.CreateRole(iam.CreateRoleInput{
		RoleName: *in.RoleName, Path: given(in.Path), AssumeRolePolicyDocument: *in.AssumeRolePolicyDocument,
		Description: given(in.Description), MaxSessionDuration: int(given(in.MaxSessionDuration)), Tags: tags,
	})
	answer := roleAnswer(r)
	answer.Description, answer.MaxSessionDuration = nil, nil // IAM shows them only to who asks again
	return &iamapi.CreateRoleResponse{Role: &answer}, err
}

// roleAnswer is a role as it is listed.
func roleAnswer(r iam.Role) iamapi.Role {
	return iamapi.Role{
		RoleName: new(r.RoleName), RoleId: new(r.RoleID), Arn: new(r.ARN), Path: new(r.Path), CreateDate: r.CreateDate,
		AssumeRolePolicyDocument: encodeDocument(r.AssumeRolePolicyDocument), Description: set(r.Description),
		MaxSessionDuration: new(int32(r.MaxSessionDuration)), Tags: roleTags(r),
	}
}

func roleTags(r iam.Role) (list []iamapi.Tag) {
	for _, key := range slices.Sorted(maps.Keys(r.Tags)) {
		list = append(list, iamapi.Tag{Key: new(key), Value: new(r.Tags[key])})
	}
	return list
}

func (h iamHandlers) getRole(_ context.Context, in *iamapi.GetRoleRequest) (*iamapi.GetRoleResponse, error) {
	r, err := h.GetRole(*in.RoleName)
	answer := roleAnswer(r)
	answer.RoleLastUsed = &iamapi.RoleLastUsed{} // the lab does not follow it
	return &iamapi.GetRoleResponse{Role: &answer}, err
}

func (h iamHandlers) listRoles(_ context.Context, in *iamapi.ListRolesRequest) (*iamapi.ListRolesResponse, error) {
	page, next, err := listing(h.ListRoles(given(in.PathPrefix)), func(r iam.Role) string { return r.RoleName }, in.Marker, in.MaxItems)
	roles := convert(page, func(r iam.Role) iamapi.Role {
		answer := roleAnswer(r)
		answer.Tags = nil // IAM's lists leave them out
		return answer
	})
	return &iamapi.ListRolesResponse{Roles: roles, Marker: next, IsTruncated: new(next != nil)}, err
}

func (h iamHandlers) deleteRole(_ context.Context, in *iamapi.DeleteRoleRequest) (*wire.None, error) {
	return nil, h.DeleteRole(*in.RoleName)
}
