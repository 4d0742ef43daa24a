package api

import (
	"context"

	"enilab/internal/ec2"
	"enilab/internal/wire/ec2api"
)

func (h ec2Handlers) describeRouteTables(_ context.Context, in *ec2api.DescribeRouteTablesRequest) (*ec2api.DescribeRouteTablesResult, error) {
	tables, next, err := describe(in.DryRun, h.DescribeRouteTables, selection(in.RouteTableIds, in.Filters, in.MaxResults, in.NextToken), routeTableAnswer)
	return &ec2api.DescribeRouteTablesResult{RouteTables: tables, NextToken: next}, err
}

func routeTableAnswer(v ec2.RouteTable) ec2api.RouteTable {
	return ec2api.RouteTable{
		RouteTableId: new(v.RouteTableID), VpcId: new(v.VpcID), OwnerId: new(v.OwnerID),
		Associations: []ec2api.RouteTableAssociation{{
			RouteTableAssociationId: new(v.AssociationID()), RouteTableId: new(v.RouteTableID), Main: new(true),
			AssociationState: &ec2api.RouteTableAssociationState{State: new("associated")},
		}},
		Routes: []ec2api.Route{{
			DestinationCidrBlock: new(v.CidrBlock.String()), GatewayId: new("local"), Origin: new("CreateRouteTable"), State: new("active"),
		}},
		PropagatingVgws: []ec2api.PropagatingVgw{}, Tags: tagSetAnswer(v.Tags),
	}
}

func (h ec2Handlers) describeNetworkAcls(_ context.Context, in *ec2api.DescribeNetworkAclsRequest) (*ec2api.DescribeNetworkAclsResult, error) {
	acls, next, err := describe(in.DryRun, h.DescribeNetworkAcls, selection(in.NetworkAclIds, in.Filters, in.MaxResults, in.NextToken), networkACLAnswer)
	return &ec2api.DescribeNetworkAclsResult{NetworkAcls: acls, NextToken: next}, err
}

func networkACLAnswer(v ec2.NetworkACL) ec2api.NetworkAcl {
	return ec2api.NetworkAcl{
		NetworkAclId: new(v.NetworkACLID), VpcId: new(v.VpcID), OwnerId: new(v.OwnerID), IsDefault: new(true), Tags: tagSetAnswer(v.Tags),
		Associations: convert(v.Subnets, func(subnet string) ec2api.NetworkAclAssociation {
			return ec2api.NetworkAclAssociation{NetworkAclAssociationId: new(v.AssociationOf(subnet)), NetworkAclId: new(v.NetworkACLID), SubnetId: new(subnet)}
		}),
		Entries: convert(v.Entries, func(e ec2.NetworkACLEntry) ec2api.NetworkAclEntry {
			return ec2api.NetworkAclEntry{
				CidrBlock: new("0.0.0.0/0"), Protocol: new("-1"), Egress: new(e.Egress), RuleAction: new(e.RuleAction), RuleNumber: new(int32(e.RuleNumber)),
			}
		}),
	}
}

func (h ec2Handlers) describeDhcpOptions(_ context.Context, in *ec2api.DescribeDhcpOptionsRequest) (*ec2api.DescribeDhcpOptionsResult, error) {
	list, next, err := describe(in.DryRun, h.DescribeDhcpOptions, selection(in.DhcpOptionsIds, in.Filters, in.MaxResults, in.NextToken), func(ec2.DhcpOptions) ec2api.DhcpOptions {
		return ec2api.DhcpOptions{}
	})
	return &ec2api.DescribeDhcpOptionsResult{DhcpOptions: list, NextToken: next}, err
}

func (h ec2Handlers) describePrefixLists(_ context.Context, in *ec2api.DescribePrefixListsRequest) (*ec2api.DescribePrefixListsResult, error) {
	list, next, err := describe(in.DryRun, h.DescribePrefixLists, selection(in.PrefixListIds, in.Filters, in.MaxResults, in.NextToken), func(ec2.PrefixList) ec2api.PrefixList {
		return ec2api.PrefixList{}
	})
	return &ec2api.DescribePrefixListsResult{PrefixLists: list, NextToken: next}, err
}

func (h ec2Handlers) describeManagedPrefixLists(_ context.Context, in *ec2api.DescribeManagedPrefixListsRequest) (*ec2api.DescribeManagedPrefixListsResult, error) {
	list, next, err := describe(in.DryRun, h.DescribeManagedPrefixLists, selection(in.PrefixListIds, in.Filters, in.MaxResults, in.NextToken), func(ec2.PrefixList) ec2api.ManagedPrefixList {
		return ec2api.ManagedPrefixList{}
	})
	return &ec2api.DescribeManagedPrefixListsResult{PrefixLists: list, NextToken: next}, err
}
