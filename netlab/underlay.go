package netlab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Underlay is the network between workers and a Hyperplane node, over which tunnels run: a veth from the node to each
// worker, routed. It is drawn from 198.18.0.0/15 (RFC 2544, benchmarking), which nobody's VPC may use.
type Underlay struct {
	hub     *Node
	HubVTEP netip.Addr // the Hyperplane node's tunnel endpoint
	workers uint32
}

var underlayRange = netip.MustParsePrefix("198.18.0.0/15")

// underlayMTU leaves room for the tunnel's 50 bytes (outer IPv4 20, UDP 8, VXLAN 8, inner Ethernet 14; RFC 7348
// section 5) around packets of any size that interfaces carry.
const underlayMTU = 9000

// NewUnderlay gives the hub, the Hyperplane node's namespace, its endpoint address.
func NewUnderlay(hub *Node) (*Underlay, error) {
	u := &Underlay{hub: hub, HubVTEP: nth(underlayRange, 1)}
	if err := hub.NS.Set(answerARP...); err != nil {
		return nil, fmt.Errorf("underlay: %s: %w", hub.Name, err)
	}
	if err := hub.Link.AddrAdd(indexed(loopback), &netlink.Addr{IPNet: IPNet(Host(u.HubVTEP))}); err != nil {
		return nil, fmt.Errorf("underlay: endpoint %s: %w", u.HubVTEP, err)
	}
	return u, nil
}

// UnderlayBelongings are those of the hub and of workers.
func UnderlayBelongings() Belongings {
	return Belongings{Settings: answerARP, Owns: func(w Way) bool {
		return w.Table == unix.RT_TABLE_MAIN && w.Link > loopback && w.To.IsSingleIP() && underlayRange.Contains(w.To.Addr())
	}}
}

// OpenUnderlay finds the underlay of a hub that has been adopted.
func OpenUnderlay(hub *Node) (*Underlay, error) {
	u := &Underlay{hub: hub, HubVTEP: nth(underlayRange, 1)}
	if own, err := hub.addresses(loopback); err != nil || !slices.Contains(own, u.HubVTEP) {
		return nil, errors.Join(fmt.Errorf("underlay: %s is not the hub of one: endpoint %s is not among its %v", hub.Name, u.HubVTEP, own), err)
	}
	links, err := hub.Link.LinkList()
	if err != nil {
		return nil, fmt.Errorf("underlay: links of %s: %w", hub.Name, err)
	}
	for _, l := range links {
		var worker uint32
		if _, err := fmt.Sscanf(l.Attrs().Name, underlayLink, &worker); err == nil {
			u.workers = max(u.workers, worker+1)
		}
	}
	return u, nil
}

// Adopt returns the endpoint address of a worker that was connected before. One that was not, or whose link is gone, is
// fs.ErrNotExist.
func (u *Underlay) Adopt(worker *Node) (vtep netip.Addr, err error) {
	own, err := worker.addresses(loopback)
	if err != nil {
		return vtep, fmt.Errorf("underlay: %w", err)
	}
	at := slices.IndexFunc(own, underlayRange.Contains)
	if at < 0 {
		return vtep, fmt.Errorf("underlay: %s has no endpoint: %w", worker.Name, fs.ErrNotExist)
	}
	vtep = own[at]
	link, err := u.hub.Link.LinkByName(fmt.Sprintf(underlayLink, offset(underlayRange, vtep)-1<<16-1))
	var routed []netip.Addr
	if err == nil {
		routed, err = u.hub.routed(link)
	}
	if errors.As(err, new(netlink.LinkNotFoundError)) || err == nil && !slices.Contains(routed, vtep) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return netip.Addr{}, fmt.Errorf("underlay: way from %s to %s at %s: %w", u.hub.Name, worker.Name, vtep, err)
	}
	return vtep, nil
}

// underlayLink is how the hub's end of a worker's link is called.
const underlayLink = "und%d"

// Connect wires a worker to the hub and returns the worker's endpoint address. It is not safe for concurrent use.
func (u *Underlay) Connect(ctx context.Context, worker *Node) (vtep netip.Addr, err error) {
	name := fmt.Sprintf(underlayLink, u.workers)
	u.workers++
	vtep = nth(underlayRange, 1<<16+u.workers)
	err = worker.NS.Set(answerARP...)
	if err == nil {
		err = wire(ctx, u.hub, name, 0, worker, "und0", underlayMTU)
	}
	if err == nil {
		err = join(u.hub, name, u.HubVTEP, vtep)
	}
	if err == nil {
		err = worker.Link.AddrAdd(indexed(loopback), &netlink.Addr{IPNet: IPNet(Host(vtep))})
	}
	if err == nil {
		err = join(worker, "und0", vtep, u.HubVTEP)
	}
	if err != nil {
		return netip.Addr{}, fmt.Errorf("underlay: connect %s: %w", worker.Name, err)
	}
	return vtep, nil
}

// wire makes a veth between two nodes, each end in its place, and brings both up.
func wire(ctx context.Context, a *Node, aName string, aGroup uint32, b *Node, bName string, mtu int) error {
	veth := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: aName, MTU: mtu, Group: aGroup, NumTxQueues: 1, NumRxQueues: 1, TxQLen: 1000},
		PeerName:  bName, PeerNamespace: netlink.NsFd(b.NS.Fd()), PeerTxQLen: 1000,
	}
	if err := a.Link.LinkAdd(veth); err != nil {
		return fmt.Errorf("create link %s: %w", aName, err)
	}
	end, err := b.Link.LinkByName(bName)
	if err != nil {
		return fmt.Errorf("link %s: %w", bName, err)
	}
	if err := errors.Join(a.Link.LinkSetUp(veth), b.Link.LinkSetUp(end)); err != nil {
		return err
	}
	return errors.Join(a.awaitUp(ctx, veth.Index), b.awaitUp(ctx, end.Attrs().Index))
}

// join routes one address of the other side over a link, under one address of ours.
func join(n *Node, link string, own, other netip.Addr) error {
	l, err := n.Link.LinkByName(link)
	if err != nil {
		return fmt.Errorf("link %s: %w", link, err)
	}
	route := &netlink.Route{LinkIndex: l.Attrs().Index, Dst: IPNet(Host(other)), Src: net.IP(own.AsSlice()), Scope: netlink.SCOPE_LINK}
	if err := n.Link.RouteAdd(route); err != nil {
		return fmt.Errorf("route to %s: %w", other, err)
	}
	return nil
}
