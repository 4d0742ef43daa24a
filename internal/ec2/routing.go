package ec2

import (
	"net/netip"
	"slices"
	"strings"
)

// RouteTable is a VPC's main route table, which all its subnets use. Its only route is the VPC's own: it says what the
// kernel's table of the VPC does, and cannot be changed.
type RouteTable struct {
	RouteTableID string
	VpcID        string
	OwnerID      string
	CidrBlock    netip.Prefix // of the route to the VPC itself
	Tags         map[string]string
}

// AssociationID is the id of the table as the VPC's main one.
func (v RouteTable) AssociationID() string {
	return "rtbassoc-" + strings.TrimPrefix(v.RouteTableID, "rtb-")
}

// routeTableKind is how route tables are asked for.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeRouteTables.html
func routeTableKind() kind[RouteTable] {
	return kind[RouteTable]{
		of:   aRouteTable,
		id:   func(v RouteTable) string { return v.RouteTableID },
		tags: func(v RouteTable) map[string]string { return v.Tags },
		attributes: attributes[RouteTable]{
			"route-table-id":                         one(func(v RouteTable) string { return v.RouteTableID }),
			"vpc-id":                                 one(func(v RouteTable) string { return v.VpcID }),
			"owner-id":                               one(func(v RouteTable) string { return v.OwnerID }),
			"association.main":                       same[RouteTable]("true"),
			"association.route-table-id":             one(func(v RouteTable) string { return v.RouteTableID }),
			"association.route-table-association-id": one(RouteTable.AssociationID),
			"association.subnet-id":                  absent[RouteTable], // the main association is the VPC's
			"association.gateway-id":                 absent[RouteTable],
			"route.destination-cidr-block":           one(func(v RouteTable) string { return v.CidrBlock.String() }),
			"route.gateway-id":                       same[RouteTable]("local"),
			"route.origin":                           same[RouteTable]("CreateRouteTable"),
			"route.state":                            same[RouteTable]("active"),
			"route.destination-ipv6-cidr-block":      absent[RouteTable],
			"route.destination-prefix-list-id":       absent[RouteTable],
			"route.egress-only-internet-gateway-id":  absent[RouteTable],
			"route.instance-id":                      absent[RouteTable],
			"route.nat-gateway-id":                   absent[RouteTable],
			"route.transit-gateway-id":               absent[RouteTable],
			"route.vpc-peering-connection-id":        absent[RouteTable],
		},
	}
}

// DescribeRouteTables shows each VPC's main route table.
func (s *Service) DescribeRouteTables(q Query) (Page[RouteTable], error) {
	var all []RouteTable
	s.mu.RLock()
	for _, v := range s.vpcs.all {
		id := ofVPC("rtb-", v.VpcID)
		all = append(all, RouteTable{RouteTableID: id, VpcID: v.VpcID, OwnerID: s.Account, CidrBlock: v.CidrBlock, Tags: s.tags.all[id]})
	}
	s.mu.RUnlock()
	sortByID(routeTableKind(), all)
	return describe(routeTableKind(), all, q)
}

// ofVPC is the id of what each VPC has one of.
func ofVPC(prefix, vpc string) string { return prefix + strings.TrimPrefix(vpc, "vpc-") }

// NetworkACL is a VPC's default network ACL, which all its subnets have. It lets everything pass, as the VPC does: security
// groups alone decide. It cannot be changed.
type NetworkACL struct {
	NetworkACLID string
	VpcID        string
	OwnerID      string
	Entries      []NetworkACLEntry
	Subnets      []string // in order
	Tags         map[string]string
}

// NetworkACLEntry is a rule of a network ACL, for all protocols and addresses.
type NetworkACLEntry struct {
	RuleNumber int
	Egress     bool
	RuleAction string // "allow" or "deny"
}

// defaultEntries are those that a default network ACL has.
// https://docs.aws.amazon.com/vpc/latest/userguide/default-network-acl.html
func defaultEntries() []NetworkACLEntry {
	return []NetworkACLEntry{{100, true, "allow"}, {32767, true, "deny"}, {100, false, "allow"}, {32767, false, "deny"}}
}

// AssociationOf is the id of the ACL as a subnet's.
func (v NetworkACL) AssociationOf(subnet string) string {
	return "aclassoc-" + strings.TrimPrefix(subnet, "subnet-")
}

// networkACLKind is how network ACLs are asked for.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeNetworkAcls.html
func networkACLKind() kind[NetworkACL] {
	return kind[NetworkACL]{
		of:   aNetworkACL,
		id:   func(v NetworkACL) string { return v.NetworkACLID },
		tags: func(v NetworkACL) map[string]string { return v.Tags },
		attributes: attributes[NetworkACL]{
			"network-acl-id":             one(func(v NetworkACL) string { return v.NetworkACLID }),
			"vpc-id":                     one(func(v NetworkACL) string { return v.VpcID }),
			"owner-id":                   one(func(v NetworkACL) string { return v.OwnerID }),
			"default":                    same[NetworkACL]("true"),
			"association.network-acl-id": ofSubnets(func(v NetworkACL, _ string) string { return v.NetworkACLID }),
			"association.association-id": ofSubnets(NetworkACL.AssociationOf),
			"association.subnet-id":      ofSubnets(func(_ NetworkACL, subnet string) string { return subnet }),
			"entry.cidr":                 same[NetworkACL]("0.0.0.0/0"),
			"entry.protocol":             same[NetworkACL]("-1"),
			"entry.egress":               func(NetworkACL) []string { return []string{"true", "false"} },
			"entry.rule-action":          func(NetworkACL) []string { return []string{"allow", "deny"} },
			"entry.rule-number":          func(NetworkACL) []string { return []string{"100", "32767"} },
			"entry.ipv6-cidr":            absent[NetworkACL],
			"entry.icmp.code":            absent[NetworkACL],
			"entry.icmp.type":            absent[NetworkACL],
			"entry.port-range.from":      absent[NetworkACL],
			"entry.port-range.to":        absent[NetworkACL],
		},
	}
}

func ofSubnets(get func(v NetworkACL, subnet string) string) func(NetworkACL) []string {
	return func(v NetworkACL) (values []string) {
		for _, subnet := range v.Subnets {
			values = append(values, get(v, subnet))
		}
		return values
	}
}

// DescribeNetworkAcls shows each VPC's default network ACL.
func (s *Service) DescribeNetworkAcls(q Query) (Page[NetworkACL], error) {
	var all []NetworkACL
	s.mu.RLock()
	for _, v := range s.vpcs.all {
		id := ofVPC("acl-", v.VpcID)
		acl := NetworkACL{NetworkACLID: id, VpcID: v.VpcID, OwnerID: s.Account, Entries: defaultEntries(), Tags: s.tags.all[id]}
		for _, sub := range s.subnets.all {
			if sub.VpcID == v.VpcID {
				acl.Subnets = append(acl.Subnets, sub.SubnetID)
			}
		}
		slices.Sort(acl.Subnets)
		all = append(all, acl)
	}
	s.mu.RUnlock()
	sortByID(networkACLKind(), all)
	return describe(networkACLKind(), all, q)
}

// Nothing is of these kinds, of which the lab has none.
type (
	// DhcpOptions are a set of DHCP options. The lab has no DHCP: its VPCs say "default", which means none.
	DhcpOptions struct{}
	// PrefixList is a list of ranges.
	PrefixList struct{}
)

// DescribeDhcpOptions shows that there are none.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeDhcpOptions.html
func (s *Service) DescribeDhcpOptions(q Query) (Page[DhcpOptions], error) {
	return describe(noneOf[DhcpOptions](dhcpOptions, "dhcp-options-id", "key", "value", "owner-id"), nil, q)
}

// DescribePrefixLists shows that there are none.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribePrefixLists.html
func (s *Service) DescribePrefixLists(q Query) (Page[PrefixList], error) {
	return describe(noneOf[PrefixList](aPrefixList, "prefix-list-id", "prefix-list-name"), nil, q)
}

// DescribeManagedPrefixLists shows that there are none.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeManagedPrefixLists.html
func (s *Service) DescribeManagedPrefixLists(q Query) (Page[PrefixList], error) {
	return describe(noneOf[PrefixList](aPrefixList, "owner-id", "prefix-list-id", "prefix-list-name"), nil, q)
}

// noneOf is a kind that there is nothing of.
func noneOf[T any](of resource, filters ...string) kind[T] {
	k := kind[T]{of: of, id: func(T) string { return "" }, tags: func(T) map[string]string { return nil }, attributes: attributes[T]{}}
	for _, name := range filters {
		k.attributes[name] = absent[T]
	}
	return k
}
