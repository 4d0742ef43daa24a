package api

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"enilab/internal/iam"
	"enilab/internal/wire"
	"enilab/internal/wire/iamapi"
)

func (h iamHandlers) createPolicy(_ context.Context, in *iamapi.CreatePolicyRequest) (*iamapi.CreatePolicyResponse, error) {
	tags, err := iamTags(in.Tags)
	if err != nil {
		return nil, err
	}
	p, err := h.CreatePolicy(iam.CreatePolicyInput{
		PolicyName: *in.PolicyName, Path: given(in.Path), PolicyDocument: *in.PolicyDocument, Description: given(in.Description), Tags: tags,
	})
	answer := policyAnswer(p)
	answer.Description = nil // IAM shows it only to who asks again
	return &iamapi.CreatePolicyResponse{Policy: &answer}, err
}

func policyAnswer(p iam.Policy) iamapi.Policy {
	return iamapi.Policy{
		PolicyName: new(p.PolicyName), PolicyId: new(p.PolicyID), Arn: new(p.ARN), Path: new(p.Path), Description: set(p.Description),
		DefaultVersionId: new(p.DefaultVersionID), AttachmentCount: new(int32(p.AttachmentCount)), PermissionsBoundaryUsageCount: new(int32(p.BoundaryCount)),
		IsAttachable: new(true), CreateDate: p.CreateDate, UpdateDate: p.UpdateDate, Tags: tagList(p.Tags),
	}
}

func (h iamHandlers) getPolicy(_ context.Context, in *iamapi.GetPolicyRequest) (*iamapi.GetPolicyResponse, error) {
	p, err := h.GetPolicy(*in.PolicyArn)
	answer := policyAnswer(p)
	return &iamapi.GetPolicyResponse{Policy: &answer}, err
}

func (h iamHandlers) listPolicies(_ context.Context, in *iamapi.ListPoliciesRequest) (*iamapi.ListPoliciesResponse, error) {
	scope, usage := given(in.Scope), given(in.PolicyUsageFilter)
	if err := oneOf("scope", scope, "", "All", "AWS", "Local"); err != nil {
		return nil, err
	}
	if err := oneOf("policyUsageFilter", usage, "", permissionsPolicy, permissionsBoundary); err != nil {
		return nil, err
	}
	all := slices.DeleteFunc(h.ListPolicies(scope != "Local", scope != "AWS"), func(p iam.Policy) bool {
		return !strings.HasPrefix(p.Path, given(in.PathPrefix)) ||
			given(in.OnlyAttached) && p.AttachmentCount == 0 ||
			usage == permissionsPolicy && p.AttachmentCount == 0 ||
			usage == permissionsBoundary && p.BoundaryCount == 0
	})
	page, next, err := listing("ListPolicies", all, func(p iam.Policy) string { return p.ARN }, in.Marker, in.MaxItems)
	policies := convert(page, func(p iam.Policy) iamapi.Policy {
		answer := policyAnswer(p)
		answer.Description, answer.Tags = nil, nil // IAM's lists leave them out
		return answer
	})
	return &iamapi.ListPoliciesResponse{Policies: policies, Marker: next, IsTruncated: new(next != nil)}, err
}

// What a managed policy is to a role. https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListEntitiesForPolicy.html
const permissionsPolicy, permissionsBoundary = "PermissionsPolicy", "PermissionsBoundary"

// oneOf holds a parameter to the values that it can have.
func oneOf(parameter, value string, values ...string) error {
	if slices.Contains(values, value) {
		return nil
	}
	values = slices.DeleteFunc(values, func(v string) bool { return v == "" })
	return refusal(validationError, "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy enum value set: [%s]", value, parameter, strings.Join(values, ", "))
}

func (h iamHandlers) deletePolicy(_ context.Context, in *iamapi.DeletePolicyRequest) (*wire.None, error) {
	return nil, h.DeletePolicy(*in.PolicyArn)
}

// listEntitiesForPolicy lists roles: the lab has neither users nor groups.
func (h iamHandlers) listEntitiesForPolicy(_ context.Context, in *iamapi.ListEntitiesForPolicyRequest) (*iamapi.ListEntitiesForPolicyResponse, error) {
	filter, usage := given(in.EntityFilter), given(in.PolicyUsageFilter)
	if err := oneOf("entityFilter", filter, "", "User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"); err != nil {
		return nil, err
	}
	if err := oneOf("policyUsageFilter", usage, "", permissionsPolicy, permissionsBoundary); err != nil {
		return nil, err
	}
	attached, bounded, err := h.RolesWithPolicy(*in.PolicyArn)
	if err != nil {
		return nil, err
	}
	var roles []iam.Role
	if usage != permissionsBoundary {
		roles = append(roles, attached...)
	}
	if usage != permissionsPolicy {
		roles = append(roles, bounded...)
	}
	slices.SortFunc(roles, func(a, b iam.Role) int { return strings.Compare(a.RoleName, b.RoleName) })
	roles = slices.CompactFunc(roles, func(a, b iam.Role) bool { return a.RoleName == b.RoleName })
	roles = slices.DeleteFunc(roles, func(r iam.Role) bool {
		return filter != "" && filter != "Role" || !strings.HasPrefix(r.Path, given(in.PathPrefix))
	})
	page, next, err := listing("ListEntitiesForPolicy", roles, func(r iam.Role) string { return r.RoleName }, in.Marker, in.MaxItems)
	return &iamapi.ListEntitiesForPolicyResponse{
		PolicyRoles: convert(page, func(r iam.Role) iamapi.PolicyRole {
			return iamapi.PolicyRole{RoleName: new(r.RoleName), RoleId: new(r.RoleID)}
		}),
		Marker: next, IsTruncated: new(next != nil),
	}, err
}

func (h iamHandlers) createPolicyVersion(_ context.Context, in *iamapi.CreatePolicyVersionRequest) (*iamapi.CreatePolicyVersionResponse, error) {
	v, err := h.CreatePolicyVersion(*in.PolicyArn, *in.PolicyDocument, given(in.SetAsDefault))
	answer := versionAnswer(v)
	return &iamapi.CreatePolicyVersionResponse{PolicyVersion: &answer}, err
}

// versionAnswer leaves the document out, as all but GetPolicyVersion do.
func versionAnswer(v iam.PolicyVersion) iamapi.PolicyVersion {
	return iamapi.PolicyVersion{VersionId: new(v.VersionID), IsDefaultVersion: new(v.IsDefault), CreateDate: v.CreateDate}
}

func (h iamHandlers) getPolicyVersion(_ context.Context, in *iamapi.GetPolicyVersionRequest) (*iamapi.GetPolicyVersionResponse, error) {
	v, err := h.GetPolicyVersion(*in.PolicyArn, *in.VersionId)
	answer := versionAnswer(v)
	answer.Document = encodeDocument(v.Document)
	return &iamapi.GetPolicyVersionResponse{PolicyVersion: &answer}, err
}

func (h iamHandlers) listPolicyVersions(_ context.Context, in *iamapi.ListPolicyVersionsRequest) (*iamapi.ListPolicyVersionsResponse, error) {
	all, err := h.ListPolicyVersions(*in.PolicyArn)
	if err != nil {
		return nil, err
	}
	page, next, err := listing("ListPolicyVersions", all, newestFirst, in.Marker, in.MaxItems)
	return &iamapi.ListPolicyVersionsResponse{Versions: convert(page, versionAnswer), Marker: next, IsTruncated: new(next != nil)}, err
}

// newestFirst is a key that sorts versions as IAM's list has them.
func newestFirst(v iam.PolicyVersion) string {
	number, _ := strconv.ParseInt(strings.TrimPrefix(v.VersionID, "v"), 10, 64)
	return descending(number)
}

func (h iamHandlers) deletePolicyVersion(_ context.Context, in *iamapi.DeletePolicyVersionRequest) (*wire.None, error) {
	return nil, h.DeletePolicyVersion(*in.PolicyArn, *in.VersionId)
}

func (h iamHandlers) setDefaultPolicyVersion(_ context.Context, in *iamapi.SetDefaultPolicyVersionRequest) (*wire.None, error) {
	return nil, h.SetDefaultPolicyVersion(*in.PolicyArn, *in.VersionId)
}
