package netlab_test

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"enilab/internal/netns"
	"enilab/internal/nstest"
	"enilab/netlab"
)

// drift is what a check tells, a line each.
func drift(list []netlab.Drift) string {
	lines := make([]string, len(list))
	for i, d := range list {
		lines[i] = d.Kind + " " + d.Is + ": " + d.What
	}
	return strings.Join(lines, "\n")
}

// TestDriftIsMended: whatever somebody else changes in a VPC or at a server's end is found and told, and mended; and then
// the server is reached as before.
func TestDriftIsMended(t *testing.T) {
	nstest.NoLeaks(t)
	spec := plain("vpc-blue")
	spec.SecurityGroups = append(spec.SecurityGroups, netlab.SecurityGroupSpec{ID: "sg-web", Ingress: []netlab.Rule{{Protocol: "tcp", FromPort: 80, Group: "sg-open"}}})
	spec.Resources = []netlab.ResourceSpec{whoami(t, "web", "subnet-a", "10.0.1.200", []string{"sg-web"}, 80)}
	lab := build(t, netlab.Spec{VPCs: []netlab.VPCSpec{spec}})
	vpc, web := lab.VPC("vpc-blue"), lab.Resource("vpc-blue", "web")
	client := newNode(t, "client")
	attach(t, vpc, client, open, true)
	at := netip.MustParseAddrPort("10.0.1.200:80")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	check := func() string {
		t.Helper()
		inVPC, err := vpc.Check(t.Context())
		must(t, err)
		atServer, err := web.Interface.Check(web.Node)
		must(t, err)
		inServers, err := web.Check(t.Context())
		must(t, err)
		return drift(slices.Concat(inVPC, atServer, inServers))
	}
	for name, c := range map[string]struct {
		in   *netlab.Node
		do   string // $eni is the link of the server's in the VPC
		want string
	}{
		"rules are flushed": {vpc.Node, "iptables -F; iptables -X; iptables -P FORWARD ACCEPT; iptables -P INPUT ACCEPT; iptables -P OUTPUT ACCEPT", "rule missing: filter: -P FORWARD DROP\nrule extra: filter: -P FORWARD ACCEPT\n*"},
		"a rule goes":       {vpc.Node, "iptables -D in-16 -p tcp --dport 80 -m devgroup --src-group 0x11 -m comment --comment sg-web -j ACCEPT", "rule missing: filter: -A in-16 -p tcp --dport 80 -m devgroup --src-group 0x11 -m comment --comment sg-web -j ACCEPT"},
		"a rule comes":      {vpc.Node, "iptables -I FORWARD -j ACCEPT", "rule extra: filter: -A FORWARD -j ACCEPT"},
		"a chain comes":     {vpc.Node, "iptables -N mine", "rule extra: filter: -N mine"},
		"no router":         {vpc.Node, "ip address delete 10.0.1.1/32 dev lo", "address missing: 10.0.1.1 of the router"},
		"another router":    {vpc.Node, "ip address add 10.0.1.77/32 dev lo", "address extra: 10.0.1.77 of the router"},
		"another set":       {vpc.Node, "ip link set $eni group 17", "link changed: $eni has the security-group set 17, want 16"},
		"down":              {vpc.Node, "ip link set $eni down", "link changed: $eni is down, want up\nroute missing: 10.0.1.200 over $eni\n*"},
		"no route":          {vpc.Node, "ip route delete 10.0.1.200", "route missing: 10.0.1.200 over $eni"},
		"another way":       {vpc.Node, "ip route replace 10.0.1.200 dev lo", "route changed: 10.0.1.200 leads to another link than $eni"},
		"a way besides":     {vpc.Node, "ip route add 10.0.1.222 dev $eni", "route extra: 10.0.1.222/32 over $eni"},
		"no neighbour":      {vpc.Node, "ip neigh delete 10.0.1.200 dev $eni", "neighbour missing: 10.0.1.200 at 0a:58:0a:00:01:c8"},
		"another neighbour": {vpc.Node, "ip neigh replace 10.0.1.200 lladdr 02:00:00:00:00:01 dev $eni nud permanent", "neighbour changed: 10.0.1.200 is at 02:00:00:00:00:01, want 0a:58:0a:00:01:c8 for good"},
		"server down":       {web.Node, "ip link set eth0 down", "link changed: vpc-blue.web: eth0 is down, want up\nroute missing: the default route via 10.0.1.1 of vpc-blue.web: eth0\nneighbour missing: the router 10.0.1.1 at 0a:00:00:00:00:01 for good, of vpc-blue.web: eth0"},
		"no address":        {web.Node, "ip address flush dev eth0", "address missing: 10.0.1.200 of vpc-blue.web: eth0\nroute missing: the default route via 10.0.1.1 of vpc-blue.web: eth0\nneighbour missing: the router 10.0.1.1 at 0a:00:00:00:00:01 for good, of vpc-blue.web: eth0"},
		"an address more":   {web.Node, "ip address add 10.0.1.201/32 dev eth0", "address extra: 10.0.1.201 of vpc-blue.web: eth0"},
		"no way out":        {web.Node, "ip route delete default", "route missing: the default route via 10.0.1.1 of vpc-blue.web: eth0"},
		"another name":      {web.Node, "ip link set eth0 down; ip link set eth0 name eth1; ip link set eth1 up; ip route add default via 10.0.1.1 onlink dev eth1", "link changed: vpc-blue.web: eth0 is called eth1\nneighbour missing: the router 10.0.1.1 at 0a:00:00:00:00:01 for good, of vpc-blue.web: eth0"},
		"subnet on link":    {web.Node, "ip route add 10.0.1.0/24 dev eth0", "route extra: 10.0.1.0/24 over vpc-blue.web: eth0"},
		"router unknown":    {web.Node, "ip neigh delete 10.0.1.1 dev eth0", "neighbour missing: the router 10.0.1.1 at 0a:00:00:00:00:01 for good, of vpc-blue.web: eth0"},
		"ARP":               {web.Node, "ip link set eth0 arp on", "link changed: vpc-blue.web: eth0 asks for hardware addresses\nneighbour missing: the router 10.0.1.1 at 0a:00:00:00:00:01 for good, of vpc-blue.web: eth0"},
		"a subnet more":     {vpc.Node, "ip address add 10.0.99.1/24 dev lo; ip address add 10.0.99.2/24 dev lo", "address extra: 10.0.99.1/24 of the router\naddress extra: 10.0.99.2/24 of the router"},
		"router's subnet":   {vpc.Node, "ip address add 10.0.1.1/24 dev lo", "address extra: 10.0.1.1/24 of the router"},
		"address in VPC":    {vpc.Node, "ip address add 10.9.9.9/24 dev $eni", "address extra: 10.9.9.9/24 of $eni\nroute extra: 10.9.9.0/24 over $eni"},
		"mangled":           {vpc.Node, "iptables-nft -t mangle -A PREROUTING -j DROP; iptables-nft -t raw -N mine", "rule extra: mangle: -A PREROUTING -j DROP"},
		"policy of raw":     {vpc.Node, "iptables-nft -t raw -X; iptables-nft -t raw -P PREROUTING DROP", "rule extra: raw: -P PREROUTING DROP"},
		"translated":        {vpc.Node, "iptables-nft -t nat -A PREROUTING -p tcp -j REDIRECT", "rule extra: nat: -A PREROUTING -p tcp -j REDIRECT"},
		"another family":    {vpc.Node, "ip6tables-nft -A FORWARD -j DROP", "table extra: nft: table ip6 filter, with 1 rule"},
		"elder tables":      {vpc.Node, "iptables-legacy -t mangle -A FORWARD -j DROP", "rule extra: legacy mangle: -A FORWARD -j DROP"},
		"elder's own":       {vpc.Node, "iptables-legacy -I FORWARD -j DROP", "rule extra: legacy filter: -A FORWARD -j DROP"},
		"looked at":         {vpc.Node, "iptables -t mangle -S >&2; ip rule add pref 7 from 10.0.1.9 table main", "routing rule extra: 7: from 10.0.1.9/32 to 0.0.0.0/0 table 254"},
		"forwards not":      {vpc.Node, "echo 0 > /proc/sys/net/ipv4/ip_forward", "setting changed: net/ipv4/ip_forward is 0, want 1\n*"},
		"$eni forwards not": {vpc.Node, "echo 0 > /proc/sys/net/ipv4/conf/$eni/forwarding", "setting changed: net/ipv4/conf/$eni/forwarding is 0, want 1"},
		"no check":          {vpc.Node, "echo 0 > /proc/sys/net/ipv4/conf/$eni/rp_filter", "setting changed: net/ipv4/conf/$eni/rp_filter is 0, want 1"},
		"all answer":        {vpc.Node, "echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore", "setting changed: net/ipv4/conf/all/arp_ignore is 1, want 0"},
		"ruled out":         {vpc.Node, "ip rule add blackhole to 10.0.1.0/24 iif $eni", "routing rule extra: 32765: from 0.0.0.0/0 to 10.0.1.0/24 blackhole"},
		"no main table":     {vpc.Node, "ip rule delete pref 32766", "routing rule missing: 32766: from 0.0.0.0/0 to 0.0.0.0/0 table 254"},
		"black hole":        {vpc.Node, "ip route add blackhole 10.0.1.0/24; ip route add unreachable 10.0.1.200 metric 9", "route changed: 10.0.1.200 leads to another link than $eni\nroute extra: blackhole 10.0.1.0/24\nroute extra: unreachable 10.0.1.200/32"},
		"local black hole":  {vpc.Node, "ip route add blackhole 10.0.1.200 table local", "route extra: blackhole 10.0.1.200/32, table 255"},
		"default route":     {vpc.Node, "ip route add default dev lo", "route extra: 0.0.0.0/0 over lo"},
		"a queue":           {vpc.Node, "tc qdisc add dev $eni root pfifo limit 1", "queueing discipline extra: pfifo of $eni"},
		"server mangled":    {web.Node, "iptables-nft -A INPUT -j DROP", "rule extra: filter: -A INPUT -j DROP"},
		"server's ways":     {web.Node, "ip route add blackhole 10.0.0.0/16; ip rule add pref 5 prohibit; echo 1 > /proc/sys/net/ipv4/ip_forward", "routing rule extra: 5: from 0.0.0.0/0 to 0.0.0.0/0 prohibit\nroute extra: blackhole 10.0.0.0/16\nsetting changed: net/ipv4/ip_forward is 1, want 0\n*"},
		"server's subnet":   {web.Node, "ip address add 10.0.1.200/16 dev eth0", "address extra: 10.0.1.200/16 of vpc-blue.web: eth0\nroute extra: 10.0.0.0/16 over vpc-blue.web: eth0"},
		"no link":           {vpc.Node, "ip link delete $eni", "link missing: $eni of " + web.Interface.ID + "\nlink missing: vpc-blue.web: eth0 of " + web.Interface.ID},
	} {
		t.Run(name, func(t *testing.T) {
			if found := check(); found != "" {
				t.Fatalf("before anything was done:\n%s", found)
			}
			if strings.HasPrefix(c.do, "iptables-legacy") && nstest.NS(t).Do(func() error { return exec.CommandContext(t.Context(), "iptables-legacy", "-S").Run() }) != nil {
				t.Skip("there is no iptables-legacy, or this kernel has nothing for it")
			}
			named := strings.NewReplacer("$eni", web.Interface.LinkName())
			must(t, c.in.NS.Do(func() error {
				out, err := exec.CommandContext(t.Context(), "sh", "-ec", named.Replace(c.do)).CombinedOutput()
				if err != nil {
					err = fmt.Errorf("%w: %s", err, out)
				}
				return err
			}))
			found := check()
			want, rest := strings.CutSuffix(named.Replace(c.want), "*")
			if found != want && !(rest && strings.HasPrefix(found, want)) {
				t.Errorf("found\n%s\nwant\n%s", found, want)
			}
			atServer, err := web.Interface.Mend(t.Context(), web.Node)
			must(t, err)
			inVPC, err := vpc.Mend(gone)
			must(t, err)
			inServers, err := web.Mend(gone)
			must(t, err)
			if len(atServer)+len(inVPC)+len(inServers) == 0 {
				t.Error("mending tells of nothing")
			}
			if left := check(); left != "" {
				t.Errorf("after mending:\n%s", left)
			}
			if _, _, err := reach(client, "tcp4", at, answerWithin); err != nil {
				t.Errorf("after mending: %v", err)
			}
		})
	}
}

// TestMendCountsOn: rules that are as they should be are not touched, and go on counting.
func TestMendCountsOn(t *testing.T) {
	nstest.NoLeaks(t)
	spec := plain("vpc-blue")
	spec.SecurityGroups = append(spec.SecurityGroups, netlab.SecurityGroupSpec{
		ID: "sg-web", Ingress: []netlab.Rule{{Protocol: "udp", FromPort: 53, CIDR: netlab.All.CIDR}, {Protocol: "tcp", FromPort: 80, ToPort: 81, Group: "sg-open"}}, Egress: []netlab.Rule{},
	})
	spec.Resources = []netlab.ResourceSpec{whoami(t, "web", "subnet-a", "10.0.1.200", []string{"sg-web"}, 80)}
	lab := build(t, netlab.Spec{VPCs: []netlab.VPCSpec{spec}})
	vpc, web := lab.VPC("vpc-blue"), lab.Resource("vpc-blue", "web")
	client := newNode(t, "client")
	own := attach(t, vpc, client, open, true).Address
	for range 3 {
		_, _, err := reach(client, "tcp4", netip.MustParseAddrPort("10.0.1.200:80"), answerWithin)
		must(t, err)
	}
	send := func(from *netlab.Node, to string, times int) {
		must(t, from.NS.Do(func() error {
			return exec.CommandContext(t.Context(), "bash", "-c", fmt.Sprintf("for i in $(seq %d); do echo 12345 > /dev/udp/%s; done", times, to)).Run()
		}))
	}
	send(client, "10.0.1.200/99", 2)      // no rule lets it in
	send(web.Node, own.String()+"/53", 4) // nor out
	for range 2 {
		counts, err := vpc.RuleCounts()
		must(t, err)
		var got strings.Builder
		for _, c := range counts {
			if c.Packets > 0 && c.What != netlab.Established {
				fmt.Fprintf(&got, "%v egress %t %s%s %d-%d allows %t: %d\n", c.Groups, c.Egress, c.What, c.Rule.Protocol, c.Rule.FromPort, c.Rule.ToPort, c.Allows, c.Packets)
			}
		}
		const want = `[sg-open] egress true -1 0-0 allows true: 5
[sg-web] egress false tcp 80-81 allows true: 3
[sg-web] egress true what no rule allows 0-0 allows false: 4
[sg-web] egress false what no rule allows 0-0 allows false: 2
`
		if got.String() != want {
			t.Errorf("counted\n%swant\n%s", got.String(), want)
		}
		found, err := vpc.Mend(t.Context())
		must(t, err)
		if len(found) > 0 {
			t.Errorf("drift %v", found)
		}
	}
}

// TestAdoptionMendsDrift: while nobody is in control somebody changes what the lab has made. The next control plane finds
// that, tells it and mends it, and the servers are the same.
func TestAdoptionMendsDrift(t *testing.T) {
	if !inRealm(t) {
		return
	}
	nstest.NoLeaks(t)
	var k kept
	controlPlane(t, &k, "keep", serverPath(t))()
	t.Cleanup(func() { // what is not of the VPC
		names, err := netns.Pinned()
		must(t, err)
		for _, name := range names {
			must(t, netlab.EndPinned(name))
		}
	})
	node, err := netlab.OpenNode("vpc-blue")
	must(t, err)
	must(t, node.NS.Do(func() error {
		return exec.CommandContext(t.Context(), "sh", "-ec", "iptables -P FORWARD ACCEPT; iptables -F in-16; ip address delete 10.0.1.1/32 dev lo; ip route delete "+k.Web.Address.String()).Run()
	}))
	must(t, node.Release())

	spec := keptSpec(serverPath(t))
	lab := netlab.NewLab()
	lab.Keep = true
	t.Cleanup(func() { must(t, lab.Close()) })
	vpc, err := lab.AdoptVPC(t.Context(), spec)
	must(t, err)
	const atOnce = `rule missing: filter: -P FORWARD DROP
rule extra: filter: -P FORWARD ACCEPT
rule missing: filter: -A in-16 -p tcp --dport 80 -m devgroup --src-group 0x11 -m comment --comment sg-web -j ACCEPT
rule missing: filter: -A in-16 -j DROP
address missing: 10.0.1.1 of the router`
	if got := drift(vpc.Drift); got != atOnce {
		t.Errorf("found\n%s\nwant\n%s", got, atOnce)
	}
	for i, was := range []netlab.ResourceState{k.Web, k.Client, k.Idle} {
		r, err := lab.AdoptResource(t.Context(), spec.ID, spec.Resources[i], was)
		must(t, err)
		if r.State() != was {
			t.Errorf("adopted %+v, want %+v", r.State(), was)
		}
	}
	_, err = vpc.Sweep()
	must(t, err)
	web, client := lab.Resource(spec.ID, "web"), lab.Resource(spec.ID, "client")
	if got, want := drift(vpc.Drift), atOnce+"\nroute missing: "+k.Web.Address.String()+" over "+web.Interface.LinkName(); got != want {
		t.Errorf("after Sweep\n%s\nwant\n%s", got, want)
	}
	if left, err := vpc.Check(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if _, _, err := reach(client.Node, "tcp4", netip.AddrPortFrom(k.Web.Address, 80), answerWithin); err != nil {
		t.Error(err)
	}
}
