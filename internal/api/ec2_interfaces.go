package api

import (
	"cmp"
	"context"
	"net/netip"

	"enilab/internal/ec2"
	"enilab/internal/wire"
	"enilab/internal/wire/ec2api"
)

func (h ec2Handlers) createNetworkInterface(ctx context.Context, in *ec2api.CreateNetworkInterfaceRequest) (*ec2api.CreateNetworkInterfaceResult, error) {
	tags, tagsErr := tagsFor("network-interface", in.TagSpecifications)
	address, addressErr := primaryAddress(in)
	if err := cmp.Or(
		tagsErr,
		addressErr,
		notSupported("SecondaryPrivateIpAddressCount", given(in.SecondaryPrivateIpAddressCount) > 0),
		notSupported("InterfaceType", in.InterfaceType != nil && *in.InterfaceType != "interface"),
		notSupported("Ipv4PrefixCount", given(in.Ipv4PrefixCount) > 0),
		notSupported("Ipv4Prefix", len(in.Ipv4Prefixes) > 0),
		notSupported("Ipv6AddressCount", given(in.Ipv6AddressCount) > 0),
		notSupported("Ipv6Addresses", len(in.Ipv6Addresses) > 0),
		notSupported("Ipv6PrefixCount", given(in.Ipv6PrefixCount) > 0),
		notSupported("Ipv6Prefix", len(in.Ipv6Prefixes) > 0),
		notSupported("EnablePrimaryIpv6", given(in.EnablePrimaryIpv6)),
		notSupported("ConnectionTrackingSpecification", in.ConnectionTrackingSpecification != nil),
		notSupported("Operator", in.Operator != nil),
		dryRun(in.DryRun),
	); err != nil {
		return nil, err
	}
	v, err := h.CreateNetworkInterface(ctx, ec2.CreateNetworkInterfaceInput{
		SubnetID: *in.SubnetId, Description: given(in.Description), Groups: in.Groups, PrivateIPAddress: address, Tags: tags, ClientToken: given(in.ClientToken),
	})
	return &ec2api.CreateNetworkInterfaceResult{NetworkInterface: new(interfaceAnswer(v)), ClientToken: in.ClientToken}, err
}

// primaryAddress is the one address that is asked for, in either of two ways; zero if none is.
func primaryAddress(in *ec2api.CreateNetworkInterfaceRequest) (a netip.Addr, err error) {
	text := in.PrivateIpAddress
	for _, p := range in.PrivateIpAddresses {
		switch {
		case !given(p.Primary):
			return a, notSupported("PrivateIpAddresses", true) // a secondary one
		case text != nil && given(p.PrivateIpAddress) != *text:
			return a, refusal(invalidParameterCombination, "Only one primary private IP address can be specified.")
		}
		text = p.PrivateIpAddress
	}
	if text == nil {
		return a, nil
	}
	if a, err = netip.ParseAddr(*text); err != nil || !a.Is4() {
		return a, refusal(invalidParameterValue, "Value (%s) for parameter privateIpAddress is invalid. Invalid IPv4 address", *text)
	}
	return a, nil
}

func interfaceAnswer(v ec2.NetworkInterface) ec2api.NetworkInterface {
	address := v.PrivateIPAddress.String()
	return ec2api.NetworkInterface{
		NetworkInterfaceId: new(v.NetworkInterfaceID), SubnetId: new(v.SubnetID), VpcId: new(v.VpcID),
		AvailabilityZone: new(v.AvailabilityZone), AvailabilityZoneId: new(v.AvailabilityZoneID), Description: new(v.Description), InterfaceType: new(v.InterfaceType),
		OwnerId: new(v.OwnerID), RequesterId: set(v.RequesterID), RequesterManaged: new(v.RequesterManaged),
		Status: new(v.Status), MacAddress: new(v.MACAddress), SourceDestCheck: new(v.SourceDestCheck),
		PrivateIpAddress: new(address), PrivateDnsName: set(v.PrivateDNSName),
		PrivateIpAddresses: []ec2api.NetworkInterfacePrivateIpAddress{{
			Primary: new(true), PrivateIpAddress: new(address), PrivateDnsName: set(v.PrivateDNSName),
		}},
		Ipv6Addresses: []ec2api.NetworkInterfaceIpv6Address{},
		Groups: convert(v.Groups, func(g ec2.GroupIdentifier) ec2api.GroupIdentifier {
			return ec2api.GroupIdentifier{GroupId: new(g.GroupID), GroupName: new(g.GroupName)}
		}),
		Attachment: attachmentAnswer(v.Attachment), TagSet: tagSetAnswer(v.Tags),
	}
}

func attachmentAnswer(a *ec2.NetworkInterfaceAttachment) *ec2api.NetworkInterfaceAttachment {
	if a == nil {
		return nil
	}
	return &ec2api.NetworkInterfaceAttachment{
		AttachmentId: new(a.AttachmentID), InstanceOwnerId: new(a.InstanceOwnerID), DeviceIndex: new(int32(a.DeviceIndex)),
		Status: new("attached"), DeleteOnTermination: new(a.DeleteOnTermination),
	}
}

func (h ec2Handlers) describeNetworkInterfaces(_ context.Context, in *ec2api.DescribeNetworkInterfacesRequest) (*ec2api.DescribeNetworkInterfacesResult, error) {
	interfaces, next, err := describe(in.DryRun, h.DescribeNetworkInterfaces, selection(in.NetworkInterfaceIds, in.Filters, in.MaxResults, in.NextToken), interfaceAnswer)
	return &ec2api.DescribeNetworkInterfacesResult{NetworkInterfaces: interfaces, NextToken: next}, err
}

func (h ec2Handlers) deleteNetworkInterface(_ context.Context, in *ec2api.DeleteNetworkInterfaceRequest) (*wire.None, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	return nil, h.DeleteNetworkInterface(*in.NetworkInterfaceId)
}

// detachNetworkInterface takes Force as well: it makes no difference to what is refused.
func (h ec2Handlers) detachNetworkInterface(_ context.Context, in *ec2api.DetachNetworkInterfaceRequest) (*wire.None, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	return nil, h.DetachNetworkInterface(*in.AttachmentId)
}

func (h ec2Handlers) modifyNetworkInterfaceAttribute(ctx context.Context, in *ec2api.ModifyNetworkInterfaceAttributeRequest) (*wire.None, error) {
	check := given(in.SourceDestCheck).Value
	if err := cmp.Or(
		notSupported("Attachment", in.Attachment != nil),
		notSupported("EnaSrdSpecification", in.EnaSrdSpecification != nil),
		notSupported("ConnectionTrackingSpecification", in.ConnectionTrackingSpecification != nil),
		notSupported("EnablePrimaryIpv6", given(in.EnablePrimaryIpv6)),
		notSupported("AssociatePublicIpAddress", given(in.AssociatePublicIpAddress)),
		notSupported("AssociatedSubnetId", len(in.AssociatedSubnetIds) > 0),
		notSupported("SourceDestCheck", check != nil && !*check), // the kernel checks every interface's source
		dryRun(in.DryRun),
	); err != nil {
		return nil, err
	}
	if in.Description == nil && in.Groups == nil && check == nil {
		return nil, refusal(missingParameter, "The request must contain an attribute to modify")
	}
	return nil, h.ModifyNetworkInterfaceAttribute(ctx, ec2.ModifyNetworkInterfaceAttributeInput{
		NetworkInterfaceID: *in.NetworkInterfaceId, Description: given(in.Description).Value, Groups: in.Groups,
	})
}

func (h ec2Handlers) describeNetworkInterfaceAttribute(_ context.Context, in *ec2api.DescribeNetworkInterfaceAttributeRequest) (*ec2api.DescribeNetworkInterfaceAttributeResult, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	page, err := h.DescribeNetworkInterfaces(ec2.Query{IDs: []string{*in.NetworkInterfaceId}})
	if err != nil {
		return nil, err
	}
	v := interfaceAnswer(page.Items[0])
	out := &ec2api.DescribeNetworkInterfaceAttributeResult{NetworkInterfaceId: in.NetworkInterfaceId}
	switch given(in.Attribute) {
	case "description":
		out.Description = &ec2api.AttributeValue{Value: v.Description}
	case "groupSet":
		out.Groups = v.Groups
	case "sourceDestCheck":
		out.SourceDestCheck = &ec2api.AttributeBooleanValue{Value: v.SourceDestCheck}
	case "attachment":
		out.Attachment = v.Attachment
	case "":
		return nil, refusal(missingParameter, "The request must contain the parameter attribute")
	default:
		return nil, refusal(invalidParameterValue, "Value (%s) for parameter attribute is invalid. Unknown attribute.", *in.Attribute)
	}
	return out, nil
}
