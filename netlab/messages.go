package netlab

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Messages to route netlink (rtnetlink(7)) are written byte by byte: an attach consists of them, and the library takes as
// long to put some of them together as the kernel to do what they say.

// message is a whole request: its header, what it is about, and attributes. Its sequence number is [Node.Request]'s.
func message(kind, flags uint16, about []byte, attributes ...[]byte) []byte {
	native := binary.NativeEndian
	size := unix.SizeofNlMsghdr + len(about)
	for _, a := range attributes {
		size += len(a)
	}
	b := make([]byte, 0, size)
	b = native.AppendUint32(b, uint32(size))
	b = native.AppendUint16(b, kind)
	b = native.AppendUint16(b, flags|unix.NLM_F_REQUEST)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0) // sequence and port
	b = append(b, about...)
	for _, a := range attributes {
		b = append(b, a...)
	}
	return b
}

// attribute is one of a message; those that it holds, if any, are its values.
func attribute(kind uint16, values ...[]byte) []byte {
	size := unix.SizeofRtAttr
	for _, v := range values {
		size += len(v)
	}
	b := make([]byte, 0, (size+unix.RTA_ALIGNTO-1)&^(unix.RTA_ALIGNTO-1))
	b = binary.NativeEndian.AppendUint16(b, uint16(size))
	b = binary.NativeEndian.AppendUint16(b, kind)
	for _, v := range values {
		b = append(b, v...)
	}
	return b[:cap(b)] // padded
}

func number(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

// text ends in a zero.
func text(s string) []byte { return append([]byte(s), 0) }

// aboutLink is a struct ifinfomsg. Index zero is a link that has none yet, or is named otherwise.
func aboutLink(index int, flags uint32) []byte {
	b := binary.NativeEndian.AppendUint32(make([]byte, 4, unix.SizeofIfInfomsg), uint32(index)) // after family and type
	b = binary.NativeEndian.AppendUint32(b, flags)
	return binary.NativeEndian.AppendUint32(b, flags) // which of them change
}

// linkUp is the request that brings a link up.
func linkUp(index int) []byte {
	return message(unix.RTM_NEWLINK, 0, aboutLink(index, unix.IFF_UP))
}

// getLink is the request that describes a link, without its statistics.
func getLink(index int) []byte {
	const skipStatistics = 1 << 3 // RTEXT_FILTER_SKIP_STATS of include/uapi/linux/rtnetlink.h
	return message(unix.RTM_GETLINK, 0, aboutLink(index, 0), attribute(unix.IFLA_EXT_MASK, number(skipStatistics)))
}

// operState reads of the answer to getLink whether the link can send (RFC 2863).
func operState(answer []byte) (netlink.LinkOperState, error) {
	const header = unix.SizeofNlMsghdr + unix.SizeofIfInfomsg
	if len(answer) < header {
		return 0, fmt.Errorf("netlink: a link's description has %d bytes", len(answer))
	}
	list, err := nl.ParseRouteAttr(answer[header:])
	if err != nil {
		return 0, fmt.Errorf("netlink: a link's description: %w", err)
	}
	for _, a := range list {
		if a.Attr.Type == unix.IFLA_OPERSTATE && len(a.Value) == 1 {
			return netlink.LinkOperState(a.Value[0]), nil
		}
	}
	return 0, errors.New("netlink: a link's description without its state")
}

// linkAlias is the request that gives a link an alias.
func linkAlias(index int, alias string) []byte {
	return message(unix.RTM_NEWLINK, 0, aboutLink(index, 0), attribute(unix.IFLA_IFALIAS, []byte(alias)))
}

// What of include/uapi/linux/neighbour.h is about tables.
const (
	tableName        = 1  // NDTA_NAME
	tableParameters  = 6  // NDTA_PARMS
	parameterIfindex = 1  // NDTPA_IFINDEX
	parameterDelay   = 13 // NDTPA_PROXY_DELAY
)

// promptProxy is the request that has a link answer ARP for others at once, and not after a random time of up to 0.8 s:
// proxy_delay, which has no default in a namespace, is zero.
func promptProxy(link int) []byte {
	about := []byte{unix.AF_INET, 0, 0, 0} // struct ndtmsg
	return message(unix.RTM_SETNEIGHTBL, 0, about, attribute(tableName, text("arp_cache")), attribute(tableParameters,
		attribute(parameterIfindex, number(uint32(link))), attribute(parameterDelay, make([]byte, 8)))) // milliseconds
}
