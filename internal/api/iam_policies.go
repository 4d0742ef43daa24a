package api

import (
	"context"
	"slices"
	"strings"

	"enilab/internal/iam"
	"enilab/internal/wire"
	"enilab/internal/wire/iamapi"
)

func (h iamHandlers) putRolePolicy(_ context.Context, in *iamapi.PutRolePolicyRequest) (*wire.None, error) {
	return nil, h.PutRolePolicy(*in.RoleName, *in.PolicyName, *in.PolicyDocument)
}

func (h iamHandlers) getRolePolicy(_ context.Context, in *iamapi.GetRolePolicyRequest) (*iamapi.GetRolePolicyResponse, error) {
	document, err := h.GetRolePolicy(*in.RoleName, *in.PolicyName)
	return &iamapi.GetRolePolicyResponse{RoleName: in.RoleName, PolicyName: in.PolicyName, PolicyDocument: encodeDocument(document)}, err
}

func (h iamHandlers) listRolePolicies(_ context.Context, in *iamapi.ListRolePoliciesRequest) (*iamapi.ListRolePoliciesResponse, error) {
	all, err := h.ListRolePolicies(*in.RoleName)
	if err != nil {
		return nil, err
	}
	names, next, err := listing("ListRolePolicies", all, func(name string) string { return name }, in.Marker, in.MaxItems)
	return &iamapi.ListRolePoliciesResponse{PolicyNames: names, Marker: next, IsTruncated: new(next != nil)}, err
}

func (h iamHandlers) deleteRolePolicy(_ context.Context, in *iamapi.DeleteRolePolicyRequest) (*wire.None, error) {
	return nil, h.DeleteRolePolicy(*in.RoleName, *in.PolicyName)
}

func (h iamHandlers) attachRolePolicy(_ context.Context, in *iamapi.AttachRolePolicyRequest) (*wire.None, error) {
	return nil, h.AttachRolePolicy(*in.RoleName, *in.PolicyArn)
}

func (h iamHandlers) listAttachedRolePolicies(_ context.Context, in *iamapi.ListAttachedRolePoliciesRequest) (*iamapi.ListAttachedRolePoliciesResponse, error) {
	all, err := h.ListAttachedRolePolicies(*in.RoleName)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(p iam.Policy) bool { return !strings.HasPrefix(p.Path, given(in.PathPrefix)) })
	page, next, err := listing("ListAttachedRolePolicies", all, func(p iam.Policy) string { return p.ARN }, in.Marker, in.MaxItems)
	policies := convert(page, func(p iam.Policy) iamapi.AttachedPolicy {
		return iamapi.AttachedPolicy{PolicyName: new(p.PolicyName), PolicyArn: new(p.ARN)}
	})
	return &iamapi.ListAttachedRolePoliciesResponse{AttachedPolicies: policies, Marker: next, IsTruncated: new(next != nil)}, err
}

func (h iamHandlers) detachRolePolicy(_ context.Context, in *iamapi.DetachRolePolicyRequest) (*wire.None, error) {
	return nil, h.DetachRolePolicy(*in.RoleName, *in.PolicyArn)
}
