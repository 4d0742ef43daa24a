package ec2

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"enilab/netlab"
)

func ports(from, to int) IPPermission {
	return IPPermission{FromPort: &from, ToPort: &to, IPRanges: []IPRange{{CidrIP: "10.0.0.0/8"}}}
}

func with(p IPPermission, protocol string) IPPermission {
	p.IPProtocol = protocol
	return p
}

func TestPermissions(t *testing.T) {
	anywhere := []IPRange{{CidrIP: "0.0.0.0/0"}}
	for _, tt := range []struct {
		name string
		in   IPPermission
		want string // the kernel's rules, or the beginning of the refusal
	}{
		{"one port", with(ports(80, 80), "tcp"), "tcp 80-80 10.0.0.0/8"},
		{"a protocol's number", with(ports(53, 53), "17"), "udp 53-53 10.0.0.0/8"},
		{"a range", with(ports(0, 1023), "TCP"), "tcp 0-1023 10.0.0.0/8"},
		{"all ports", with(ports(0, 65535), "tcp"), "tcp 0-0 10.0.0.0/8"},
		{"everything", IPPermission{IPProtocol: "-1", IPRanges: anywhere}, "-1 0-0 0.0.0.0/0"},
		{"everything, whatever the ports", with(ports(1, 2), "-1"), "-1 0-0 10.0.0.0/8"},
		{"ICMP", with(ports(-1, -1), "icmp"), "icmp 0-0 10.0.0.0/8"},
		{"ICMP without types", IPPermission{IPProtocol: "icmp", IPRanges: anywhere}, "icmp 0-0 0.0.0.0/0"},
		{"host bits", IPPermission{IPProtocol: "-1", IPRanges: []IPRange{{CidrIP: "10.1.2.3/16"}}}, "-1 0-0 10.1.0.0/16"},
		{"two peers", IPPermission{IPProtocol: "-1", IPRanges: anywhere, UserIDGroupPairs: []UserIDGroupPair{{GroupID: "sg-a"}}}, "-1 0-0 0.0.0.0/0, -1 0-0 sg-a"},
		{"one kind of ICMP", with(ports(8, 0), "icmp"), "icmp 8/0 0-0 10.0.0.0/8"},
		{"ICMP of a type", with(ports(3, -1), "1"), "icmp 3 0-0 10.0.0.0/8"},
		{"a code without a type", with(ports(-1, 4), "icmp"), "InvalidParameterValue: Invalid ICMP type and code (-1:4)"},
		{"no type of ICMP", with(ports(256, -1), "icmp"), "InvalidParameterValue: Invalid ICMP type and code (256:-1)"},
		{"no protocol", with(ports(1, 2), ""), "MissingParameter"},
		{"another protocol, whatever the ports", with(ports(1, 2), "50"), "50 0-0 10.0.0.0/8"},
		{"a name that EC2 has not", with(ports(-1, -1), "esp"), "InvalidParameterValue: Invalid value 'esp'"},
		{"no protocol's number", with(ports(-1, -1), "256"), "InvalidParameterValue: Invalid value '256'"},
		{"no ports", IPPermission{IPProtocol: "tcp", IPRanges: anywhere}, "InvalidParameterValue: Invalid value 'Must specify both"},
		{"backwards", with(ports(2, 1), "tcp"), "InvalidParameterValue: Invalid TCP/UDP port range (2:1)"},
		{"too high", with(ports(1, 65536), "tcp"), "InvalidParameterValue: Invalid TCP/UDP port range"},
		{"port 0", with(ports(0, 0), "tcp"), "InvalidParameterValue: Invalid TCP/UDP port range (0:0)"},
		{"no peer", IPPermission{IPProtocol: "-1"}, "InvalidParameterValue: A permission needs a peer"},
		{"no CIDR", IPPermission{IPProtocol: "-1", IPRanges: []IPRange{{CidrIP: "all"}}}, "InvalidParameterValue: CIDR block all is malformed"},
		{"IPv6 as IPv4", IPPermission{IPProtocol: "-1", IPRanges: []IPRange{{CidrIP: "::/0"}}}, "InvalidParameterValue: CIDR block ::/0 is malformed"},
		{"IPv4 as IPv6", IPPermission{IPProtocol: "-1", IPv6Ranges: anywhere}, "InvalidParameterValue: CIDR block 0.0.0.0/0 is malformed"},
		{"IPv6, which the kernel never sees", IPPermission{IPProtocol: "-1", IPv6Ranges: []IPRange{{CidrIP: "::/0"}}}, ""},
		{"both", IPPermission{IPProtocol: "-1", IPv6Ranges: []IPRange{{CidrIP: "::/0"}}, IPRanges: anywhere}, "-1 0-0 0.0.0.0/0"},
		{"ICMP of IPv6", with(ports(128, 0), "58"), ""},
		{"a prefix list", IPPermission{IPProtocol: "-1", PrefixListIDs: []string{"pl-1"}}, "InvalidPrefixListID.NotFound"},
		{"the same twice", IPPermission{IPProtocol: "-1", IPRanges: append(anywhere, anywhere...)}, "InvalidParameterValue: The same permission"},
		{"a description with a newline", IPPermission{IPProtocol: "-1", IPRanges: []IPRange{{"0.0.0.0/0", "a\nb"}}}, "InvalidParameterValue: Invalid rule description"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rules, err := rulesOf([]IPPermission{tt.in}, false)
			if err != nil {
				if !strings.HasPrefix(err.Error(), tt.want) {
					t.Error(err)
				}
				return
			}
			var got []string
			spec := SecurityGroup{GroupID: "sg-a", Rules: rules}.spec()
			for _, k := range spec.Ingress {
				peer := k.Group
				if peer == "" {
					peer = k.CIDR.String()
				}
				got = append(got, strings.Join(strings.Fields(fmt.Sprintf("%s %s %d-%d %s", k.Protocol, k.ICMP, k.FromPort, k.ToPort, peer)), " "))
			}
			if s := strings.Join(got, ", "); s != tt.want {
				t.Errorf("got %s, want %s", s, tt.want)
			}
			vpc := netlab.VPCSpec{ID: "vpc-a", CIDR: rulesVPC, SecurityGroups: []netlab.SecurityGroupSpec{spec}}
			if err := (netlab.Spec{VPCs: []netlab.VPCSpec{vpc}}).Validate(); err != nil {
				t.Errorf("netlab refuses: %v", err)
			}
		})
	}
}

var rulesVPC = netip.MustParsePrefix("10.0.0.0/16")

// What goes in as permissions comes out as permissions, put together by protocol and ports.
func TestPermissionsAreShownAsTheyWere(t *testing.T) {
	a, b := with(ports(80, 80), "tcp"), IPPermission{IPProtocol: "-1", IPRanges: []IPRange{{"0.0.0.0/0", "all"}}}
	a.IPRanges = append(a.IPRanges, IPRange{"192.168.0.0/16", "office"})
	a.UserIDGroupPairs = []UserIDGroupPair{{"sg-b", "123456789012", "friends"}}
	a.IPv6Ranges = []IPRange{{"2001:db8::/32", "six"}}
	in, err := rulesOf([]IPPermission{a}, false)
	if err != nil {
		t.Fatal(err)
	}
	out, err := rulesOf([]IPPermission{b}, true)
	if err != nil {
		t.Fatal(err)
	}
	g := SecurityGroup{GroupID: "sg-a", OwnerID: "123456789012", Rules: append(in, out...)}
	for egress, want := range map[bool]IPPermission{false: a, true: b} {
		got := g.Permissions(egress)
		if len(got) != 1 || !reflect.DeepEqual(got[0], want) {
			t.Errorf("egress %v: %+v, want %+v", egress, got, want)
		}
	}
}
