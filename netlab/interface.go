package netlab

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"enilab/internal/netns"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ErrSubnetFull is met when a subnet has no address for one more interface.
var ErrSubnetFull = errors.New("no address left")

// InterfaceSpec asks for a network interface (ENI).
type InterfaceSpec struct {
	ID             string // empty: a new one, eni- and 17 hex digits as on AWS
	Description    string
	Subnet         string
	SecurityGroups []string
	Address        netip.Addr // zero: the next free one of the subnet
	Type           string     // empty: "interface"; "lambda" for those of a service
	Attachment     Attachment
}

// Attachment says to what an interface is attached, as EC2 shows it. The zero Attachment: to nothing.
type Attachment struct {
	ID            string // eni-attach-… of an instance, ela-attach-… of a service's interface, which no customer can detach
	InstanceOwner string // the account, or the service
	DeviceIndex   int
}

// Interface is a network interface of a VPC: a veth whose one end, eth0, belongs to the owner and whose other end, in
// the VPC's namespace, carries the interface's id and its security-group set.
//
// Its life is a row of steps, so that each can be timed: [VPC.NewInterface] reserves; then either [Interface.Create] and
// [Interface.Attach] (EC2's two calls), or [Interface.CreateIn] (the same in one, which Linux does faster); then
// [Interface.Configure] and [Interface.Publish]; [Interface.Resolve] waits for the first ARP.
type Interface struct {
	ID          string
	Description string
	Subnet      SubnetSpec
	Groups      []string
	Address     netip.Addr
	MAC         net.HardwareAddr
	Type        string // "interface" or "lambda"
	Attachment  Attachment

	vpc   *VPC
	group uint32 // the link group: number of the security-group set
	link  int    // index of the VPC's end, once created
	owner int    // index of the owner's end, once attached
}

// OwnerLink is what the owner's end is called.
const OwnerLink = "eth0"

// mtu of interfaces, tunnels and slots alike, so that both modes carry the same packets.
const mtu = 1500

// NewInterface reserves an address and makes the security-group set ready. Nothing else exists yet.
func (v *VPC) NewInterface(ctx context.Context, s InterfaceSpec) (*Interface, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.newInterfaceLocked(ctx, s)
}

func (v *VPC) newInterfaceLocked(ctx context.Context, s InterfaceSpec) (*Interface, error) {
	sub, ok := v.subnets[s.Subnet]
	if !ok {
		return nil, fmt.Errorf("vpc %s: there is no subnet %q; it has %s", v.ID, s.Subnet, list(sortedKeys(v.subnets)))
	}
	if v.interfaces[s.ID] != nil {
		return nil, fmt.Errorf("vpc %s: there is an interface %s already", v.ID, s.ID)
	}
	group, err := v.useGroupsLocked(ctx, s.SecurityGroups)
	if err != nil {
		return nil, err
	}
	if v.unclaimed[s.Address] { // is taken, for whoever asks for just this one
		delete(v.unclaimed, s.Address)
	} else if s.Address.IsValid() {
		if err := sub.addresses.TakeExact(s.Address); err != nil {
			return nil, fmt.Errorf("vpc %s: subnet %s: %w", v.ID, sub.ID, err)
		}
	} else if s.Address, ok = sub.addresses.Take(); !ok {
		return nil, fmt.Errorf("vpc %s: subnet %s (%s): %w: all %d are taken", v.ID, sub.ID, sub.CIDR, ErrSubnetFull, sub.addresses.Capacity())
	}
	i := &Interface{
		ID: cmp.Or(s.ID, NewID("eni-")), Description: s.Description, Subnet: sub.SubnetSpec, Groups: canonical(s.SecurityGroups),
		Address: s.Address, MAC: MAC(0x0a, 0x58, s.Address), Type: cmp.Or(s.Type, "interface"), Attachment: s.Attachment, vpc: v, group: group,
	}
	v.interfaces[i.ID] = i
	return i, nil
}

// NewID makes an identifier in AWS's form: the prefix and 17 hex digits.
func NewID(prefix string) string {
	var b [9]byte
	rand.Read(b[:])
	return prefix + hex.EncodeToString(b[:])[:17]
}

// LinkName is the VPC side's interface name: as much of the id as 15 bytes hold. The link's alias has the whole id.
func (i *Interface) LinkName() string { return i.ID[:min(len(i.ID), 15)] }

// looseName is what the owner's end is called until there is an owner.
func (i *Interface) looseName() string { return "m" + i.LinkName()[:min(len(i.LinkName()), 14)] }

// Create makes the pair of ends in the VPC's namespace: EC2's CreateNetworkInterface. Nobody owns it yet.
func (i *Interface) Create() error {
	return i.create(i.looseName(), nil)
}

// CreateIn makes the pair with each end in its place: the owner's in the owner's namespace, under its final name. This
// is Create and Attach in one message to the kernel.
func (i *Interface) CreateIn(owner *Node) error {
	if err := i.create(OwnerLink, owner); err != nil {
		return err
	}
	return i.findOwnerEnd(owner)
}

// create sends one RTM_NEWLINK. One queue on each end spares a synchronize_rcu; the ends are made down, because IFF_UP
// in the create message of a veth fails and rolls back.
func (i *Interface) create(peer string, in *Node) error {
	veth := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{
			Name: i.LinkName(), MTU: mtu, Group: i.group, NumTxQueues: 1, NumRxQueues: 1, TxQLen: 1000,
			HardwareAddr: net.HardwareAddr{0x0a, 0x00, 0x00, 0x00, 0x00, 0x01}, // the router's, the same on every link
		},
		PeerName: peer, PeerHardwareAddr: i.MAC, PeerTxQLen: 1000,
	}
	if in != nil {
		veth.PeerNamespace = netlink.NsFd(in.NS.Fd())
	}
	if err := i.vpc.Node.Link.LinkAdd(veth); err != nil {
		return fmt.Errorf("%s: create link %s: %w", i.ID, veth.Name, err)
	}
	i.link = veth.Index
	return nil
}

// Attach moves the owner's end into the owner's namespace: EC2's AttachNetworkInterface.
func (i *Interface) Attach(owner *Node) error {
	end, err := i.vpc.Node.Link.LinkByName(i.looseName())
	if err != nil {
		return fmt.Errorf("%s: attach: %w", i.ID, err)
	}
	if err := i.vpc.Node.Link.LinkSetNsFd(end, owner.NS.Fd()); err != nil {
		return fmt.Errorf("%s: attach: move to %s: %w", i.ID, owner.Name, err)
	}
	moved, err := owner.Link.LinkByName(end.Attrs().Name)
	if err != nil {
		return fmt.Errorf("%s: attach: %w", i.ID, err)
	}
	if err := owner.Link.LinkSetName(moved, OwnerLink); err != nil {
		return fmt.Errorf("%s: attach: name it %s: %w", i.ID, OwnerLink, err)
	}
	i.owner = moved.Attrs().Index
	return nil
}

func (i *Interface) findOwnerEnd(owner *Node) error {
	end, err := owner.Link.LinkByName(OwnerLink)
	if err != nil {
		return fmt.Errorf("%s: %s of %s: %w", i.ID, OwnerLink, owner.Name, err)
	}
	i.owner = end.Attrs().Index
	return nil
}

// Configure gives the owner's end its address and the router as the way out, as DHCP does on an instance. The VPC's end
// is up first, so that the owner's end comes up with its carrier.
func (i *Interface) Configure(owner *Node) error {
	if err := i.vpc.Node.Link.LinkSetUp(indexed(i.link)); err != nil {
		return fmt.Errorf("%s: up: %w", i.ID, err)
	}
	end := indexed(i.owner)
	address := &netlink.Addr{IPNet: IPNet(netip.PrefixFrom(i.Address, i.Subnet.CIDR.Bits()))}
	if err := owner.Link.AddrAdd(end, address); err != nil {
		return fmt.Errorf("%s: address %s: %w", i.ID, address.IPNet, err)
	}
	if err := owner.Link.LinkSetUp(end); err != nil {
		return fmt.Errorf("%s: %s up: %w", i.ID, OwnerLink, err)
	}
	route := &netlink.Route{LinkIndex: i.owner, Gw: Gateway(i.Subnet.CIDR).AsSlice()}
	if err := owner.Link.RouteAdd(route); err != nil {
		return fmt.Errorf("%s: default route via %s: %w", i.ID, route.Gw, err)
	}
	return nil
}

// Publish tells the VPC where the address is: the mapping service's entry. It replaces what a former owner of the
// address left. The VPC knows the owner's hardware address for good: it need not ask, and a permanent entry does not count
// toward the 1,024 neighbours that the kernel keeps for all namespaces together. proxy_delay has no default in a namespace and must be set per link; with it, the ARP of a neighbour in
// the same subnet would wait for up to 0.8 s.
func (i *Interface) Publish() error {
	route := &netlink.Route{LinkIndex: i.link, Dst: IPNet(Host(i.Address)), Scope: netlink.SCOPE_LINK}
	if err := i.vpc.Node.Link.RouteReplace(route); err != nil {
		return fmt.Errorf("%s: route to %s: %w", i.ID, i.Address, err)
	}
	if err := i.vpc.Node.Request(Entry{Link: i.link, MAC: i.MAC, To: i.Address}.Set()); err != nil {
		return fmt.Errorf("%s: hardware address of %s: %w", i.ID, i.Address, err)
	}
	if err := i.vpc.Node.NS.Set(netns.Sysctl{Key: "net/ipv4/neigh/" + i.LinkName() + "/proxy_delay", Value: "0"}); err != nil {
		return fmt.Errorf("%s: %w", i.ID, err)
	}
	if err := i.vpc.Node.Link.LinkSetAlias(indexed(i.link), i.ID); err != nil {
		return fmt.Errorf("%s: alias: %w", i.ID, err)
	}
	return nil
}

// Resolve has the owner ask for its router's hardware address and returns when the answer has come. Without it the
// first packet of the owner pays for that.
func (i *Interface) Resolve(ctx context.Context, owner *Node) error {
	if err := i.vpc.Node.awaitUp(ctx, i.link); err != nil {
		return fmt.Errorf("%s: %w", i.ID, err)
	}
	if err := owner.resolve(ctx, i.owner, Gateway(i.Subnet.CIDR)); err != nil {
		return fmt.Errorf("%s: %w", i.ID, err)
	}
	return nil
}

// SetGroups gives the interface other security groups: EC2's ModifyNetworkInterfaceAttribute. Tracked connections go on.
// Nobody may read Groups meanwhile.
func (i *Interface) SetGroups(ctx context.Context, groups []string) error {
	i.vpc.mu.Lock()
	defer i.vpc.mu.Unlock()
	number, err := i.vpc.useGroupsLocked(ctx, groups)
	if err == nil && i.link != 0 {
		err = i.vpc.Node.Link.LinkSetGroup(indexed(i.link), int(number))
	}
	if err != nil {
		return fmt.Errorf("%s: security groups: %w", i.ID, err)
	}
	i.group, i.Groups = number, canonical(groups)
	return nil
}

// Connect is the whole of it for an owner that nobody waits for: a resource or a Hyperplane ENI.
func (v *VPC) Connect(ctx context.Context, owner *Node, s InterfaceSpec) (_ *Interface, err error) {
	i, err := v.NewInterface(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, i.Delete())
		}
	}()
	if err := i.CreateIn(owner); err != nil {
		return nil, err
	}
	if err := i.Configure(owner); err != nil {
		return nil, err
	}
	if err := i.Publish(); err != nil {
		return nil, err
	}
	return i, i.Resolve(ctx, owner)
}

// Delete ends the interface and gives its address back. It takes 20–30 ms for a link that still exists.
func (i *Interface) Delete() error {
	i.Forget()
	if i.link == 0 {
		return nil
	}
	err := i.vpc.Node.Link.LinkDel(indexed(i.link))
	if err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("%s: delete link: %w", i.ID, err)
	}
	return nil
}

// Forget gives the address back when the owner's namespace has been closed, with which the kernel ends the link: it
// does so for many namespaces in one go, at a hundredth of Delete's cost.
func (i *Interface) Forget() {
	i.vpc.mu.Lock()
	defer i.vpc.mu.Unlock()
	i.forgetLocked()
}

func (i *Interface) forgetLocked() {
	if i.vpc.interfaces[i.ID] != i {
		return
	}
	delete(i.vpc.interfaces, i.ID)
	i.vpc.subnets[i.Subnet.ID].addresses.Free(i.Address)
}
