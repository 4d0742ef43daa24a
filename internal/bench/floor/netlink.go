package floor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"enilab/internal/netns"

	"golang.org/x/sys/unix"
)

// socket is a route-netlink socket in some namespace.
type socket int

func dial(ns *netns.NS) (s socket, err error) {
	err = ns.Do(func() error {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
		s = socket(fd)
		return os.NewSyscallError("socket", err)
	})
	return s, err
}

func (s socket) close() error { return unix.Close(int(s)) }

// answer is what the kernel said: an acknowledgement has no body.
type answer struct {
	kind uint16
	body []byte
}

// send has the kernel do all requests of a message, one after the other, with one system call, and reads the one answer
// that tells all is well: only the last asks for one, and each that fails gives one.
func (s socket) send(message []byte) (answer, error) {
	if _, err := unix.Write(int(s), message); err != nil {
		return answer{}, os.NewSyscallError("netlink write", err)
	}
	in := make([]byte, 8<<10) // a link described without its statistics takes less than 2 KB
	n, err := unix.Read(int(s), in)
	if err != nil {
		return answer{}, os.NewSyscallError("netlink read", err)
	}
	if n < unix.SizeofNlMsghdr+4 {
		return answer{}, fmt.Errorf("netlink: an answer of %d bytes", n)
	}
	a := answer{binary.NativeEndian.Uint16(in[4:]), in[unix.SizeofNlMsghdr:n]}
	if a.kind == unix.NLMSG_ERROR {
		if code := int32(binary.NativeEndian.Uint32(a.body)); code != 0 {
			return a, unix.Errno(-code)
		}
	}
	return a, nil
}

var errAnswer = errors.New("netlink: not the answer that was asked for")

// request encodes one request (netlink(7)): what it is about, and attributes.
func request(kind, flags uint16, about []byte, attributes ...[]byte) []byte {
	b := make([]byte, 4, 256) // the length comes last
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, flags|unix.NLM_F_REQUEST)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0) // sequence and port: answers come in order
	b = append(b, about...)
	for _, a := range attributes {
		b = append(b, a...)
	}
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	return b
}

// attribute encodes one attribute; one that holds others gets them as its values.
func attribute(kind uint16, values ...[]byte) []byte {
	b := []byte{0, 0}
	b = binary.NativeEndian.AppendUint16(b, kind)
	for _, v := range values {
		b = append(b, v...)
	}
	binary.NativeEndian.PutUint16(b, uint16(len(b)))
	for len(b)%unix.RTA_ALIGNTO != 0 {
		b = append(b, 0)
	}
	return b
}

func number(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

func name(s string) []byte { return append([]byte(s), 0) }

// aboutLink is a struct ifinfomsg (rtnetlink(7)).
func aboutLink(index int, flags uint32) []byte {
	b := []byte{unix.AF_UNSPEC, 0, 0, 0}
	b = append(b, number(uint32(index))...)
	b = append(b, number(flags)...)
	return append(b, number(flags)...) // which flags change
}

// aboutNeighbor is a struct ndmsg for a permanent entry.
func aboutNeighbor(index int, flags byte) []byte {
	b := append([]byte{unix.AF_INET, 0, 0, 0}, number(uint32(index))...)
	b = binary.NativeEndian.AppendUint16(b, unix.NUD_PERMANENT)
	return append(b, flags, 0)
}

// aboutRoute is a struct rtmsg for a route of IPv4 in the main table.
func aboutRoute(bits, scope byte) []byte {
	return []byte{unix.AF_INET, bits, 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_BOOT, scope, unix.RTN_UNICAST, 0, 0, 0, 0}
}

// aboutAddress is a struct ifaddrmsg.
func aboutAddress(index int, bits byte) []byte {
	return append([]byte{unix.AF_INET, bits, 0, unix.RT_SCOPE_UNIVERSE}, number(uint32(index))...)
}
