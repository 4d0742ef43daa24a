package ec2

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// IPPermission is rules of one protocol and port range, as the calls that authorize and revoke take them.
type IPPermission struct {
	IPProtocol       string // a name, a number, or "-1"
	FromPort, ToPort *int   // nil: none
	IPRanges         []IPRange
	UserIDGroupPairs []UserIDGroupPair
	IPv6Ranges       []IPRange // kept and shown; they match nothing, since the lab speaks IPv4 alone
	PrefixListIDs    []string  // refused: the lab has none
}

// IPRange is a range that an IPPermission allows.
type IPRange struct{ CidrIP, Description string }

// UserIDGroupPair is a group whose members an IPPermission allows.
type UserIDGroupPair struct{ GroupID, UserID, Description string }

const icmpv6 = "icmpv6"

// protocols are those that have names in EC2, by name and number.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html
var protocols = map[string]string{
	"tcp": "tcp", "6": "tcp", "udp": "udp", "17": "udp", "icmp": "icmp", "1": "icmp", icmpv6: icmpv6, "58": icmpv6, "-1": "-1", "all": "-1",
}

// protocolOf gives a protocol's one spelling; false if it is none.
func protocolOf(s string) (string, bool) {
	if name, ok := protocols[strings.ToLower(s)]; ok {
		return name, true
	}
	n, err := strconv.ParseUint(s, 10, 8)
	return s, err == nil && strconv.FormatUint(n, 10) == s
}

// rulesOf takes permissions apart, a rule for each peer, without ids.
func rulesOf(permissions []IPPermission, egress bool) (list []SecurityGroupRule, err error) {
	add := func(t Traffic, description string) error {
		if !isGroupText(description) {
			return badRuleDescription()
		}
		if slices.ContainsFunc(list, func(r SecurityGroupRule) bool { return r.Traffic == t }) {
			return refuse(InvalidParameterValue, "The same permission must not appear multiple times")
		}
		list = append(list, SecurityGroupRule{Traffic: t, Description: description})
		return nil
	}
	for _, p := range permissions {
		traffic, err := p.traffic()
		if err != nil {
			return nil, err
		}
		traffic.IsEgress = egress
		for _, peer := range p.IPRanges {
			t := traffic
			cidr, err := netip.ParsePrefix(peer.CidrIP)
			if err != nil || !cidr.Addr().Is4() {
				return nil, refuse(InvalidParameterValue, "CIDR block %s is malformed", peer.CidrIP)
			}
			t.CidrIPv4 = cidr.Masked()
			if err := add(t, peer.Description); err != nil {
				return nil, err
			}
		}
		for _, peer := range p.IPv6Ranges {
			t := traffic
			cidr, err := netip.ParsePrefix(peer.CidrIP)
			if err != nil || !cidr.Addr().Is6() {
				return nil, refuse(InvalidParameterValue, "CIDR block %s is malformed", peer.CidrIP)
			}
			t.CidrIPv6 = cidr.Masked()
			if err := add(t, peer.Description); err != nil {
				return nil, err
			}
		}
		for _, peer := range p.UserIDGroupPairs {
			t := traffic
			if t.ReferencedGroupID = peer.GroupID; peer.GroupID == "" {
				return nil, missing("groupId")
			}
			if err := add(t, peer.Description); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

// traffic is what a permission allows, apart from the peer.
func (p IPPermission) traffic() (t Traffic, err error) {
	known := false
	t.FromPort, t.ToPort = -1, -1
	t.IPProtocol, known = protocolOf(p.IPProtocol)
	from, to := portOr(p.FromPort, -1), portOr(p.ToPort, -1)
	switch {
	case p.IPProtocol == "":
		return t, missing("ipProtocol")
	case !known:
		return t, refuse(InvalidParameterValue, "Invalid value '%s' for IP protocol. Unknown protocol.", p.IPProtocol)
	case len(p.PrefixListIDs) > 0:
		return t, refuse(InvalidPrefixListNotFound, "The prefix list ID '%s' does not exist", p.PrefixListIDs[0])
	case len(p.IPRanges)+len(p.IPv6Ranges)+len(p.UserIDGroupPairs) == 0:
		return t, refuse(InvalidParameterValue, "A permission needs a peer: a range or a security group.")
	case t.isICMP():
		if from < -1 || from > 255 || to < -1 || to > 255 || from == -1 && to != -1 {
			return t, refuse(InvalidParameterValue, "Invalid ICMP type and code (%d:%d): each is -1 for all, or 0 to 255; a code needs a type", from, to)
		}
	case t.IPProtocol != "tcp" && t.IPProtocol != "udp": // whatever the ports
		return t, nil
	case p.FromPort == nil || p.ToPort == nil:
		return t, refuse(InvalidParameterValue, "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.")
	case from < 0 || to > 65535 || from > to:
		return t, refuse(InvalidParameterValue, "Invalid TCP/UDP port range (%d:%d)", from, to)
	case to == 0:
		return t, refuse(InvalidParameterValue, "Invalid TCP/UDP port range (0:0). The lab has no rule for port 0 alone.")
	}
	t.FromPort, t.ToPort = from, to
	return t, nil
}

func portOr(p *int, none int) int {
	if p == nil {
		return none
	}
	return *p
}

// Permissions puts a group's rules of one direction together by protocol and ports, as DescribeSecurityGroups shows them.
// The account owns the groups that they name.
func (g SecurityGroup) Permissions(egress bool) (list []IPPermission) {
	at := map[Traffic]int{}
	for _, r := range g.Rules {
		if r.IsEgress != egress {
			continue
		}
		common := Traffic{IPProtocol: r.IPProtocol, FromPort: r.FromPort, ToPort: r.ToPort}
		i, ok := at[common]
		if !ok {
			i = len(list)
			at[common] = i
			p := IPPermission{IPProtocol: r.IPProtocol}
			if common.hasPorts() {
				p.FromPort, p.ToPort = &common.FromPort, &common.ToPort
			}
			list = append(list, p)
		}
		p := &list[i]
		switch {
		case r.ReferencedGroupID != "":
			p.UserIDGroupPairs = append(p.UserIDGroupPairs, UserIDGroupPair{r.ReferencedGroupID, g.OwnerID, r.Description})
		case r.CidrIPv6.IsValid():
			p.IPv6Ranges = append(p.IPv6Ranges, IPRange{r.cidr6(), r.Description})
		default:
			p.IPRanges = append(p.IPRanges, IPRange{r.cidr(), r.Description})
		}
	}
	return list
}

func badRuleDescription() error {
	return refuse(InvalidParameterValue, "Invalid rule description. Valid descriptions are strings less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*")
}

// hasPorts holds for the protocols whose permissions show ports, or ICMP's types and codes.
func (t Traffic) hasPorts() bool { return t.isICMP() || t.IPProtocol == "tcp" || t.IPProtocol == "udp" }
