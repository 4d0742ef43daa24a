package api

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func TestTags(t *testing.T) {
	r := newRegion(t)
	c, ctx := r.ec2(), t.Context()
	vpc := r.vpc("10.0.0.0/16")
	sub := r.subnet(vpc, "10.0.1.0/24")
	tag := func(key, value string) types.Tag { return types.Tag{Key: &key, Value: &value} }
	describe := func(f []types.Filter) []types.TagDescription {
		return answer(c.DescribeTags(ctx, &ec2.DescribeTagsInput{Filters: f}))(t).Tags
	}

	answer(c.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{vpc, sub}, Tags: []types.Tag{tag("team", "a"), tag("empty", "")}}))(t)
	equal(t, "all", len(describe(nil)), 4)
	of := describe(filter("resource-type", "subnet"))
	equal(t, "the subnet's", len(of), 2)
	equal(t, "first", *of[0].ResourceId+" "+string(of[0].ResourceType)+" "+*of[0].Key+"="+*of[0].Value, sub+" subnet empty=")

	// A value that is not the tag's keeps it; none takes it away in any case.
	answer(c.DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: []string{vpc}, Tags: []types.Tag{tag("team", "b"), {Key: aws.String("empty")}}}))(t)
	left := describe(filter("resource-id", vpc))
	equal(t, "left", len(left), 1)
	equal(t, "which", *left[0].Key, "team")
	answer(c.DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: []string{vpc, sub}}))(t)
	equal(t, "none", len(describe(nil)), 0)

	refused(c.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{vpc}, Tags: []types.Tag{tag("a", "1"), tag("a", "2")}}))(t, "InvalidParameterValue")
	refused(c.DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: []string{vpc}, Tags: []types.Tag{tag("a", "1"), tag("a", "2")}}))(t, "InvalidParameterValue")
	refused(c.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{"eni-none"}, Tags: []types.Tag{tag("a", "1")}}))(t, "InvalidNetworkInterfaceID.NotFound")
	refused(c.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{vpc}, Tags: []types.Tag{tag("a", "1")}, DryRun: aws.Bool(true)}))(t, "DryRunOperation")
}

func TestZonesRegionsAndAccount(t *testing.T) {
	r := newRegion(t)
	c, ctx := r.ec2(), t.Context()
	zones := answer(c.DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{}))(t).AvailabilityZones
	equal(t, "zones", len(zones), 6)
	equal(t, "first", *zones[0].ZoneName+" "+*zones[0].ZoneId+" "+string(zones[0].State)+" "+*zones[0].ZoneType, "us-east-1a use1-az1 available availability-zone")
	byID := answer(c.DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{ZoneIds: []string{"use1-az3"}}))(t).AvailabilityZones
	equal(t, "by id", len(byID), 1)
	equal(t, "third", *byID[0].ZoneName, "us-east-1c")
	refused(c.DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{ZoneIds: []string{"x"}}))(t, "InvalidParameterValue")

	regions := answer(c.DescribeRegions(ctx, &ec2.DescribeRegionsInput{AllRegions: aws.Bool(true)}))(t).Regions
	equal(t, "regions", len(regions), 1)
	equal(t, "region", *regions[0].RegionName+" "+*regions[0].Endpoint, "us-east-1 ec2.us-east-1.amazonaws.com")

	attributes := answer(c.DescribeAccountAttributes(ctx, &ec2.DescribeAccountAttributesInput{AttributeNames: []types.AccountAttributeName{"default-vpc"}}))(t).AccountAttributes
	equal(t, "attributes", len(attributes), 1)
	equal(t, "default VPC", *attributes[0].AttributeValues[0].AttributeValue, "none")
	refused(c.DescribeRegions(ctx, &ec2.DescribeRegionsInput{DryRun: aws.Bool(true)}))(t, "DryRunOperation")
}
