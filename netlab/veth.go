package netlab

import (
	"net"

	"golang.org/x/sys/unix"
)

// veth is a pair of ends, under indexes of our choice, so that nobody has to look them up.
type veth struct {
	index, farIndex int
	name, farName   string
	mac, farMAC     net.HardwareAddr
	group           uint32 // of the near end
	far             *Node  // in whose namespace the far end is made; nil: beside the other
}

// infoPeer is VETH_INFO_PEER of include/uapi/linux/veth.h.
const infoPeer = 1

// add is the request that makes the pair. One queue on each end spares a synchronize_rcu; the ends are made down, because
// IFF_UP in the create message of a veth fails and rolls back.
func (v veth) add() message {
	end := func(m message, name string, mac net.HardwareAddr) message {
		return m.text(unix.IFLA_IFNAME, name).with(unix.IFLA_ADDRESS, mac).number(unix.IFLA_MTU, mtu).
			number(unix.IFLA_TXQLEN, 1000).number(unix.IFLA_NUM_TX_QUEUES, 1).number(unix.IFLA_NUM_RX_QUEUES, 1)
	}
	peer := func(m message) message {
		m = end(m.link(v.farIndex, 0), v.farName, v.farMAC)
		if v.far != nil {
			m = m.number(unix.IFLA_NET_NS_FD, uint32(v.far.NS.Fd()))
		}
		return m
	}
	m := end(newMessage(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL).link(v.index, 0), v.name, v.mac).number(unix.IFLA_GROUP, v.group)
	return m.nested(unix.IFLA_LINKINFO, func(m message) message {
		return m.with(unix.IFLA_INFO_KIND, []byte("veth")).nested(unix.IFLA_INFO_DATA, func(m message) message { return m.nested(infoPeer, peer) })
	})
}

// moveLink is the request that takes a link to another namespace, under another name there and the same index: if that is
// in use, it fails.
func moveLink(index int, to *Node, name string) message {
	return newMessage(unix.RTM_NEWLINK, 0).link(index, 0).number(unix.IFLA_NET_NS_FD, uint32(to.NS.Fd())).
		number(unix.IFLA_NEW_IFINDEX, uint32(index)).text(unix.IFLA_IFNAME, name)
}
