package nat

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"enilab/internal/netns"
	"enilab/internal/undo"
	"enilab/netlab"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The two sides of an ENI's namespace.
const (
	tunnel = "tun0"
	uplink = netlab.OwnerLink
)

// ENIConfig asks for a Hyperplane ENI.
type ENIConfig struct {
	Name     string // the namespace's name
	Ports    Ports  // zero means DefaultPorts
	Capacity int    // connections at once; zero means DefaultCapacity

	Keep bool // pinned under Name once complete, so that it outlives this process and can be adopted

	// Uplink gives the namespace its eth0 and way out, and returns eth0's address: an interface in a customer's
	// subnet, or the provider's own way to the internet. In an adoption it finds them.
	Uplink func(context.Context, *netlab.Node) (netip.Addr, error)
}

// ENI is a Hyperplane ENI: tun0 toward the slots, eth0 in the customer's subnet, and the translation between them.
type ENI struct {
	Node    *netlab.Node
	VNI     VNI
	Address netip.Addr // eth0's
	Rules   Rules

	// Drift is how it was not as it should be when it was adopted, and is again.
	Drift []netlab.Drift

	vtep  netip.Addr // the Hyperplane node's endpoint
	tun   int        // index of tun0
	conns *netlink.Handle
	count *os.File // how many connections there are
	sweep sweeper
	undo  undo.Stack
}

// idle is how long a TCP connection lives without traffic: seconds. AWS documents 350 s for its other Hyperplane
// services (NAT gateway, NLB) and nothing for this one: an assumption.
const idle = "350"

// settings are those of an ENI's namespace, set before any link exists.
func settings() []netns.Sysctl {
	return []netns.Sysctl{
		{Key: "net/ipv4/ip_forward", Value: "1"},
		{Key: "net/ipv4/conf/default/rp_filter", Value: "1"}, // a tunnel cannot claim an address of the VPC
		{Key: "net/ipv4/conf/all/rp_filter", Value: "0"},     // a host's "loose" (2) is inherited and would outvote it
		{Key: "net/ipv4/conf/all/send_redirects", Value: "0"},
		{Key: "net/ipv4/conf/default/send_redirects", Value: "0"},
		{Key: "net/ipv4/conf/default/accept_redirects", Value: "0"},
	}
}

// NewENI builds an ENI's namespace, device and ruleset. Nothing of it is on the path of a cold start.
func (n *Node) NewENI(ctx context.Context, c ENIConfig) (_ *ENI, err error) {
	e := &ENI{vtep: n.VTEP}
	defer e.undo.CloseOn(&err)
	if e.Node, err = netlab.NewNode(c.Name, settings()...); err != nil {
		return nil, err
	}
	e.undo.Push(e.Node.Close)
	if e.Address, err = c.Uplink(ctx, e.Node); err != nil {
		return nil, fmt.Errorf("eni %s: %w", c.Name, err)
	}
	if err := e.addTunnel(n); err != nil {
		return nil, fmt.Errorf("eni %s: %w", c.Name, err)
	}
	e.Rules = e.rulesOf(c)
	if err := e.Node.Apply(ctx, e.Rules.Plan()); err != nil {
		return nil, fmt.Errorf("eni %s: %w", c.Name, err)
	}
	if err := e.track(); err != nil {
		return nil, fmt.Errorf("eni %s: %w", c.Name, err)
	}
	if c.Keep {
		if err := e.Node.Pin(); err != nil {
			return nil, fmt.Errorf("eni %s: %w", c.Name, err)
		}
	}
	return e, nil
}

// rulesOf are the rules that an ENI is to have.
func (e *ENI) rulesOf(c ENIConfig) Rules {
	return Rules{Address: e.Address, Ports: c.Ports, Capacity: c.Capacity}
}

// track opens what tells of the connections under the rules, which have been set.
func (e *ENI) track() error {
	// The setting appears with the first rule that tracks connections.
	if err := e.Node.NS.Set(netns.Sysctl{Key: "net/netfilter/nf_conntrack_tcp_timeout_established", Value: idle}); err != nil {
		return err
	}
	var err error
	if e.conns, err = netlink.NewHandleAt(e.Node.NS.Handle(), unix.NETLINK_NETFILTER); err != nil {
		return fmt.Errorf("connection tracking: %w", err)
	}
	e.undo.Push(func() error { e.conns.Close(); return nil })
	err = e.Node.NS.Do(func() (err error) {
		if e.count, err = os.Open("/proc/sys/net/netfilter/nf_conntrack_count"); err != nil { // of this namespace for good
			return err
		}
		e.undo.Push(e.count.Close)
		e.undo.Push(e.sweep.close)
		return nil
	})
	if err != nil {
		return fmt.Errorf("connection tracking: %w", err)
	}
	return nil
}

// addTunnel makes tun0, the way to the slots, under the next VNI. One that is in use is passed over: the kernel ends the
// namespace of a former ENI when it has time, and a former control plane's may be there still.
func (e *ENI) addTunnel(n *Node) (err error) {
	for {
		if e.VNI, err = n.takeVNI(); err != nil {
			return err
		}
		e.tun, err = e.Node.AddTunnel(n.Node, netlab.TunnelSpec{Name: tunnel, VNI: uint32(e.VNI), MAC: ENIMAC, Local: n.VTEP, Port: TunnelPort})
		if !errors.Is(err, unix.EEXIST) {
			break
		}
	}
	if err != nil {
		return err
	}
	return e.addRoute()
}

// addRoute makes the way to the slots, if it is not there.
func (e *ENI) addRoute() error {
	route := &netlink.Route{LinkIndex: e.tun, Dst: netlab.IPNet(LambdaVPC), Scope: netlink.SCOPE_LINK}
	if err := e.Node.Link.RouteReplace(route); err != nil {
		return fmt.Errorf("route to the Lambda VPC: %w", err)
	}
	return nil
}

// Close ends the ENI; connections through it end with it.
func (e *ENI) Close() error {
	if err := e.undo.Close(); err != nil {
		return fmt.Errorf("eni %s: %w", e.Node.Name, err)
	}
	return nil
}
