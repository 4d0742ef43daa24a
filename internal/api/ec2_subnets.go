package api

import (
	"cmp"
	"context"

	"enilab/internal/ec2"
	"enilab/internal/wire"
	"enilab/internal/wire/ec2api"
)

func (h ec2Handlers) createSubnet(_ context.Context, in *ec2api.CreateSubnetRequest) (*ec2api.CreateSubnetResult, error) {
	tags, err := tagsFor("subnet", in.TagSpecifications)
	if err := cmp.Or(
		err,
		notSupported("Ipv6CidrBlock", in.Ipv6CidrBlock != nil),
		notSupported("Ipv6Native", given(in.Ipv6Native)),
		notSupported("OutpostArn", in.OutpostArn != nil),
		notSupported("Ipv4IpamPoolId", in.Ipv4IpamPoolId != nil),
		notSupported("Ipv4NetmaskLength", in.Ipv4NetmaskLength != nil),
		notSupported("Ipv6IpamPoolId", in.Ipv6IpamPoolId != nil),
		notSupported("Ipv6NetmaskLength", in.Ipv6NetmaskLength != nil),
		dryRun(in.DryRun),
	); err != nil {
		return nil, err
	}
	sub, err := h.CreateSubnet(ec2.CreateSubnetInput{
		VpcID: *in.VpcId, CidrBlock: given(in.CidrBlock), Tags: tags,
		AvailabilityZone: given(in.AvailabilityZone), AvailabilityZoneID: given(in.AvailabilityZoneId),
	})
	return &ec2api.CreateSubnetResult{Subnet: new(subnetAnswer(sub))}, err
}

func subnetAnswer(sub ec2.Subnet) ec2api.Subnet {
	return ec2api.Subnet{
		SubnetId: new(sub.SubnetID), SubnetArn: new(sub.SubnetARN), VpcId: new(sub.VpcID), OwnerId: new(sub.OwnerID),
		CidrBlock: new(sub.CidrBlock.String()), AvailableIpAddressCount: new(int32(sub.AvailableIPAddressCount)),
		AvailabilityZone: new(sub.AvailabilityZone), AvailabilityZoneId: new(sub.AvailabilityZoneID), State: new("available"),
		DefaultForAz: new(false), MapPublicIpOnLaunch: new(sub.MapPublicIPOnLaunch), MapCustomerOwnedIpOnLaunch: new(false),
		AssignIpv6AddressOnCreation: new(false), Ipv6Native: new(false), EnableDns64: new(false),
		Ipv6CidrBlockAssociationSet: []ec2api.SubnetIpv6CidrBlockAssociation{},
		PrivateDnsNameOptionsOnLaunch: &ec2api.PrivateDnsNameOptionsOnLaunch{
			HostnameType: new(sub.HostnameType()), EnableResourceNameDnsARecord: new(sub.ResourceNameDNSARecord), EnableResourceNameDnsAAAARecord: new(false),
		},
		Tags: tagsAnswer(sub.Tags),
	}
}

func (h ec2Handlers) describeSubnets(_ context.Context, in *ec2api.DescribeSubnetsRequest) (*ec2api.DescribeSubnetsResult, error) {
	subnets, next, err := describe(in.DryRun, h.DescribeSubnets, selection(in.SubnetIds, in.Filters, in.MaxResults, in.NextToken), subnetAnswer)
	return &ec2api.DescribeSubnetsResult{Subnets: subnets, NextToken: next}, err
}

func (h ec2Handlers) deleteSubnet(_ context.Context, in *ec2api.DeleteSubnetRequest) (*wire.None, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	return nil, h.DeleteSubnet(*in.SubnetId)
}

func (h ec2Handlers) modifySubnetAttribute(_ context.Context, in *ec2api.ModifySubnetAttributeRequest) (*wire.None, error) {
	isTrue := func(v *ec2api.AttributeBooleanValue) bool { return given(given(v).Value) }
	if err := cmp.Or(
		notSupported("AssignIpv6AddressOnCreation", isTrue(in.AssignIpv6AddressOnCreation)),
		notSupported("EnableDns64", isTrue(in.EnableDns64)),
		notSupported("EnableResourceNameDnsAAAARecordOnLaunch", isTrue(in.EnableResourceNameDnsAAAARecordOnLaunch)),
		notSupported("MapCustomerOwnedIpOnLaunch", isTrue(in.MapCustomerOwnedIpOnLaunch)),
		notSupported("CustomerOwnedIpv4Pool", in.CustomerOwnedIpv4Pool != nil),
		notSupported("EnableLniAtDeviceIndex", in.EnableLniAtDeviceIndex != nil),
		notSupported("DisableLniAtDeviceIndex", isTrue(in.DisableLniAtDeviceIndex)),
	); err != nil {
		return nil, err
	}
	return nil, h.ModifySubnetAttribute(ec2.ModifySubnetAttributeInput{
		SubnetID: *in.SubnetId, MapPublicIPOnLaunch: given(in.MapPublicIpOnLaunch).Value,
		PrivateDNSHostnameType: in.PrivateDnsHostnameTypeOnLaunch, ResourceNameDNSARecord: given(in.EnableResourceNameDnsARecordOnLaunch).Value,
	})
}
