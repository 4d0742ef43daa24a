package api

import (
	"context"
	"net/http"
	"slices"

	"enilab/internal/ec2"
	"enilab/internal/wire"
	"enilab/internal/wire/ec2api"
)

// ec2Handlers are EC2's operations.
type ec2Handlers struct{ *ec2.Service }

// registerEC2 has a server answer for EC2.
func registerEC2(s *wire.Server, c Config) {
	h := ec2Handlers{c.EC2}

	wire.Handle(s, ec2api.CreateVpc, h.createVpc)
	wire.Handle(s, ec2api.DescribeVpcs, h.describeVpcs)
	wire.Handle(s, ec2api.DeleteVpc, h.deleteVpc)
	wire.Handle(s, ec2api.ModifyVpcAttribute, h.modifyVpcAttribute)
	wire.Handle(s, ec2api.DescribeVpcAttribute, h.describeVpcAttribute)

	wire.Handle(s, ec2api.CreateSubnet, h.createSubnet)
	wire.Handle(s, ec2api.DescribeSubnets, h.describeSubnets)
	wire.Handle(s, ec2api.DeleteSubnet, h.deleteSubnet)
	wire.Handle(s, ec2api.ModifySubnetAttribute, h.modifySubnetAttribute)

	wire.Handle(s, ec2api.DescribeRouteTables, h.describeRouteTables)
	wire.Handle(s, ec2api.DescribeNetworkAcls, h.describeNetworkAcls)
	wire.Handle(s, ec2api.DescribeDhcpOptions, h.describeDhcpOptions)
	wire.Handle(s, ec2api.DescribePrefixLists, h.describePrefixLists)
	wire.Handle(s, ec2api.DescribeManagedPrefixLists, h.describeManagedPrefixLists)

	wire.Handle(s, ec2api.CreateSecurityGroup, h.createSecurityGroup)
	wire.Handle(s, ec2api.DescribeSecurityGroups, h.describeSecurityGroups)
	wire.Handle(s, ec2api.DeleteSecurityGroup, h.deleteSecurityGroup)
	wire.Handle(s, ec2api.DescribeSecurityGroupRules, h.describeSecurityGroupRules)
	wire.Handle(s, ec2api.AuthorizeSecurityGroupIngress, h.authorizeIngress)
	wire.Handle(s, ec2api.AuthorizeSecurityGroupEgress, h.authorizeEgress)
	wire.Handle(s, ec2api.RevokeSecurityGroupIngress, h.revokeIngress)
	wire.Handle(s, ec2api.RevokeSecurityGroupEgress, h.revokeEgress)
	wire.Handle(s, ec2api.ModifySecurityGroupRules, h.modifySecurityGroupRules)
	wire.Handle(s, ec2api.UpdateSecurityGroupRuleDescriptionsIngress, h.updateDescriptionsIngress)
	wire.Handle(s, ec2api.UpdateSecurityGroupRuleDescriptionsEgress, h.updateDescriptionsEgress)

	wire.Handle(s, ec2api.CreateNetworkInterface, h.createNetworkInterface)
	wire.Handle(s, ec2api.DescribeNetworkInterfaces, h.describeNetworkInterfaces)
	wire.Handle(s, ec2api.DeleteNetworkInterface, h.deleteNetworkInterface)
	wire.Handle(s, ec2api.DetachNetworkInterface, h.detachNetworkInterface)
	wire.Handle(s, ec2api.ModifyNetworkInterfaceAttribute, h.modifyNetworkInterfaceAttribute)
	wire.Handle(s, ec2api.DescribeNetworkInterfaceAttribute, h.describeNetworkInterfaceAttribute)

	wire.Handle(s, ec2api.CreateTags, h.createTags)
	wire.Handle(s, ec2api.DeleteTags, h.deleteTags)
	wire.Handle(s, ec2api.DescribeTags, h.describeTags)

	wire.Handle(s, ec2api.DescribeAvailabilityZones, h.describeAvailabilityZones)
	wire.Handle(s, ec2api.DescribeRegions, h.describeRegions)
	wire.Handle(s, ec2api.DescribeAccountAttributes, h.describeAccountAttributes)
}

// EC2's codes for what is refused here. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
const (
	dryRunOperation             = "DryRunOperation"
	invalidGroupNotFound        = "InvalidGroup.NotFound"
	invalidParameterCombination = "InvalidParameterCombination"
	invalidParameterValue       = "InvalidParameterValue"
	missingParameter            = "MissingParameter"
	unsupportedOperation        = "UnsupportedOperation"
)

// dryRun ends a request that only asks whether it would be carried out. By then the request itself has been checked; what
// it would meet (ids, quotas, what depends on what) is known only to who carries it out, and has not.
func dryRun(asked *bool) error {
	if !given(asked) {
		return nil
	}
	return &wire.Error{
		Code: dryRunOperation, Message: "Request would have succeeded, but DryRun flag is set.",
		HTTPStatus: http.StatusPreconditionFailed,
	}
}

// notSupported refuses a parameter, if it is given, that asks for what the lab does not have.
func notSupported(parameter string, isGiven bool) error {
	if !isGiven {
		return nil
	}
	return refusal(unsupportedOperation, "The parameter %s is not supported: the lab has nothing of the kind.", parameter)
}

// selection is what most Describe operations take, apart from ids.
func selection(ids []string, filters []ec2api.Filter, maxResults *int32, token *string) ec2.Query {
	return ec2.Query{
		IDs: ids, MaxResults: int(given(maxResults)), NextToken: given(token),
		Filters: convert(filters, func(f ec2api.Filter) ec2.Filter { return ec2.Filter{Name: given(f.Name), Values: f.Values} }),
	}
}

// describe answers a Describe operation: a page of what there is, and the token of the next.
func describe[From, To any](dry *bool, list func(ec2.Query) (ec2.Page[From], error), q ec2.Query, one func(From) To) ([]To, *string, error) {
	if err := dryRun(dry); err != nil {
		return nil, nil, err
	}
	page, err := list(q)
	return convert(page.Items, one), set(page.NextToken), err
}

func (h ec2Handlers) describeAvailabilityZones(_ context.Context, in *ec2api.DescribeAvailabilityZonesRequest) (*ec2api.DescribeAvailabilityZonesResult, error) {
	names := in.ZoneNames
	all, err := h.DescribeAvailabilityZones(ec2.Query{})
	if err != nil {
		return nil, err
	}
	for _, id := range in.ZoneIds {
		at := slices.IndexFunc(all.Items, func(z ec2.AvailabilityZone) bool { return z.ZoneID == id })
		if at < 0 {
			return nil, refusal(invalidParameterValue, "Invalid availability zone-id: [%s]", id)
		}
		names = append(names, all.Items[at].ZoneName)
	}
	zones, _, err := describe(in.DryRun, h.DescribeAvailabilityZones, selection(names, in.Filters, nil, nil), zoneAnswer)
	return &ec2api.DescribeAvailabilityZonesResult{AvailabilityZones: zones}, err
}

func zoneAnswer(z ec2.AvailabilityZone) ec2api.AvailabilityZone {
	return ec2api.AvailabilityZone{
		ZoneName: new(z.ZoneName), ZoneId: new(z.ZoneID), RegionName: new(z.RegionName),
		GroupName: new(z.RegionName), NetworkBorderGroup: new(z.RegionName),
		ZoneType: new("availability-zone"), State: new("available"), OptInStatus: new("opt-in-not-required"),
		Messages: []ec2api.AvailabilityZoneMessage{},
	}
}

func (h ec2Handlers) describeRegions(_ context.Context, in *ec2api.DescribeRegionsRequest) (*ec2api.DescribeRegionsResult, error) {
	regions, _, err := describe(in.DryRun, h.DescribeRegions, selection(in.RegionNames, in.Filters, nil, nil), func(r ec2.Region) ec2api.Region {
		return ec2api.Region{RegionName: new(r.RegionName), Endpoint: new(r.Endpoint), OptInStatus: new("opt-in-not-required")}
	})
	return &ec2api.DescribeRegionsResult{Regions: regions}, err
}

func (h ec2Handlers) describeAccountAttributes(_ context.Context, in *ec2api.DescribeAccountAttributesRequest) (*ec2api.DescribeAccountAttributesResult, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	list, err := h.DescribeAccountAttributes(in.AttributeNames...)
	return &ec2api.DescribeAccountAttributesResult{AccountAttributes: convert(list, func(a ec2.AccountAttribute) ec2api.AccountAttribute {
		return ec2api.AccountAttribute{
			AttributeName: new(a.AttributeName),
			AttributeValues: convert(a.AttributeValues, func(v string) ec2api.AccountAttributeValue {
				return ec2api.AccountAttributeValue{AttributeValue: new(v)}
			}),
		}
	})}, err
}
