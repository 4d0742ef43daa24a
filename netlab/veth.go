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
func (v veth) add() []byte {
	end := func(name string, mac net.HardwareAddr) [][]byte {
		return [][]byte{
			attribute(unix.IFLA_IFNAME, text(name)), attribute(unix.IFLA_ADDRESS, mac), attribute(unix.IFLA_MTU, number(mtu)),
			attribute(unix.IFLA_TXQLEN, number(1000)), attribute(unix.IFLA_NUM_TX_QUEUES, number(1)), attribute(unix.IFLA_NUM_RX_QUEUES, number(1)),
		}
	}
	peer := append([][]byte{aboutLink(v.farIndex, 0)}, end(v.farName, v.farMAC)...)
	if v.far != nil {
		peer = append(peer, attribute(unix.IFLA_NET_NS_FD, number(uint32(v.far.NS.Fd()))))
	}
	info := attribute(unix.IFLA_LINKINFO, attribute(unix.IFLA_INFO_KIND, []byte("veth")), attribute(unix.IFLA_INFO_DATA, attribute(infoPeer, peer...)))
	return message(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, aboutLink(v.index, 0),
		append(end(v.name, v.mac), attribute(unix.IFLA_GROUP, number(v.group)), info)...)
}

// moveLink is the request that takes a link to another namespace, under another name there and the same index: if that is
// in use, it fails.
func moveLink(index int, to *Node, name string) []byte {
	return message(unix.RTM_NEWLINK, 0, aboutLink(index, 0), attribute(unix.IFLA_NET_NS_FD, number(uint32(to.NS.Fd()))),
		attribute(unix.IFLA_NEW_IFINDEX, number(uint32(index))), attribute(unix.IFLA_IFNAME, text(name)))
}
