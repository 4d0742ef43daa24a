package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"enilab/internal/lab"
	"enilab/internal/lambda"
	"enilab/internal/netns"
	"enilab/internal/undo"
	"enilab/netlab"

	"github.com/vishvananda/netlink"
)

// path is one way from a client to a server that listens.
type path struct {
	variant        string
	client, server *netlab.Node
	address        netip.Addr       // the server's
	ports          []netip.AddrPort // where it accepts and hangs up
}

// paths are the ways that are compared.
type paths struct {
	list []path
	undo undo.Stack
}

// Variants of the datapath that are not modes of a function.
const routedVeth = "routed-veth" // node, router, node: what forwarding costs without rules

// Security groups of the client and the server. As people write them, the server's lets the client's in.
const (
	clientGroup = "sg-app"
	serverGroup = "sg-traffic"
)

// firstPort is the lowest that a server of the datapath listens at.
const firstPort = 5000

func addTrafficRules(c *lab.Config) {
	vpc := &c.Network.VPCs[0]
	vpc.SecurityGroups = append(vpc.SecurityGroups, netlab.SecurityGroupSpec{
		ID: serverGroup, Ingress: []netlab.Rule{{Protocol: "tcp", FromPort: firstPort, ToPort: 9999, Group: clientGroup}},
	})
}

// steady is set at both ends of every path. Connections inherit the host's congestion control, and one that paces by its
// own estimate (BBR) would be measured in place of the path; Reno is in every kernel and allowed to everybody, and without
// losses it sends what the path takes.
var steady = netns.Sysctl{Key: "net/ipv4/tcp_congestion_control", Value: "reno"}

// paths builds all three. Legacy and shared lead to the same server in the tenant's network.
func (b *bed) paths(ctx context.Context) (_ *paths, err error) {
	p := new(paths)
	defer p.undo.CloseOn(&err)
	if err := p.addRouted(); err != nil {
		return nil, fmt.Errorf("%s: %w", routedVeth, err)
	}
	server, address, err := p.addMember(ctx, b, "bench-server", serverGroup)
	if err != nil {
		return nil, err
	}
	environment, _, err := p.addMember(ctx, b, "bench-environment", clientGroup)
	if err != nil {
		return nil, err
	}
	slot, err := p.addSlot(ctx, b)
	if err != nil {
		return nil, err
	}
	p.list = append(
		p.list,
		path{variant: string(lambda.Legacy), client: environment, server: server, address: address},
		path{variant: string(lambda.Shared), client: slot, server: server, address: address},
	)
	ports := map[*netlab.Node][]netip.AddrPort{}
	for i := range p.list {
		way := &p.list[i]
		if err := errors.Join(way.client.NS.Set(steady), way.server.NS.Set(steady)); err != nil {
			return nil, fmt.Errorf("%s: %w", way.variant, err)
		}
		if ports[way.server] == nil {
			listening, stop, err := accept(way.server, way.address)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", way.variant, err)
			}
			p.undo.Push(stop)
			ports[way.server] = listening
		}
		way.ports = ports[way.server]
	}
	return p, nil
}

func (p *paths) addNode(name string, settings ...netns.Sysctl) (*netlab.Node, error) {
	n, err := netlab.NewNode(name, settings...)
	if err == nil {
		p.undo.Push(n.Close)
	}
	return n, err
}

// addMember makes a node with an interface in the tenant's network: a server, or an environment in legacy mode.
func (p *paths) addMember(ctx context.Context, b *bed, name, group string) (n *netlab.Node, at netip.Addr, err error) {
	if n, err = p.addNode(name); err != nil {
		return nil, at, err
	}
	i, err := b.vpc().Connect(ctx, n, netlab.InterfaceSpec{Subnet: wideSubnet, SecurityGroups: []string{group}})
	if err != nil {
		return nil, at, err
	}
	p.undo.Push(func() error { i.Forget(); return nil })
	return n, i.Address, nil
}

// addSlot makes a slot that is bound to the Hyperplane ENI of a function.
func (p *paths) addSlot(ctx context.Context, b *bed) (*netlab.Node, error) {
	in := b.function(lambda.Shared, wideSubnet)
	in.VpcConfig.SecurityGroupIDs = []string{clientGroup}
	if _, err := b.Lambda.CreateFunction(ctx, in); err != nil {
		return nil, err
	}
	if err := b.Lambda.WaitFunctionActive(ctx, lambda.FunctionRef{Name: in.FunctionName}); err != nil {
		return nil, err
	}
	slot, err := b.Lambda.Workers[0].NewSlot(firstIdle)
	if err != nil {
		return nil, err
	}
	p.undo.Push(slot.Close)
	return slot.Node, b.Lambda.HyperplaneENIs()[0].ENI.Bind(tunnelOf(slot))
}

// addRouted makes two nodes with a router between them that has no rules: the least that a packet has to go through from
// one namespace to another by way of a third. Its links are made as interfaces are: one queue, the same size of packets.
func (p *paths) addRouted() error {
	router, err := p.addNode("bench-router", netns.Sysctl{Key: "net/ipv4/ip_forward", Value: "1"})
	if err != nil {
		return err
	}
	var ends [2]*netlab.Node
	var address netip.Addr
	for i := range ends {
		if ends[i], err = p.addNode(fmt.Sprintf("bench-end-%d", i)); err != nil {
			return err
		}
		gateway := netip.AddrFrom4([4]byte{10, 0, byte(i), 1})
		address = netip.AddrFrom4([4]byte{10, 0, byte(i), 10})
		if err := join(router, gateway, ends[i], address, fmt.Sprintf("end%d", i)); err != nil {
			return err
		}
	}
	p.list = append(p.list, path{variant: routedVeth, client: ends[0], server: ends[1], address: address})
	return nil
}

// join connects a node to a router, which is its way to everywhere.
func join(router *netlab.Node, gateway netip.Addr, node *netlab.Node, address netip.Addr, name string) error {
	const mtu, bits = 1500, 24
	veth := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: name, MTU: mtu, NumTxQueues: 1, NumRxQueues: 1, TxQLen: 1000},
		PeerName:  netlab.OwnerLink, PeerNamespace: netlink.NsFd(node.NS.Fd()), PeerTxQLen: 1000,
	}
	if err := router.Link.LinkAdd(veth); err != nil {
		return fmt.Errorf("create link %s: %w", name, err)
	}
	end, err := node.Link.LinkByName(netlab.OwnerLink)
	if err != nil {
		return err
	}
	err = errors.Join(
		router.Link.AddrAdd(veth, &netlink.Addr{IPNet: netlab.IPNet(netip.PrefixFrom(gateway, bits))}),
		node.Link.AddrAdd(end, &netlink.Addr{IPNet: netlab.IPNet(netip.PrefixFrom(address, bits))}),
		router.Link.LinkSetUp(veth),
		node.Link.LinkSetUp(end),
	)
	if err != nil {
		return fmt.Errorf("link %s: %w", name, err)
	}
	route := &netlink.Route{LinkIndex: end.Attrs().Index, Gw: gateway.AsSlice()}
	if err := node.Link.RouteAdd(route); err != nil {
		return fmt.Errorf("link %s: default route: %w", name, err)
	}
	return nil
}
