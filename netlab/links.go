package netlab

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Addresses lists the IPv4 addresses of a link.
func (n *Node) Addresses(link string) ([]netip.Addr, error) {
	l, err := n.Link.LinkByName(link)
	if err != nil {
		return nil, fmt.Errorf("%s: link %s: %w", n.Name, link, err)
	}
	return n.addresses(l.Attrs().Index)
}

func (n *Node) addresses(link int) (list []netip.Addr, err error) {
	found, err := n.Link.AddrList(indexed(link), unix.AF_INET)
	if err != nil {
		return nil, fmt.Errorf("%s: addresses of link %d: %w", n.Name, link, err)
	}
	for _, a := range found {
		if ip, ok := netip.AddrFromSlice(a.IP); ok {
			list = append(list, ip.Unmap())
		}
	}
	return list, nil
}

// routed lists the single addresses that are routed to a link, or with nil to any.
func (n *Node) routed(link netlink.Link) (list []netip.Addr, err error) {
	routes, err := n.Link.RouteList(link, unix.AF_INET)
	if err != nil {
		return nil, fmt.Errorf("%s: list routes: %w", n.Name, err)
	}
	for _, r := range routes {
		if r.Dst == nil {
			continue
		}
		if ones, bits := r.Dst.Mask.Size(); ones != bits {
			continue
		}
		if ip, ok := netip.AddrFromSlice(r.Dst.IP); ok {
			list = append(list, ip.Unmap())
		}
	}
	return list, nil
}

// deleteGroup ends all links of a device group with one request.
func (n *Node) deleteGroup(group uint32) error {
	return n.Request(deleteLinks(group))
}

// deleteLinks is the request that ends all links of a device group.
func deleteLinks(group uint32) message {
	return newMessage(unix.RTM_DELLINK, unix.NLM_F_ACK).link(0, 0).number(unix.IFLA_GROUP, group)
}

// indexed names a link by its index alone, which spares the look-up by name.
func indexed(i int) netlink.Link {
	return &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: i}}
}
