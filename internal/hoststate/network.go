package hoststate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/containernetworking/plugins/pkg/netlinksafe"
	"github.com/vishvananda/netlink"
)

// network reads what netlink tells: links, addresses, routes of all tables, rules, queues and permanent neighbours.
func network(_ context.Context, s *State) error {
	h, err := netlinksafe.NewHandle(syscall.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	defer h.Close()
	s.saw(Link, Address, Route, Rule, Queue, Neighbour)

	links, err := h.LinkList()
	if err != nil {
		return fmt.Errorf("list links: %w", err)
	}
	name := interfaces{}
	for _, l := range links {
		name[l.Attrs().Index] = l.Attrs().Name
	}
	for _, l := range links {
		s.add(Link, l.Attrs().Name, describeLink(l, name))
	}

	addresses, err := retry(func() ([]netlink.Addr, error) { return h.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	for _, a := range addresses {
		s.add(Address, fmt.Sprintf("%s on %s", a.IPNet, name.of(a.LinkIndex)), peer(a))
	}

	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := h.RouteListFiltered(family, &netlink.Route{}, netlink.RT_FILTER_TABLE)
		if err != nil {
			return fmt.Errorf("list routes: %w", err)
		}
		for _, r := range routes {
			s.add(Route, describeRoute(r, name), "")
		}
		rules, err := retry(func() ([]netlink.Rule, error) { return h.RuleList(family) })
		if err != nil {
			return fmt.Errorf("list rules: %w", err)
		}
		for _, r := range rules {
			s.add(Rule, describeRule(r, family), "")
		}
	}

	queues, err := retry(func() ([]netlink.Qdisc, error) { return h.QdiscList(nil) })
	if err != nil {
		return fmt.Errorf("list queues: %w", err)
	}
	for _, q := range queues {
		a := q.Attrs()
		s.add(Queue, fmt.Sprintf("%s parent %s on %s", netlink.HandleStr(a.Handle), netlink.HandleStr(a.Parent), name.of(a.LinkIndex)), q.Type())
	}

	neighbours, err := retry(func() ([]netlink.Neigh, error) { return h.NeighList(0, netlink.FAMILY_ALL) })
	if err != nil {
		return fmt.Errorf("list neighbours: %w", err)
	}
	for _, n := range neighbours {
		if n.State&netlink.NUD_PERMANENT != 0 {
			s.add(Neighbour, fmt.Sprintf("%s on %s", n.IP, name.of(n.LinkIndex)), n.HardwareAddr.String())
		}
	}
	return nil
}

// retry repeats a listing that a change interrupted, where netlinksafe has no method that does.
func retry[T any](list func() ([]T, error)) (all []T, err error) {
	const attempts = 5
	for range attempts {
		if all, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return all, err
}

// interfaces is index → name.
type interfaces map[int]string

func (n interfaces) of(index int) string { return cmp.Or(n[index], fmt.Sprintf("interface %d", index)) }

func describeLink(l netlink.Link, name interfaces) string {
	a := l.Attrs()
	admin := "down"
	if a.Flags&net.FlagUp != 0 {
		admin = "up"
	}
	text := fmt.Sprintf("%s type=%s index=%d mtu=%d mac=%s group=%d", admin, l.Type(), a.Index, a.MTU, a.HardwareAddr, a.Group)
	if a.MasterIndex != 0 {
		text += " master=" + name.of(a.MasterIndex)
	}
	return text
}

func peer(a netlink.Addr) string {
	if a.Peer == nil || a.Peer.String() == a.IPNet.String() {
		return ""
	}
	return "peer=" + a.Peer.String()
}

// describeRoute leaves out what changes by itself: link states, metrics learnt, lifetimes.
func describeRoute(r netlink.Route, name interfaces) string {
	var b strings.Builder
	if r.Dst == nil {
		b.WriteString("default")
	} else {
		b.WriteString(r.Dst.String())
	}
	if r.Gw != nil {
		fmt.Fprintf(&b, " via %s", r.Gw)
	}
	if r.Via != nil {
		fmt.Fprintf(&b, " via %s", r.Via)
	}
	if r.LinkIndex != 0 {
		fmt.Fprintf(&b, " dev %s", name.of(r.LinkIndex))
	}
	for _, hop := range r.MultiPath {
		fmt.Fprintf(&b, " nexthop via %s dev %s weight %d", hop.Gw, name.of(hop.LinkIndex), hop.Hops+1)
	}
	if r.Src != nil {
		fmt.Fprintf(&b, " src %s", r.Src)
	}
	fmt.Fprintf(&b, " type %d table %d metric %d", r.Type, r.Table, r.Priority)
	if r.Tos != 0 {
		fmt.Fprintf(&b, " tos %d", r.Tos)
	}
	return b.String()
}

func describeRule(r netlink.Rule, family int) string {
	version := 4
	if family == netlink.FAMILY_V6 {
		version = 6
	}
	text := fmt.Sprintf("%d of IPv%d from %s to %s table %d", r.Priority, version, orAll(r.Src), orAll(r.Dst), r.Table)
	if r.IifName != "" {
		text += " iif " + r.IifName
	}
	if r.OifName != "" {
		text += " oif " + r.OifName
	}
	if r.Mark != 0 || r.Mask != nil {
		text += fmt.Sprintf(" fwmark %#x", r.Mark)
	}
	if r.Invert {
		text += " not"
	}
	return text
}

func orAll(n *net.IPNet) string {
	if n == nil {
		return "all"
	}
	return n.String()
}
