package topology

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"enilab/netlab"
)

// Rule allows one kind of traffic from (ingress) or to (egress) a network or the members of a group. A line may stand for
// it: "tcp 6379 from sg-app", "udp 8000-8010 to 10.0.0.0/16", "all from anywhere".
type Rule struct {
	Protocol string       `yaml:"protocol,required" enum:"tcp,udp,icmp,all" doc:"The protocol."`
	Ports    Ports        `yaml:"ports" doc:"For tcp and udp. Left out: all."`
	CIDR     netip.Prefix `yaml:"cidr" doc:"The other side: an IPv4 network."`
	Group    string       `yaml:"group" doc:"Or a security group of the same VPC."`

	word string // "from" or "to", if it was written as a line
}

// Ports is a range of ports; zero means all.
type Ports struct{ From, To uint16 }

func (r *Rule) fromText(s string) error {
	*r = Rule{}
	words := strings.Fields(s)
	if len(words) < 3 || len(words) > 4 {
		return errRule
	}
	peer := words[len(words)-1]
	r.Protocol, r.word = words[0], words[len(words)-2]
	switch r.Protocol {
	case "tcp", "udp", "icmp", "all":
	default:
		return fmt.Errorf("protocol %q is not one of tcp, udp, icmp, all", r.Protocol)
	}
	if r.word != "from" && r.word != "to" {
		return errRule
	}
	if len(words) == 4 {
		if err := r.Ports.fromText(words[1]); err != nil {
			return err
		}
	}
	switch {
	case peer == "anywhere":
		r.CIDR = netlab.All.CIDR
	case strings.Contains(peer, "/"):
		return prefixFromText(peer, &r.CIDR)
	default:
		r.Group = peer
	}
	return nil
}

var errRule = errors.New(`write a rule like "tcp 6379 from sg-app", "udp 8000-8010 from 10.0.0.0/16", "all from anywhere", with "to" in egress`)

func (p *Ports) fromText(s string) error {
	first, last, isRange := strings.Cut(s, "-")
	from, err := strconv.ParseUint(first, 10, 16)
	to := from
	if err == nil && isRange {
		to, err = strconv.ParseUint(last, 10, 16)
	}
	switch {
	case err != nil || from == 0:
		return fmt.Errorf("%q is neither a port nor a range of ports: write 6379 or 8000-8010, from 1 to 65535", s)
	case to < from:
		return fmt.Errorf("ports %s run backwards", s)
	}
	p.From, p.To = uint16(from), uint16(to)
	return nil
}

func (s *Subnet) fromText(text string) error { return prefixFromText(text, &s.CIDR) }

func (l *Layer) fromText(text string) error { return l.Code.fromText(text) }

func (c *Code) fromText(s string) error {
	*c = Code{Key: s}
	switch {
	case s == "" || len(s) > 1024 || strings.ContainsAny(s, "\x00\n"):
		return fmt.Errorf("%.40q names no code: give a key in the function store, such as go.zip, or a path, such as ./hello", s)
	case strings.Contains(s, "/"):
		*c = Code{Path: s}
	case s[0] == '.' || s[0] == '-' || s[0] == '_':
		return fmt.Errorf("%q is no key of the function store; write ./%s for a path", s, strings.TrimPrefix(s, "./"))
	}
	return nil
}

func prefixFromText(s string, p *netip.Prefix) (err error) {
	if *p, err = netip.ParsePrefix(s); err != nil || !p.Addr().Is4() {
		return fmt.Errorf("%q is not an IPv4 network such as 10.0.0.0/16", s)
	}
	return nil
}

func addrFromText(s string, a *netip.Addr) (err error) {
	if *a, err = netip.ParseAddr(s); err != nil || !a.Is4() {
		return fmt.Errorf("%q is not an IPv4 address such as 10.0.1.10", s)
	}
	return nil
}
