package nstest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"enilab/internal/netns"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Scan sends a datagram to each of 100 addresses, first and those that follow it, from a namespace, as somebody without any
// right can: as the routes have it, and bound to each of its links and past them. It fails the test if the kernel then asks
// for an address there, in its table of neighbours that all namespaces share.
func Scan(tb testing.TB, ns *netns.NS, first netip.Addr) {
	tb.Helper()
	err := ns.Do(func() error {
		links, err := net.Interfaces()
		if err != nil {
			return err
		}
		if err := scan("", first); err != nil {
			return err
		}
		for _, l := range links {
			if l.Flags&net.FlagLoopback != 0 {
				continue
			}
			if err := scan(l.Name, first); err != nil {
				return fmt.Errorf("%s: %w", l.Name, err)
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	AsksNobody(tb, ns)
}

// AsksNobody fails the test if the kernel has asked for the hardware address of a neighbour in the namespace: one whose
// entry is neither permanent nor of a link without such questions.
func AsksNobody(tb testing.TB, ns *netns.NS) {
	tb.Helper()
	handle, err := netlink.NewHandleAt(ns.Handle())
	if err != nil {
		tb.Fatal(err)
	}
	defer handle.Close()
	list, err := handle.NeighList(0, unix.AF_INET)
	if err != nil {
		tb.Fatal(err)
	}
	var asked []string
	for _, n := range list {
		if n.State&(unix.NUD_PERMANENT|unix.NUD_NOARP) == 0 {
			asked = append(asked, fmt.Sprintf("%v on link %d in state %#x", n.IP, n.LinkIndex, n.State))
		}
	}
	if len(asked) > 0 {
		tb.Errorf("the kernel asked for %d neighbours: %s …", len(asked), asked[0])
	}
}

func scan(device string, to netip.Addr) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	flags := 0
	if device != "" {
		flags = unix.MSG_DONTROUTE
		if err := unix.BindToDevice(fd, device); err != nil {
			return err
		}
	}
	for range 100 {
		err := unix.Sendto(fd, []byte{0}, flags, &unix.SockaddrInet4{Port: 9, Addr: to.As4()})
		switch {
		case err == nil, errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.EHOSTUNREACH): // of one before
		case errors.Is(err, unix.ENETUNREACH): // there is no route
		default:
			return err
		}
		to = to.Next()
	}
	return nil
}
