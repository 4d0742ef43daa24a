package ec2_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"enilab/internal/ec2"
	"enilab/internal/events"
	"enilab/netlab"
)

func TestLifeOfAVPC(t *testing.T) {
	b := newBed(t)
	blue, green := b.vpc(t, "10.0.0.0/16"), b.vpc(t, "10.0.7.1/16") // the same range, the second with host bits
	if !strings.HasPrefix(blue, "vpc-") || len(blue) != 21 {
		t.Errorf("id %s", blue)
	}
	same := get(b.DescribeVpcs(where("cidr", "10.0.0.0/16")))(t)
	if len(same.Items) != 2 {
		t.Errorf("VPCs of one range: %+v", same.Items)
	}
	group := b.defaultGroup(t, blue)
	if in, out := group.Permissions(false), group.Permissions(true); len(in) != 1 || in[0].UserIDGroupPairs[0].GroupID != group.GroupID || len(out) != 1 || out[0].IPRanges[0].CidrIP != "0.0.0.0/0" {
		t.Errorf("the default group lets in %+v and out %+v", in, out)
	}
	wantCode(t, b.DeleteSecurityGroup(t.Context(), group.GroupID), ec2.CannotDelete)

	sub := b.subnet(t, blue, "10.0.1.0/24")
	wantCode(t, b.DeleteVpc(blue), ec2.DependencyViolation)
	must(t, b.DeleteSubnet(sub))
	extra := b.group(t, blue, "extra")
	wantCode(t, b.DeleteVpc(blue), ec2.DependencyViolation)
	must(t, b.DeleteSecurityGroup(t.Context(), extra))
	must(t, agree(b.Service))
	must(t, b.DeleteVpc(blue))
	wantCode(t, b.DeleteVpc(blue), ec2.InvalidVpcNotFound)
	must(t, b.DeleteVpc(green))
	if left := get(b.DescribeSecurityGroups(ec2.Query{}))(t); len(left.Items) != 0 {
		t.Errorf("groups left: %+v", left.Items)
	}
	must(t, agree(b.Service))
	for _, want := range []events.Type{
		events.VPCCreated, events.VPCCreated, events.SubnetCreated, events.SubnetDeleted, events.GroupChanged, events.GroupDeleted,
		events.VPCDeleted, events.VPCDeleted,
	} {
		if e := <-b.events; e.Type != want {
			t.Errorf("event %+v, want %s", e, want)
		}
	}
}

func TestVPCsThatCannotBe(t *testing.T) {
	b := newBed(t)
	named := ec2.CreateVpcInput{CidrBlock: "10.0.0.0/16", VpcID: "vpc-blue", Declared: true}
	if v := get(b.CreateVpc(t.Context(), named))(t); v.VpcID != "vpc-blue" || !v.Declared || v.OwnerID != "123456789012" {
		t.Errorf("%+v", v)
	}
	for _, tt := range []struct {
		in   ec2.CreateVpcInput
		code ec2.Code
	}{
		{ec2.CreateVpcInput{}, ec2.MissingParameter},
		{ec2.CreateVpcInput{CidrBlock: "ten"}, ec2.InvalidParameterValue},
		{ec2.CreateVpcInput{CidrBlock: "10.0.0.0/8"}, ec2.InvalidVpcRange},
		{ec2.CreateVpcInput{CidrBlock: "10.0.0.0/29"}, ec2.InvalidVpcRange},
		{ec2.CreateVpcInput{CidrBlock: "2001:db8::/56"}, ec2.InvalidVpcRange},
		{ec2.CreateVpcInput{CidrBlock: "100.64.0.0/16"}, ec2.InvalidVpcRange},
		{named, ec2.InvalidParameterValue},
		{ec2.CreateVpcInput{CidrBlock: "10.0.0.0/16", VpcID: "vpc-../x"}, ec2.InvalidParameterValue},
		{ec2.CreateVpcInput{CidrBlock: "10.0.0.0/16", VpcID: "blue"}, ec2.InvalidParameterValue},
		{ec2.CreateVpcInput{CidrBlock: "10.0.0.0/16", Tags: map[string]string{"aws:x": ""}}, ec2.InvalidParameterValue},
	} {
		_, err := b.CreateVpc(t.Context(), tt.in)
		wantCode(t, err, tt.code)
	}
	for range 5 {
		b.vpc(t, "10.0.0.0/16")
	}
	_, err := b.CreateVpc(t.Context(), ec2.CreateVpcInput{CidrBlock: "10.0.0.0/16"})
	wantCode(t, err, ec2.VpcLimitExceeded)
	must(t, agree(b.Service))
}

func TestSubnets(t *testing.T) {
	b := newBed(t)
	vpc := b.vpc(t, "10.0.0.0/16")
	sub := get(b.CreateSubnet(ec2.CreateSubnetInput{VpcID: vpc, CidrBlock: "10.0.1.0/28", AvailabilityZone: "us-east-1b", Tags: map[string]string{"Name": "a"}}))(t)
	if sub.AvailableIPAddressCount != 11 || sub.AvailabilityZoneID != "use1-az2" || sub.Tags["Name"] != "a" {
		t.Errorf("%+v", sub)
	}
	for _, tt := range []struct {
		in   ec2.CreateSubnetInput
		code ec2.Code
	}{
		{ec2.CreateSubnetInput{CidrBlock: "10.0.2.0/24"}, ec2.MissingParameter},
		{ec2.CreateSubnetInput{VpcID: "vpc-x", CidrBlock: "10.0.2.0/24"}, ec2.InvalidVpcNotFound},
		{ec2.CreateSubnetInput{VpcID: vpc, CidrBlock: "10.0.1.0/24"}, ec2.InvalidSubnetConflict},
		{ec2.CreateSubnetInput{VpcID: vpc, CidrBlock: "10.1.1.0/24"}, ec2.InvalidSubnetRange},
		{ec2.CreateSubnetInput{VpcID: vpc, CidrBlock: "10.0.1.0/30"}, ec2.InvalidSubnetRange},
		{ec2.CreateSubnetInput{VpcID: vpc, CidrBlock: "10.0.2.0/24", AvailabilityZone: "eu-1a"}, ec2.InvalidParameterValue},
		{ec2.CreateSubnetInput{VpcID: vpc, CidrBlock: "10.0.2.0/24", AvailabilityZone: "us-east-1a", AvailabilityZoneID: "use1-az1"}, ec2.InvalidParameterCombination},
	} {
		_, err := b.CreateSubnet(tt.in)
		wantCode(t, err, tt.code)
	}
	b.host(t, vpc, netlab.InterfaceSpec{Subnet: sub.SubnetID, SecurityGroups: []string{b.defaultGroup(t, vpc).GroupID}})
	shown := get(b.DescribeSubnets(where("availability-zone", "*b", "tag:Name", "a")))(t)
	if len(shown.Items) != 1 || shown.Items[0].AvailableIPAddressCount != 10 {
		t.Errorf("%+v", shown.Items)
	}
	wantCode(t, b.DeleteSubnet(sub.SubnetID), ec2.DependencyViolation)
	must(t, agree(b.Service))
}

// An interface that is made while its subnet is deleted: one of the two fails, and cleanly.
func TestSubnetIsDeletedWhileAnInterfaceIsMade(t *testing.T) {
	b := newBed(t)
	vpc := b.vpc(t, "10.0.0.0/16")
	group := b.defaultGroup(t, vpc).GroupID
	won := map[bool]int{}
	for range 20 {
		sub := b.subnet(t, vpc, "10.0.1.0/28")
		var wg sync.WaitGroup
		var eni *netlab.Interface
		var made, deleted error
		wg.Go(func() { // as Lambda does, which does not ask the control plane
			if eni, made = b.Network.VPC(vpc).NewInterface(t.Context(), netlab.InterfaceSpec{Subnet: sub, SecurityGroups: []string{group}}); made == nil {
				made = eni.Create()
			}
		})
		wg.Go(func() { deleted = b.DeleteSubnet(sub) })
		wg.Wait()
		if (made == nil) == (deleted == nil) {
			t.Fatalf("made: %v; deleted: %v", made, deleted)
		}
		won[made == nil]++
		if made == nil {
			wantCode(t, deleted, ec2.DependencyViolation)
			must(t, eni.Delete())
			must(t, b.DeleteSubnet(sub))
		}
		must(t, agree(b.Service))
	}
	t.Logf("the interface won: %v", won)
}

func TestVpcAttributesAndTags(t *testing.T) {
	b := newBed(t)
	vpc := b.vpc(t, "10.0.0.0/16")
	yes := true
	must(t, b.ModifyVpcAttribute(ec2.ModifyVpcAttributeInput{VpcID: vpc, EnableDNSHostnames: &yes}))
	if v := get(b.DescribeVpcAttribute(vpc))(t); !v.EnableDNSHostnames || !v.EnableDNSSupport {
		t.Errorf("%+v", v)
	}
	group := b.defaultGroup(t, vpc)
	rule := group.Rules[0].SecurityGroupRuleID
	must(t, b.CreateTags([]string{vpc, group.GroupID, rule}, map[string]string{"Name": "blue", "team": ""}))
	wantCode(t, b.CreateTags([]string{vpc, "subnet-x"}, map[string]string{"Name": "green"}), ec2.InvalidSubnetNotFound)
	tags := get(b.DescribeTags(where("key", "Name", "value", "blue")))(t)
	if len(tags.Items) != 3 {
		t.Errorf("%+v", tags.Items)
	}
	if found := get(b.DescribeVpcs(where("tag:team", "")))(t); len(found.Items) != 1 || found.Items[0].Tags["Name"] != "blue" {
		t.Errorf("%+v", found.Items)
	}
	red := "red"
	must(t, b.DeleteTags([]string{vpc}, map[string]*string{"Name": &red, "team": nil}))
	if left := get(b.DescribeTags(where("resource-type", "vpc")))(t); len(left.Items) != 1 || left.Items[0].Value != "blue" {
		t.Errorf("%+v", left.Items)
	}
	must(t, b.DeleteVpc(vpc))
	if left := get(b.DescribeTags(ec2.Query{}))(t); len(left.Items) != 0 {
		t.Errorf("tags of what is gone: %+v", left.Items)
	}
}

func TestZones(t *testing.T) {
	s := ec2.New(ec2.Config{Network: netlab.NewLab(), Region: "eu-central-1"})
	zones := get(s.DescribeAvailabilityZones(where("state", "available")))(t)
	if len(zones.Items) != 6 || zones.Items[2] != (ec2.AvailabilityZone{ZoneName: "eu-central-1c", ZoneID: "euc1-az3", RegionName: "eu-central-1"}) {
		t.Errorf("%+v", zones.Items)
	}
	_, err := s.DescribeAvailabilityZones(ec2.Query{IDs: []string{"x"}})
	wantCode(t, err, ec2.InvalidParameterValue)
	if r := get(s.DescribeRegions(ec2.Query{}))(t); len(r.Items) != 1 || r.Items[0].RegionName != "eu-central-1" {
		t.Errorf("%+v", r.Items)
	}
	_, err = s.DescribeAccountAttributes("x")
	wantCode(t, err, ec2.InvalidParameterValue)
}

// Many callers at once: what they see at any time, and what is left, is sound.
func TestCallersAtOnce(t *testing.T) {
	b := newBed(t)
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for range 40 {
				if err := changeSomething(b.Service); err != nil {
					if refusal := new(ec2.Error); !errors.As(err, &refusal) || refusal.Code == ec2.InternalError {
						t.Error(err)
					}
				}
			}
		})
	}
	callers.Wait()
	must(t, agree(b.Service))
}
