package api

import (
	"context"

	"enilab/internal/iam"
	"enilab/internal/wire"
	"enilab/internal/wire/iamapi"
)

func (h iamHandlers) createRole(_ context.Context, in *iamapi.CreateRoleRequest) (*iamapi.CreateRoleResponse, error) {
	tags, err := iamTags(in.Tags)
	if err != nil {
		return nil, err
	}
	r, err := h.CreateRole(iam.CreateRoleInput{
		RoleName: *in.RoleName, Path: given(in.Path), AssumeRolePolicyDocument: *in.AssumeRolePolicyDocument,
		Description: given(in.Description), MaxSessionDuration: int(given(in.MaxSessionDuration)),
		PermissionsBoundary: given(in.PermissionsBoundary), Tags: tags,
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
		MaxSessionDuration: new(int32(r.MaxSessionDuration)), Tags: tagList(r.Tags),
		PermissionsBoundary: boundaryAnswer(r.PermissionsBoundary),
	}
}

// boundaryAnswer calls the boundary's type as IAM's answers do, and not its model.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_AttachedPermissionsBoundary.html
func boundaryAnswer(arn string) *iamapi.AttachedPermissionsBoundary {
	if arn == "" {
		return nil
	}
	return &iamapi.AttachedPermissionsBoundary{PermissionsBoundaryArn: &arn, PermissionsBoundaryType: new("Policy")}
}

func (h iamHandlers) getRole(_ context.Context, in *iamapi.GetRoleRequest) (*iamapi.GetRoleResponse, error) {
	r, err := h.GetRole(*in.RoleName)
	answer := roleAnswer(r)
	answer.RoleLastUsed = &iamapi.RoleLastUsed{} // the lab does not follow it
	return &iamapi.GetRoleResponse{Role: &answer}, err
}

func (h iamHandlers) listRoles(_ context.Context, in *iamapi.ListRolesRequest) (*iamapi.ListRolesResponse, error) {
	key := func(r iam.Role) string { return r.RoleName }
	page, next, err := listing("ListRoles", h.ListRoles(given(in.PathPrefix)), key, in.Marker, in.MaxItems)
	roles := convert(page, func(r iam.Role) iamapi.Role {
		answer := roleAnswer(r)
		answer.Tags, answer.PermissionsBoundary = nil, nil // IAM's lists leave them out
		return answer
	})
	return &iamapi.ListRolesResponse{Roles: roles, Marker: next, IsTruncated: new(next != nil)}, err
}

func (h iamHandlers) deleteRole(_ context.Context, in *iamapi.DeleteRoleRequest) (*wire.None, error) {
	return nil, h.DeleteRole(*in.RoleName)
}

func (h iamHandlers) updateRole(_ context.Context, in *iamapi.UpdateRoleRequest) (*iamapi.UpdateRoleResponse, error) {
	return nil, h.UpdateRole(*in.RoleName, in.Description, integer(in.MaxSessionDuration))
}

func (h iamHandlers) updateRoleDescription(_ context.Context, in *iamapi.UpdateRoleDescriptionRequest) (*iamapi.UpdateRoleDescriptionResponse, error) {
	if err := h.UpdateRole(*in.RoleName, in.Description, nil); err != nil {
		return nil, err
	}
	r, err := h.GetRole(*in.RoleName)
	answer := roleAnswer(r)
	return &iamapi.UpdateRoleDescriptionResponse{Role: &answer}, err
}

func (h iamHandlers) updateAssumeRolePolicy(_ context.Context, in *iamapi.UpdateAssumeRolePolicyRequest) (*wire.None, error) {
	return nil, h.UpdateAssumeRolePolicy(*in.RoleName, *in.PolicyDocument)
}

func (h iamHandlers) putRolePermissionsBoundary(_ context.Context, in *iamapi.PutRolePermissionsBoundaryRequest) (*wire.None, error) {
	return nil, h.PutRolePermissionsBoundary(*in.RoleName, *in.PermissionsBoundary)
}

func (h iamHandlers) deleteRolePermissionsBoundary(_ context.Context, in *iamapi.DeleteRolePermissionsBoundaryRequest) (*wire.None, error) {
	return nil, h.DeleteRolePermissionsBoundary(*in.RoleName)
}

// listInstanceProfilesForRole lists none: the lab has no instances for profiles to be of.
func (h iamHandlers) listInstanceProfilesForRole(_ context.Context, in *iamapi.ListInstanceProfilesForRoleRequest) (*iamapi.ListInstanceProfilesForRoleResponse, error) {
	if _, err := h.GetRole(*in.RoleName); err != nil {
		return nil, err
	}
	key := func(p iamapi.InstanceProfile) string { return *p.InstanceProfileName }
	page, next, err := listing("ListInstanceProfilesForRole", []iamapi.InstanceProfile{}, key, in.Marker, in.MaxItems)
	return &iamapi.ListInstanceProfilesForRoleResponse{InstanceProfiles: page, Marker: next, IsTruncated: new(next != nil)}, err
}
