package ec2_test

import (
	"net/netip"
	"slices"
	"testing"

	"enilab/internal/ec2"
	"enilab/netlab"
)

func TestInterfacesOfAllKinds(t *testing.T) {
	b := newBed(t)
	vpc := b.vpc(t, "10.0.0.0/16")
	sub := b.subnet(t, vpc, "10.0.1.0/24")
	group := b.group(t, vpc, "web")
	attached := func(description, kind, id, owner string, device int) string {
		return b.host(t, vpc, netlab.InterfaceSpec{
			Description: description, Subnet: sub, SecurityGroups: []string{group}, Type: kind,
			Attachment: netlab.Attachment{ID: id, InstanceOwner: owner, DeviceIndex: device},
		}).ID
	}
	server := attached("resource db", "", "eni-attach-1", "", 0)
	shared := attached("AWS Lambda VPC ENI-hello-1f", "lambda", "ela-attach-2", "amazon-aws", 1)
	legacy := attached("AWS Lambda VPC ENI: 1f", "interface", "eni-attach-3", "aws-lambda", 1)
	alone := get(b.CreateNetworkInterface(t.Context(), ec2.CreateNetworkInterfaceInput{
		SubnetID: sub, Description: "mine", PrivateIPAddress: netip.MustParseAddr("10.0.1.77"), Tags: map[string]string{"Name": "x"},
	}))(t)
	if alone.Status != "available" || alone.Attachment != nil || len(alone.Groups) != 1 || alone.Groups[0].GroupName != "default" || alone.MACAddress != "0a:58:0a:00:01:4d" || alone.PrivateDNSName != "ip-10-0-1-77.ec2.internal" {
		t.Errorf("%+v", alone)
	}
	for _, tt := range []struct {
		query ec2.Query
		want  []string
	}{
		{ec2.Query{}, []string{server, shared, legacy, alone.NetworkInterfaceID}},
		{where("description", "AWS Lambda VPC ENI*"), []string{shared, legacy}},
		{where("interface-type", "lambda"), []string{shared}},
		{where("status", "available"), []string{alone.NetworkInterfaceID}},
		{where("group-name", "web", "attachment.instance-owner-id", "aws-*"), []string{legacy}},
		{where("addresses.private-ip-address", "10.0.1.77"), []string{alone.NetworkInterfaceID}},
		{where("attachment.device-index", "1", "vpc-id", vpc, "subnet-id", sub), []string{shared, legacy}},
		{where("requester-id", "*"), []string{shared, legacy}},
		{where("tag:Name", "x"), []string{alone.NetworkInterfaceID}},
		{where("attachment.instance-owner-id", "123456789012"), []string{server}},
		{ec2.Query{IDs: []string{legacy}}, []string{legacy}},
	} {
		var got []string
		for _, i := range get(b.DescribeNetworkInterfaces(tt.query))(t).Items {
			got = append(got, i.NetworkInterfaceID)
		}
		slices.Sort(tt.want)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%+v: got %v, want %v", tt.query, got, tt.want)
		}
	}
	must(t, agree(b.Service))

	for attachment, code := range map[string]ec2.Code{
		"ela-attach-2": ec2.OperationNotPermitted, "eni-attach-3": ec2.AuthFailure, "eni-attach-1": ec2.OperationNotPermitted,
		"eni-attach-9": ec2.InvalidAttachmentNotFound, "": ec2.MissingParameter,
	} {
		wantCode(t, b.DetachNetworkInterface(attachment), code)
	}
	for _, id := range []string{server, shared, legacy} {
		wantCode(t, b.DeleteNetworkInterface(id), ec2.InvalidParameterValue)
	}
	must(t, b.DeleteNetworkInterface(alone.NetworkInterfaceID))
	wantCode(t, b.DeleteNetworkInterface(alone.NetworkInterfaceID), ec2.InvalidInterfaceNotFound)
	wantCode(t, b.DeleteSecurityGroup(t.Context(), group), ec2.DependencyViolation)
	must(t, agree(b.Service))
}

func TestInterfacesThatCannotBe(t *testing.T) {
	b := newBed(t)
	vpc, other := b.vpc(t, "10.0.0.0/16"), b.vpc(t, "10.0.0.0/16")
	sub := b.subnet(t, vpc, "10.0.1.0/28")
	stranger := b.group(t, other, "web")
	at := func(a string) ec2.CreateNetworkInterfaceInput {
		return ec2.CreateNetworkInterfaceInput{SubnetID: sub, PrivateIPAddress: netip.MustParseAddr(a)}
	}
	must(t, only(b.CreateNetworkInterface(t.Context(), at("10.0.1.10"))))
	for _, tt := range []struct {
		in   ec2.CreateNetworkInterfaceInput
		code ec2.Code
	}{
		{ec2.CreateNetworkInterfaceInput{}, ec2.MissingParameter},
		{ec2.CreateNetworkInterfaceInput{SubnetID: "subnet-x"}, ec2.InvalidSubnetNotFound},
		{at("10.0.1.10"), ec2.InvalidIPAddressInUse},
		{at("10.0.1.2"), ec2.InvalidParameterValue},
		{at("10.0.2.10"), ec2.InvalidParameterValue},
		{ec2.CreateNetworkInterfaceInput{SubnetID: sub, Groups: []string{"sg-x"}}, ec2.InvalidGroupNotFound},
		{ec2.CreateNetworkInterfaceInput{SubnetID: sub, Groups: []string{stranger}}, ec2.InvalidParameterValue},
		{ec2.CreateNetworkInterfaceInput{SubnetID: sub, Groups: make([]string, 6)}, ec2.SecurityGroupsPerENIExceeded},
	} {
		_, err := b.CreateNetworkInterface(t.Context(), tt.in)
		wantCode(t, err, tt.code)
	}
	for range 10 {
		must(t, only(b.CreateNetworkInterface(t.Context(), ec2.CreateNetworkInterfaceInput{SubnetID: sub})))
	}
	_, err := b.CreateNetworkInterface(t.Context(), ec2.CreateNetworkInterfaceInput{SubnetID: sub})
	wantCode(t, err, ec2.InsufficientFreeAddresses)
	wantCode(t, b.DeleteSubnet(sub), ec2.DependencyViolation)
	must(t, agree(b.Service))
}

func only[T any](_ T, err error) error { return err }
