package netlab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"sync"

	"enilab/internal/undo"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Internet stands for everything outside: a namespace that owns two documentation ranges (RFC 5737) whole, with one HTTP
// server behind all their addresses. It gives edges addresses from the third.
type Internet struct {
	Node   *Node
	server *Process
	undo   undo.Stack

	mu    sync.Mutex // guards edges
	edges *Allocator
}

var (
	internetRanges = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("198.51.100.0/24")}
	edgeRange      = netip.MustParsePrefix("192.0.2.0/24")
	internetRouter = nth(edgeRange, 1)
)

// InternetHTTP is one of the addresses at which the internet's server answers.
var InternetHTTP = netip.MustParseAddrPort("203.0.113.80:80")

// NewInternet builds it. Command is the server's argument vector; it has to serve [InternetHTTP] on all addresses. To be
// adopted later it is pinned, by its Node.
func NewInternet(ctx context.Context, command []string) (_ *Internet, err error) {
	in := &Internet{edges: NewAllocator(edgeRange)}
	defer in.undo.CloseOn(&err)
	if in.Node, err = NewNode("internet", append(slices.Clone(answerARP), anyPort)...); err != nil {
		return nil, err
	}
	in.undo.Push(in.Node.Close)
	for _, r := range internetRanges { // every address of these is the server's own
		route := &netlink.Route{LinkIndex: loopback, Dst: IPNet(r), Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: netlink.SCOPE_HOST}
		if err := in.Node.Link.RouteAdd(route); err != nil {
			return nil, fmt.Errorf("internet: range %s: %w", r, err)
		}
	}
	if err := in.Node.Link.AddrAdd(indexed(loopback), &netlink.Addr{IPNet: IPNet(Host(internetRouter))}); err != nil {
		return nil, fmt.Errorf("internet: router address: %w", err)
	}
	if err := in.startServer(ctx, command); err != nil {
		return nil, err
	}
	in.undo.Push(in.server.Close)
	return in, nil
}

// InternetBelongings are those of the internet's namespace.
func InternetBelongings() Belongings {
	return Belongings{Settings: append(slices.Clone(answerARP), anyPort), Owns: func(w Way) bool {
		whole := w.Table == unix.RT_TABLE_LOCAL && w.Type == unix.RTN_LOCAL && slices.Contains(internetRanges, w.To)
		return whole || w.Table == unix.RT_TABLE_MAIN && w.Link > loopback && w.To.IsSingleIP() && edgeRange.Contains(w.To.Addr())
	}}
}

// startServer returns when it serves, and ends it if it does not.
func (in *Internet) startServer(ctx context.Context, command []string) (err error) {
	if in.server, err = startProcess(ctx, in.Node, command); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	if err := in.server.waitPort(ctx, in.Node, netip.AddrPortFrom(internetRouter, InternetHTTP.Port())); err != nil {
		return errors.Join(err, in.server.Close())
	}
	return nil
}

// AdoptInternet takes over an internet that was pinned, with those who are connected to it, and its server if that runs
// still: was is the State of old. Otherwise the server is started again. One that is not there is fs.ErrNotExist.
func AdoptInternet(ctx context.Context, command []string, was ProcessState) (_ *Internet, err error) {
	in := &Internet{edges: NewAllocator(edgeRange)}
	if in.Node, err = OpenNode("internet"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("internet: adopt: %w", err), in.Node.Release())
		}
	}()
	if err := in.adoptEdges(); err != nil {
		return nil, err
	}
	in.server, err = adoptProcess(in.Node, command[0], was)
	if errors.Is(err, fs.ErrNotExist) {
		if err = endProcessesIn(in.Node.NS); err == nil {
			err = in.startServer(ctx, command)
		}
	}
	if err != nil {
		return nil, err
	}
	in.undo.Push(in.Node.Close)
	in.undo.Push(in.server.Close)
	return in, nil
}

// adoptEdges finds in the routes which addresses are given away.
func (in *Internet) adoptEdges() error {
	links, err := in.Node.Link.LinkList()
	if err != nil {
		return fmt.Errorf("list links: %w", err)
	}
	for _, l := range links {
		if l.Type() != "veth" {
			continue
		}
		routed, err := in.Node.routed(l)
		if err != nil {
			return err
		}
		for _, a := range routed {
			if err := in.edges.TakeExact(a); err != nil {
				return fmt.Errorf("link %s: %w", l.Attrs().Name, err)
			}
		}
	}
	return nil
}

// State is what has to be kept for [AdoptInternet].
func (in *Internet) State() ProcessState { return in.server.State() }

// Close ends the server and the namespace.
func (in *Internet) Close() error { return in.undo.Close() }

// Connect gives a node its way out: eth0 with a public address of its own, and the default route. The address is taken
// until Disconnect. Each end is told the other's hardware address for good: neither asks, so neither takes room in the
// kernel's one table of neighbours.
func (in *Internet) Connect(ctx context.Context, n *Node) (_ netip.Addr, err error) {
	in.mu.Lock()
	public, ok := in.edges.Take()
	in.mu.Unlock()
	if !ok {
		return netip.Addr{}, fmt.Errorf("internet: connect %s: %w in %s", n.Name, ErrSubnetFull, edgeRange)
	}
	name := edgeName(public)
	err = wire(ctx, in.Node, name, 0, n, OwnerLink, mtu)
	if err == nil {
		err = join(in.Node, name, internetRouter, public)
	}
	var end, edge netlink.Link
	if err == nil {
		end, err = n.Link.LinkByName(OwnerLink)
	}
	if err == nil {
		edge, err = in.Node.Link.LinkByName(name)
	}
	if err == nil {
		err = n.tell(end, internetRouter, edge)
	}
	if err == nil {
		err = in.Node.tell(edge, public, end)
	}
	if err == nil {
		err = n.Link.AddrAdd(end, &netlink.Addr{IPNet: IPNet(Host(public))})
	}
	if err == nil {
		err = n.Link.RouteAdd(&netlink.Route{LinkIndex: end.Attrs().Index, Gw: net.IP(internetRouter.AsSlice()), Flags: int(netlink.FLAG_ONLINK)})
	}
	if err != nil {
		return netip.Addr{}, errors.Join(fmt.Errorf("internet: connect %s: %w", n.Name, err), in.Disconnect(public))
	}
	return public, nil
}

// tell makes the other end of a link the only neighbour there, and has the link ask for none.
func (n *Node) tell(link netlink.Link, address netip.Addr, other netlink.Link) error {
	index := link.Attrs().Index
	err := n.Request(linkUpSilent(index), Entry{Link: index, MAC: other.Attrs().HardwareAddr, To: address}.Set())
	if err != nil {
		return fmt.Errorf("link %s: %w", link.Attrs().Name, Blame(err, "up", "hardware address of "+address.String()))
	}
	return nil
}

// Disconnect takes a way out back, and its address becomes another's. It is cheap if the node has been closed before.
func (in *Internet) Disconnect(public netip.Addr) error {
	link, err := in.Node.Link.LinkByName(edgeName(public))
	if err == nil {
		err = in.Node.Link.LinkDel(link)
	}
	if err != nil && !errors.As(err, new(netlink.LinkNotFoundError)) && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("internet: disconnect %s: %w", public, err)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.edges.Free(public)
	return nil
}

func edgeName(public netip.Addr) string { return fmt.Sprintf("edge%d", offset(edgeRange, public)) }
