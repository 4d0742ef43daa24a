package netlab

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Spec describes customer networks as plain data. It prints, compares and validates without any rights; Build alone
// turns it into kernel objects. The zero Spec is a valid lab with nothing in it.
type Spec struct {
	VPCs []VPCSpec
}

// VPCSpec is one customer's network. The CIDRs of different VPCs may be identical.
type VPCSpec struct {
	ID             string       // such as vpc-blue
	CIDR           netip.Prefix // IPv4, /16 to /28
	Subnets        []SubnetSpec
	SecurityGroups []SecurityGroupSpec
	Resources      []ResourceSpec
}

// SubnetSpec is a range of the VPC in one availability zone.
type SubnetSpec struct {
	ID   string       // such as subnet-blue-a
	CIDR netip.Prefix // IPv4, /16 to /28, inside the VPC's, apart from its siblings
	AZ   string       // a label; empty means "us-east-1a"
}

// SecurityGroupSpec holds allow rules. They are stateful: replies need no rule.
type SecurityGroupSpec struct {
	ID      string
	Ingress []Rule // none: nothing comes in
	Egress  []Rule // nil: everything goes out, as in a new group on AWS; empty and not nil: nothing
}

// Rule allows one kind of traffic from (ingress) or to (egress) a range or the members of a group.
type Rule struct {
	Protocol         string // "tcp", "udp", "icmp", the number of another protocol of IPv4, or "-1" for all
	FromPort, ToPort uint16 // for tcp and udp; both zero means all; ToPort zero means FromPort
	ICMP             string // for icmp: a type such as "8", or a type and a code such as "3/4"; empty means all
	CIDR             netip.Prefix
	Group            string // a security group of the same VPC; exactly one of CIDR and Group is set
}

// ResourceSpec is a customer's server: a real process in a namespace of its own, with one ENI.
type ResourceSpec struct {
	Name           string
	Subnet         string
	SecurityGroups []string   // one to five
	Address        netip.Addr // zero: the next free one
	Command        []string   // argument vector; {address} stands for the resource's own address
	Port           uint16     // TCP port that accepts connections once the resource is ready; zero: ready when started

	Check    []string      // a command, run inside as the server is, that exits 0 while it is healthy; nil: the port tells
	Interval time.Duration // between checks; zero means DefaultInterval
}

// DefaultInterval is how often a resource's health is looked at.
const DefaultInterval = 2 * time.Second

// All is the rule that allows everything to or from everywhere.
var All = Rule{Protocol: "-1", CIDR: netip.MustParsePrefix("0.0.0.0/0")}

// maxGroups is AWS's limit of security groups for one interface.
// https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html
const maxGroups = 5

// isID keeps names fit for file names, chain names and people.
func isID(s string) bool {
	lower := func(c byte) bool { return 'a' <= c && c <= 'z' }
	if len(s) < 2 || len(s) > 40 || !lower(s[0]) || s[len(s)-1] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if !lower(c) && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// Validate checks the whole spec before the first system call and reports everything that is wrong, a line each.
func (s Spec) Validate() error {
	var errs []error
	seen := map[string]bool{}
	for _, v := range s.VPCs {
		if seen[v.ID] {
			errs = append(errs, fmt.Errorf("vpc %q: there are two of this name", v.ID))
		}
		seen[v.ID] = true
		for _, err := range v.problems() {
			errs = append(errs, fmt.Errorf("vpc %q: %w", v.ID, err))
		}
	}
	return errors.Join(errs...)
}

func (v VPCSpec) problems() (errs []error) {
	note := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	checkID := func(kind, id string) {
		if !isID(id) {
			note("%s %q: a name has 2 to 40 of a-z, 0-9 and '-', starts with a letter and does not end in '-'", kind, id)
		}
	}
	checkID("id", v.ID)
	cidrOK := true
	if err := checkCIDR(v.CIDR); err != nil {
		note("%w", err)
		cidrOK = false
	}
	names := map[string]string{} // id → kind
	unique := func(kind, id string) {
		checkID(kind, id)
		if other := names[id]; other != "" {
			note("%s %q: a %s has this name already", kind, id, other)
			return
		}
		names[id] = kind
	}

	subnets := map[string]*Allocator{}
	for i, s := range v.Subnets {
		unique("subnet", s.ID)
		if err := checkCIDR(s.CIDR); err != nil {
			note("subnet %q: %w", s.ID, err)
			continue
		}
		subnets[s.ID] = NewAllocator(s.CIDR)
		if err := s.checkInside(v.CIDR); cidrOK && err != nil {
			note("%w", err)
		}
		for _, other := range v.Subnets[:i] {
			if err := s.checkApart(other); err != nil {
				note("%w", err)
				break // n subnets of one range would be n² messages
			}
		}
	}

	groups := map[string]bool{}
	for _, g := range v.SecurityGroups {
		unique("security group", g.ID)
		groups[g.ID] = true
	}
	for _, g := range v.SecurityGroups {
		for i, r := range g.Ingress {
			if err := r.check(groups); err != nil {
				note("security group %q: ingress rule %d: %w", g.ID, i+1, err)
			}
		}
		for i, r := range g.Egress {
			if err := r.check(groups); err != nil {
				note("security group %q: egress rule %d: %w", g.ID, i+1, err)
			}
		}
	}

	for _, r := range v.resourcesByNeed() {
		unique("resource", r.Name)
		in := subnets[r.Subnet]
		switch {
		case names[r.Subnet] != "subnet":
			note("resource %q: there is no subnet %q in this VPC; it has %s", r.Name, r.Subnet, list(v.subnetIDs()))
		case in == nil: // the subnet itself has been reported
		case r.Address.IsValid():
			if err := in.TakeExact(r.Address); err != nil {
				note("resource %q: %w", r.Name, err)
			}
		default:
			if _, ok := in.Take(); !ok {
				note("resource %q: subnet %q has no address left: its %d are taken", r.Name, r.Subnet, in.Capacity())
			}
		}
		for _, err := range checkGroups(r.SecurityGroups, groups) {
			note("resource %q: %w", r.Name, err)
		}
		if err := checkCommand(r.Command); err != nil {
			note("resource %q: %w", r.Name, err)
		}
		if r.Check != nil {
			if err := checkCommand(r.Check); err != nil {
				note("resource %q: check: %w", r.Name, err)
			}
		}
		if r.Interval < 0 {
			note("resource %q: interval %v is negative", r.Name, r.Interval)
		}
	}
	return errs
}

func checkCommand(argv []string) error {
	switch {
	case len(argv) == 0 || argv[0] == "":
		return errors.New("has no command")
	case strings.Contains(argv[0], "/") && !filepath.IsAbs(argv[0]):
		return fmt.Errorf("command %q: give an absolute path or a name to be found in PATH", argv[0])
	}
	return nil
}

// resourcesByNeed puts those that ask for a certain address before those that take any.
func (v VPCSpec) resourcesByNeed() []ResourceSpec {
	var exact, any []ResourceSpec
	for _, r := range v.Resources {
		if r.Address.IsValid() {
			exact = append(exact, r)
		} else {
			any = append(any, r)
		}
	}
	return append(exact, any...)
}

func (v VPCSpec) subnetIDs() (ids []string) {
	for _, s := range v.Subnets {
		ids = append(ids, s.ID)
	}
	return ids
}

func checkCIDR(p netip.Prefix) error {
	switch {
	case !p.IsValid():
		return errors.New("has no valid CIDR; write one like 10.0.0.0/16")
	case !p.Addr().Is4():
		return fmt.Errorf("CIDR %s is not IPv4", p)
	case p.Bits() < 16 || p.Bits() > 28:
		return fmt.Errorf("CIDR %s: the size must be between /16 and /28", p)
	case p != p.Masked():
		return fmt.Errorf("CIDR %s has host bits set; the network is %s", p, p.Masked())
	}
	for _, taken := range reservedRanges {
		if taken.prefix.Overlaps(p) {
			return fmt.Errorf("CIDR %s overlaps %s, %s", p, taken.prefix, taken.use)
		}
	}
	return nil
}

// reservedRanges cannot be customers': the lab uses them itself, or they never leave a host.
var reservedRanges = []struct {
	prefix netip.Prefix
	use    string
}{
	{netip.MustParsePrefix("127.0.0.0/8"), "the loopback range"},
	{netip.MustParsePrefix("169.254.0.0/16"), "the link-local range"},
	{netip.MustParsePrefix("100.64.0.0/10"), "the Lambda VPC"},
	{netip.MustParsePrefix("198.18.0.0/15"), "the lab's underlay"},
	{netip.MustParsePrefix("192.0.2.0/24"), "the lab's internet"},
	{netip.MustParsePrefix("198.51.100.0/24"), "the lab's internet"},
	{netip.MustParsePrefix("203.0.113.0/24"), "the lab's internet"},
	{netip.MustParsePrefix("224.0.0.0/3"), "multicast and reserved addresses"},
	{netip.MustParsePrefix("0.0.0.0/8"), "the range of \"this network\""},
}

func (r Rule) check(groups map[string]bool) error {
	switch r.Protocol {
	case "tcp", "udp":
		if r.ToPort != 0 && r.ToPort < r.FromPort {
			return fmt.Errorf("ports %d-%d run backwards", r.FromPort, r.ToPort)
		}
	default:
		if r.Protocol != "icmp" && r.Protocol != "-1" && !isByte(r.Protocol) {
			return fmt.Errorf("protocol %q is not tcp, udp, icmp, -1 or a number up to 255", r.Protocol)
		}
		if r.FromPort != 0 || r.ToPort != 0 {
			return fmt.Errorf("protocol %s has no ports", r.Protocol)
		}
	}
	kind, code, coded := strings.Cut(r.ICMP, "/")
	switch {
	case r.ICMP != "" && r.Protocol != "icmp":
		return fmt.Errorf("protocol %s has no ICMP types", r.Protocol)
	case r.ICMP != "" && (!isByte(kind) || coded && !isByte(code)):
		return fmt.Errorf("ICMP type %q is not a type such as 8 or a type and a code such as 3/4", r.ICMP)
	case r.CIDR.IsValid() == (r.Group != ""):
		return errors.New("give either a CIDR or a group")
	case r.Group != "" && !groups[r.Group]:
		return fmt.Errorf("there is no security group %q in this VPC; it has %s", r.Group, list(sortedKeys(groups)))
	case r.CIDR.IsValid() && (!r.CIDR.Addr().Is4() || r.CIDR != r.CIDR.Masked()):
		return fmt.Errorf("CIDR %s is not a plain IPv4 network", r.CIDR)
	}
	return nil
}

// isByte holds for 0 to 255 in decimal.
func isByte(s string) bool {
	n, err := strconv.ParseUint(s, 10, 8)
	return err == nil && strconv.FormatUint(n, 10) == s
}

func checkGroups(ids []string, known map[string]bool) (errs []error) {
	if len(ids) == 0 || len(ids) > maxGroups {
		errs = append(errs, fmt.Errorf("has %d security groups; an interface takes 1 to %d", len(ids), maxGroups))
	}
	for _, id := range ids {
		if !known[id] {
			errs = append(errs, fmt.Errorf("there is no security group %q in this VPC; it has %s", id, list(sortedKeys(known))))
		}
	}
	return errs
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
