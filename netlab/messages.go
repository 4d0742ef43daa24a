package netlab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// message is a request to route netlink (rtnetlink(7)): a header, a structure that tells what it is about, and
// attributes, which are written byte by byte, one after the other. An attach consists of such messages, and the library
// takes as long to put some of them together as the kernel to do what they say. Its size and its sequence number are
// [Node.Request]'s to fill in.
type message []byte

func newMessage(kind, flags uint16) message {
	m := make(message, unix.SizeofNlMsghdr, 256)
	binary.NativeEndian.PutUint16(m[4:], kind)
	binary.NativeEndian.PutUint16(m[6:], flags|unix.NLM_F_REQUEST)
	return m
}

// about adds to the structure that tells what it is about.
func (m message) about(b ...byte) message { return append(m, b...) }

func (m message) aboutNumber(n uint32) message { return binary.NativeEndian.AppendUint32(m, n) }

// link says what it is about: struct ifinfomsg. Index zero is a link that has none yet, or is named otherwise.
func (m message) link(index int, flags uint32) message {
	return m.about(0, 0, 0, 0). // family and type
					aboutNumber(uint32(index)).aboutNumber(flags).aboutNumber(flags) // the last: which of them change
}

// neighbor says what it is about: struct ndmsg.
func (m message) neighbor(family byte, link int, state uint16, flags byte) message {
	m = m.about(family, 0, 0, 0).aboutNumber(uint32(link))
	return message(binary.NativeEndian.AppendUint16(m, state)).about(flags, 0)
}

// with adds an attribute.
func (m message) with(kind uint16, value []byte) message {
	m = append(m.begin(kind, len(value)), value...)
	return m.pad()
}

// text adds one that ends in a zero.
func (m message) text(kind uint16, s string) message {
	m = append(append(m.begin(kind, len(s)+1), s...), 0)
	return m.pad()
}

func (m message) number(kind uint16, n uint32) message {
	return binary.NativeEndian.AppendUint32(m.begin(kind, 4), n)
}

// address adds one of IPv4.
func (m message) address(kind uint16, a netip.Addr) message {
	b := a.As4()
	return append(m.begin(kind, len(b)), b[:]...)
}

// nested adds one that consists of what fill adds.
func (m message) nested(kind uint16, fill func(message) message) message {
	at := len(m)
	m = fill(m.begin(kind, 0))
	binary.NativeEndian.PutUint16(m[at:], uint16(len(m)-at))
	return m
}

func (m message) begin(kind uint16, size int) message {
	m = binary.NativeEndian.AppendUint16(m, uint16(unix.SizeofRtAttr+size))
	return binary.NativeEndian.AppendUint16(m, kind)
}

func (m message) pad() message {
	for len(m)%unix.RTA_ALIGNTO != 0 {
		m = append(m, 0)
	}
	return m
}

// linkUp is the request that brings a link up.
func linkUp(index int) message {
	return newMessage(unix.RTM_NEWLINK, 0).link(index, unix.IFF_UP)
}

// linkUpSilent is the request that brings a link up and keeps it from asking for hardware addresses: its neighbours are told.
// What its owner may try to reach on the link besides them, a datagram to each address of a subnet say, is remembered
// as what the kernel throws away first, and not as a question that is in its machine-wide table for seconds.
func linkUpSilent(index int) message {
	return newMessage(unix.RTM_NEWLINK, 0).link(index, unix.IFF_UP|unix.IFF_NOARP)
}

// getLink is the request that describes a link, without its statistics.
func getLink(index int) message {
	const skipStatistics = 1 << 3 // RTEXT_FILTER_SKIP_STATS of include/uapi/linux/rtnetlink.h
	return newMessage(unix.RTM_GETLINK, 0).link(index, 0).number(unix.IFLA_EXT_MASK, skipStatistics)
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

// linkUpAs is the request that brings a link up, under an alias.
func linkUpAs(index int, alias string) message {
	return linkUp(index).with(unix.IFLA_IFALIAS, []byte(alias))
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
func promptProxy(link int) message {
	m := newMessage(unix.RTM_SETNEIGHTBL, 0).about(unix.AF_INET, 0, 0, 0) // struct ndtmsg
	return m.text(tableName, "arp_cache").nested(tableParameters, func(m message) message {
		return m.number(parameterIfindex, uint32(link)).with(parameterDelay, make([]byte, 8)) // milliseconds
	})
}
