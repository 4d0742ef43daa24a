package netlab

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Route is a way of IPv4 in a namespace's main table.
type Route struct {
	Link   int          // index
	To     netip.Prefix // zero: everywhere
	Via    netip.Addr   // the next hop; zero: who is meant is on the link
	OnLink bool         // the next hop is on the link though no address of ours says so
}

// Add is the request that makes the route, unless there is one to the same.
func (r Route) Add() []byte { return r.message(unix.NLM_F_CREATE | unix.NLM_F_EXCL) }

// Replace is the request that makes the route, in place of one to the same.
func (r Route) Replace() []byte { return r.message(unix.NLM_F_CREATE | unix.NLM_F_REPLACE) }

func (r Route) message(flags uint16) message {
	bits, scope, hop := byte(0), byte(unix.RT_SCOPE_LINK), uint32(0)
	if r.To.IsValid() {
		bits = byte(r.To.Bits())
	}
	if r.Via.IsValid() {
		scope = unix.RT_SCOPE_UNIVERSE
	}
	if r.OnLink {
		hop = unix.RTNH_F_ONLINK
	}
	m := newMessage(unix.RTM_NEWROUTE, flags). // struct rtmsg
							about(unix.AF_INET, bits, 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_BOOT, scope, unix.RTN_UNICAST).aboutNumber(hop).
							number(unix.RTA_OIF, uint32(r.Link))
	if r.To.IsValid() {
		m = m.address(unix.RTA_DST, r.To.Addr())
	}
	if r.Via.IsValid() {
		m = m.address(unix.RTA_GATEWAY, r.Via)
	}
	return m
}

// AddAddress is the request that gives a link an address of IPv4. The subnet is not on the link for that: whoever is in it
// is reached by a route.
func AddAddress(link int, p netip.Prefix) []byte {
	m := newMessage(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL). // struct ifaddrmsg
										about(unix.AF_INET, byte(p.Bits()), 0, unix.RT_SCOPE_UNIVERSE).aboutNumber(uint32(link)).
										address(unix.IFA_LOCAL, p.Addr()).address(unix.IFA_ADDRESS, p.Addr())
	m = m.number(unix.IFA_FLAGS, unix.IFA_F_NOPREFIXROUTE)
	if p.Bits() < 31 { // RFC 3021: smaller ones have no address for all
		own := p.Addr().As4()
		all := binary.BigEndian.Uint32(own[:]) | (1<<(32-p.Bits()) - 1)
		m = m.with(unix.IFA_BROADCAST, binary.BigEndian.AppendUint32(nil, all))
	}
	return m
}
