package netlab

import (
	"net"
	"net/netip"
	"testing"
	"unsafe"

	"enilab/internal/nstest"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// gro asks the kernel, by a socket of the test's own.
func gro(t *testing.T, n *Node, device string) (on bool) {
	t.Helper()
	err := n.NS.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		value := ethtoolValue{command: unix.ETHTOOL_GGRO}
		q := deviceRequest{data: &value}
		copy(q.name[:], device)
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&q))); errno != 0 {
			return errno
		}
		on = value.value != 0
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return on
}

// Tunnels do not gather packets, and nothing else is changed: not another device, not one of the same name elsewhere.
func TestTunnelDoesNotGather(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	node := func(name string) *Node {
		n, err := NewNode(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		return n
	}
	inside, endpoint := node("inside"), node("endpoint")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(endpoint.Link.LinkAdd(&netlink.Vxlan{LinkAttrs: netlink.LinkAttrs{Name: "tun0"}, VxlanId: 8, Port: 4789}))
	must(inside.Link.LinkAdd(&netlink.Vxlan{LinkAttrs: netlink.LinkAttrs{Name: "other"}, VxlanId: 9, Port: 4789}))
	_, err := inside.AddTunnel(endpoint, TunnelSpec{
		Name: "tun0", VNI: 7, MAC: net.HardwareAddr{2, 0, 0, 0, 0, 7}, Local: netip.MustParseAddr("198.18.0.1"), Port: 4789,
	})
	must(err)
	if gro(t, inside, "tun0") {
		t.Error("the tunnel gathers packets")
	}
	if !gro(t, inside, "other") || !gro(t, endpoint, "tun0") {
		t.Error("another device was changed")
	}
	must(inside.setGRO("tun0", true))
	if !gro(t, inside, "tun0") {
		t.Error("it cannot be switched on again")
	}
	if err := inside.setGRO("absent", false); err == nil {
		t.Error("a device that is not there")
	}
	inside.Close()
	if err := inside.setGRO("tun0", false); err == nil {
		t.Error("a node that is closed")
	}
}
