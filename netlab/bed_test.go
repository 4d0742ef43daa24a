package netlab_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"enilab/internal/nstest"
	"enilab/netlab"
)

func build(t testing.TB, s netlab.Spec) *netlab.Lab {
	t.Helper()
	nstest.NeedRoot(t)
	lab, err := s.Build(t.Context())
	must(t, err)
	t.Cleanup(func() { must(t, lab.Close()) })
	return lab
}

func newVPC(t testing.TB, s netlab.VPCSpec) *netlab.VPC {
	t.Helper()
	return build(t, netlab.Spec{VPCs: []netlab.VPCSpec{s}}).VPC(s.ID)
}

// plain is a VPC with a large subnet, a tiny one and a group that allows everything.
func plain(id string) netlab.VPCSpec {
	return netlab.VPCSpec{
		ID: id, CIDR: netip.MustParsePrefix("10.0.0.0/16"),
		Subnets: []netlab.SubnetSpec{
			{ID: "subnet-a", CIDR: netip.MustParsePrefix("10.0.1.0/24")},
			{ID: "subnet-tiny", CIDR: netip.MustParsePrefix("10.0.2.0/28")},
			{ID: "subnet-wide", CIDR: netip.MustParsePrefix("10.0.16.0/20")},
		},
		SecurityGroups: []netlab.SecurityGroupSpec{{ID: "sg-open", Ingress: []netlab.Rule{netlab.All}}, {ID: "sg-shut"}},
	}
}

func newNode(t testing.TB, name string) *netlab.Node {
	t.Helper()
	nstest.NeedRoot(t)
	n, err := netlab.NewNode(name)
	must(t, err)
	t.Cleanup(func() { n.Close() })
	return n
}

// whoami is a resource that serves the given ports.
func whoami(t testing.TB, name, subnet, address string, groups []string, ports ...uint16) netlab.ResourceSpec {
	t.Helper()
	r := netlab.ResourceSpec{Name: name, Subnet: subnet, SecurityGroups: groups, Command: []string{serverPath(t), "serve", name}}
	if address != "" {
		r.Address = netip.MustParseAddr(address)
	}
	for _, p := range ports {
		r.Command = append(r.Command, fmt.Sprintf("{address}:%d", p))
		r.Port = p
	}
	return r
}

// reach calls a server from a node. It returns the address that the server sees, and the server's name.
func reach(n *netlab.Node, network string, at netip.AddrPort, within time.Duration) (from netip.Addr, name string, err error) {
	var answer string
	if network == "icmp" {
		return netip.Addr{}, "", n.NS.Do(func() error { return nstest.Ping(at.Addr(), within) })
	}
	err = n.NS.Do(func() (err error) {
		answer, err = ask(net.Dialer{Timeout: within}, network, at)
		return err
	})
	if err != nil {
		return netip.Addr{}, "", err
	}
	seen, name, _ := strings.Cut(answer, " ")
	p, err := netip.ParseAddrPort(seen)
	return p.Addr(), name, err
}

// silent fails the test unless a call meets silence: neither an answer nor a refusal.
func silent(t testing.TB, n *netlab.Node, network string, at netip.AddrPort) {
	t.Helper()
	call := func() error {
		_, _, err := reach(n, network, at, silence)
		return err
	}
	if network == "tcp4" { // the listener need not say anything
		call = func() error {
			return n.NS.Do(func() error {
				c, err := net.DialTimeout("tcp4", at.String(), silence)
				if err == nil {
					c.Close()
				}
				return err
			})
		}
	}
	if err := call(); err == nil {
		t.Errorf("%s reaches %s %s", n.Name, network, at)
	} else if timeout := net.Error(nil); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("%s: %s %s answers with a refusal: %v", n.Name, network, at, err)
	}
}
