package netlab

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// What can be wrong with a subnet's range, for callers that have to tell.
var (
	ErrOutside = errors.New("is not inside the VPC's")
	ErrOverlap = errors.New("overlaps")
)

type subnet struct {
	SubnetSpec
	addresses *Allocator
}

// checkInside tells whether a subnet lies in the VPC's range.
func (s SubnetSpec) checkInside(vpc netip.Prefix) error {
	if !vpc.Contains(s.CIDR.Addr()) || s.CIDR.Bits() < vpc.Bits() {
		return fmt.Errorf("subnet %q: %s %w %s", s.ID, s.CIDR, ErrOutside, vpc)
	}
	return nil
}

// checkApart tells whether a subnet shares no address with another.
func (s SubnetSpec) checkApart(other SubnetSpec) error {
	if other.CIDR.IsValid() && other.CIDR.Overlaps(s.CIDR) {
		return fmt.Errorf("subnet %q: %s %w %s of subnet %q", s.ID, s.CIDR, ErrOverlap, other.CIDR, other.ID)
	}
	return nil
}

// AddSubnet gives the router its address in the subnet.
func (v *VPC) AddSubnet(s SubnetSpec) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.addSubnetLocked(s); err != nil {
		return fmt.Errorf("vpc %s: %w", v.ID, err)
	}
	return nil
}

func (v *VPC) addSubnetLocked(s SubnetSpec) error {
	if err := v.knowSubnetLocked(s); err != nil {
		return err
	}
	if err := v.Node.Link.AddrAdd(indexed(loopback), routerAddress(s)); err != nil {
		delete(v.subnets, s.ID)
		return fmt.Errorf("subnet %q: router address %s: %w", s.ID, Gateway(s.CIDR), err)
	}
	return nil
}

// CheckSubnet tells whether AddSubnet would refuse a subnet. It changes nothing.
func (v *VPC) CheckSubnet(s SubnetSpec) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.checkSubnetLocked(s); err != nil {
		return fmt.Errorf("vpc %s: %w", v.ID, err)
	}
	return nil
}

func (v *VPC) checkSubnetLocked(s SubnetSpec) error {
	if v.subnets[s.ID] != nil {
		return fmt.Errorf("subnet %q: there is one of this name already", s.ID)
	}
	if err := checkCIDR(s.CIDR); err != nil {
		return fmt.Errorf("subnet %q: %w", s.ID, err)
	}
	if err := s.checkInside(v.CIDR); err != nil {
		return err
	}
	for _, id := range sortedKeys(v.subnets) {
		if err := s.checkApart(v.subnets[id].SubnetSpec); err != nil {
			return err
		}
	}
	return nil
}

// knowSubnetLocked checks a subnet and takes it into the books.
func (v *VPC) knowSubnetLocked(s SubnetSpec) error {
	if err := v.checkSubnetLocked(s); err != nil {
		return err
	}
	if s.AZ == "" {
		s.AZ = DefaultAZ
	}
	v.subnets[s.ID] = &subnet{SubnetSpec: s, addresses: NewAllocator(s.CIDR)}
	return nil
}

func routerAddress(s SubnetSpec) *netlink.Addr { return hostAddress(Gateway(s.CIDR)) }

// hostAddress is an address without a subnet.
func hostAddress(a netip.Addr) *netlink.Addr { return &netlink.Addr{IPNet: IPNet(Host(a))} }

// RemoveSubnet removes a subnet that has no interface.
func (v *VPC) RemoveSubnet(id string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	sub, ok := v.subnets[id]
	if !ok {
		return fmt.Errorf("vpc %s: subnet %s: %w", v.ID, id, ErrNotFound)
	}
	for _, i := range v.interfaces {
		if i.Subnet.ID == id {
			return fmt.Errorf("vpc %s: subnet %s: %w: interface %s is in it", v.ID, id, ErrInUse, i.ID)
		}
	}
	if err := v.Node.Link.AddrDel(indexed(loopback), routerAddress(sub.SubnetSpec)); err != nil {
		return fmt.Errorf("vpc %s: subnet %s: router address %s: %w", v.ID, id, Gateway(sub.CIDR), err)
	}
	delete(v.subnets, id)
	return nil
}

// DefaultAZ is the availability zone of a subnet that names none.
const DefaultAZ = "us-east-1a"

// Subnet returns the spec of a subnet and how many of its addresses are in use, of how many.
func (v *VPC) Subnet(id string) (s SubnetSpec, used, capacity int, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	sub, ok := v.subnets[id]
	if !ok {
		return SubnetSpec{}, 0, 0, false
	}
	return sub.SubnetSpec, sub.addresses.InUse(), sub.addresses.Capacity(), true
}

// Subnets lists the VPC's subnets, ordered by id.
func (v *VPC) Subnets() (list []SubnetSpec) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, id := range sortedKeys(v.subnets) {
		list = append(list, v.subnets[id].SubnetSpec)
	}
	return list
}
