package netlab

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"enilab/internal/ruleset"
)

// Security groups are enforced in the VPC's namespace by device group: every interface's VPC-side link carries the
// number of its *set* of security groups, and the rules match that number. So a new interface needs no rule, in either
// mode, and a changed group is one commit for the VPC.

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

// filterPlan is the whole filter table of a VPC's namespace, with what each rule is for.
type filterPlan struct {
	chains   []string // besides the kernel's own
	rules    []plannedRule
	purposes []RuleCount // with nothing counted
}

type plannedRule struct {
	chain, text string
	purpose     int // index; -1: the rule only leads on to others
}

// planFilter gives the filter table of a VPC. A new connection passes if a rule of the sender's set lets it out and a rule
// of the receiver's set lets it in; replies pass always. The namespace itself neither answers nor speaks, as a VPC's
// router does not. What no rule allows is dropped at the end of the set's chain, where it is counted.
func planFilter(groups map[string]SecurityGroupSpec, sets []groupSet) filterPlan {
	var p filterPlan
	purpose := func(c RuleCount) int {
		p.purposes = append(p.purposes, c)
		return len(p.purposes) - 1
	}
	add := func(chain string, purpose int, format string, args ...any) {
		p.rules = append(p.rules, plannedRule{chain, strings.TrimSpace(fmt.Sprintf(format, args...)), purpose})
	}
	p.chains = append(p.chains, "toward")
	for _, set := range sets {
		p.chains = append(p.chains, set.out(), set.in())
	}
	add("FORWARD", purpose(RuleCount{What: Established, Allows: true}), "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
	add("FORWARD", purpose(RuleCount{What: Invalid}), "-m conntrack --ctstate INVALID -j DROP")
	for _, set := range sets {
		add("FORWARD", -1, "-m devgroup --src-group %#x -m comment --comment %s -g %s", set.number, strings.Join(set.groups, ","), set.out())
	}
	add("FORWARD", -1, "-m devgroup --src-group %#x -g toward", edgeGroup)
	for _, set := range sets {
		add("toward", -1, "-m devgroup --dst-group %#x -g %s", set.number, set.in())
	}
	add("toward", -1, "-m devgroup --dst-group %#x -j ACCEPT", edgeGroup)

	egress, ingress := map[string]int{}, map[string]int{} // purposes of a group's first rule; the others follow
	for _, id := range sortedKeys(groups) {
		egress[id], ingress[id] = len(p.purposes), len(p.purposes)+len(groups[id].egress())
		for _, r := range groups[id].egress() {
			purpose(RuleCount{Groups: []string{id}, Egress: true, Rule: r, Allows: true})
		}
		for _, r := range groups[id].Ingress {
			purpose(RuleCount{Groups: []string{id}, Rule: r, Allows: true})
		}
	}
	for _, set := range sets {
		for _, id := range set.groups {
			for i, r := range groups[id].egress() {
				for _, m := range r.matches("-d", "--dst-group", sets) {
					add(set.out(), egress[id]+i, "%s -m comment --comment %s -g toward", m, id)
				}
			}
			for i, r := range groups[id].Ingress {
				for _, m := range r.matches("-s", "--src-group", sets) {
					add(set.in(), ingress[id]+i, "%s -m comment --comment %s -j ACCEPT", m, id)
				}
			}
		}
		add(set.out(), purpose(RuleCount{Groups: set.groups, Egress: true, What: Denied}), "-j DROP")
		add(set.in(), purpose(RuleCount{Groups: set.groups, What: Denied}), "-j DROP")
	}
	return p
}

// egress are the rules by which traffic leaves: without any, as in a new group on AWS, all may.
func (g SecurityGroupSpec) egress() []Rule {
	if g.Egress == nil {
		return []Rule{All}
	}
	return g.Egress
}

// text is the plan as iptables-restore takes it.
func (p filterPlan) text() string {
	var b strings.Builder
	b.WriteString("*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT DROP [0:0]\n")
	for _, c := range p.chains {
		fmt.Fprintf(&b, ":%s - [0:0]\n", c)
	}
	for _, r := range p.rules {
		fmt.Fprintf(&b, "-A %s %s\n", r.chain, r.text)
	}
	b.WriteString("COMMIT\n")
	return b.String()
}

// RuleCount is what the kernel has counted for one rule of a VPC since the VPC's rules were last changed.
type RuleCount struct {
	Groups []string // the security group whose rule it is; or the groups of the interfaces that had something denied; none: the VPC's own
	Egress bool
	Rule   Rule // of a security group
	What   What // of a rule that is no security group's
	Allows bool
	ruleset.Count
}

// What says what a rule that is no security group's is about.
type What string

// What a VPC does besides its security groups' rules. A group's rule counts the packets that opened a connection; all that
// follows is of a connection that is known.
const (
	Established What = "packets of open connections, and replies"
	Invalid     What = "packets of no connection"
	Denied      What = "what no rule allows"
	Nowhere     What = "from or to no interface"
	ToRouter    What = "to the router itself"
	FromRouter  What = "from the router itself"
)

// counts finds what each of the plan's rules has counted. A group's rule is several in the kernel, one for each set that
// has the group.
func (p filterPlan) counts(have ruleset.Set) ([]RuleCount, error) {
	list := slices.Clone(p.purposes)
	count := map[string]func(ruleset.Rule) ruleset.Count{}
	for _, r := range p.rules {
		if r.purpose < 0 {
			continue
		}
		rule, err := ruleset.NewRule(r.text)
		if err != nil {
			return nil, err
		}
		if count[r.chain] == nil {
			count[r.chain] = have[ruleset.Name{Table: filterTable, Chain: r.chain}].Counter()
		}
		list[r.purpose].Count = list[r.purpose].Add(count[r.chain](rule))
	}
	policy := func(chain string, what What) {
		list = append(list, RuleCount{What: what, Count: have[ruleset.Name{Table: filterTable, Chain: chain}].Count})
	}
	policy("FORWARD", Nowhere)
	policy("INPUT", ToRouter)
	policy("OUTPUT", FromRouter)
	return list, nil
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
