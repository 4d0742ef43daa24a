package api

import (
	"cmp"
	"context"

	"enilab/internal/ec2"
	"enilab/internal/wire"
	"enilab/internal/wire/ec2api"
)

func (h ec2Handlers) createVpc(ctx context.Context, in *ec2api.CreateVpcRequest) (*ec2api.CreateVpcResult, error) {
	tags, err := tagsFor("vpc", in.TagSpecifications)
	if err := cmp.Or(
		err,
		notSupported("AmazonProvidedIpv6CidrBlock", given(in.AmazonProvidedIpv6CidrBlock)),
		notSupported("Ipv6CidrBlock", in.Ipv6CidrBlock != nil),
		notSupported("Ipv6CidrBlockNetworkBorderGroup", in.Ipv6CidrBlockNetworkBorderGroup != nil),
		notSupported("Ipv6Pool", in.Ipv6Pool != nil),
		notSupported("Ipv6IpamPoolId", in.Ipv6IpamPoolId != nil),
		notSupported("Ipv6NetmaskLength", in.Ipv6NetmaskLength != nil),
		notSupported("Ipv4IpamPoolId", in.Ipv4IpamPoolId != nil),
		notSupported("Ipv4NetmaskLength", in.Ipv4NetmaskLength != nil),
		notSupported("VpcEncryptionControl", in.VpcEncryptionControl != nil),
		notSupported("InstanceTenancy", in.InstanceTenancy != nil && *in.InstanceTenancy != "default"),
		dryRun(in.DryRun),
	); err != nil {
		return nil, err
	}
	v, err := h.CreateVpc(ctx, ec2.CreateVpcInput{CidrBlock: given(in.CidrBlock), Tags: tags})
	return &ec2api.CreateVpcResult{Vpc: new(vpcAnswer(v))}, err
}

func vpcAnswer(v ec2.Vpc) ec2api.Vpc {
	return ec2api.Vpc{
		VpcId: new(v.VpcID), CidrBlock: new(v.CidrBlock.String()), OwnerId: new(v.OwnerID), State: new("available"),
		DhcpOptionsId: new("default"), // none: there is no DHCP in the lab
		CidrBlockAssociationSet: []ec2api.VpcCidrBlockAssociation{{
			AssociationId: new(v.CidrAssociationID()),
			CidrBlock:     new(v.CidrBlock.String()), CidrBlockState: &ec2api.VpcCidrBlockState{State: new("associated")},
		}},
		Ipv6CidrBlockAssociationSet: []ec2api.VpcIpv6CidrBlockAssociation{},
		InstanceTenancy:             new("default"), IsDefault: new(false), Tags: tagsAnswer(v.Tags),
	}
}

func (h ec2Handlers) describeVpcs(_ context.Context, in *ec2api.DescribeVpcsRequest) (*ec2api.DescribeVpcsResult, error) {
	vpcs, next, err := describe(in.DryRun, h.DescribeVpcs, selection(in.VpcIds, in.Filters, in.MaxResults, in.NextToken), vpcAnswer)
	return &ec2api.DescribeVpcsResult{Vpcs: vpcs, NextToken: next}, err
}

func (h ec2Handlers) deleteVpc(_ context.Context, in *ec2api.DeleteVpcRequest) (*wire.None, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	return nil, h.DeleteVpc(*in.VpcId)
}

func (h ec2Handlers) modifyVpcAttribute(_ context.Context, in *ec2api.ModifyVpcAttributeRequest) (*wire.None, error) {
	support, hostnames := given(in.EnableDnsSupport).Value, given(in.EnableDnsHostnames).Value
	metrics := given(in.EnableNetworkAddressUsageMetrics).Value
	switch {
	case support == nil && hostnames == nil && metrics == nil:
		return nil, refusal(missingParameter, "The request must contain an attribute to modify")
	case support != nil && hostnames != nil: // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVpcAttribute.html
		return nil, refusal(invalidParameterCombination, "EnableDnsSupport and EnableDnsHostnames cannot be modified in the same request")
	}
	return nil, h.ModifyVpcAttribute(ec2.ModifyVpcAttributeInput{VpcID: *in.VpcId, EnableDNSSupport: support, EnableDNSHostnames: hostnames, EnableMetrics: metrics})
}

func (h ec2Handlers) describeVpcAttribute(_ context.Context, in *ec2api.DescribeVpcAttributeRequest) (*ec2api.DescribeVpcAttributeResult, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	v, err := h.DescribeVpcAttribute(*in.VpcId)
	if err != nil {
		return nil, err
	}
	out := &ec2api.DescribeVpcAttributeResult{VpcId: in.VpcId}
	switch *in.Attribute {
	case "enableDnsSupport":
		out.EnableDnsSupport = &ec2api.AttributeBooleanValue{Value: new(v.EnableDNSSupport)}
	case "enableDnsHostnames":
		out.EnableDnsHostnames = &ec2api.AttributeBooleanValue{Value: new(v.EnableDNSHostnames)}
	case "enableNetworkAddressUsageMetrics":
		out.EnableNetworkAddressUsageMetrics = &ec2api.AttributeBooleanValue{Value: new(v.EnableMetrics)}
	default:
		return nil, refusal(invalidParameterValue, "Value (%s) for parameter attribute is invalid. Unknown attribute.", *in.Attribute)
	}
	return out, nil
}
