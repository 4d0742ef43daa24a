package ec2

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"enilab/netlab"
)

// SecurityGroupRule is a rule as DescribeSecurityGroupRules shows it.
type SecurityGroupRule struct {
	SecurityGroupRuleID string // stays the rule's for its life
	GroupID             string
	Traffic
	Description string `json:",omitempty"`

	GroupOwnerID string            `json:"-"`
	Tags         map[string]string `json:"-"`
}

// Traffic is what a rule allows: one kind from (ingress) or to (egress) a range or the members of a group. No two rules of
// a group allow the same.
type Traffic struct {
	IsEgress          bool         `json:",omitempty"`
	IPProtocol        string       // "tcp", "udp", "icmp", "icmpv6", the number of another protocol, or "-1" for all
	FromPort, ToPort  int          // of tcp and udp, 0 to 65,535; of icmp and icmpv6 type and code, or -1 for all; -1 otherwise
	CidrIPv4          netip.Prefix // one of these three is given
	CidrIPv6          netip.Prefix `json:",omitzero"`
	ReferencedGroupID string       `json:",omitempty"`
}

// ruleKind is how rules are asked for.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSecurityGroupRules.html
func ruleKind() kind[SecurityGroupRule] {
	return kind[SecurityGroupRule]{
		of:   aRule,
		id:   func(r SecurityGroupRule) string { return r.SecurityGroupRuleID },
		tags: func(r SecurityGroupRule) map[string]string { return r.Tags },
		attributes: attributes[SecurityGroupRule]{
			"security-group-rule-id": one(func(r SecurityGroupRule) string { return r.SecurityGroupRuleID }),
			"group-id":               one(func(r SecurityGroupRule) string { return r.GroupID }),
		},
	}
}

// allEgress is the rule that a new group has.
func allEgress(group string) SecurityGroupRule {
	return SecurityGroupRule{
		SecurityGroupRuleID: netlab.NewID("sgr-"), GroupID: group,
		Traffic: Traffic{IsEgress: true, IPProtocol: "-1", FromPort: -1, ToPort: -1, CidrIPv4: netlab.All.CIDR},
	}
}

// isIPv6 holds for what is kept and shown, and matches nothing: the lab speaks IPv4 alone.
func (t Traffic) isIPv6() bool { return t.CidrIPv6.IsValid() || t.IPProtocol == icmpv6 }

// Rule is the rule as netlab has it, where ports 0 to 0 are all.
func (t Traffic) Rule() netlab.Rule {
	k := netlab.Rule{Protocol: t.IPProtocol, CIDR: t.CidrIPv4, Group: t.ReferencedGroupID}
	switch {
	case t.isICMP() && t.ToPort >= 0:
		k.ICMP = fmt.Sprintf("%d/%d", t.FromPort, t.ToPort)
	case t.isICMP() && t.FromPort >= 0:
		k.ICMP = t.from()
	case t.isICMP():
	case t.FromPort >= 0 && (t.FromPort != 0 || t.ToPort != 65535):
		k.FromPort, k.ToPort = uint16(t.FromPort), uint16(t.ToPort)
	}
	if t.CidrIPv6.IsValid() {
		k.CIDR = t.CidrIPv6 // for comparisons: no such rule reaches the kernel
	}
	return k
}

func (t Traffic) isICMP() bool { return t.IPProtocol == "icmp" || t.IPProtocol == icmpv6 }

// words spells the rule as EC2's errors do.
func (t Traffic) words() string {
	s := "peer: " + cmp.Or(t.cidr(), t.cidr6(), t.ReferencedGroupID) + ", " + strings.ToUpper(t.IPProtocol)
	if t.FromPort >= 0 {
		s += ", from port: " + t.from() + ", to port: " + t.to()
	}
	return s + ", ALLOW"
}

func (t Traffic) cidr() string {
	if !t.CidrIPv4.IsValid() {
		return ""
	}
	return t.CidrIPv4.String()
}

func (t Traffic) cidr6() string {
	if !t.CidrIPv6.IsValid() {
		return ""
	}
	return t.CidrIPv6.String()
}

func (t Traffic) from() string      { return strconv.Itoa(t.FromPort) }
func (t Traffic) to() string        { return strconv.Itoa(t.ToPort) }
func (t Traffic) protocol() string  { return t.IPProtocol }
func (t Traffic) peerGroup() string { return t.ReferencedGroupID }

// showRule adds what is not in the record. The caller holds mu or change.
func (s *Service) showRule(r SecurityGroupRule) SecurityGroupRule {
	r.GroupOwnerID, r.Tags = s.Account, s.tags.all[r.SecurityGroupRuleID]
	return r
}

// DescribeSecurityGroupRules shows rules.
func (s *Service) DescribeSecurityGroupRules(q Query) (Page[SecurityGroupRule], error) {
	var all []SecurityGroupRule
	s.mu.RLock()
	for _, g := range s.groups.all {
		for _, r := range g.Rules {
			all = append(all, s.showRule(r))
		}
	}
	s.mu.RUnlock()
	sortByID(ruleKind(), all)
	return describe(ruleKind(), all, q)
}
