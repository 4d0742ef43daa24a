package floor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"enilab/internal/netns"

	"golang.org/x/sys/unix"
)

// Tunnels are an underlay and an ENI's end of tunnels (RFC 7348), and no more: no address, no rule.
type Tunnels struct {
	underlay *netns.NS
	link     socket
	eni      *netns.NS
	end      socket
	slots    uint32 // made so far
}

// What every binding of the floor has: tunnels carry nothing.
var (
	endpoint = []byte{198, 18, 0, 1}
	nowhere  = []byte{192, 0, 0, 8} // RFC 7600
	eniMAC   = []byte{0x02, 0x01, 0, 0, 0, 1}
)

const (
	tunnelIndex = 1 << 20
	tunnelPort  = 4789
	eniVNI      = 1 << 23
)

// NewTunnels makes them.
func NewTunnels() (_ *Tunnels, err error) {
	t := new(Tunnels)
	if t.underlay, t.link, err = namespace(); err == nil {
		if t.eni, t.end, err = namespace(); err == nil {
			err = t.add(t.eni, t.end, eniVNI, eniMAC)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("floor: tunnels: %w", err), t.Close())
	}
	return t, nil
}

// Close ends them.
func (t *Tunnels) Close() (err error) {
	if t.eni != nil {
		err = errors.Join(t.end.close(), t.eni.Close())
	}
	if t.underlay != nil {
		err = errors.Join(err, t.link.close(), t.underlay.Close())
	}
	return err
}

// add makes a tunnel's end in a namespace, with its own socket for packets on the underlay, and brings it up.
func (t *Tunnels) add(in *netns.NS, link socket, vni uint32, mac []byte) error {
	const id, local, learning, ageing, port, checksum = 1, 4, 7, 8, 15, 18 // IFLA_VXLAN_… of include/uapi/linux/if_link.h
	data := attribute(unix.IFLA_INFO_DATA,
		attribute(id, number(vni)), attribute(local, endpoint), attribute(port, binary.BigEndian.AppendUint16(nil, tunnelPort)),
		attribute(learning, []byte{0}), attribute(ageing, number(0)), attribute(checksum, []byte{0}),
	)
	_, err := t.link.send(request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK, aboutLink(tunnelIndex, 0),
		attribute(unix.IFLA_IFNAME, name(ownerLink)), attribute(unix.IFLA_ADDRESS, mac), attribute(unix.IFLA_MTU, number(mtu)),
		attribute(unix.IFLA_NUM_TX_QUEUES, number(1)), attribute(unix.IFLA_NUM_RX_QUEUES, number(1)), attribute(unix.IFLA_NET_NS_FD, number(uint32(in.Fd()))),
		attribute(unix.IFLA_LINKINFO, attribute(unix.IFLA_INFO_KIND, name("vxlan")), data),
	))
	if err == nil {
		_, err = link.send(request(unix.RTM_NEWLINK, unix.NLM_F_ACK, aboutLink(tunnelIndex, unix.IFF_UP)))
	}
	return err
}

// Slot is a slot's end of a tunnel, made ahead of time.
type Slot struct {
	tunnels *Tunnels
	ns      *netns.NS
	link    socket
	number  uint32
	mac     []byte
}

// Slot makes one, with an entry that leads nowhere, which a binding replaces.
func (t *Tunnels) Slot() (_ *Slot, err error) {
	t.slots++
	s := &Slot{tunnels: t, number: t.slots, mac: binary.BigEndian.AppendUint32([]byte{0x02, 0x00}, t.slots)}
	if s.ns, s.link, err = namespace(); err != nil {
		return nil, fmt.Errorf("floor: slot: %w", err)
	}
	if err = t.add(s.ns, s.link, s.number, s.mac); err == nil {
		_, err = s.link.send(acknowledged(forwarding(eniMAC, nowhere, s.number)))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("floor: slot: %w", err), s.Close())
	}
	return s, nil
}

// Close ends it; the ENI's entries are of no use then.
func (s *Slot) Close() error { return errors.Join(s.link.close(), s.ns.Close()) }

// Bind times what shared's attach has the kernel do at the least: the slot's forwarding entry under the ENI's VNI, the
// ENI's under the slot's, and the ENI's neighbour. It takes two system calls to send and two to find that nothing failed,
// because a socket speaks to one namespace.
func (s *Slot) Bind() (took time.Duration, err error) {
	address := binary.BigEndian.AppendUint32(nil, 100<<24|64<<16|s.number)
	out := forwarding(eniMAC, endpoint, eniVNI)
	back := slices.Concat(
		forwarding(s.mac, endpoint, s.number),
		request(unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, aboutNeighbor(tunnelIndex, 0), attribute(unix.NDA_DST, address), attribute(unix.NDA_LLADDR, s.mac)),
	)
	began := time.Now()
	if err := s.link.tell(out); err != nil {
		return 0, fmt.Errorf("floor: bind: in the slot: %w", err)
	}
	if err := s.tunnels.end.tell(back); err != nil {
		return 0, fmt.Errorf("floor: bind: at the ENI: %w", err)
	}
	return time.Since(began), nil
}

// forwarding is the request for an entry that leads frames for mac to an endpoint, under a VNI.
func forwarding(mac, to []byte, vni uint32) []byte {
	about := aboutNeighbor(tunnelIndex, unix.NTF_SELF)
	about[0] = unix.AF_BRIDGE
	return request(unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, about, attribute(unix.NDA_DST, to), attribute(unix.NDA_LLADDR, mac), attribute(unix.NDA_VNI, number(vni)))
}

// tell has the kernel do requests that ask for no answer: what it says is that one failed.
func (s socket) tell(message []byte) error {
	if _, err := unix.Write(int(s), message); err != nil {
		return os.NewSyscallError("netlink write", err)
	}
	var in [256]byte
	n, _, err := unix.Recvfrom(int(s), in[:], unix.MSG_DONTWAIT)
	switch {
	case errors.Is(err, unix.EAGAIN):
		return nil
	case err != nil:
		return os.NewSyscallError("netlink read", err)
	case n < unix.SizeofNlMsghdr+4:
		return errAnswer
	}
	return unix.Errno(-int32(binary.NativeEndian.Uint32(in[unix.SizeofNlMsghdr:])))
}
