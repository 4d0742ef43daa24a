package api

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func TestRulesAreModified(t *testing.T) {
	r := newRegion(t)
	c, ctx := r.ec2(), t.Context()
	vpc := r.vpc("10.0.0.0/16")
	web, peer := r.group(vpc, "web"), r.group(vpc, "peer")
	made := answer(c.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &web, IpPermissions: append(port(80, from("10.0.0.0/8")), port(81, from("10.0.0.0/8"))...)}))(t).SecurityGroupRules
	id := made[0].SecurityGroupRuleId
	modify := func(to types.SecurityGroupRuleRequest) error {
		_, err := c.ModifySecurityGroupRules(ctx, &ec2.ModifySecurityGroupRulesInput{GroupId: &web, SecurityGroupRules: []types.SecurityGroupRuleUpdate{{SecurityGroupRuleId: id, SecurityGroupRule: &to}}})
		return err
	}
	tcp := types.SecurityGroupRuleRequest{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(443), ToPort: aws.Int32(443), CidrIpv4: aws.String("10.0.0.0/8"), Description: aws.String("https")}
	answer(0, modify(tcp))(t)
	got := answer(c.DescribeSecurityGroupRules(ctx, &ec2.DescribeSecurityGroupRulesInput{SecurityGroupRuleIds: []string{*id}}))(t).SecurityGroupRules[0]
	equal(t, "modified", *got.Description, "https")
	equal(t, "port", *got.FromPort, 443)
	equal(t, "direction", *got.IsEgress, false)

	tcp.FromPort, tcp.ToPort = aws.Int32(81), aws.Int32(81)
	refused(0, modify(tcp))(t, "InvalidPermission.Duplicate")
	tcp.CidrIpv4, tcp.ReferencedGroupId = nil, &peer
	refused(0, modify(tcp))(t, "InvalidParameterValue") // another kind of peer
	tcp.CidrIpv4 = aws.String("10.0.0.0/8")
	refused(0, modify(tcp))(t, "InvalidParameterCombination")
	tcp.ReferencedGroupId, id = nil, aws.String("sgr-0")
	refused(0, modify(tcp))(t, "InvalidSecurityGroupRuleId.NotFound")

	answer(c.UpdateSecurityGroupRuleDescriptionsIngress(ctx, &ec2.UpdateSecurityGroupRuleDescriptionsIngressInput{
		GroupId: &web, SecurityGroupRuleDescriptions: []types.SecurityGroupRuleDescription{{SecurityGroupRuleId: made[0].SecurityGroupRuleId, Description: aws.String("by id")}},
	}))(t)
	answer(c.UpdateSecurityGroupRuleDescriptionsIngress(ctx, &ec2.UpdateSecurityGroupRuleDescriptionsIngressInput{GroupId: &web, IpPermissions: port(81, from("10.0.0.0/8"))}))(t)
	answer(c.UpdateSecurityGroupRuleDescriptionsEgress(ctx, &ec2.UpdateSecurityGroupRuleDescriptionsEgressInput{
		GroupId: &web, IpPermissions: []types.IpPermission{{IpProtocol: aws.String("-1"), IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0"), Description: aws.String("all")}}}},
	}))(t)
	descriptions := map[string]bool{}
	for _, rule := range answer(c.DescribeSecurityGroupRules(ctx, &ec2.DescribeSecurityGroupRulesInput{Filters: filter("group-id", web)}))(t).SecurityGroupRules {
		descriptions[aws.ToString(rule.Description)] = true
	}
	for _, want := range []string{"by id", "from 10.0.0.0/8", "all"} {
		equal(t, want, descriptions[want], true)
	}
	refused(c.UpdateSecurityGroupRuleDescriptionsEgress(ctx, &ec2.UpdateSecurityGroupRuleDescriptionsEgressInput{GroupId: &web, IpPermissions: port(81, from("10.0.0.0/8"))}))(t, "InvalidPermission.NotFound")
	refused(c.UpdateSecurityGroupRuleDescriptionsEgress(ctx, &ec2.UpdateSecurityGroupRuleDescriptionsEgressInput{
		GroupId: &web, SecurityGroupRuleDescriptions: []types.SecurityGroupRuleDescription{{SecurityGroupRuleId: made[0].SecurityGroupRuleId}},
	}))(t, "InvalidSecurityGroupRuleId.NotFound")
}

func TestInterfacesAreModified(t *testing.T) {
	r := newRegion(t)
	c, ctx := r.ec2(), t.Context()
	vpc := r.vpc("10.0.0.0/16")
	subnet, web := r.subnet(vpc, "10.0.1.0/24"), r.group(vpc, "web")
	in := &ec2.CreateNetworkInterfaceInput{SubnetId: &subnet, ClientToken: aws.String("once"), Description: aws.String("mine")}
	made := answer(c.CreateNetworkInterface(ctx, in))(t)
	again := answer(c.CreateNetworkInterface(ctx, in))(t)
	equal(t, "asked twice", *again.NetworkInterface.NetworkInterfaceId, *made.NetworkInterface.NetworkInterfaceId)
	equal(t, "token", *again.ClientToken, "once")
	in.Description = aws.String("other")
	refused(c.CreateNetworkInterface(ctx, in))(t, "IdempotentParameterMismatch")

	id := made.NetworkInterface.NetworkInterfaceId
	answer(c.ModifyNetworkInterfaceAttribute(ctx, &ec2.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: id, Description: &types.AttributeValue{Value: aws.String("new")}}))(t)
	answer(c.ModifyNetworkInterfaceAttribute(ctx, &ec2.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: id, Groups: []string{web}}))(t)
	attribute := func(a types.NetworkInterfaceAttribute) *ec2.DescribeNetworkInterfaceAttributeOutput {
		return answer(c.DescribeNetworkInterfaceAttribute(ctx, &ec2.DescribeNetworkInterfaceAttributeInput{NetworkInterfaceId: id, Attribute: a}))(t)
	}
	equal(t, "description", *attribute("description").Description.Value, "new")
	equal(t, "groups", *attribute("groupSet").Groups[0].GroupId, web)
	equal(t, "check", *attribute("sourceDestCheck").SourceDestCheck.Value, true)
	equal(t, "attachment", attribute("attachment").Attachment, nil)
	refused(c.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: &web}))(t, "DependencyViolation")

	refused(c.ModifyNetworkInterfaceAttribute(ctx, &ec2.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: id}))(t, "MissingParameter")
	refused(c.ModifyNetworkInterfaceAttribute(ctx, &ec2.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: id, SourceDestCheck: &types.AttributeBooleanValue{Value: aws.Bool(false)}}))(t, "UnsupportedOperation")
	refused(c.ModifyNetworkInterfaceAttribute(ctx, &ec2.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: id, Groups: []string{"sg-0"}}))(t, "InvalidGroup.NotFound")
	refused(c.DescribeNetworkInterfaceAttribute(ctx, &ec2.DescribeNetworkInterfaceAttributeInput{NetworkInterfaceId: id, Attribute: "none"}))(t, "InvalidParameterValue")
}

func TestRoutingIsShown(t *testing.T) {
	r := newRegion(t)
	c, ctx := r.ec2(), t.Context()
	vpc := r.vpc("10.0.0.0/16")
	subnet := r.subnet(vpc, "10.0.1.0/24")
	table := answer(c.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{Filters: append(filter("vpc-id", vpc), filter("association.main", "true")...)}))(t).RouteTables[0]
	equal(t, "route", *table.Routes[0].DestinationCidrBlock+" "+*table.Routes[0].GatewayId, "10.0.0.0/16 local")
	acl := answer(c.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{Filters: filter("association.subnet-id", subnet)}))(t).NetworkAcls[0]
	equal(t, "default", *acl.IsDefault, true)
	equal(t, "entries", len(acl.Entries), 4)
	answer(c.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{*table.RouteTableId, *acl.NetworkAclId}, Tags: []types.Tag{{Key: aws.String("Name"), Value: aws.String("main")}}}))(t)
	equal(t, "tagged", len(answer(c.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{Filters: filter("tag:Name", "main")}))(t).RouteTables), 1)
}
