package netlab

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
)

// AWS keeps the first four addresses of a subnet (network, router, DNS, future use) and the last.
// https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html
const (
	reservedFirst = 4
	reservedLast  = 1
)

// Allocator hands out the addresses of one subnet. It goes round: an address that was freed comes back as late as
// possible, so that a packet still under way finds nobody rather than a stranger. It is not safe for concurrent use.
type Allocator struct {
	prefix netip.Prefix
	used   map[netip.Addr]bool
	next   uint32 // offset where the search goes on
}

// NewAllocator expects a masked IPv4 prefix of /16 to /28, as AWS does.
func NewAllocator(p netip.Prefix) *Allocator {
	return &Allocator{prefix: p, used: map[netip.Addr]bool{}, next: reservedFirst}
}

// Capacity is how many addresses the subnet offers: a /28 has 11, a /24 has 251.
func (a *Allocator) Capacity() int { return a.size() - reservedFirst - reservedLast }

// InUse is how many are handed out.
func (a *Allocator) InUse() int { return len(a.used) }

// Take reserves the next free address; ok is false if there is none.
func (a *Allocator) Take() (addr netip.Addr, ok bool) {
	if a.InUse() >= a.Capacity() {
		return netip.Addr{}, false
	}
	for {
		if a.next >= uint32(a.size()-reservedLast) {
			a.next = reservedFirst
		}
		addr = nth(a.prefix, a.next)
		a.next++
		if !a.used[addr] {
			a.used[addr] = true
			return addr, true
		}
	}
}

// TakeExact reserves one given address.
func (a *Allocator) TakeExact(addr netip.Addr) error {
	if err := a.assignable(addr); err != nil {
		return err
	}
	if a.used[addr] {
		return fmt.Errorf("address %s is in use", addr)
	}
	a.used[addr] = true
	return nil
}

// Free gives an address back.
func (a *Allocator) Free(addr netip.Addr) { delete(a.used, addr) }

func (a *Allocator) size() int { return 1 << (32 - a.prefix.Bits()) }

func (a *Allocator) assignable(addr netip.Addr) error {
	if !a.prefix.Contains(addr) {
		return fmt.Errorf("address %s is outside %s", addr, a.prefix)
	}
	if o := offset(a.prefix, addr); o < reservedFirst || int(o) >= a.size()-reservedLast {
		return fmt.Errorf("address %s is one of the five that AWS keeps in %s (the first four and the last)", addr, a.prefix)
	}
	return nil
}

// nth is the address at an offset from the start of p.
func nth(p netip.Prefix, offset uint32) netip.Addr {
	b := p.Masked().Addr().As4()
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, binary.BigEndian.Uint32(b[:])+offset)))
}

func offset(p netip.Prefix, a netip.Addr) uint32 {
	base, b := p.Masked().Addr().As4(), a.As4()
	return binary.BigEndian.Uint32(b[:]) - binary.BigEndian.Uint32(base[:])
}

// Gateway is the address of a subnet's router: the first after the network's own.
func Gateway(subnet netip.Prefix) netip.Addr { return nth(subnet, 1) }

// MAC derives a locally administered hardware address from an IPv4 address. Within one network both are unique together.
func MAC(first, second byte, a netip.Addr) net.HardwareAddr {
	b := a.As4()
	return net.HardwareAddr{first, second, b[0], b[1], b[2], b[3]}
}

// IPNet converts for the netlink library.
func IPNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// Host is the prefix that holds one address.
func Host(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }
