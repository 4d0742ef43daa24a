package floor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"enilab/internal/netns"

	"golang.org/x/sys/unix"
)

// VPC is a namespace that routes as a customer's does, and no more.
type VPC struct {
	ns   *netns.NS
	link socket
	next int // index of the next interface
}

// What every interface of the floor has: they come one at a time, each in a namespace of its own.
var (
	gateway    = []byte{10, 0, 1, 1}
	address    = []byte{10, 0, 1, 10}
	routerMAC  = []byte{0x0a, 0, 0, 0, 0, 1}
	ownerMAC   = []byte{0x0a, 0x58, 10, 0, 1, 10}
	subnetBits = byte(24)
)

const (
	ownerLink  = "eth0"
	ownerIndex = 2    // after lo, in an empty namespace
	firstIndex = 1000 // of interfaces in the VPC
	mtu        = 1500
	within     = time.Second // for what the kernel does in its own time
)

// settings are those under which lab and floor work alike.
var (
	noIPv6      = netns.Sysctl{Key: "net/ipv6/conf/default/disable_ipv6", Value: "1"}
	vpcSettings = []netns.Sysctl{
		{Key: "net/ipv4/ip_forward", Value: "1"},
		{Key: "net/ipv4/conf/all/arp_ignore", Value: "0"},
		{Key: "net/ipv4/conf/default/arp_ignore", Value: "0"},
		{Key: "net/ipv4/conf/default/rp_filter", Value: "1"},
		{Key: "net/ipv4/conf/all/rp_filter", Value: "0"},
	}
)

// namespace is an empty one with a socket in it.
func namespace(settings ...netns.Sysctl) (ns *netns.NS, link socket, err error) {
	ns, err = netns.NewWith(func() error {
		if err := netns.SetHere(noIPv6); err != nil && !errors.Is(err, unix.ENOENT) { // a kernel without IPv6 has no such key
			return err
		}
		return netns.SetHere(settings...)
	})
	if err != nil {
		return nil, 0, err
	}
	if link, err = dial(ns); err != nil {
		return nil, 0, errors.Join(err, ns.Close())
	}
	return ns, link, nil
}

// NewVPC makes a VPC with one subnet's router address.
func NewVPC() (_ *VPC, err error) {
	v := &VPC{next: firstIndex}
	if v.ns, v.link, err = namespace(vpcSettings...); err != nil {
		return nil, fmt.Errorf("floor: vpc: %w", err)
	}
	const loopback = 1
	_, err = v.link.send(slices.Concat(
		request(unix.RTM_NEWLINK, 0, aboutLink(loopback, unix.IFF_UP)),
		request(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_ACK, aboutAddress(loopback, 32), attribute(unix.IFA_LOCAL, gateway)),
	))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("floor: vpc: router address: %w", err), v.Close())
	}
	return v, nil
}

// Close ends the VPC.
func (v *VPC) Close() error { return errors.Join(v.link.close(), v.ns.Close()) }

// create is the request for a veth with one queue, whose far end is in this namespace, or in another's.
func (v *VPC) create(index int, far string, in *netns.NS) []byte {
	end := func(called string, mac []byte) [][]byte {
		return [][]byte{
			attribute(unix.IFLA_IFNAME, name(called)), attribute(unix.IFLA_ADDRESS, mac), attribute(unix.IFLA_MTU, number(mtu)),
			attribute(unix.IFLA_TXQLEN, number(1000)), attribute(unix.IFLA_NUM_TX_QUEUES, number(1)), attribute(unix.IFLA_NUM_RX_QUEUES, number(1)),
		}
	}
	peer := slices.Concat([][]byte{aboutLink(farIndex(index, in), 0)}, end(far, ownerMAC))
	if in != nil {
		peer = append(peer, attribute(unix.IFLA_NET_NS_FD, number(uint32(in.Fd()))))
	}
	const infoPeer = 1 // VETH_INFO_PEER (include/uapi/linux/veth.h)
	return request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, aboutLink(index, 0), append(
		end(fmt.Sprintf("eni-%d", index), routerMAC),
		attribute(unix.IFLA_GROUP, number(1)),
		attribute(unix.IFLA_LINKINFO, attribute(unix.IFLA_INFO_KIND, []byte("veth")), attribute(unix.IFLA_INFO_DATA, attribute(infoPeer, peer...))),
	)...)
}

func farIndex(index int, in *netns.NS) int {
	if in == nil {
		return index + 1
	}
	return ownerIndex
}

// acknowledged asks for an answer.
func acknowledged(request []byte) []byte {
	flags := binary.NativeEndian.Uint16(request[6:])
	binary.NativeEndian.PutUint16(request[6:], flags|unix.NLM_F_ACK)
	return request
}

// Owner is the namespace of who is to have an interface, made ahead of time as a slot is.
type Owner struct {
	vpc  *VPC
	ns   *netns.NS
	link socket
}

// Owner makes one.
func (v *VPC) Owner() (_ *Owner, err error) {
	o := &Owner{vpc: v}
	if o.ns, o.link, err = namespace(); err != nil {
		return nil, fmt.Errorf("floor: owner: %w", err)
	}
	return o, nil
}

// Close ends it, and its interface.
func (o *Owner) Close() error { return errors.Join(o.link.close(), o.ns.Close()) }

// Attach times what legacy-inplace's attach has the kernel do at the least: a veth with each end in its place, both up,
// the owner's address, neighbour and way out, the VPC's route and neighbour, and the link ready. It takes three system calls to
// send and three to read, because a socket speaks to one namespace.
func (o *Owner) Attach() (took time.Duration, err error) {
	v, link := o.vpc, o.link
	index := v.take()
	inVPC := slices.Concat(
		v.create(index, ownerLink, o.ns),
		request(unix.RTM_NEWLINK, 0, aboutLink(index, unix.IFF_UP)),
		request(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, aboutRoute(32, unix.RT_SCOPE_LINK), attribute(unix.RTA_DST, address), attribute(unix.RTA_OIF, number(uint32(index)))),
		acknowledged(request(unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, aboutNeighbor(index, 0), attribute(unix.NDA_DST, address), attribute(unix.NDA_LLADDR, ownerMAC))),
	)
	inOwner := slices.Concat(
		request(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, aboutAddress(ownerIndex, subnetBits), attribute(unix.IFA_LOCAL, address), attribute(unix.IFA_ADDRESS, address)),
		request(unix.RTM_NEWLINK, 0, aboutLink(ownerIndex, unix.IFF_UP|unix.IFF_NOARP)),
		request(unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, aboutNeighbor(ownerIndex, 0), attribute(unix.NDA_DST, gateway), attribute(unix.NDA_LLADDR, routerMAC)),
		acknowledged(request(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, aboutRoute(0, unix.RT_SCOPE_UNIVERSE), attribute(unix.RTA_GATEWAY, gateway), attribute(unix.RTA_OIF, number(ownerIndex)))),
	)
	const skipStatistics = 1 << 3 // RTEXT_FILTER_SKIP_STATS
	look := request(unix.RTM_GETLINK, 0, aboutLink(index, 0), attribute(unix.IFLA_EXT_MASK, number(skipStatistics)))

	began := time.Now()
	if _, err := v.link.send(inVPC); err != nil {
		return 0, fmt.Errorf("floor: attach: in the VPC: %w", err)
	}
	if _, err := link.send(inOwner); err != nil {
		return 0, fmt.Errorf("floor: attach: in the owner's namespace: %w", err)
	}
	// Since Linux 6.9 to look has the link ready; before, the kernel gets to it when it has time.
	if err := until(began, v.link, look, look, isUp); err != nil {
		return 0, fmt.Errorf("floor: attach: wait for the link: %w", err)
	}
	return time.Since(began), nil
}

func (v *VPC) take() int {
	v.next += 2 // each end may need one
	return v.next - 2
}

// Move times what legacy's attach is about: a veth that exists, and whose end goes to another namespace and gets its name
// there. Create is what it took to make it.
func (o *Owner) Move() (create, move time.Duration, err error) {
	v := o.vpc
	index := v.take()
	made := acknowledged(v.create(index, fmt.Sprintf("m%d", index), nil))
	moved := request(unix.RTM_NEWLINK, unix.NLM_F_ACK, aboutLink(farIndex(index, nil), 0), attribute(unix.IFLA_NET_NS_FD, number(uint32(o.ns.Fd()))), attribute(unix.IFLA_IFNAME, name(ownerLink)))

	began := time.Now()
	if _, err := v.link.send(made); err != nil {
		return 0, 0, fmt.Errorf("floor: move: create: %w", err)
	}
	create = time.Since(began)
	if _, err := v.link.send(moved); err != nil {
		return 0, 0, fmt.Errorf("floor: move: %w", err)
	}
	return create, time.Since(began) - create, nil
}
