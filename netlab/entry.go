package netlab

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Entry is a permanent entry of a link's table of neighbours, or of a tunnel's table of forwarding.
type Entry struct {
	Link       int // index
	MAC        net.HardwareAddr
	To         netip.Addr // the neighbour that has MAC; or the endpoint that frames for MAC go to
	Forwarding bool
	VNI        uint32 // of forwarded frames; need not be the tunnel's own. Zero means that
}

// Set is the request that makes the entry, in place of one for the same.
func (e Entry) Set() []byte {
	return e.message(unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_REPLACE)
}

// Remove is the request that takes it away.
func (e Entry) Remove() []byte { return e.message(unix.RTM_DELNEIGH, 0) }

// message writes the request byte by byte: it is what shared mode's whole attach consists of, and the library takes
// as long to put one together as the kernel to do it. (rtnetlink(7), include/uapi/linux/neighbour.h)
func (e Entry) message(kind, flags uint16) []byte {
	native := binary.NativeEndian
	family, self := byte(unix.AF_INET), byte(0)
	if e.Forwarding {
		family, self = unix.AF_BRIDGE, netlink.NTF_SELF
	}
	b := make([]byte, 4, 64) // the length comes last
	b = native.AppendUint16(b, kind)
	b = native.AppendUint16(b, flags|unix.NLM_F_REQUEST)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0) // sequence and port: who fails is told on a socket that nobody shares
	b = append(b, family, 0, 0, 0)
	b = native.AppendUint32(b, uint32(e.Link))
	b = native.AppendUint16(b, netlink.NUD_PERMANENT)
	b = append(b, self, 0)
	to := e.To.As4()
	b = attribute(b, netlink.NDA_DST, to[:])
	b = attribute(b, netlink.NDA_LLADDR, e.MAC)
	if e.VNI != 0 {
		b = attribute(b, netlink.NDA_VNI, native.AppendUint32(nil, e.VNI))
	}
	native.PutUint32(b, uint32(len(b)))
	return b
}

func attribute(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofRtAttr+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	for len(b)%unix.RTA_ALIGNTO != 0 {
		b = append(b, 0)
	}
	return b
}
