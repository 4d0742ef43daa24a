package api

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// documented are the filters of each operation, as the documentation of aws-sdk-go-v2/service/ec2 v1.344.2 lists them.
var documented = map[string]string{
	"DescribeVpcs": "cidr cidr-block-association.cidr-block cidr-block-association.association-id cidr-block-association.state dhcp-options-id " +
		"ipv6-cidr-block-association.ipv6-cidr-block ipv6-cidr-block-association.ipv6-pool ipv6-cidr-block-association.association-id " +
		"ipv6-cidr-block-association.state is-default owner-id state tag:Name tag-key vpc-id",
	"DescribeSubnets": "availability-zone availability-zone-id available-ip-address-count cidr-block customer-owned-ipv4-pool default-for-az enable-dns64 " +
		"enable-lni-at-device-index ipv6-cidr-block-association.ipv6-cidr-block ipv6-cidr-block-association.association-id " +
		"ipv6-cidr-block-association.state ipv6-native map-customer-owned-ip-on-launch map-public-ip-on-launch outpost-arn owner-id " +
		"private-dns-name-options-on-launch.hostname-type private-dns-name-options-on-launch.enable-resource-name-dns-a-record " +
		"private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record state subnet-arn subnet-id tag:Name tag-key vpc-id",
	"DescribeSecurityGroups": "description egress.ip-permission.cidr egress.ip-permission.from-port egress.ip-permission.group-id " +
		"egress.ip-permission.group-name egress.ip-permission.ipv6-cidr egress.ip-permission.prefix-list-id egress.ip-permission.protocol " +
		"egress.ip-permission.to-port egress.ip-permission.user-id group-id group-name ip-permission.cidr ip-permission.from-port " +
		"ip-permission.group-id ip-permission.group-name ip-permission.ipv6-cidr ip-permission.prefix-list-id ip-permission.protocol " +
		"ip-permission.to-port ip-permission.user-id owner-id tag:Name tag-key vpc-id",
	"DescribeSecurityGroupRules": "group-id security-group-rule-id tag:Name tag-key",
	"DescribeNetworkInterfaces": "association.allocation-id association.association-id addresses.association.owner-id addresses.association.public-ip " +
		"addresses.primary addresses.private-ip-address association.ip-owner-id association.public-ip association.public-dns-name " +
		"attachment.attach-time attachment.attachment-id attachment.delete-on-termination attachment.device-index attachment.instance-id " +
		"attachment.instance-owner-id attachment.status availability-zone availability-zone-id description group-id ipv6-addresses.ipv6-address " +
		"interface-type mac-address network-interface-id operator.managed operator.principal owner-id private-dns-name private-ip-address " +
		"requester-id requester-managed source-dest-check status subnet-id tag:Name tag-key vpc-id",
	"DescribeTags":              "key resource-id resource-type tag:Name value",
	"DescribeAvailabilityZones": "group-long-name group-name message opt-in-status parent-zone-id parent-zone-name region-name state zone-id zone-name zone-type",
	"DescribeRegions":           "endpoint opt-in-status region-name",
	"DescribeRouteTables": "association.gateway-id association.route-table-association-id association.route-table-id association.subnet-id association.main " +
		"owner-id route-table-id route.destination-cidr-block route.destination-ipv6-cidr-block route.destination-prefix-list-id " +
		"route.egress-only-internet-gateway-id route.gateway-id route.instance-id route.nat-gateway-id route.transit-gateway-id route.origin " +
		"route.state route.vpc-peering-connection-id tag:Name tag-key vpc-id",
	"DescribeNetworkAcls": "association.association-id association.network-acl-id association.subnet-id default entry.cidr entry.icmp.code entry.icmp.type " +
		"entry.ipv6-cidr entry.port-range.from entry.port-range.to entry.protocol entry.rule-action entry.egress entry.rule-number network-acl-id " +
		"owner-id tag:Name tag-key vpc-id",
	"DescribeDhcpOptions":        "dhcp-options-id key value owner-id tag:Name tag-key",
	"DescribePrefixLists":        "prefix-list-id prefix-list-name",
	"DescribeManagedPrefixLists": "owner-id prefix-list-id prefix-list-name",
}

// Every documented filter is taken, alone and with a value that nothing has, and any other is refused.
func TestDocumentedFilters(t *testing.T) {
	r := newRegion(t)
	c, ctx := r.ec2(), t.Context()
	vpc := r.vpc("10.0.0.0/16")
	subnet := r.subnet(vpc, "10.0.1.0/24")
	answer(c.CreateNetworkInterface(ctx, &ec2.CreateNetworkInterfaceInput{SubnetId: &subnet, TagSpecifications: named("network-interface", "a")}))(t)
	for operation, describe := range map[string]func([]types.Filter) (int, error){
		"DescribeVpcs": func(f []types.Filter) (int, error) {
			out, err := c.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{Filters: f})
			return count(out, err, func() int { return len(out.Vpcs) })
		},
		"DescribeSubnets": func(f []types.Filter) (int, error) {
			out, err := c.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: f})
			return count(out, err, func() int { return len(out.Subnets) })
		},
		"DescribeSecurityGroups": func(f []types.Filter) (int, error) {
			out, err := c.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: f})
			return count(out, err, func() int { return len(out.SecurityGroups) })
		},
		"DescribeSecurityGroupRules": func(f []types.Filter) (int, error) {
			out, err := c.DescribeSecurityGroupRules(ctx, &ec2.DescribeSecurityGroupRulesInput{Filters: f})
			return count(out, err, func() int { return len(out.SecurityGroupRules) })
		},
		"DescribeNetworkInterfaces": func(f []types.Filter) (int, error) {
			out, err := c.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{Filters: f})
			return count(out, err, func() int { return len(out.NetworkInterfaces) })
		},
		"DescribeTags": func(f []types.Filter) (int, error) {
			out, err := c.DescribeTags(ctx, &ec2.DescribeTagsInput{Filters: f})
			return count(out, err, func() int { return len(out.Tags) })
		},
		"DescribeAvailabilityZones": func(f []types.Filter) (int, error) {
			out, err := c.DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{Filters: f})
			return count(out, err, func() int { return len(out.AvailabilityZones) })
		},
		"DescribeRegions": func(f []types.Filter) (int, error) {
			out, err := c.DescribeRegions(ctx, &ec2.DescribeRegionsInput{Filters: f})
			return count(out, err, func() int { return len(out.Regions) })
		},
		"DescribeRouteTables": func(f []types.Filter) (int, error) {
			out, err := c.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{Filters: f})
			return count(out, err, func() int { return len(out.RouteTables) })
		},
		"DescribeNetworkAcls": func(f []types.Filter) (int, error) {
			out, err := c.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{Filters: f})
			return count(out, err, func() int { return len(out.NetworkAcls) })
		},
		"DescribeDhcpOptions": func(f []types.Filter) (int, error) {
			out, err := c.DescribeDhcpOptions(ctx, &ec2.DescribeDhcpOptionsInput{Filters: f})
			return count(out, err, func() int { return len(out.DhcpOptions) })
		},
		"DescribePrefixLists": func(f []types.Filter) (int, error) {
			out, err := c.DescribePrefixLists(ctx, &ec2.DescribePrefixListsInput{Filters: f})
			return count(out, err, func() int { return len(out.PrefixLists) })
		},
		"DescribeManagedPrefixLists": func(f []types.Filter) (int, error) {
			out, err := c.DescribeManagedPrefixLists(ctx, &ec2.DescribeManagedPrefixListsInput{Filters: f})
			return count(out, err, func() int { return len(out.PrefixLists) })
		},
	} {
		t.Run(operation, func(t *testing.T) {
			for name := range strings.FieldsSeq(documented[operation]) {
				if n, err := describe(filter(name, "nothing-has-this")); err != nil || n != 0 {
					t.Errorf("%s: %d, %v", name, n, err)
				}
			}
			refused(describe(filter("no-such-filter", "x")))(t, "InvalidParameterValue")
			delete(documented, operation)
		})
	}
	if len(documented) > 0 {
		t.Errorf("not tried: %v", documented)
	}
}

func count[T any](_ *T, err error, n func() int) (int, error) {
	if err != nil {
		return 0, err
	}
	return n(), nil
}

// An id that leads nowhere is refused in the words of the parameter's kind, whatever the id looks like.
func TestUnknownIDs(t *testing.T) {
	r := newRegion(t)
	c, ctx := r.ec2(), t.Context()
	fail := func(_ any, err error) error { return err }
	for _, id := range []string{"foo", "vpc-1"} {
		for code, err := range map[string]error{
			"InvalidGroupId.Malformed":             fail(c.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{id}})),
			"InvalidSubnetID.NotFound":             fail(c.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: &id})),
			"InvalidVpcID.NotFound":                fail(c.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: &id})),
			"InvalidNetworkInterfaceId.Malformed":  fail(c.DeleteNetworkInterface(ctx, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: &id})),
			"InvalidSecurityGroupRuleId.Malformed": fail(c.DescribeSecurityGroupRules(ctx, &ec2.DescribeSecurityGroupRulesInput{SecurityGroupRuleIds: []string{id}})),
			"InvalidRouteTableID.NotFound":         fail(c.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{RouteTableIds: []string{id}})),
			"InvalidNetworkAclID.NotFound":         fail(c.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{id}})),
			"InvalidDhcpOptionID.NotFound":         fail(c.DescribeDhcpOptions(ctx, &ec2.DescribeDhcpOptionsInput{DhcpOptionsIds: []string{id}})),
			"InvalidPrefixListID.NotFound":         fail(c.DescribePrefixLists(ctx, &ec2.DescribePrefixListsInput{PrefixListIds: []string{id}})),
		} {
			refused(0, err)(t, code)
		}
	}
	refused(c.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{"sg-0"}}))(t, "InvalidGroup.NotFound")
	refused(c.DeleteNetworkInterface(ctx, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: aws.String("eni-0")}))(t, "InvalidNetworkInterfaceID.NotFound")
	_, err := c.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{"foo"}})
	if want := `Invalid id: "foo" (expecting "sg-...")`; !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
	refused(c.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{"foo"}, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}}))(t, "InvalidID")
}
