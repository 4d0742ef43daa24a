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

func (r Route) message(flags uint16) []byte {
	list := [][]byte{attribute(unix.RTA_OIF, number(uint32(r.Link)))}
	bits := byte(0)
	if r.To.IsValid() {
		bits = byte(r.To.Bits())
		list = append(list, attribute(unix.RTA_DST, r.To.Addr().AsSlice()))
	}
	scope := byte(unix.RT_SCOPE_LINK)
	if r.Via.IsValid() {
		scope = unix.RT_SCOPE_UNIVERSE
		list = append(list, attribute(unix.RTA_GATEWAY, r.Via.AsSlice()))
	}
	about := []byte{unix.AF_INET, bits, 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_BOOT, scope, unix.RTN_UNICAST} // struct rtmsg
	hop := uint32(0)
	if r.OnLink {
		hop = unix.RTNH_F_ONLINK
	}
	return message(unix.RTM_NEWROUTE, flags, binary.NativeEndian.AppendUint32(about, hop), list...)
}

// AddAddress is the request that gives a link an address of IPv4, with the subnet that is on the link.
func AddAddress(link int, p netip.Prefix) []byte {
	about := append([]byte{unix.AF_INET, byte(p.Bits()), 0, unix.RT_SCOPE_UNIVERSE}, number(uint32(link))...) // struct ifaddrmsg
	own := p.Addr().AsSlice()
	list := [][]byte{attribute(unix.IFA_LOCAL, own), attribute(unix.IFA_ADDRESS, own)}
	if p.Bits() < 31 { // RFC 3021: smaller ones have no address for all
		all := binary.BigEndian.Uint32(own) | (1<<(32-p.Bits()) - 1)
		list = append(list, attribute(unix.IFA_BROADCAST, binary.BigEndian.AppendUint32(nil, all)))
	}
	return message(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, about, list...)
}
