package netlab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// TunnelSpec asks for a VXLAN device (RFC 7348).
type TunnelSpec struct {
	Name  string
	VNI   uint32
	MAC   net.HardwareAddr
	Local netip.Addr // the endpoint on the underlay
	Port  int        // UDP
}

// tunnelIndex is the index of a node's one tunnel. Nobody has to look it up, and no other link has it: neither in the
// node nor in the endpoint's namespace, where the kernel looks for one of the same index, too.
const tunnelIndex = 1 << 20

// AddTunnel makes a VXLAN device directly in a node (moving one costs 15–19 ms), up, and returns its index. The netlink
// socket that asks for it is the endpoint's, and so the tunnel's UDP socket is in the endpoint's namespace. The device
// learns nothing, forgets nothing, has one queue and sends no UDP checksums: a packet's own checksums go through it, and
// the underlay is memory. It does not gather packets either (GRO): they come as large as their sender made them, and a
// tunnel that gathers hands each on by one more trip through a queue.
func (n *Node) AddTunnel(endpoint *Node, t TunnelSpec) (index int, err error) {
	if err := endpoint.Request(t.add(n)); err != nil {
		return 0, fmt.Errorf("%s: create tunnel %s, VNI %d: %w", n.Name, t.Name, t.VNI, err)
	}
	if err := n.setGRO(t.Name, false); err != nil {
		return 0, fmt.Errorf("%s: tunnel %s without GRO: %w", n.Name, t.Name, err)
	}
	err = n.Request(withoutIPv6(tunnelIndex), linkUpSilent(tunnelIndex))
	if errors.Is(err, unix.EAFNOSUPPORT) { // a kernel without IPv6
		err = n.Request(linkUpSilent(tunnelIndex))
	}
	if err != nil {
		return 0, fmt.Errorf("%s: tunnel %s up: %w", n.Name, t.Name, err)
	}
	return tunnelIndex, nil
}

// add is the request that makes the device in a node.
func (t TunnelSpec) add(in *Node) message {
	off := []byte{0}
	m := newMessage(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL).link(tunnelIndex, 0).
		text(unix.IFLA_IFNAME, t.Name).with(unix.IFLA_ADDRESS, t.MAC).number(unix.IFLA_MTU, mtu).
		number(unix.IFLA_NUM_TX_QUEUES, 1).number(unix.IFLA_NUM_RX_QUEUES, 1).number(unix.IFLA_NET_NS_FD, uint32(in.NS.Fd()))
	return m.nested(unix.IFLA_LINKINFO, func(m message) message {
		return m.text(unix.IFLA_INFO_KIND, "vxlan").nested(unix.IFLA_INFO_DATA, func(m message) message {
			return m.number(nl.IFLA_VXLAN_ID, t.VNI).address(nl.IFLA_VXLAN_LOCAL, t.Local).
				with(nl.IFLA_VXLAN_PORT, binary.BigEndian.AppendUint16(nil, uint16(t.Port))).
				with(nl.IFLA_VXLAN_LEARNING, off).number(nl.IFLA_VXLAN_AGEING, 0).
				with(nl.IFLA_VXLAN_UDP_CSUM, off) // the library can only switch it on, and the kernel's default is on
		})
	})
}

// addrGenModeNone is IN6_ADDR_GEN_MODE_NONE of include/uapi/linux/if_link.h.
const addrGenModeNone = 1

// withoutIPv6 is the request that keeps a link, which is down, from making itself an IPv6 address.
func withoutIPv6(index int) message {
	return newMessage(unix.RTM_NEWLINK, 0).link(index, 0).nested(unix.IFLA_AF_SPEC, func(m message) message {
		return m.nested(unix.AF_INET6, func(m message) message {
			return m.with(unix.IFLA_INET6_ADDR_GEN_MODE, []byte{addrGenModeNone})
		})
	})
}
