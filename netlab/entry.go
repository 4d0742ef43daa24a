package netlab

import (
	"net"
	"net/netip"

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

func (e Entry) message(kind, flags uint16) message {
	family, self := byte(unix.AF_INET), byte(0)
	if e.Forwarding {
		family, self = unix.AF_BRIDGE, unix.NTF_SELF
	}
	m := newMessage(kind, flags).neighbor(family, e.Link, unix.NUD_PERMANENT, self).address(unix.NDA_DST, e.To).with(unix.NDA_LLADDR, e.MAC)
	if e.VNI != 0 {
		m = m.number(unix.NDA_VNI, e.VNI)
	}
	return m
}
