package nat

import (
	"fmt"
	"net"
	"net/netip"
	"sync"

	"enilab/netlab"
)

// Node is a Hyperplane node: the namespace in whose underlay the ENIs' tunnels have their sockets.
type Node struct {
	*netlab.Node
	VTEP netip.Addr

	mu   sync.Mutex // guards next
	next uint32     // VNI of the next ENI
}

// VNIs of slots are below, VNIs of ENIs from here on; a VNI has 24 bits (RFC 7348 section 5).
const firstENI VNI = 0x800000

// VNI is a VXLAN network identifier.
type VNI uint32

// TunnelPort is VXLAN's UDP port (RFC 7348 section 5).
const TunnelPort = 4789

// ENIMAC is the hardware address of every Hyperplane ENI's tunnel end. All share it, so that a slot can hold it as its
// router's before it is known which ENI that will be.
var ENIMAC = net.HardwareAddr{0x02, 0x01, 0x00, 0x00, 0x00, 0x01}

// LambdaVPC is the network that slots live in (RFC 6598, shared address space).
var LambdaVPC = netip.MustParsePrefix("100.64.0.0/10")

// NewNode wraps a namespace whose tunnel endpoint is on the underlay.
func NewNode(n *netlab.Node, vtep netip.Addr) *Node {
	return &Node{Node: n, VTEP: vtep, next: uint32(firstENI)}
}

func (n *Node) takeVNI() (VNI, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.next >= 1<<24 {
		return 0, fmt.Errorf("%s: all VNIs are used", n.Name)
	}
	n.next++
	return VNI(n.next - 1), nil
}

// keepVNI sees to it that an adopted ENI's VNI is nobody else's.
func (n *Node) keepVNI(v VNI) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.next = max(n.next, uint32(v)+1)
}
