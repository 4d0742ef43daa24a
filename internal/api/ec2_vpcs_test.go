package api

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func TestVpcs(t *testing.T) {
	r := newRegion(t)
	c, ctx := r.ec2(), t.Context()
	v := answer(c.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16"), TagSpecifications: named("vpc", "blue")}))(t).Vpc
	equal(t, "cidr", *v.CidrBlock+" "+*v.CidrBlockAssociationSet[0].CidrBlock, "10.0.0.0/16 10.0.0.0/16")
	equal(t, "state", v.State, types.VpcStateAvailable)
	equal(t, "tag", *v.Tags[0].Key+*v.Tags[0].Value, "Nameblue")
	equal(t, "owner", *v.OwnerId, "123456789012")
	equal(t, "tenancy", v.InstanceTenancy, types.TenancyDefault)
	equal(t, "is default", *v.IsDefault, false)
	if r.Network.VPC(*v.VpcId) == nil {
		t.Error("the VPC is not in the network")
	}
	for _, cidr := range []string{"10.1.0.0/16", "10.2.0.0/16"} {
		r.vpc(cidr)
	}

	found := answer(c.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{Filters: filter("tag:Name", "b*")}))(t).Vpcs
	equal(t, "filtered", len(found), 1)
	equal(t, "by tag", *found[0].VpcId, *v.VpcId)
	equal(t, "by id", len(answer(c.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{*v.VpcId}}))(t).Vpcs), 1)
	equal(t, "all", len(answer(c.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{}))(t).Vpcs), 3)

	attribute := func(name types.VpcAttributeName) *ec2.DescribeVpcAttributeOutput {
		return answer(c.DescribeVpcAttribute(ctx, &ec2.DescribeVpcAttributeInput{VpcId: v.VpcId, Attribute: name}))(t)
	}
	yes := &types.AttributeBooleanValue{Value: aws.Bool(true)}
	equal(t, "hostnames before", *attribute("enableDnsHostnames").EnableDnsHostnames.Value, false)
	answer(c.ModifyVpcAttribute(ctx, &ec2.ModifyVpcAttributeInput{VpcId: v.VpcId, EnableDnsHostnames: yes}))(t)
	equal(t, "hostnames", *attribute("enableDnsHostnames").EnableDnsHostnames.Value, true)
	equal(t, "support", *attribute("enableDnsSupport").EnableDnsSupport.Value, true)
	equal(t, "metrics", *attribute("enableNetworkAddressUsageMetrics").EnableNetworkAddressUsageMetrics.Value, false)
	refused(c.ModifyVpcAttribute(ctx, &ec2.ModifyVpcAttributeInput{VpcId: v.VpcId, EnableDnsHostnames: yes, EnableDnsSupport: yes}))(t, "InvalidParameterCombination")
	answer(c.ModifyVpcAttribute(ctx, &ec2.ModifyVpcAttributeInput{VpcId: v.VpcId, EnableNetworkAddressUsageMetrics: yes}))(t)
	equal(t, "metrics", *attribute("enableNetworkAddressUsageMetrics").EnableNetworkAddressUsageMetrics.Value, true)
	refused(c.ModifyVpcAttribute(ctx, &ec2.ModifyVpcAttributeInput{VpcId: v.VpcId}))(t, "MissingParameter")
	refused(c.DescribeVpcAttribute(ctx, &ec2.DescribeVpcAttributeInput{VpcId: v.VpcId, Attribute: "x"}))(t, "InvalidParameterValue")

	for code, in := range map[string]*ec2.CreateVpcInput{
		"MissingParameter":      {},
		"InvalidVpc.Range":      {CidrBlock: aws.String("10.0.0.0/8")},
		"InvalidParameterValue": {CidrBlock: aws.String("10.9.0.0/16"), TagSpecifications: named("subnet", "x")},
		"UnsupportedOperation":  {CidrBlock: aws.String("10.9.0.0/16"), AmazonProvidedIpv6CidrBlock: aws.Bool(true)},
		"DryRunOperation":       {CidrBlock: aws.String("10.9.0.0/16"), DryRun: aws.Bool(true)},
	} {
		refused(c.CreateVpc(ctx, in))(t, code)
	}
	refused(c.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.9.0.0/16"), InstanceTenancy: "dedicated"}))(t, "UnsupportedOperation")
	refused(c.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: v.VpcId, DryRun: aws.Bool(true)}))(t, "DryRunOperation")
	r.subnet(*v.VpcId, "10.0.1.0/24")
	refused(c.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: v.VpcId}))(t, "DependencyViolation")
	refused(c.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: aws.String("vpc-none")}))(t, "InvalidVpcID.NotFound")
	answer(c.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: aws.String(r.vpc("10.3.0.0/16"))}))(t)
	equal(t, "left", len(answer(c.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{}))(t).Vpcs), 3)
}

func TestSubnets(t *testing.T) {
	r := newRegion(t)
	c, ctx := r.ec2(), t.Context()
	vpc := r.vpc("10.0.0.0/16")
	s := answer(c.CreateSubnet(ctx, &ec2.CreateSubnetInput{
		VpcId: &vpc, CidrBlock: aws.String("10.0.1.0/24"), AvailabilityZone: aws.String("us-east-1b"), TagSpecifications: named("subnet", "b"),
	}))(t).Subnet
	equal(t, "free", *s.AvailableIpAddressCount, 251)
	equal(t, "zone", *s.AvailabilityZone+" "+*s.AvailabilityZoneId, "us-east-1b use1-az2")
	equal(t, "arn", *s.SubnetArn, "arn:aws:ec2:us-east-1:123456789012:subnet/"+*s.SubnetId)
	equal(t, "public address", *s.MapPublicIpOnLaunch, false)
	equal(t, "tag", *s.Tags[0].Value, "b")

	want := map[string]bool{*s.SubnetId: true}
	for _, cidr := range []string{"10.0.2.0/24", "10.0.3.0/24", "10.0.4.0/24", "10.0.5.0/24", "10.0.6.0/24", "10.0.7.0/24"} {
		want[r.subnet(vpc, cidr)] = true
	}
	pages := ec2.NewDescribeSubnetsPaginator(c, &ec2.DescribeSubnetsInput{MaxResults: aws.Int32(5)})
	count := 0
	for ; pages.HasMorePages(); count++ {
		for _, s := range answer(pages.NextPage(ctx))(t).Subnets {
			delete(want, *s.SubnetId)
		}
	}
	equal(t, "pages", count, 2)
	equal(t, "not listed", len(want), 0)
	equal(t, "by zone", len(answer(c.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: filter("availability-zone", "us-east-1b")}))(t).Subnets), 1)

	refused(c.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{MaxResults: aws.Int32(2)}))(t, "InvalidParameterValue")
	refused(c.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: filter("colour", "red")}))(t, "InvalidParameterValue")
	refused(c.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{"subnet-none"}}))(t, "InvalidSubnetID.NotFound")
	refused(c.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: &vpc, CidrBlock: aws.String("10.0.1.0/25")}))(t, "InvalidSubnet.Conflict")
	refused(c.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: &vpc, CidrBlock: aws.String("10.1.1.0/24")}))(t, "InvalidSubnet.Range")
	refused(c.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: &vpc, Ipv6CidrBlock: aws.String("2001:db8::/64")}))(t, "UnsupportedOperation")

	refused(c.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: s.SubnetId, DryRun: aws.Bool(true)}))(t, "DryRunOperation")
	answer(c.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: s.SubnetId}))(t)
	refused(c.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: s.SubnetId}))(t, "InvalidSubnetID.NotFound")
}
