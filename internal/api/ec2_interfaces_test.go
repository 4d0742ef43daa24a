package api

import (
	"testing"

	"enilab/netlab"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func TestNetworkInterfaces(t *testing.T) {
	r := newRegion(t)
	c, ctx := r.ec2(), t.Context()
	vpc := r.vpc("10.0.0.0/16")
	sub, group := r.subnet(vpc, "10.0.1.0/24"), r.group(vpc, "web")

	made := answer(c.CreateNetworkInterface(ctx, &ec2.CreateNetworkInterfaceInput{
		SubnetId: &sub, Groups: []string{group}, Description: aws.String("mine"), PrivateIpAddress: aws.String("10.0.1.77"),
		TagSpecifications: named("network-interface", "n"), ClientToken: aws.String("token"),
	}))(t)
	equal(t, "token", *made.ClientToken, "token")
	i := made.NetworkInterface
	equal(t, "address", *i.PrivateIpAddress+" "+*i.PrivateIpAddresses[0].PrivateIpAddress, "10.0.1.77 10.0.1.77")
	equal(t, "where", *i.SubnetId+" "+*i.VpcId+" "+*i.AvailabilityZone, sub+" "+vpc+" us-east-1a")
	equal(t, "status", i.Status, types.NetworkInterfaceStatusAvailable)
	equal(t, "type", i.InterfaceType, types.NetworkInterfaceTypeInterface)
	equal(t, "group", *i.Groups[0].GroupId+" "+*i.Groups[0].GroupName, group+" web")
	equal(t, "description", *i.Description+" "+*i.OwnerId+" "+*i.TagSet[0].Value, "mine 123456789012 n")
	equal(t, "attachment", i.Attachment, nil)
	equal(t, "requester", i.RequesterId, nil)
	equal(t, "check", *i.SourceDestCheck && !*i.RequesterManaged, true)
	second := answer(c.CreateNetworkInterface(ctx, &ec2.CreateNetworkInterfaceInput{
		SubnetId: &sub, PrivateIpAddresses: []types.PrivateIpAddressSpecification{{Primary: aws.Bool(true), PrivateIpAddress: aws.String("10.0.1.78")}},
	}))(t).NetworkInterface
	equal(t, "the other way", *second.PrivateIpAddress+" "+*second.Groups[0].GroupName, "10.0.1.78 default")

	// Lambda's, in both modes.
	hyperplane := r.interfaceOf(vpc, netlab.InterfaceSpec{
		Subnet: sub, SecurityGroups: []string{group}, Description: "AWS Lambda VPC ENI-f-1", Type: "lambda",
		Attachment: netlab.Attachment{ID: "ela-attach-1", InstanceOwner: "amazon-aws", DeviceIndex: 1},
	})
	legacy := r.interfaceOf(vpc, netlab.InterfaceSpec{
		Subnet: sub, SecurityGroups: []string{group}, Description: "AWS Lambda VPC ENI: 1",
		Attachment: netlab.Attachment{ID: "eni-attach-1", InstanceOwner: "aws-lambda", DeviceIndex: 1},
	})
	found := answer(c.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{Filters: filter("description", "AWS Lambda VPC ENI*")}))(t).NetworkInterfaces
	equal(t, "Lambda's", len(found), 2)
	for _, v := range found {
		want := map[string]string{
			hyperplane: "lambda in-use ela-attach-1 amazon-aws attached",
			legacy:     "interface in-use eni-attach-1 aws-lambda attached",
		}[*v.NetworkInterfaceId]
		a := v.Attachment
		equal(t, "interface", string(v.InterfaceType)+" "+string(v.Status)+" "+*a.AttachmentId+" "+*a.InstanceOwnerId+" "+string(a.Status), want)
		equal(t, "device", *a.DeviceIndex, 1)
		equal(t, "kept", *a.DeleteOnTermination, false)
		equal(t, "requester", v.RequesterId != nil && !*v.RequesterManaged, true)
		refused(c.DeleteNetworkInterface(ctx, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: v.NetworkInterfaceId}))(t, "InvalidParameterValue")
		refused(c.ModifyNetworkInterfaceAttribute(ctx, &ec2.ModifyNetworkInterfaceAttributeInput{
			NetworkInterfaceId: v.NetworkInterfaceId, Description: &types.AttributeValue{Value: aws.String("mine")},
		}))(t, "OperationNotPermitted")
	}
	equal(t, "all", len(answer(c.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{}))(t).NetworkInterfaces), 4)

	detach := func(id string) (*ec2.DetachNetworkInterfaceOutput, error) {
		return c.DetachNetworkInterface(ctx, &ec2.DetachNetworkInterfaceInput{AttachmentId: &id, Force: aws.Bool(true)})
	}
	refused(detach("ela-attach-1"))(t, "OperationNotPermitted")
	refused(detach("eni-attach-1"))(t, "AuthFailure")
	refused(detach("eni-attach-none"))(t, "InvalidAttachmentID.NotFound")

	for name, refusal := range map[string]struct {
		code string
		in   ec2.CreateNetworkInterfaceInput
	}{
		"in use":    {"InvalidIPAddress.InUse", ec2.CreateNetworkInterfaceInput{PrivateIpAddress: aws.String("10.0.1.77")}},
		"no IP":     {"InvalidParameterValue", ec2.CreateNetworkInterfaceInput{PrivateIpAddress: aws.String("here")}},
		"two":       {"InvalidParameterCombination", ec2.CreateNetworkInterfaceInput{PrivateIpAddress: aws.String("10.0.1.9"), PrivateIpAddresses: []types.PrivateIpAddressSpecification{{Primary: aws.Bool(true), PrivateIpAddress: aws.String("10.0.1.8")}}}},
		"secondary": {"UnsupportedOperation", ec2.CreateNetworkInterfaceInput{PrivateIpAddresses: []types.PrivateIpAddressSpecification{{PrivateIpAddress: aws.String("10.0.1.8")}}}},
		"IPv6":      {"UnsupportedOperation", ec2.CreateNetworkInterfaceInput{Ipv6AddressCount: aws.Int32(1)}},
		"efa":       {"UnsupportedOperation", ec2.CreateNetworkInterfaceInput{InterfaceType: types.NetworkInterfaceCreationTypeEfa}},
		"group":     {"InvalidGroup.NotFound", ec2.CreateNetworkInterfaceInput{Groups: []string{"sg-none"}}},
		"dry":       {"DryRunOperation", ec2.CreateNetworkInterfaceInput{DryRun: aws.Bool(true)}},
	} {
		t.Run(name, func(t *testing.T) {
			refusal.in.SubnetId = &sub
			refused(c.CreateNetworkInterface(ctx, &refusal.in))(t, refusal.code)
		})
	}
	refused(c.DeleteNetworkInterface(ctx, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: i.NetworkInterfaceId, DryRun: aws.Bool(true)}))(t, "DryRunOperation")
	refused(c.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: &sub}))(t, "DependencyViolation")
	answer(c.DeleteNetworkInterface(ctx, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: i.NetworkInterfaceId}))(t)
	refused(c.DeleteNetworkInterface(ctx, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: i.NetworkInterfaceId}))(t, "InvalidNetworkInterfaceID.NotFound")
}

// interfaceOf makes an interface that no customer asked for, attached to a namespace of the test's own.
func (r *region) interfaceOf(vpc string, s netlab.InterfaceSpec) (id string) {
	r.Helper()
	node := answer(netlab.NewNode("environment"))(r)
	r.Cleanup(func() { node.Close() })
	return answer(r.Network.VPC(vpc).Connect(r.Context(), node, s))(r).ID
}
