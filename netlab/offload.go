package netlab

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ethtoolValue is a request about one setting of a device (struct ethtool_value, include/uapi/linux/ethtool.h).
type ethtoolValue struct{ command, value uint32 }

// deviceRequest carries it (struct ifreq, include/uapi/linux/if.h).
type deviceRequest struct {
	name [unix.IFNAMSIZ]byte
	data *ethtoolValue
	_    [16]byte // the rest of the union
}

// setGRO has a device gather the packets that it receives into larger ones, or not. It asks through the node's netlink
// socket, which is in the right namespace: what that does not know the kernel hands on to the device.
func (n *Node) setGRO(device string, on bool) error {
	value := ethtoolValue{command: unix.ETHTOOL_SGRO}
	if on {
		value.value = 1
	}
	q := deviceRequest{data: &value}
	copy(q.name[:len(q.name)-1], device)
	r := n.requests
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fd < 0 {
		return fmt.Errorf("netlink: %s is closed", n.Name)
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(r.fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&q))); errno != 0 {
		return os.NewSyscallError("ioctl SIOCETHTOOL", errno)
	}
	return nil
}
