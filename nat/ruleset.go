package nat

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
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

// Plan gives the whole ruleset as iptables-restore text. It is set once and never grows: not with slots, not with
// connections. New connections go one way, from the tunnel into the VPC, and are TCP or UDP; the ENI itself answers
// nobody. The limit counts all connections of the ENI (mask 0); what is above it is dropped, as AWS drops it.
func (r Rules) Plan() string {
	ports := r.ports()
	var b strings.Builder
	b.WriteString("*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n")
	for _, proto := range []string{"tcp", "udp"} {
		fmt.Fprintf(&b, "-A POSTROUTING -o %s -p %s -j SNAT --to-source %s:%d-%d --random-fully\n", uplink, proto, r.Address, ports.First, ports.Last)
	}
	b.WriteString("COMMIT\n*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:new - [0:0]\n")
	b.WriteString("-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n")
	for _, match := range []string{"tcp --syn", "udp"} { // what is dropped anyway does not count toward the limit
		fmt.Fprintf(&b, "-A FORWARD -s %s -i %s -o %s -p %s -m conntrack --ctstate NEW -j new\n", LambdaVPC, tunnel, uplink, match)
	}
	fmt.Fprintf(&b, "-A new -m connlimit --connlimit-above %d --connlimit-mask 0 --connlimit-saddr -j DROP\n", r.capacity())
	b.WriteString("-A new -j ACCEPT\nCOMMIT\n")
	return b.String()
}
