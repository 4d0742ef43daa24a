package netlab

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Security groups are enforced in the VPC's namespace by device group: every interface's VPC-side link carries the
// number of its *set* of security groups, and the rules match that number. So a new interface needs no rule, in either
// mode, and a changed group is one commit for the VPC.

// groupSet is the number of one combination of security groups in use.
type groupSet struct {
	number uint32
	groups []string // sorted, without repetition
}

// Device groups of a VPC's links. Group 0 is every link's default and must never match.
const (
	edgeGroup     = 1  // the link to the internet
	firstGroupSet = 16 // sets are numbered from here, per VPC
)

// canonical is the one way to write a combination of groups.
func canonical(groups []string) []string {
	g := slices.Clone(groups)
	slices.Sort(g)
	return slices.Compact(g)
}

// planFilter gives the whole filter table of a VPC's namespace as iptables-restore text. A new connection passes if a
// rule of the sender's set lets it out and a rule of the receiver's set lets it in; replies pass always. The namespace
// itself neither answers nor speaks, as a VPC's router does not.
func planFilter(groups map[string]SecurityGroupSpec, sets []groupSet) string {
	var chains, dispatch, toward, body strings.Builder
	for _, set := range sets {
		n := set.number
		fmt.Fprintf(&chains, ":out-%d - [0:0]\n:in-%d - [0:0]\n", n, n)
		fmt.Fprintf(&dispatch, "-A FORWARD -m devgroup --src-group %#x -m comment --comment %s -g out-%d\n", n, strings.Join(set.groups, ","), n)
		fmt.Fprintf(&toward, "-A toward -m devgroup --dst-group %#x -g in-%d\n", n, n)
		for _, id := range set.groups {
			egress := groups[id].Egress
			if egress == nil {
				egress = []Rule{All}
			}
			for _, r := range egress {
				for _, m := range r.matches("-d", "--dst-group", sets) {
					fmt.Fprintf(&body, "-A out-%d%s -m comment --comment %s -g toward\n", n, m, id)
				}
			}
			for _, r := range groups[id].Ingress {
				for _, m := range r.matches("-s", "--src-group", sets) {
					fmt.Fprintf(&body, "-A in-%d%s -m comment --comment %s -j ACCEPT\n", n, m, id)
				}
			}
		}
	}
	return "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT DROP [0:0]\n:toward - [0:0]\n" + chains.String() +
		"-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n" +
		"-A FORWARD -m conntrack --ctstate INVALID -j DROP\n" +
		dispatch.String() +
		fmt.Sprintf("-A FORWARD -m devgroup --src-group %#x -g toward\n", edgeGroup) +
		toward.String() +
		fmt.Sprintf("-A toward -m devgroup --dst-group %#x -j ACCEPT\n", edgeGroup) +
		body.String() + "COMMIT\n"
}

var dispatchRule = regexp.MustCompile(`(?m)^-A FORWARD .*--comment "?([a-z0-9,-]+)"? -[gj] out-(\d+)$`)

// readSets finds in a VPC's rules, as iptables-save prints them, which number stands for which groups.
func readSets(saved string) (sets []groupSet) {
	for _, m := range dispatchRule.FindAllStringSubmatch(saved, -1) {
		if n, err := strconv.ParseUint(m[2], 10, 32); err == nil && n >= firstGroupSet {
			sets = append(sets, groupSet{uint32(n), strings.Split(m[1], ",")})
		}
	}
	return sets
}

// matches gives the rule's conditions, one string for each iptables rule that it takes. A group stands for every set
// that contains it; a group that nobody uses matches nothing.
func (r Rule) matches(addressFlag, groupFlag string, sets []groupSet) (conditions []string) {
	var what string
	switch {
	case r.Protocol == "-1":
	case r.ICMP != "":
		what = " -p icmp -m icmp --icmp-type " + r.ICMP
	case r.FromPort == 0 && r.ToPort == 0:
		what = " -p " + r.Protocol
	case r.ToPort == 0 || r.ToPort == r.FromPort:
		what = fmt.Sprintf(" -p %s --dport %d", r.Protocol, r.FromPort)
	default:
		what = fmt.Sprintf(" -p %s --dport %d:%d", r.Protocol, r.FromPort, r.ToPort)
	}
	if r.Group == "" {
		if r.CIDR == netip.PrefixFrom(netip.IPv4Unspecified(), 0) {
			return []string{what}
		}
		return []string{fmt.Sprintf(" %s %s%s", addressFlag, r.CIDR, what)}
	}
	for _, set := range sets {
		if slices.Contains(set.groups, r.Group) {
			conditions = append(conditions, fmt.Sprintf("%s -m devgroup %s %#x", what, groupFlag, set.number))
		}
	}
	return conditions
}
