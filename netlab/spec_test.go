package netlab

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"enilab/internal/ruleset"
)

// sound is a spec that uses everything and is valid.
func sound() VPCSpec {
	return VPCSpec{
		ID: "vpc-blue", CIDR: netip.MustParsePrefix("10.0.0.0/16"),
		Subnets: []SubnetSpec{
			{ID: "subnet-app", CIDR: netip.MustParsePrefix("10.0.1.0/24")},
			{ID: "subnet-data", CIDR: netip.MustParsePrefix("10.0.2.0/28"), AZ: "us-east-1b"},
		},
		SecurityGroups: []SecurityGroupSpec{
			{ID: "sg-app"},
			{ID: "sg-data", Ingress: []Rule{{Protocol: "tcp", FromPort: 6379, Group: "sg-app"}}, Egress: []Rule{}},
		},
		Resources: []ResourceSpec{
			{Name: "redis", Subnet: "subnet-data", SecurityGroups: []string{"sg-data"}, Address: netip.MustParseAddr("10.0.2.4"), Command: []string{"redis-server"}, Port: 6379},
			{Name: "whoami", Subnet: "subnet-app", SecurityGroups: []string{"sg-app", "sg-data"}, Command: []string{"/usr/bin/whoami", "x/y"}},
		},
	}
}

func TestValidSpecs(t *testing.T) {
	twin := sound()
	twin.ID = "vpc-green" // the same in everything else
	for name, s := range map[string]Spec{"zero": {}, "one": {VPCs: []VPCSpec{sound()}}, "identical twins": {VPCs: []VPCSpec{sound(), twin}}} {
		if err := s.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValidate(t *testing.T) {
	prefix, addr := netip.MustParsePrefix, netip.MustParseAddr
	const name = "a name has 2 to 40 of a-z, 0-9 and '-', starts with a letter and does not end in '-'"
	subnet := func(id, cidr string) func(*VPCSpec) {
		return func(v *VPCSpec) { v.Subnets = append(v.Subnets, SubnetSpec{ID: id, CIDR: prefix(cidr)}) }
	}
	cidr := func(c string) func(*VPCSpec) {
		return func(v *VPCSpec) { *v = VPCSpec{ID: v.ID, CIDR: prefix(c)} }
	}
	ingress := func(r Rule) func(*VPCSpec) {
		return func(v *VPCSpec) { v.SecurityGroups[0].Ingress = []Rule{All, r} }
	}
	resource := func(change func(*ResourceSpec)) func(*VPCSpec) {
		return func(v *VPCSpec) {
			r := ResourceSpec{Name: "new", Subnet: "subnet-data", SecurityGroups: []string{"sg-app"}, Command: []string{"true"}}
			change(&r)
			v.Resources = append(v.Resources, r)
		}
	}
	for _, c := range []struct {
		change func(*VPCSpec)
		want   string // the whole message, without the name of the VPC
	}{
		// the VPC
		{func(v *VPCSpec) { *v = VPCSpec{ID: v.ID} }, "has no valid CIDR; write one like 10.0.0.0/16"},
		{cidr("fd00::/16"), "CIDR fd00::/16 is not IPv4"},
		{cidr("10.0.0.0/15"), "CIDR 10.0.0.0/15: the size must be between /16 and /28"},
		{cidr("10.0.0.0/29"), "CIDR 10.0.0.0/29: the size must be between /16 and /28"},
		{cidr("10.0.1.0/16"), "CIDR 10.0.1.0/16 has host bits set; the network is 10.0.0.0/16"},
		{cidr("100.64.0.0/16"), "CIDR 100.64.0.0/16 overlaps 100.64.0.0/10, the Lambda VPC"},
		{cidr("198.19.0.0/16"), "CIDR 198.19.0.0/16 overlaps 198.18.0.0/15, the lab's underlay"},
		{cidr("192.0.0.0/16"), "CIDR 192.0.0.0/16 overlaps 192.0.2.0/24, the lab's internet"},
		{cidr("203.0.113.0/28"), "CIDR 203.0.113.0/28 overlaps 203.0.113.0/24, the lab's internet"},
		{cidr("198.51.100.0/24"), "CIDR 198.51.100.0/24 overlaps 198.51.100.0/24, the lab's internet"},
		{cidr("127.1.0.0/16"), "CIDR 127.1.0.0/16 overlaps 127.0.0.0/8, the loopback range"},
		{cidr("169.254.0.0/16"), "CIDR 169.254.0.0/16 overlaps 169.254.0.0/16, the link-local range"},
		{cidr("0.0.0.0/16"), `CIDR 0.0.0.0/16 overlaps 0.0.0.0/8, the range of "this network"`},
		{cidr("239.0.0.0/16"), "CIDR 239.0.0.0/16 overlaps 224.0.0.0/3, multicast and reserved addresses"},
		{cidr("255.255.0.0/16"), "CIDR 255.255.0.0/16 overlaps 224.0.0.0/3, multicast and reserved addresses"},
		// names
		{subnet("a", "10.0.9.0/24"), `subnet "a": ` + name},
		{subnet("Subnet-x", "10.0.9.0/24"), `subnet "Subnet-x": ` + name},
		{subnet("9subnet", "10.0.9.0/24"), `subnet "9subnet": ` + name},
		{subnet("subnet-", "10.0.9.0/24"), `subnet "subnet-": ` + name},
		{subnet("../etc", "10.0.9.0/24"), `subnet "../etc": ` + name},
		{subnet("line\nbreak", "10.0.9.0/24"), `subnet "line\nbreak": ` + name},
		{subnet(strings.Repeat("x", 41), "10.0.9.0/24"), `subnet "` + strings.Repeat("x", 41) + `": ` + name},
		{subnet("subnet-app", "10.0.9.0/24"), `subnet "subnet-app": a subnet has this name already`},
		{subnet("sg-app", "10.0.9.0/24"), `security group "sg-app": a subnet has this name already`},
		{resource(func(r *ResourceSpec) { r.Name = "subnet-data" }), `resource "subnet-data": a subnet has this name already`},
		{resource(func(r *ResourceSpec) { r.Name = "redis" }), `resource "redis": a resource has this name already`},
		{resource(func(r *ResourceSpec) { r.Name = "" }), `resource "": ` + name},
		{func(v *VPCSpec) { v.SecurityGroups = append(v.SecurityGroups, SecurityGroupSpec{ID: "sg app"}) }, `security group "sg app": ` + name},
		// subnets
		{subnet("subnet-x", "10.1.0.0/24"), `subnet "subnet-x": 10.1.0.0/24 is not inside the VPC's 10.0.0.0/16`},
		{subnet("subnet-x", "10.0.9.1/24"), `subnet "subnet-x": CIDR 10.0.9.1/24 has host bits set; the network is 10.0.9.0/24`},
		{subnet("subnet-x", "10.0.9.0/30"), `subnet "subnet-x": CIDR 10.0.9.0/30: the size must be between /16 and /28`},
		{subnet("subnet-x", "10.0.1.128/25"), `subnet "subnet-x": 10.0.1.128/25 overlaps 10.0.1.0/24 of subnet "subnet-app"`},
		{func(v *VPCSpec) { v.Subnets = append(v.Subnets, SubnetSpec{ID: "subnet-x"}) }, `subnet "subnet-x": has no valid CIDR; write one like 10.0.0.0/16`},
		{func(v *VPCSpec) { // the VPC is smaller than its subnet
			*v = VPCSpec{ID: v.ID, CIDR: prefix("10.0.1.0/25"), Subnets: []SubnetSpec{{ID: "subnet-x", CIDR: prefix("10.0.1.0/24")}}}
		}, `subnet "subnet-x": 10.0.1.0/24 is not inside the VPC's 10.0.1.0/25`},
		// rules
		{ingress(Rule{Protocol: "sctp", CIDR: All.CIDR}), `security group "sg-app": ingress rule 2: protocol "sctp" is not tcp, udp, icmp, -1 or a number up to 255`},
		{ingress(Rule{CIDR: All.CIDR}), `security group "sg-app": ingress rule 2: protocol "" is not tcp, udp, icmp, -1 or a number up to 255`},
		{ingress(Rule{Protocol: "256", CIDR: All.CIDR}), `security group "sg-app": ingress rule 2: protocol "256" is not tcp, udp, icmp, -1 or a number up to 255`},
		{ingress(Rule{Protocol: "050", CIDR: All.CIDR}), `security group "sg-app": ingress rule 2: protocol "050" is not tcp, udp, icmp, -1 or a number up to 255`},
		{ingress(Rule{Protocol: "50", FromPort: 8, CIDR: All.CIDR}), `security group "sg-app": ingress rule 2: protocol 50 has no ports`},
		{ingress(Rule{Protocol: "tcp", ICMP: "8", CIDR: All.CIDR}), `security group "sg-app": ingress rule 2: protocol tcp has no ICMP types`},
		{ingress(Rule{Protocol: "icmp", ICMP: "echo-request", CIDR: All.CIDR}), `security group "sg-app": ingress rule 2: ICMP type "echo-request" is not a type such as 8 or a type and a code such as 3/4`},
		{ingress(Rule{Protocol: "icmp", ICMP: "3/", CIDR: All.CIDR}), `security group "sg-app": ingress rule 2: ICMP type "3/" is not a type such as 8 or a type and a code such as 3/4`},
		{ingress(Rule{Protocol: "tcp", FromPort: 90, ToPort: 80, CIDR: All.CIDR}), `security group "sg-app": ingress rule 2: ports 90-80 run backwards`},
		{ingress(Rule{Protocol: "icmp", FromPort: 8, CIDR: All.CIDR}), `security group "sg-app": ingress rule 2: protocol icmp has no ports`},
		{ingress(Rule{Protocol: "-1", ToPort: 8, CIDR: All.CIDR}), `security group "sg-app": ingress rule 2: protocol -1 has no ports`},
		{ingress(Rule{Protocol: "tcp"}), `security group "sg-app": ingress rule 2: give either a CIDR or a group`},
		{ingress(Rule{Protocol: "tcp", CIDR: All.CIDR, Group: "sg-app"}), `security group "sg-app": ingress rule 2: give either a CIDR or a group`},
		{ingress(Rule{Protocol: "tcp", Group: "sg-x"}), `security group "sg-app": ingress rule 2: there is no security group "sg-x" in this VPC; it has sg-app, sg-data`},
		{ingress(Rule{Protocol: "tcp", CIDR: prefix("10.0.0.1/8")}), `security group "sg-app": ingress rule 2: CIDR 10.0.0.1/8 is not a plain IPv4 network`},
		{ingress(Rule{Protocol: "tcp", CIDR: prefix("fd00::/8")}), `security group "sg-app": ingress rule 2: CIDR fd00::/8 is not a plain IPv4 network`},
		{func(v *VPCSpec) { v.SecurityGroups[1].Egress = []Rule{{Protocol: "tcp"}} }, `security group "sg-data": egress rule 1: give either a CIDR or a group`},
		// resources
		{resource(func(r *ResourceSpec) { r.Subnet = "subnet-x" }), `resource "new": there is no subnet "subnet-x" in this VPC; it has subnet-app, subnet-data`},
		{resource(func(r *ResourceSpec) { r.Subnet = "sg-app" }), `resource "new": there is no subnet "sg-app" in this VPC; it has subnet-app, subnet-data`},
		{resource(func(r *ResourceSpec) { r.SecurityGroups = nil }), `resource "new": has 0 security groups; an interface takes 1 to 5`},
		{resource(func(r *ResourceSpec) { r.SecurityGroups = slices.Repeat([]string{"sg-app"}, 6) }), `resource "new": has 6 security groups; an interface takes 1 to 5`},
		{resource(func(r *ResourceSpec) { r.SecurityGroups = []string{"sg-x"} }), `resource "new": there is no security group "sg-x" in this VPC; it has sg-app, sg-data`},
		{resource(func(r *ResourceSpec) { r.Address = addr("10.0.2.3") }), `resource "new": address 10.0.2.3 is one of the five that AWS keeps in 10.0.2.0/28 (the first four and the last)`},
		{resource(func(r *ResourceSpec) { r.Address = addr("10.0.2.15") }), `resource "new": address 10.0.2.15 is one of the five that AWS keeps in 10.0.2.0/28 (the first four and the last)`},
		{resource(func(r *ResourceSpec) { r.Address = addr("10.0.1.15") }), `resource "new": address 10.0.1.15 is outside 10.0.2.0/28`},
		{resource(func(r *ResourceSpec) { r.Address = addr("10.0.2.4") }), `resource "new": address 10.0.2.4 is in use`},
		{resource(func(r *ResourceSpec) { r.Command = nil }), `resource "new": has no command`},
		{resource(func(r *ResourceSpec) { r.Command = []string{""} }), `resource "new": has no command`},
		{resource(func(r *ResourceSpec) { r.Command = []string{"./server"} }), `resource "new": command "./server": give an absolute path or a name to be found in PATH`},
		{func(v *VPCSpec) { // redis has one of the eleven
			for i := range 11 {
				v.Resources = append(v.Resources, ResourceSpec{Name: fmt.Sprintf("r%d", i), Subnet: "subnet-data", SecurityGroups: []string{"sg-app"}, Command: []string{"true"}})
			}
		}, `resource "r10": subnet "subnet-data" has no address left: its 11 are taken`},
	} {
		v := sound()
		c.change(&v)
		err := Spec{VPCs: []VPCSpec{v}}.Validate()
		if want := `vpc "vpc-blue": ` + c.want; err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestValidateVPCNames(t *testing.T) {
	v := VPCSpec{ID: "vpc-blue", CIDR: netip.MustParsePrefix("10.0.0.0/16")}
	if err := (Spec{VPCs: []VPCSpec{v, v}}).Validate(); err == nil || err.Error() != `vpc "vpc-blue": there are two of this name` {
		t.Errorf("twins: %v", err)
	}
	v.ID = "VPC"
	if err := (Spec{VPCs: []VPCSpec{v}}).Validate(); err == nil || !strings.Contains(err.Error(), `vpc "VPC": id "VPC": a name has 2 to 40`) {
		t.Errorf("capitals: %v", err)
	}
}

// TestValidateReportsEverything: one run of validate shows all that is to be mended, a line each.
func TestValidateReportsEverything(t *testing.T) {
	v := sound()
	v.Subnets[0].CIDR = netip.MustParsePrefix("10.0.1.0/30")
	v.SecurityGroups[0].Ingress = []Rule{{Protocol: "x"}}
	v.Resources[0].Command = nil
	err := Spec{VPCs: []VPCSpec{v, {ID: "vpc-x"}}}.Validate()
	if err == nil {
		t.Fatal("valid")
	}
	lines := strings.Split(err.Error(), "\n")
	for i, want := range []string{`subnet "subnet-app"`, `security group "sg-app"`, `resource "redis"`, `vpc "vpc-x"`} {
		if i >= len(lines) || !strings.Contains(lines[i], want) {
			t.Errorf("line %d does not name %s in:\n%v", i+1, want, err)
		}
	}
	if len(lines) != 4 {
		t.Errorf("%d lines, want 4:\n%v", len(lines), err)
	}
}

// TestFixedAddressesComeFirst: a server that takes any address does not get the one that a later server names.
func TestFixedAddressesComeFirst(t *testing.T) {
	v := sound()
	any := v.Resources[0]
	any.Name, any.Address = "any", netip.Addr{}
	v.Resources = []ResourceSpec{any, v.Resources[0]}
	if err := (Spec{VPCs: []VPCSpec{v}}).Validate(); err != nil {
		t.Error(err)
	}
	if got := v.resourcesByNeed(); got[0].Name != "redis" || got[1].Name != "any" {
		t.Errorf("order %s, %s", got[0].Name, got[1].Name)
	}
}

// FuzzValidate: no spec makes Validate panic, and whatever it lets pass has a ruleset whose every line is one rule.
func FuzzValidate(f *testing.F) {
	f.Add("vpc-blue", "10.0.0.0/16", "subnet-a", "10.0.1.0/24", "sg-a", "tcp", "", uint16(80), uint16(90), "0.0.0.0/0", "", "web", "10.0.1.20", "true")
	f.Add("vpc-blue", "10.0.0.0/16", "subnet-a", "10.0.1.0/28", "sg-a", "icmp", "3/4", uint16(0), uint16(0), "", "sg-a", "web", "", "/bin/true")
	f.Add("a\nb", "::/0", "", "10.0.1.0/32", "-j ACCEPT", "\x00", "8 -j", uint16(9), uint16(1), "1.2.3.4/33", "sg", "", "::1", "")
	f.Fuzz(func(t *testing.T, vpc, cidr, subnet, subnetCIDR, group, protocol, icmp string, from, to uint16, ruleCIDR, ruleGroup, name, address, command string) {
		prefix := func(s string) (p netip.Prefix) { p, _ = netip.ParsePrefix(s); return p }
		addr, _ := netip.ParseAddr(address)
		rule := Rule{Protocol: protocol, ICMP: icmp, FromPort: from, ToPort: to, CIDR: prefix(ruleCIDR), Group: ruleGroup}
		v := VPCSpec{
			ID: vpc, CIDR: prefix(cidr),
			Subnets:        []SubnetSpec{{ID: subnet, CIDR: prefix(subnetCIDR)}},
			SecurityGroups: []SecurityGroupSpec{{ID: group, Ingress: []Rule{rule}, Egress: []Rule{rule}}},
			Resources:      []ResourceSpec{{Name: name, Subnet: subnet, SecurityGroups: []string{group}, Address: addr, Command: []string{command}}},
		}
		if (Spec{VPCs: []VPCSpec{v}}).Validate() != nil {
			return
		}
		plan := planFilter(map[string]SecurityGroupSpec{group: v.SecurityGroups[0]}, []groupSet{{firstGroupSet, []string{group}}}).text()
		if _, err := ruleset.Parse(plan); err != nil {
			t.Errorf("%v in\n%s", err, plan)
		}
		for line := range strings.Lines(plan) {
			if !strings.HasSuffix(line, "\n") || !strings.Contains("*:-C", line[:1]) {
				t.Errorf("line %q in\n%s", line, plan)
			}
		}
		for _, want := range []string{"-A in-16", "-A out-16"} {
			if !strings.Contains(plan, want) {
				t.Errorf("no %q in\n%s", want, plan)
			}
		}
	})
}
