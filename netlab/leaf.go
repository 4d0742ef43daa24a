package netlab

import (
	"encoding/binary"
	"fmt"

	"enilab/internal/netns"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// NewLeaf makes a namespace for one tunnel's end: like NewNode's, but without a file of /proc/sys that is opened. To open
// one the kernel compares the same file of every namespace there is: at 4,000 namespaces that took more than all the rest
// of making one (18 ms each). Whether it forwards, which it inherits from the host, is asked by netlink instead, and IPv6
// is kept off the tunnel itself.
func NewLeaf(name string) (*Node, error) {
	n := &Node{Name: name}
	var err error
	n.NS, err = netns.NewWith(func() error {
		if err := n.dial(); err != nil {
			return err
		}
		err := n.stopForwarding()
		if err == nil {
			err = n.Request(linkUp(loopback))
		}
		if err != nil {
			n.Link.Close()
			n.requests.close()
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("namespace %s: %w", name, err)
	}
	return n, nil
}

// stopForwarding is for the thread that is in the namespace.
func (n *Node) stopForwarding() error {
	forwards, err := n.forwards()
	if err != nil || !forwards {
		return err
	}
	return netns.SetHere(noForwarding)
}

// What of include/uapi/linux/netconf.h is needed.
const (
	netconfIfindex    = 1
	netconfForwarding = 2
	netconfAll        = -1 // the index of what holds for all links
)

// getForwarding is the request that tells whether a namespace forwards, besides other settings.
func getForwarding() message {
	all := int32(netconfAll)
	return newMessage(unix.RTM_GETNETCONF, 0).about(unix.AF_INET, 0, 0, 0).number(netconfIfindex, uint32(all)) // struct netconfmsg
}

// forwards asks for the setting net.ipv4.ip_forward.
func (n *Node) forwards() (bool, error) {
	answer, err := n.ask(getForwarding())
	if err != nil {
		return false, fmt.Errorf("ask whether it forwards: %w", err)
	}
	const header = unix.SizeofNlMsghdr + 4
	if len(answer) < header || binary.NativeEndian.Uint16(answer[4:]) != unix.RTM_NEWNETCONF {
		return false, fmt.Errorf("ask whether it forwards: an answer of %d bytes that is none", len(answer))
	}
	attributes, err := nl.ParseRouteAttr(answer[header:])
	if err != nil {
		return false, fmt.Errorf("ask whether it forwards: %w", err)
	}
	for _, a := range attributes {
		if a.Attr.Type == netconfForwarding && len(a.Value) == 4 {
			return binary.NativeEndian.Uint32(a.Value) != 0, nil
		}
	}
	return false, fmt.Errorf("ask whether it forwards: the kernel does not tell")
}
