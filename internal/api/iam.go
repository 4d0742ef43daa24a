package api

import (
	"net/url"
	"slices"
	"strings"

	"enilab/internal/iam"
	"enilab/internal/paging"
	"enilab/internal/wire"
	"enilab/internal/wire/iamapi"
)

// iamHandlers are IAM's operations.
type iamHandlers struct{ *iam.Service }

// registerIAM has a server answer for IAM.
func registerIAM(s *wire.Server, c Config) {
	h := iamHandlers{c.IAM}

	wire.Handle(s, iamapi.CreateRole, h.createRole)
	wire.Handle(s, iamapi.GetRole, h.getRole)
	wire.Handle(s, iamapi.ListRoles, h.listRoles)
	wire.Handle(s, iamapi.DeleteRole, h.deleteRole)
	wire.Handle(s, iamapi.UpdateRole, h.updateRole)
	wire.Handle(s, iamapi.UpdateRoleDescription, h.updateRoleDescription)
	wire.Handle(s, iamapi.UpdateAssumeRolePolicy, h.updateAssumeRolePolicy)
	wire.Handle(s, iamapi.PutRolePermissionsBoundary, h.putRolePermissionsBoundary)
	wire.Handle(s, iamapi.DeleteRolePermissionsBoundary, h.deleteRolePermissionsBoundary)
	wire.Handle(s, iamapi.ListInstanceProfilesForRole, h.listInstanceProfilesForRole)

	wire.Handle(s, iamapi.TagRole, h.tagRole)
	wire.Handle(s, iamapi.UntagRole, h.untagRole)
	wire.Handle(s, iamapi.ListRoleTags, h.listRoleTags)
	wire.Handle(s, iamapi.TagPolicy, h.tagPolicy)
	wire.Handle(s, iamapi.UntagPolicy, h.untagPolicy)
	wire.Handle(s, iamapi.ListPolicyTags, h.listPolicyTags)

	wire.Handle(s, iamapi.PutRolePolicy, h.putRolePolicy)
	wire.Handle(s, iamapi.GetRolePolicy, h.getRolePolicy)
	wire.Handle(s, iamapi.ListRolePolicies, h.listRolePolicies)
	wire.Handle(s, iamapi.DeleteRolePolicy, h.deleteRolePolicy)

	wire.Handle(s, iamapi.AttachRolePolicy, h.attachRolePolicy)
	wire.Handle(s, iamapi.ListAttachedRolePolicies, h.listAttachedRolePolicies)
	wire.Handle(s, iamapi.DetachRolePolicy, h.detachRolePolicy)

	wire.Handle(s, iamapi.CreatePolicy, h.createPolicy)
	wire.Handle(s, iamapi.GetPolicy, h.getPolicy)
	wire.Handle(s, iamapi.ListPolicies, h.listPolicies)
	wire.Handle(s, iamapi.DeletePolicy, h.deletePolicy)
	wire.Handle(s, iamapi.ListEntitiesForPolicy, h.listEntitiesForPolicy)
	wire.Handle(s, iamapi.CreatePolicyVersion, h.createPolicyVersion)
	wire.Handle(s, iamapi.GetPolicyVersion, h.getPolicyVersion)
	wire.Handle(s, iamapi.ListPolicyVersions, h.listPolicyVersions)
	wire.Handle(s, iamapi.DeletePolicyVersion, h.deletePolicyVersion)
	wire.Handle(s, iamapi.SetDefaultPolicyVersion, h.setDefaultPolicyVersion)

	wire.Handle(s, iamapi.GetUser, h.getUser)
	wire.Handle(s, iamapi.ListAccountAliases, h.listAccountAliases)
}

// IAM's codes for what is refused here. https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html#API_CreateRole_Errors
const (
	invalidInput    = "InvalidInput"
	noSuchEntity    = "NoSuchEntity"
	validationError = "ValidationError"
)

// encodeDocument writes a policy's document as IAM's answers have it: URL-encoded by RFC 3986, where a space is %20.
func encodeDocument(source string) *string {
	return new(strings.ReplaceAll(url.QueryEscape(source), "+", "%20"))
}

// How many items IAM's lists have. https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html
const defaultListed, maxListed = 100, 1000

// listing is a page of an operation's list.
func listing[T any](
	operation string, all []T, key func(T) string, marker *string, limit *int32,
) (page []T, next *string, err error) {
	n := defaultListed
	if limit != nil {
		n = int(*limit)
	}
	if n < 1 || n > maxListed {
		return nil, nil, refusal(validationError, "1 validation error detected: Value '%d' at 'maxItems' failed to satisfy constraint: Member must have value between 1 and %d", n, maxListed)
	}
	slices.SortFunc(all, func(a, b T) int { return strings.Compare(key(a), key(b)) })
	page, token, known := paging.Page(operation, all, key, given(marker), n)
	if !known {
		return nil, nil, refusal(validationError, "Invalid Marker: %s", *marker)
	}
	return page, set(token), nil
}
