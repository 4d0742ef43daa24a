package api

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func TestSecurityGroups(t *testing.T) {
	r := newRegion(t)
	c, ctx := r.ec2(), t.Context()
	blue, red := r.vpc("10.0.0.0/16"), r.vpc("10.1.0.0/16")
	made := answer(c.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
		VpcId: &blue, GroupName: aws.String("web"), Description: aws.String("for the web"), TagSpecifications: named("security-group", "w"),
	}))(t)
	equal(t, "tag", *made.Tags[0].Value, "w")
	r.group(blue, "both")
	r.group(red, "both")

	list := answer(c.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupNames: []string{"web"}}))(t).SecurityGroups
	equal(t, "named", len(list), 1)
	g := list[0]
	equal(t, "group", *g.GroupId+" "+*g.Description+" "+*g.VpcId+" "+*g.OwnerId, *made.GroupId+" for the web "+blue+" 123456789012")
	equal(t, "ingress", len(g.IpPermissions), 0)
	equal(t, "egress", *g.IpPermissionsEgress[0].IpProtocol+" "+*g.IpPermissionsEgress[0].IpRanges[0].CidrIp, "-1 0.0.0.0/0")
	equal(t, "ports of all", g.IpPermissionsEgress[0].FromPort, nil)
	equal(t, "of two VPCs", len(answer(c.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupNames: []string{"both"}}))(t).SecurityGroups), 2)
	equal(t, "of one", len(answer(c.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: filter("vpc-id", red)}))(t).SecurityGroups), 2)

	byName := func(name string) *ec2.DeleteSecurityGroupInput {
		return &ec2.DeleteSecurityGroupInput{GroupName: &name}
	}
	refused(c.DeleteSecurityGroup(ctx, byName("both")))(t, "InvalidParameterValue") // which?
	refused(c.DeleteSecurityGroup(ctx, byName("none")))(t, "InvalidGroup.NotFound")
	refused(c.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{}))(t, "MissingParameter")
	refused(c.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: made.GroupId, GroupName: aws.String("web")}))(t, "InvalidParameterCombination")
	refused(c.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: made.GroupId, DryRun: aws.Bool(true)}))(t, "DryRunOperation")
	refused(c.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{VpcId: &blue, GroupName: aws.String("web"), Description: aws.String("d")}))(t, "InvalidGroup.Duplicate")
	refused(c.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupNames: []string{"none"}}))(t, "InvalidGroup.NotFound")
	answer(c.DeleteSecurityGroup(ctx, byName("web")))(t)
	refused(c.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{*made.GroupId}}))(t, "InvalidGroup.NotFound")
}

// port is a permission for a port of tcp.
func port(n int32, change ...func(*types.IpPermission)) []types.IpPermission {
	p := types.IpPermission{IpProtocol: aws.String("tcp"), FromPort: &n, ToPort: &n}
	for _, c := range change {
		c(&p)
	}
	return []types.IpPermission{p}
}

func from(cidr string) func(*types.IpPermission) {
	return func(p *types.IpPermission) {
		p.IpRanges = append(p.IpRanges, types.IpRange{CidrIp: &cidr, Description: aws.String("from " + cidr)})
	}
}

func members(pair types.UserIdGroupPair) func(*types.IpPermission) {
	return func(p *types.IpPermission) { p.UserIdGroupPairs = append(p.UserIdGroupPairs, pair) }
}

func TestSecurityGroupRules(t *testing.T) {
	r := newRegion(t)
	c, ctx := r.ec2(), t.Context()
	vpc := r.vpc("10.0.0.0/16")
	web, peer := r.group(vpc, "web"), r.group(vpc, "peer")
	r.group(r.vpc("10.1.0.0/16"), "peer") // the name means that of the same VPC all the same

	made := answer(c.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: &web, IpPermissions: port(443, from("10.0.0.0/8"), members(types.UserIdGroupPair{GroupName: aws.String("peer")})),
		TagSpecifications: named("security-group-rule", "https"),
	}))(t)
	equal(t, "return", *made.Return, true)
	equal(t, "rules", len(made.SecurityGroupRules), 2)
	byRange, byGroup := made.SecurityGroupRules[0], made.SecurityGroupRules[1]
	equal(t, "range", *byRange.CidrIpv4+" "+*byRange.IpProtocol+" "+*byRange.Description+" "+*byRange.Tags[0].Value, "10.0.0.0/8 tcp from 10.0.0.0/8 https")
	equal(t, "ports", *byRange.FromPort+*byRange.ToPort, 886)
	equal(t, "egress", *byRange.IsEgress, false)
	equal(t, "peer", *byGroup.ReferencedGroupInfo.GroupId+" "+*byGroup.ReferencedGroupInfo.UserId, peer+" 123456789012")

	out := answer(c.AuthorizeSecurityGroupEgress(ctx, &ec2.AuthorizeSecurityGroupEgressInput{GroupId: &web, IpPermissions: port(53, from("10.0.0.2/32"))}))(t)
	equal(t, "egress", *out.SecurityGroupRules[0].IsEgress, true)

	// The parameters of the API's first versions.
	answer(c.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{
		GroupName: aws.String("web"), IpProtocol: aws.String("udp"), FromPort: aws.Int32(5000), ToPort: aws.Int32(6000), CidrIp: aws.String("0.0.0.0/0"),
	}))(t)
	answer(c.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &web, SourceSecurityGroupName: aws.String("peer")}))(t)
	g := answer(c.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{web}}))(t).SecurityGroups[0]
	equal(t, "permissions", len(g.IpPermissions), 3)
	equal(t, "first", *g.IpPermissions[0].IpRanges[0].Description+" "+*g.IpPermissions[0].UserIdGroupPairs[0].GroupId, "from 10.0.0.0/8 "+peer)
	equal(t, "second", *g.IpPermissions[1].IpProtocol+" "+*g.IpPermissions[1].IpRanges[0].CidrIp, "udp 0.0.0.0/0")
	equal(t, "third", *g.IpPermissions[2].IpProtocol+" "+*g.IpPermissions[2].UserIdGroupPairs[0].GroupId, "-1 "+peer)

	rules := func() []types.SecurityGroupRule {
		return answer(c.DescribeSecurityGroupRules(ctx, &ec2.DescribeSecurityGroupRulesInput{Filters: filter("group-id", web)}))(t).SecurityGroupRules
	}
	equal(t, "all rules", len(rules()), 6)
	answer(c.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &web, IpPermissions: port(443, from("10.0.0.0/8"))}))(t)
	answer(c.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &web, SecurityGroupRuleIds: []string{*byGroup.SecurityGroupRuleId}}))(t)
	answer(c.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{
		GroupId: &web, IpProtocol: aws.String("udp"), FromPort: aws.Int32(5000), ToPort: aws.Int32(6000), CidrIp: aws.String("0.0.0.0/0"),
	}))(t)
	answer(c.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: &web, IpPermissions: port(53, from("10.0.0.2/32"))}))(t)
	equal(t, "rules left", len(rules()), 2)

	for name, refusal := range map[string]struct {
		code string
		in   ec2.AuthorizeSecurityGroupIngressInput
	}{
		"twice": {"InvalidPermission.Duplicate", ec2.AuthorizeSecurityGroupIngressInput{SourceSecurityGroupName: aws.String("peer")}},
		"prefix list": {"InvalidPrefixListID.NotFound", ec2.AuthorizeSecurityGroupIngressInput{IpPermissions: port(1, func(p *types.IpPermission) {
			p.PrefixListIds = []types.PrefixListId{{PrefixListId: aws.String("pl-1")}}
		})}},
		"peering":        {"UnsupportedOperation", ec2.AuthorizeSecurityGroupIngressInput{IpPermissions: port(1, members(types.UserIdGroupPair{GroupId: &peer, VpcPeeringConnectionId: aws.String("pcx-1")}))}},
		"account":        {"InvalidGroup.NotFound", ec2.AuthorizeSecurityGroupIngressInput{IpPermissions: port(1, members(types.UserIdGroupPair{GroupId: &peer, UserId: aws.String("210987654321")}))}},
		"nobody":         {"InvalidParameterValue", ec2.AuthorizeSecurityGroupIngressInput{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(1), ToPort: aws.Int32(1)}},
		"both ways":      {"InvalidParameterCombination", ec2.AuthorizeSecurityGroupIngressInput{IpPermissions: port(1, from("10.0.0.0/8")), CidrIp: aws.String("0.0.0.0/0")}},
		"range of group": {"InvalidParameterCombination", ec2.AuthorizeSecurityGroupIngressInput{SourceSecurityGroupName: aws.String("peer"), CidrIp: aws.String("0.0.0.0/0")}},
		"nothing":        {"MissingParameter", ec2.AuthorizeSecurityGroupIngressInput{}},
		"dry":            {"DryRunOperation", ec2.AuthorizeSecurityGroupIngressInput{IpPermissions: port(1, from("10.0.0.0/8")), DryRun: aws.Bool(true)}},
	} {
		t.Run(name, func(t *testing.T) {
			refusal.in.GroupId = &web
			refused(c.AuthorizeSecurityGroupIngress(ctx, &refusal.in))(t, refusal.code)
		})
	}
	refused(c.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &web, IpPermissions: port(1, from("10.0.0.0/8"))}))(t, "InvalidPermission.NotFound")
	refused(c.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &web, IpPermissions: port(1, from("10.0.0.0/8")), DryRun: aws.Bool(true)}))(t, "DryRunOperation")
	equal(t, "rules after refusals", len(rules()), 2)
}

// IPv6's rules are kept and shown. To take away one that is not there is what Terraform does first of all with a group.
func TestRulesOfIPv6(t *testing.T) {
	r := newRegion(t)
	c, ctx := r.ec2(), t.Context()
	group := r.group(r.vpc("10.0.0.0/16"), "web")
	all := []types.IpPermission{{IpProtocol: aws.String("-1"), Ipv6Ranges: []types.Ipv6Range{{CidrIpv6: aws.String("::/0"), Description: aws.String("six")}}}}
	for _, revoke := range []func() error{
		func() error {
			_, err := c.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: &group, IpPermissions: all})
			return err
		},
		func() error {
			_, err := c.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &group, IpPermissions: all})
			return err
		},
	} {
		refused(0, revoke())(t, "InvalidPermission.NotFound")
	}
	made := answer(c.AuthorizeSecurityGroupEgress(ctx, &ec2.AuthorizeSecurityGroupEgressInput{GroupId: &group, IpPermissions: all}))(t).SecurityGroupRules[0]
	equal(t, "rule", *made.CidrIpv6, "::/0")
	equal(t, "no IPv4 range", made.CidrIpv4, nil)
	refused(c.AuthorizeSecurityGroupEgress(ctx, &ec2.AuthorizeSecurityGroupEgressInput{GroupId: &group, IpPermissions: all}))(t, "InvalidPermission.Duplicate")
	g := answer(c.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{group}}))(t).SecurityGroups[0]
	equal(t, "permissions", len(g.IpPermissionsEgress), 1) // with the way out that every group has
	equal(t, "range", *g.IpPermissionsEgress[0].Ipv6Ranges[0].CidrIpv6+" "+*g.IpPermissionsEgress[0].Ipv6Ranges[0].Description, "::/0 six")
	answer(c.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: &group, IpPermissions: all}))(t)
	refused(c.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: &group, IpPermissions: all}))(t, "InvalidPermission.NotFound")
}
