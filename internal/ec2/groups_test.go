package ec2_test

import (
	"testing"

	"enilab/internal/ec2"
	"enilab/netlab"
)

// What is authorized and revoked is what packets meet.
func TestRulesReachTheKernel(t *testing.T) {
	b := newBed(t)
	vpc := b.vpc(t, "10.0.0.0/16")
	sub := b.subnet(t, vpc, "10.0.1.0/24")
	web, client := b.group(t, vpc, "web"), b.group(t, vpc, "client")
	server := b.host(t, vpc, netlab.InterfaceSpec{Subnet: sub, SecurityGroups: []string{web}})
	caller := b.host(t, vpc, netlab.InterfaceSpec{Subnet: sub, SecurityGroups: []string{client}})
	at := server.serve(t, 80)
	expect := func(what string, want bool) {
		t.Helper()
		if caller.reaches(at, want) != want {
			t.Errorf("%s: reached: %v", what, !want)
		}
	}
	expect("a new group", false)

	made := get(b.AuthorizeSecurityGroupIngress(t.Context(), ec2.AuthorizeInput{GroupID: web, IPPermissions: []ec2.IPPermission{tcp(80, client), tcp(80, "10.9.0.0/16")}}))(t)
	if len(made) != 2 || made[0].GroupID != web || made[0].SecurityGroupRuleID == made[1].SecurityGroupRuleID {
		t.Errorf("%+v", made)
	}
	expect("allowed", true)
	_, err := b.AuthorizeSecurityGroupIngress(t.Context(), ec2.AuthorizeInput{GroupID: web, IPPermissions: []ec2.IPPermission{tcp(81, client), tcp(80, client)}})
	wantCode(t, err, ec2.InvalidPermissionDuplicate)
	shown := get(b.DescribeSecurityGroupRules(where("group-id", web)))(t)
	if len(shown.Items) != 3 { // with the way out
		t.Errorf("%+v", shown.Items)
	}

	_, err = b.RevokeSecurityGroupEgress(t.Context(), ec2.RevokeInput{GroupID: client, IPPermissions: []ec2.IPPermission{{IPProtocol: "-1", IPRanges: []ec2.IPRange{{CidrIP: "0.0.0.0/0"}}}}})
	must(t, err)
	expect("without a way out", false)
	_, err = b.AuthorizeSecurityGroupEgress(t.Context(), ec2.AuthorizeInput{GroupID: client, IPPermissions: []ec2.IPPermission{tcp(80, web)}})
	must(t, err)
	expect("with a way to that group", true)

	_, err = b.RevokeSecurityGroupIngress(t.Context(), ec2.RevokeInput{GroupID: web, IPPermissions: []ec2.IPPermission{tcp(80, client), tcp(443, client)}})
	wantCode(t, err, ec2.InvalidPermissionNotFound)
	expect("none of two was revoked", true)
	_, err = b.RevokeSecurityGroupEgress(t.Context(), ec2.RevokeInput{GroupID: web, SecurityGroupRuleIDs: []string{made[0].SecurityGroupRuleID}})
	wantCode(t, err, ec2.InvalidRuleNotFound)
	gone := get(b.RevokeSecurityGroupIngress(t.Context(), ec2.RevokeInput{GroupID: web, SecurityGroupRuleIDs: []string{made[0].SecurityGroupRuleID}}))(t)
	if len(gone) != 1 || gone[0].ReferencedGroupID != client {
		t.Errorf("%+v", gone)
	}
	expect("revoked", false)

	keep := made[1].SecurityGroupRuleID
	must(t, b.SetSecurityGroupRules(t.Context(), web, []ec2.IPPermission{tcp(80, "10.9.0.0/16", "10.0.0.0/8")}, nil))
	expect("as declared", true)
	if rules := get(b.DescribeSecurityGroupRules(where("group-id", web)))(t); len(rules.Items) != 2 || rules.Items[0].SecurityGroupRuleID != keep && rules.Items[1].SecurityGroupRuleID != keep {
		t.Errorf("%s did not stay: %+v", keep, rules.Items)
	}
}

func TestGroupsThatCannotBe(t *testing.T) {
	b := newBed(t)
	vpc, other := b.vpc(t, "10.0.0.0/16"), b.vpc(t, "10.0.0.0/16")
	web, stranger := b.group(t, vpc, "web"), b.group(t, other, "web")
	for _, tt := range []struct {
		in   ec2.CreateSecurityGroupInput
		code ec2.Code
	}{
		{ec2.CreateSecurityGroupInput{GroupName: "web", Description: "d", VpcID: vpc}, ec2.InvalidGroupDuplicate},
		{ec2.CreateSecurityGroupInput{GroupName: "default", Description: "d", VpcID: vpc}, ec2.InvalidGroupReserved},
		{ec2.CreateSecurityGroupInput{GroupName: "sg-x", Description: "d", VpcID: vpc}, ec2.InvalidParameterValue},
		{ec2.CreateSecurityGroupInput{GroupName: "x", VpcID: vpc}, ec2.MissingParameter},
		{ec2.CreateSecurityGroupInput{GroupName: "x", Description: "d"}, ec2.MissingParameter},
		{ec2.CreateSecurityGroupInput{GroupName: "x", Description: "d", VpcID: "vpc-x"}, ec2.InvalidVpcNotFound},
	} {
		_, err := b.CreateSecurityGroup(t.Context(), tt.in)
		wantCode(t, err, tt.code)
	}
	authorize := func(p ec2.IPPermission) error {
		_, err := b.AuthorizeSecurityGroupIngress(t.Context(), ec2.AuthorizeInput{GroupID: web, IPPermissions: []ec2.IPPermission{p}})
		return err
	}
	wantCode(t, authorize(tcp(80, stranger)), ec2.InvalidGroupNotFound)
	wantCode(t, authorize(tcp(80, "sg-nobody")), ec2.InvalidGroupNotFound)
	client := b.group(t, vpc, "client")
	must(t, authorize(tcp(80, client)))
	wantCode(t, b.DeleteSecurityGroup(t.Context(), client), ec2.DependencyViolation)
	must(t, b.DeleteSecurityGroup(t.Context(), web))
	must(t, b.DeleteSecurityGroup(t.Context(), client))
	wantCode(t, b.DeleteSecurityGroup(t.Context(), client), ec2.InvalidGroupNotFound)
	must(t, agree(b.Service))
}

// ICMP's types, and protocols that have a number alone, are matched by the kernel.
func TestProtocolsReachTheKernel(t *testing.T) {
	b := newBed(t)
	vpc := b.vpc(t, "10.0.0.0/16")
	sub := b.subnet(t, vpc, "10.0.1.0/24")
	server := b.host(t, vpc, netlab.InterfaceSpec{Subnet: sub, SecurityGroups: []string{b.group(t, vpc, "web")}})
	caller := b.host(t, vpc, netlab.InterfaceSpec{Subnet: sub, SecurityGroups: []string{b.group(t, vpc, "client")}})
	id := byte(0) // of a packet's own: replies to a former one's pass whatever the rules
	icmp := func(kind byte, data ...byte) []byte {
		id++
		packet := append([]byte{kind, 0, 0, 0, id, id, 0, 0}, data...)
		sum := 0xffff - (int(kind)<<8 + int(id)<<8 + int(id)) // data is zero
		packet[2], packet[3] = byte(sum>>8), byte(sum)
		return packet
	}
	echo, timestamp := func() []byte { return icmp(8) }, func() []byte { return icmp(13, make([]byte, 12)...) }
	other := func() []byte { return []byte("for experiments") }
	rule := func(protocol string, from, to int) ec2.IPPermission {
		return ec2.IPPermission{IPProtocol: protocol, FromPort: &from, ToPort: &to, IPRanges: []ec2.IPRange{{CidrIP: "10.0.0.0/8"}}}
	}
	for _, tt := range []struct {
		name     string
		rule     ec2.IPPermission
		protocol string // of packets that are sent
		packet   func() []byte
		arrives  bool
	}{
		{"echo where echo is allowed", rule("icmp", 8, -1), "icmp", echo, true},
		{"echo of that code", rule("icmp", 8, 0), "icmp", echo, true},
		{"echo of another code", rule("icmp", 8, 1), "icmp", echo, false},
		{"a timestamp where echo is allowed", rule("icmp", 8, -1), "icmp", timestamp, false},
		{"a timestamp where all is", rule("icmp", -1, -1), "icmp", timestamp, true},
		{"a number", rule("253", -1, -1), "253", other, true},
		{"another number", rule("254", -1, -1), "253", other, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			must(t, b.SetSecurityGroupRules(t.Context(), server.Groups()[0], []ec2.IPPermission{tt.rule}, nil))
			if got := caller.send(t, server, tt.protocol, tt.packet(), tt.arrives); got != tt.arrives {
				t.Errorf("it arrived: %v", got)
			}
		})
	}
}
