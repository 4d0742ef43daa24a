package nat

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"

	"enilab/internal/ruleset"
)

// Ports is a range of source ports, both ends included.
type Ports struct{ First, Last uint16 }

// DefaultPorts are all but the system ports (RFC 6335 section 6).
var DefaultPorts = Ports{1024, 65535}

// Count is how many ports the range holds; so many connections one ENI can have to one target.
func (p Ports) Count() int { return int(p.Last) - int(p.First) + 1 }

// DefaultCapacity is how many connections a Hyperplane ENI carries.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html ("65,000 connections/ports")
const DefaultCapacity = 65_000

// Rules describes an ENI's translation.
type Rules struct {
	Address  netip.Addr // the ENI's address in the customer's subnet
	Ports    Ports      // zero means DefaultPorts
	Capacity int        // connections at once; zero means DefaultCapacity
}

func (r Rules) ports() Ports  { return cmp.Or(r.Ports, DefaultPorts) }
func (r Rules) capacity() int { return cmp.Or(r.Capacity, DefaultCapacity) }

// plannedRule is one rule of the plan, with what it is for.
type plannedRule struct {
	table, chain, text string
	RuleCount          // with nothing counted
}

// rules are all there are. They are set once and never grow: not with slots, not with connections. New connections go one
// way, from the tunnel into the VPC, and are TCP or UDP; the ENI itself answers nobody. The limit counts all connections of
// the ENI (mask 0); what is above it is dropped, as AWS drops it, in a chain where it is counted by protocol: each
// connlimit of its own would count connections of its own.
func (r Rules) rules() (list []plannedRule) {
	add := func(table, chain string, c RuleCount, format string, args ...any) {
		list = append(list, plannedRule{table, chain, fmt.Sprintf(format, args...), c})
	}
	ports := r.ports()
	for _, proto := range []string{"tcp", "udp"} {
		add("nat", "POSTROUTING", RuleCount{What: "new connections translated to the ENI's address", Protocol: proto, Allows: true},
			"-o %s -p %s -j SNAT --to-source %s:%d-%d --random-fully", uplink, proto, r.Address, ports.First, ports.Last)
	}
	add("filter", "FORWARD", RuleCount{What: "packets of open connections, and replies", Allows: true}, "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
	for _, match := range []string{"tcp --syn", "udp"} { // what is dropped anyway does not count toward the limit
		proto, _, _ := strings.Cut(match, " ")
		add("filter", "FORWARD", RuleCount{What: "new connections asked for", Protocol: proto, Allows: true},
			"-s %s -i %s -o %s -p %s -m conntrack --ctstate NEW -j new", LambdaVPC, tunnel, uplink, match)
	}
	add("filter", "new", RuleCount{What: "new connections above the capacity"}, "-m connlimit --connlimit-above %d --connlimit-mask 0 --connlimit-saddr -g %s", r.capacity(), full)
	add("filter", "new", RuleCount{What: "new connections admitted", Allows: true}, "-j ACCEPT")
	for _, proto := range []string{"tcp", "udp"} {
		add("filter", full, RuleCount{What: "refused at the capacity", Protocol: proto}, "-p %s -j DROP", proto)
	}
	return list
}

// full is the chain of what comes above the capacity.
const full = "full"

// Plan gives the whole ruleset as iptables-restore text.
func (r Rules) Plan() string {
	var b strings.Builder
	heads := map[string]string{
		"nat":    ":PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n",
		"filter": ":INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:new - [0:0]\n:" + full + " - [0:0]\n",
	}
	for _, table := range tables {
		fmt.Fprintf(&b, "*%s\n%s", table, heads[table])
		for _, rule := range r.rules() {
			if rule.table == table {
				fmt.Fprintf(&b, "-A %s %s\n", rule.chain, rule.text)
			}
		}
		b.WriteString("COMMIT\n")
	}
	return b.String()
}

// tables are those that an ENI has rules in.
var tables = []string{"nat", "filter"}

// RuleCount is what the kernel has counted for one of an ENI's rules since they were set.
type RuleCount struct {
	What     string
	Protocol string // "tcp" or "udp"; empty: all that there are
	Allows   bool
	ruleset.Count
}

// counts finds what each rule has counted, and what met the end of the rules.
func (r Rules) counts(have ruleset.Set) (list []RuleCount, err error) {
	count := map[ruleset.Name]func(ruleset.Rule) ruleset.Count{}
	for _, planned := range r.rules() {
		rule, err := ruleset.NewRule(planned.text)
		if err != nil {
			return nil, err
		}
		chain := ruleset.Name{Table: planned.table, Chain: planned.chain}
		if count[chain] == nil {
			count[chain] = have[chain].Counter()
		}
		planned.Count = count[chain](rule)
		list = append(list, planned.RuleCount)
	}
	policy := func(chain, what string, allows bool) {
		list = append(list, RuleCount{What: what, Allows: allows, Count: have[ruleset.Name{Table: "filter", Chain: chain}].Count})
	}
	policy("FORWARD", "anything else between slots and VPC", false)
	policy("INPUT", "to the ENI itself", false)
	policy("OUTPUT", "from the ENI itself", true)
	return list, nil
}
