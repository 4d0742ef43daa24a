package nstest

import (
	"errors"
	"net/netip"
	"testing"

	"enilab/internal/netns"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Scan sends a datagram to each of 100 addresses over eth0 of a namespace, as somebody without any right can: as the routes
// have it, and bound to the device and past them. It fails the test if the kernel then asks for an address.
func Scan(tb testing.TB, ns *netns.NS, first netip.Addr) {
	tb.Helper()
	err := ns.Do(func() error {
		for _, device := range []string{"", "eth0"} {
			if err := scan(device, first); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	handle, err := netlink.NewHandleAt(ns.Handle())
	if err != nil {
		tb.Fatal(err)
	}
	defer handle.Close()
	list, err := handle.NeighList(0, unix.AF_INET)
	if err != nil {
		tb.Fatal(err)
	}
	for _, n := range list {
		if n.State&(unix.NUD_PERMANENT|unix.NUD_NOARP) == 0 {
			tb.Errorf("neighbour %v in state %#x", n.IP, n.State)
		}
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
		if err != nil && !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, unix.EHOSTUNREACH) { // of one before
			return err
		}
		to = to.Next()
	}
	return nil
}
