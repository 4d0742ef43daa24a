package sandbox

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"enilab/internal/netns"
	"enilab/internal/undo"
	"enilab/netlab"
)

// Worker is a host of execution environments: a namespace whose endpoint on the underlay its slots' tunnels share.
type Worker struct {
	*netlab.Node
	VTEP    netip.Addr
	Tunnels TunnelConfig
}

// TunnelConfig is what all slots' tunnels have in common. It is the agreement with the Hyperplane side.
type TunnelConfig struct {
	Network   netip.Prefix     // slots' addresses: the Lambda VPC
	RouterMAC net.HardwareAddr // of every Hyperplane ENI
	Port      int              // UDP port of the tunnels
}

// Slot is what is made ahead of time for one execution environment: a network namespace and, once it is parked, the
// process in it. Nothing in it depends on a customer.
type Slot struct {
	Index   int     // names it; its address and VNI follow from it
	Worker  *Worker // its host, which is the other end of its tunnel; nil in a bare slot
	Node    *netlab.Node
	Address netip.Addr       // in the Lambda VPC; zero in a bare slot
	MAC     net.HardwareAddr // of the tunnel device
	VNI     uint32           // the slot's own
	Device  int              // index of the tunnel device, eth0

	API        *RuntimeAPI    // on the slot's loopback
	APIAddress netip.AddrPort // where
	Endpoint   net.Listener   // beside it, for another service of the environment's own; nil unless a Parking made it
	Launcher   *Launcher      // of the environment's process; nil unless a Parking made it

	environment undo.Stack // the Runtime API and the launcher
	undo        undo.Stack // the namespace; empty in a slot that was lodged
}

// RuntimeAPIAddress is where a function finds the Runtime API: on its own loopback, so that it needs no network. Those
// that lodge in one namespace have the addresses after it.
var RuntimeAPIAddress = netip.MustParseAddrPort("127.0.0.1:9001")

// EndpointPort is the port of Slot.Endpoint, at the Runtime API's address.
const EndpointPort = 9002

// MaxLodgers is how many environments one namespace has Runtime API addresses for: 127.0.0.1 to 127.0.0.254.
const MaxLodgers = 254

// slotRouter is the next hop in every slot, link-local because it is on no network of anybody's.
var slotRouter = netip.MustParseAddr("169.254.1.1")

// nowhere is an address that no network has (RFC 7600, the IPv4 dummy address).
var nowhere = netip.MustParseAddr("192.0.0.8")

// maxSlots is how many indexes there are: a VNI of a slot has 23 bits, the Lambda VPC's addresses 22.
const maxSlots = 1 << 22

// NewBareSlot makes a namespace without a device: legacy mode moves or makes an interface in it.
func NewBareSlot(index int) (*Slot, error) {
	return newSlot(index, func(name string) (*netlab.Node, error) { return netlab.NewNode(name) })
}

func newSlot(index int, namespace func(name string) (*netlab.Node, error)) (_ *Slot, err error) {
	s := &Slot{Index: index}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.Node, err = namespace(fmt.Sprintf("slot-%d", index)); err != nil {
		return nil, err
	}
	s.undo.Push(s.Node.Close)
	if err := s.listen(1); err != nil {
		return nil, err
	}
	return s, nil
}

// listen gives the slot a Runtime API, at the n-th address of its namespace's loopback.
func (s *Slot) listen(n int) error {
	if n < 1 || n > MaxLodgers {
		return fmt.Errorf("slot %d: Runtime API %d: a namespace has addresses for 1 to %d", s.Index, n, MaxLodgers)
	}
	loopback := RuntimeAPIAddress.Addr().As4()
	loopback[3] = byte(n)
	s.APIAddress = netip.AddrPortFrom(netip.AddrFrom4(loopback), RuntimeAPIAddress.Port())
	listener, err := s.Node.NS.Listen(s.APIAddress)
	if err != nil {
		return fmt.Errorf("slot %d: Runtime API: %w", s.Index, err)
	}
	s.API = NewRuntimeAPI(listener)
	s.environment.Push(s.API.Close)
	return nil
}

// listenEndpoint gives the slot its other listener. Nobody accepts connections there before the environment has its function,
// and until then it costs a socket.
func (s *Slot) listenEndpoint() (err error) {
	if s.Endpoint, err = s.Node.NS.Listen(netip.AddrPortFrom(s.APIAddress.Addr(), EndpointPort)); err != nil {
		return fmt.Errorf("slot %d: endpoint: %w", s.Index, err)
	}
	s.environment.Push(func() error {
		if err := s.Endpoint.Close(); !errors.Is(err, net.ErrClosed) { // who serves it may have
			return err
		}
		return nil
	})
	return nil
}

// Lodge makes a slot for one more environment in the namespace of s: beside that of s, or after it. It has the n-th
// Runtime API address, which nobody else in the namespace may have, and all else of the network in common with s, which
// goes on holding the namespace. Environments of one namespace reach each other's Runtime API: they must trust each
// other as those of one function do.
func (s *Slot) Lodge(n int) (_ *Slot, err error) {
	lodger := &Slot{Index: s.Index, Worker: s.Worker, Node: s.Node, Address: s.Address, MAC: s.MAC, VNI: s.VNI, Device: s.Device}
	defer lodger.environment.CloseOn(&err)
	if err := lodger.listen(n); err != nil {
		return nil, err
	}
	return lodger, nil
}

// NewSlot makes a slot with its tunnel: complete but for the one entry that binds it to an ENI.
func (w *Worker) NewSlot(index int) (_ *Slot, err error) {
	if index < 1 || index >= maxSlots-1 {
		return nil, fmt.Errorf("slot %d: the Lambda VPC %s has addresses for 1 to %d", index, w.Tunnels.Network, maxSlots-2)
	}
	s, err := newSlot(index, netlab.NewLeaf)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	s.Worker = w
	s.Address = addressOf(w.Tunnels.Network, index)
	s.MAC = netlab.MAC(0x02, 0x00, s.Address)
	s.VNI = uint32(index)
	if err := w.addTunnel(s); err != nil {
		return nil, fmt.Errorf("slot %d: %w", index, err)
	}
	return s, nil
}

// addTunnel makes eth0 and the way to the router, whoever that will be.
func (w *Worker) addTunnel(s *Slot) (err error) {
	s.Device, err = s.Node.AddTunnel(w.Node, netlab.TunnelSpec{Name: netlab.OwnerLink, VNI: s.VNI, MAC: s.MAC, Local: w.VTEP, Port: w.Tunnels.Port})
	if err != nil {
		return err
	}
	err = s.Node.Request(
		netlab.AddAddress(s.Device, netlab.Host(s.Address)),
		netlab.Entry{Link: s.Device, MAC: w.Tunnels.RouterMAC, To: slotRouter}.Set(),
		// What Bind is to replace; it leads nowhere. To replace an entry is less work for the kernel than to make one.
		netlab.Entry{Link: s.Device, Forwarding: true, MAC: w.Tunnels.RouterMAC, To: nowhere}.Set(),
		netlab.Route{Link: s.Device, Via: slotRouter, OnLink: true}.Add(),
	)
	if err != nil {
		return netlab.Blame(err, "address "+s.Address.String(), "router's hardware address", "router's forwarding entry", "default route")
	}
	return nil
}

func addressOf(network netip.Prefix, index int) netip.Addr {
	b := network.Addr().As4()
	b[1] += byte(index >> 16)
	b[2] += byte(index >> 8)
	b[3] += byte(index)
	return netip.AddrFrom4(b)
}

// NS is the namespace that the environment's process lives in.
func (s *Slot) NS() *netns.NS { return s.Node.NS }

// usable tells whether an environment can begin in the slot, as far as can be seen.
func (s *Slot) usable() bool { return s.Launcher == nil || s.Launcher.Waits() }

// Vacate ends what is the environment's: the Runtime API, and the launcher unless it has started its function. The
// namespace stays, for those who lodge in it.
func (s *Slot) Vacate() error { return s.environment.Close() }

// Close vacates the slot and lets go of the namespace; with its last process the kernel ends it and all in it.
func (s *Slot) Close() error { return errors.Join(s.Vacate(), s.undo.Close()) }

// InTurn makes slots on several workers, one after the other. It is for Parking.Slots; the index names the slot in the
// whole Lambda VPC, not on its worker.
func InTurn(workers []*Worker) func(index int) (*Slot, error) {
	return func(index int) (*Slot, error) { return workers[index%len(workers)].NewSlot(index) }
}
