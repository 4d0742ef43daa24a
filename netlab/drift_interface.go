package netlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// interfaceDriftLocked compares the VPC's ends of all complete interfaces, three dumps for all. It mends what can be
// mended from here.
func (v *VPC) interfaceDriftLocked(mend bool) (list []Drift, err error) {
	have, err := v.Node.describe()
	if err != nil {
		return nil, err
	}
	for _, id := range sortedKeys(v.interfaces) {
		i := v.interfaces[id]
		if !i.complete.Load() {
			continue
		}
		found := i.driftIn(have)
		if mend && len(found) > 0 && have.links[i.link] != nil {
			if err := i.mendIn(have); err != nil {
				return list, err
			}
		}
		list = append(list, found...)
	}
	return list, nil
}

// described is what the kernel has in a namespace.
type described struct {
	links      map[int]netlink.Link // by index
	routes     []netlink.Route      // of IPv4, in the main table
	neighbours []netlink.Neigh
}

func (n *Node) describe() (d described, err error) {
	links, err := n.Link.LinkList()
	if err != nil {
		return d, fmt.Errorf("list links: %w", err)
	}
	d.links = map[int]netlink.Link{}
	for _, l := range links {
		d.links[l.Attrs().Index] = l
	}
	if d.routes, err = n.Link.RouteList(nil, unix.AF_INET); err != nil {
		return d, fmt.Errorf("list routes: %w", err)
	}
	if d.neighbours, err = n.Link.NeighList(0, unix.AF_INET); err != nil {
		return d, fmt.Errorf("list neighbours: %w", err)
	}
	return d, nil
}

// driftIn compares the VPC's end with what Create and Publish have made.
func (i *Interface) driftIn(have described) (list []Drift) {
	name := i.LinkName()
	link := have.links[i.link]
	if link == nil {
		return []Drift{{"link", fmt.Sprintf("%s of %s", name, i.ID), missing}}
	}
	a := link.Attrs()
	if a.Flags&net.FlagUp == 0 {
		list = append(list, Drift{"link", name + " is down, want up", changed})
	}
	if a.Group != i.group {
		list = append(list, Drift{"link", fmt.Sprintf("%s has the security-group set %d, want %d", name, a.Group, i.group), changed})
	}
	if a.Alias != i.ID {
		list = append(list, Drift{"link", fmt.Sprintf("%s has the alias %q, want %s", name, a.Alias, i.ID), changed})
	}
	routed := false
	for _, r := range have.routes {
		to, ok := single(r.Dst)
		switch {
		case ok && to == i.Address && r.LinkIndex == i.link:
			routed = true
		case ok && to == i.Address:
			list = append(list, Drift{"route", fmt.Sprintf("%s leads to another link than %s", to, name), changed})
			routed = true
		case r.LinkIndex == i.link:
			list = append(list, Drift{"route", fmt.Sprintf("%v over %s", r.Dst, name), extra})
		}
	}
	if !routed {
		list = append(list, Drift{"route", fmt.Sprintf("%s over %s", i.Address, name), missing})
	}
	known := false
	for _, n := range have.neighbours {
		if to, _ := netip.AddrFromSlice(n.IP); n.LinkIndex != i.link || to.Unmap() != i.Address {
			continue
		}
		known = true
		if !bytes.Equal(n.HardwareAddr, i.MAC) || n.State&unix.NUD_PERMANENT == 0 {
			list = append(list, Drift{"neighbour", fmt.Sprintf("%s is at %s, want %s for good", i.Address, n.HardwareAddr, i.MAC), changed})
		}
	}
	if !known {
		list = append(list, Drift{"neighbour", fmt.Sprintf("%s at %s", i.Address, i.MAC), missing})
	}
	return list
}

// single is the address of a route to one address.
func single(to *net.IPNet) (a netip.Addr, ok bool) {
	if to == nil {
		return a, false
	}
	if ones, bits := to.Mask.Size(); ones != bits {
		return a, false
	}
	a, ok = netip.AddrFromSlice(to.IP)
	return a.Unmap(), ok
}

// mendIn makes the VPC's end, which is there, what it should be.
func (i *Interface) mendIn(have described) error {
	n := i.vpc.Node
	for _, r := range have.routes {
		if to, ok := single(r.Dst); r.LinkIndex == i.link && (!ok || to != i.Address) {
			if err := n.Link.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("%s: remove the route to %v: %w", i.ID, r.Dst, err)
			}
		}
	}
	if err := n.Link.LinkSetGroup(indexed(i.link), int(i.group)); err != nil {
		return fmt.Errorf("%s: security groups: %w", i.ID, err)
	}
	return i.Publish()
}

// Check compares the owner's end of a complete interface with what Configure has made. What is being ended meanwhile may
// be told of.
func (i *Interface) Check(owner *Node) ([]Drift, error) {
	list, _, err := i.ownerDrift(owner)
	return list, err
}

// Mend is Check, and makes what it tells of as it should be. If the link itself is missing it makes another, with both ends.
func (i *Interface) Mend(ctx context.Context, owner *Node) ([]Drift, error) {
	list, there, err := i.ownerDrift(owner)
	if err != nil || len(list) == 0 {
		return list, err
	}
	if !there {
		err = i.CreateIn(owner)
		if err == nil {
			err = i.Configure(owner)
		}
		if err == nil {
			err = i.Publish()
		}
	} else {
		err = i.configureAgain(owner)
	}
	if err == nil {
		err = i.AwaitUp(ctx, owner)
	}
	if err != nil {
		return list, fmt.Errorf("%s: mend: %w", i.ID, err)
	}
	return list, nil
}

// configureAgain gives the owner's end, which is there, what Configure has given it, and takes the rest away.
func (i *Interface) configureAgain(owner *Node) error {
	address, router := netip.PrefixFrom(i.Address, i.Subnet.CIDR.Bits()), Gateway(i.Subnet.CIDR)
	link, err := owner.Link.LinkByIndex(i.owner)
	if err == nil && link.Attrs().Name != OwnerLink {
		err = errors.Join(owner.Link.LinkSetDown(link), owner.Link.LinkSetName(link, OwnerLink))
	}
	if err != nil {
		return fmt.Errorf("link %s of %s: %w", OwnerLink, owner.Name, err)
	}
	have, err := owner.Link.AddrList(link, unix.AF_INET)
	if err != nil {
		return fmt.Errorf("addresses of %s: %w", owner.Name, err)
	}
	for _, a := range have {
		if prefixOf(a) != address {
			if err := owner.dropAddress(a); err != nil {
				return fmt.Errorf("remove address %s: %w", a.IPNet, err)
			}
		}
	}
	routes, err := owner.Link.RouteList(nil, unix.AF_INET)
	if err != nil {
		return fmt.Errorf("routes of %s: %w", owner.Name, err)
	}
	if err := owner.Request(AddAddress(i.owner, address)); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("address %s: %w", address, err)
	}
	for _, r := range routes {
		if r.LinkIndex == i.owner && !isDefault(r.Dst) {
			if err := owner.Link.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("remove the route to %v: %w", r.Dst, err)
			}
		}
	}
	err = owner.Request(linkUpSilent(i.owner), i.routerEntry().Set(), i.defaultRoute().Replace())
	return Blame(err, OwnerLink+" up", "router's hardware address", "default route via "+router.String())
}

func (i *Interface) ownerDrift(owner *Node) (list []Drift, there bool, err error) {
	have, err := owner.describe()
	if err != nil {
		return nil, false, fmt.Errorf("%s: check: %w", i.ID, err)
	}
	at := owner.Name + ": " + OwnerLink
	link := have.links[i.owner]
	if link == nil {
		return []Drift{{"link", fmt.Sprintf("%s of %s", at, i.ID), missing}}, false, nil
	}
	if name := link.Attrs().Name; name != OwnerLink {
		list = append(list, Drift{"link", fmt.Sprintf("%s is called %s", at, name), changed})
	}
	if link.Attrs().Flags&net.FlagUp == 0 {
		list = append(list, Drift{"link", at + " is down, want up", changed})
	}
	if link.Attrs().RawFlags&unix.IFF_NOARP == 0 {
		list = append(list, Drift{"link", at + " asks for hardware addresses", changed})
	}
	addresses, err := owner.Link.AddrList(link, unix.AF_INET)
	if err != nil {
		return nil, true, fmt.Errorf("addresses of %s: %w", owner.Name, err)
	}
	mine := false
	for _, a := range addresses {
		switch p := prefixOf(a); {
		case p == netip.PrefixFrom(i.Address, i.Subnet.CIDR.Bits()):
			mine = true
		case p.IsSingleIP() || p.Bits() == i.Subnet.CIDR.Bits():
			list = append(list, Drift{"address", fmt.Sprintf("%s of %s", p.Addr(), at), extra})
		default:
			list = append(list, Drift{"address", fmt.Sprintf("%s of %s", p, at), extra})
		}
	}
	if !mine {
		list = append(list, Drift{"address", fmt.Sprintf("%s of %s", i.Address, at), missing})
	}
	router := Gateway(i.Subnet.CIDR)
	out := false
	for _, r := range have.routes {
		if r.LinkIndex == i.owner && !isDefault(r.Dst) { // a former version's, or somebody's
			list = append(list, Drift{"route", fmt.Sprintf("%v over %s", r.Dst, at), extra})
		}
		if via, ok := netip.AddrFromSlice(r.Gw); ok && isDefault(r.Dst) && via.Unmap() == router && r.LinkIndex == i.owner {
			out = true
		}
	}
	if !out {
		list = append(list, Drift{"route", fmt.Sprintf("the default route via %s of %s", router, at), missing})
	}
	known := slices.ContainsFunc(have.neighbours, func(n netlink.Neigh) bool {
		to, _ := netip.AddrFromSlice(n.IP)
		return n.LinkIndex == i.owner && to.Unmap() == router && bytes.Equal(n.HardwareAddr, routerMAC) && n.State&unix.NUD_PERMANENT != 0
	})
	if !known {
		list = append(list, Drift{"neighbour", fmt.Sprintf("the router %s at %s for good, of %s", router, routerMAC, at), missing})
	}
	return list, true, nil
}

// prefixOf is an address with the length of the subnet that it came with.
func prefixOf(a netlink.Addr) netip.Prefix {
	bits, _ := a.Mask.Size()
	ip, _ := netip.AddrFromSlice(a.IP)
	return netip.PrefixFrom(ip.Unmap(), bits)
}

func isDefault(to *net.IPNet) bool {
	if to == nil {
		return true
	}
	ones, _ := to.Mask.Size()
	return ones == 0
}
