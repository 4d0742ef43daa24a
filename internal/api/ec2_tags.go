package api

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"enilab/internal/ec2"
	"enilab/internal/wire"
	"enilab/internal/wire/ec2api"
)

// tagsFor are the tags that a new resource is to get. They must be meant for what the operation makes.
func tagsFor(resourceType string, specifications []ec2api.TagSpecification) (map[string]string, error) {
	var all []ec2api.Tag
	for _, s := range specifications {
		switch {
		case s.ResourceType == nil:
			return nil, refusal(missingParameter, "Tag specification resource type must have a value")
		case *s.ResourceType != resourceType:
			return nil, refusal(invalidParameterValue, "'%s' is not a valid taggable resource type for this operation.", *s.ResourceType)
		case len(s.Tags) == 0:
			return nil, refusal(invalidParameterValue, "Tag specification must have at least one tag")
		}
		all = append(all, s.Tags...)
	}
	return tagMap(all)
}

func tagMap(list []ec2api.Tag) (map[string]string, error) {
	tags := map[string]string{}
	for _, t := range list {
		key := given(t.Key)
		if _, twice := tags[key]; twice {
			return nil, duplicateTag(key)
		}
		tags[key] = given(t.Value)
	}
	return tags, nil
}

func duplicateTag(key string) error {
	return refusal(invalidParameterValue, "Duplicate tag key '%s' specified.", key)
}

// tagsAnswer is nil if there are none: most of EC2's answers leave them out then.
func tagsAnswer(tags map[string]string) (list []ec2api.Tag) {
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, ec2api.Tag{Key: new(key), Value: new(tags[key])})
	}
	return list
}

// tagSetAnswer is tagsAnswer for those answers that always show them.
func tagSetAnswer(tags map[string]string) []ec2api.Tag {
	return append([]ec2api.Tag{}, tagsAnswer(tags)...)
}

func (h ec2Handlers) createTags(_ context.Context, in *ec2api.CreateTagsRequest) (*wire.None, error) {
	tags, err := tagMap(in.Tags)
	if err := cmp.Or(err, dryRun(in.DryRun)); err != nil {
		return nil, err
	}
	return nil, h.CreateTags(in.Resources, tags)
}

func (h ec2Handlers) deleteTags(_ context.Context, in *ec2api.DeleteTagsRequest) (*wire.None, error) {
	tags := map[string]*string{} // a tag without a value goes whatever its value is
	for _, t := range in.Tags {
		key := given(t.Key)
		if _, twice := tags[key]; twice {
			return nil, duplicateTag(key)
		}
		tags[key] = t.Value
	}
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	return nil, h.DeleteTags(in.Resources, tags)
}

func (h ec2Handlers) describeTags(_ context.Context, in *ec2api.DescribeTagsRequest) (*ec2api.DescribeTagsResult, error) {
	tags, next, err := describe(in.DryRun, h.DescribeTags, selection(nil, in.Filters, in.MaxResults, in.NextToken), func(t ec2.TagDescription) ec2api.TagDescription {
		return ec2api.TagDescription{ResourceId: new(t.ResourceID), ResourceType: new(t.ResourceType), Key: new(t.Key), Value: new(t.Value)}
	})
	return &ec2api.DescribeTagsResult{Tags: tags, NextToken: next}, err
}
