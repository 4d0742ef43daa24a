package api

import (
	"context"
	"maps"
	"slices"
	"strings"

	"enilab/internal/wire"
	"enilab/internal/wire/iamapi"
)

// iamTags reads tags, whose keys differ by more than case.
func iamTags(list []iamapi.Tag) (map[string]string, error) {
	tags := map[string]string{}
	for _, t := range list {
		for other := range tags {
			if strings.EqualFold(other, *t.Key) {
				return nil, refusal(invalidInput, "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
			}
		}
		tags[*t.Key] = *t.Value
	}
	return tags, nil
}

func tagList(tags map[string]string) (list []iamapi.Tag) {
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, iamapi.Tag{Key: new(key), Value: new(tags[key])})
	}
	return list
}

func tagListing(operation string, tags map[string]string, marker *string, limit *int32) ([]iamapi.Tag, *string, error) {
	return listing(operation, tagList(tags), func(t iamapi.Tag) string { return *t.Key }, marker, limit)
}

func (h iamHandlers) tagRole(_ context.Context, in *iamapi.TagRoleRequest) (*wire.None, error) {
	tags, err := iamTags(in.Tags)
	if err != nil {
		return nil, err
	}
	return nil, h.TagRole(*in.RoleName, tags)
}

func (h iamHandlers) untagRole(_ context.Context, in *iamapi.UntagRoleRequest) (*wire.None, error) {
	return nil, h.UntagRole(*in.RoleName, in.TagKeys)
}

func (h iamHandlers) listRoleTags(_ context.Context, in *iamapi.ListRoleTagsRequest) (*iamapi.ListRoleTagsResponse, error) {
	r, err := h.GetRole(*in.RoleName)
	if err != nil {
		return nil, err
	}
	page, next, err := tagListing("ListRoleTags", r.Tags, in.Marker, in.MaxItems)
	return &iamapi.ListRoleTagsResponse{Tags: page, Marker: next, IsTruncated: new(next != nil)}, err
}

func (h iamHandlers) tagPolicy(_ context.Context, in *iamapi.TagPolicyRequest) (*wire.None, error) {
	tags, err := iamTags(in.Tags)
	if err != nil {
		return nil, err
	}
	return nil, h.TagPolicy(*in.PolicyArn, tags)
}

func (h iamHandlers) untagPolicy(_ context.Context, in *iamapi.UntagPolicyRequest) (*wire.None, error) {
	return nil, h.UntagPolicy(*in.PolicyArn, in.TagKeys)
}

func (h iamHandlers) listPolicyTags(_ context.Context, in *iamapi.ListPolicyTagsRequest) (*iamapi.ListPolicyTagsResponse, error) {
	p, err := h.GetPolicy(*in.PolicyArn)
	if err != nil {
		return nil, err
	}
	page, next, err := tagListing("ListPolicyTags", p.Tags, in.Marker, in.MaxItems)
	return &iamapi.ListPolicyTagsResponse{Tags: page, Marker: next, IsTruncated: new(next != nil)}, err
}
