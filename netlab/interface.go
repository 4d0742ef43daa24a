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
	"sync/atomic"

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
// [Interface.Configure] and [Interface.Publish]; [Interface.AwaitUp] waits until it can send.
type Interface struct {
	ID          string
	Description string
	Subnet      SubnetSpec
	Address     netip.Addr
	MAC         net.HardwareAddr
	Type        string // "interface" or "lambda"
	Attachment  Attachment

	vpc    *VPC
	groups []string // sorted; under the VPC's mu, as is
	group  uint32   // the link group: number of the security-group set
	link   int      // index of the VPC's end, once created
	owner  int      // index of the owner's end, once created

	complete atomic.Bool // published or adopted: what the kernel has of it can be compared
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
		ID: cmp.Or(s.ID, NewID("eni-")), Description: s.Description, Subnet: sub.SubnetSpec, groups: canonical(s.SecurityGroups),
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
	return i.create(OwnerLink, owner)
}

// routerMAC is the router's hardware address, the same on every link.
var routerMAC = net.HardwareAddr{0x0a, 0x00, 0x00, 0x00, 0x00, 0x01}

// create makes the pair under the next indexes. Those that are in use, by a link that is none of ours, are passed over.
func (i *Interface) create(peer string, in *Node) (err error) {
	pair := veth{name: i.LinkName(), mac: routerMAC, farName: peer, farMAC: i.MAC, group: i.group, far: in}
	for range 3 { // a name that is in use fails in the same way
		pair.index, pair.farIndex = i.vpc.takeIndexes()
		if err = i.vpc.Node.Request(pair.add()); !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.EBUSY) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("%s: create link %s: %w", i.ID, pair.name, err)
	}
	i.link, i.owner = pair.index, pair.farIndex
	return nil
}

// firstIndex is that of a VPC's first interface. The kernel, which begins at 1, does not get there.
const firstIndex = 1 << 10

// takeIndexes returns the indexes of an interface's ends. They differ even where the ends are in two namespaces, because
// a link whose other end has the same does not say so on every kernel.
func (v *VPC) takeIndexes() (link, owner int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.nextIndex += 2
	return v.nextIndex - 2, v.nextIndex - 1
}

// Attach moves the owner's end into the owner's namespace: EC2's AttachNetworkInterface.
func (i *Interface) Attach(owner *Node) error {
	if err := i.vpc.Node.Request(moveLink(i.owner, owner, OwnerLink)); err != nil {
		return fmt.Errorf("%s: attach: move to %s as %s: %w", i.ID, owner.Name, OwnerLink, err)
	}
	return nil
}

// Configure gives the owner's end its address and the router as the way out, as DHCP does on an instance. All goes to the
// router, what is for the subnet, too, as on AWS, whose router is on every link and is asked for nothing: the owner is told its
// hardware address. So an owner that tries one address after the other fills no table of the kernel's.
func (i *Interface) Configure(owner *Node) error {
	address, router := netip.PrefixFrom(i.Address, i.Subnet.CIDR.Bits()), Gateway(i.Subnet.CIDR)
	err := owner.Request(AddAddress(i.owner, address), linkUpSilent(i.owner), i.routerEntry().Set(), i.defaultRoute().Add())
	if err != nil {
		return fmt.Errorf("%s: %w", i.ID, Blame(err, "address "+address.String(), OwnerLink+" up", "router's hardware address", "default route via "+router.String()))
	}
	return nil
}

func (i *Interface) routerEntry() Entry {
	return Entry{Link: i.owner, MAC: routerMAC, To: Gateway(i.Subnet.CIDR)}
}

func (i *Interface) defaultRoute() Route {
	return Route{Link: i.owner, Via: Gateway(i.Subnet.CIDR), OnLink: true}
}

// Publish brings the VPC's end up, and tells the VPC where the address is: the mapping service's entry. It replaces what a
// former owner of the address left. The VPC knows the owner's hardware address for good: it need not ask, and a permanent
// entry does not count toward the 1,024 neighbours that the kernel keeps for all namespaces together. It answers an
// owner's ARP at once, which only those of a former version ask. A link with an alias is complete: the kernel does all this
// before it minds a signal.
func (i *Interface) Publish() error {
	err := i.vpc.Node.Request(
		linkUpAs(i.link, i.ID), Route{Link: i.link, To: Host(i.Address)}.Replace(), Entry{Link: i.link, MAC: i.MAC, To: i.Address}.Set(), promptProxy(i.link),
	)
	if err != nil {
		at := i.Address.String()
		return fmt.Errorf("%s: %w", i.ID, Blame(err, "up", "route to "+at, "hardware address of "+at, "proxy_delay"))
	}
	i.complete.Store(true)
	return nil
}

// AwaitUp returns when the owner's end can send: until then the kernel drops what it is to send, without a word. That it
// never can is the news of an interface whose VPC's end is down.
func (i *Interface) AwaitUp(ctx context.Context, owner *Node) error {
	if err := owner.awaitUp(ctx, i.owner); err != nil {
		return fmt.Errorf("%s: %w", i.ID, err)
	}
	return nil
}

// Groups are the interface's security groups, in order.
func (i *Interface) Groups() []string {
	i.vpc.mu.Lock()
	defer i.vpc.mu.Unlock()
	return i.groups
}

// SetGroups gives the interface other security groups: EC2's ModifyNetworkInterfaceAttribute. Tracked connections go on.
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
	i.group, i.groups = number, canonical(groups)
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
	return i, i.AwaitUp(ctx, owner)
}

// Delete ends the interface and gives its address back. It takes 20–30 ms for a link that still exists. If the kernel
// refuses, the interface is as it was and can be deleted again.
func (i *Interface) Delete() error {
	if i.link != 0 {
		if err := i.vpc.Node.Link.LinkDel(indexed(i.link)); err != nil && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("%s: delete link: %w", i.ID, err)
		}
	}
	i.Forget()
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
