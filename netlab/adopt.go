package netlab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// AdoptVPC takes over a network that was pinned by a control plane that has died, and makes it what the spec says. Its
// interfaces and resources are adopted after it; [VPC.Sweep] then ends what nobody has adopted. Connections go on, new
// ones too. A network that is not there is fs.ErrNotExist; one that cannot be adopted stays, for [EndPinned].
func (l *Lab) AdoptVPC(ctx context.Context, s VPCSpec) (*VPC, error) {
	v, err := adoptVPC(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("vpc %s: adopt: %w", s.ID, err)
	}
	v.keep = l.Keep
	if err := l.knowVPC(v); err != nil {
		return nil, errors.Join(err, v.Node.Release())
	}
	return v, nil
}

func adoptVPC(ctx context.Context, s VPCSpec) (_ *VPC, err error) {
	v := newVPC(s)
	if v.Node, err = OpenNode(s.ID); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, v.Node.Release())
		}
	}()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, sub := range s.Subnets {
		if err := v.knowSubnetLocked(sub); err != nil {
			return nil, err
		}
	}
	rules, err := v.Node.Rules(filterTable)
	if err != nil {
		return nil, err
	}
	v.sets.adopt(rules, v.groups)
	if err := v.adoptLinksLocked(); err != nil {
		return nil, err
	}
	// What is as it should be is not touched: its rules go on counting.
	if v.Drift, err = v.mendRulesLocked(ctx, rules); err != nil {
		return nil, err
	}
	router, err := v.mendRouterLocked()
	if err != nil {
		return nil, err
	}
	v.Drift = append(v.Drift, router...)
	v.undo.Push(v.Node.Close)
	return v, nil
}

// adoptLinksLocked learns from the routes which addresses are taken. A number of a set that is used, if only by a link, is
// not given to another; nor is a link's index.
func (v *VPC) adoptLinksLocked() error {
	links, err := v.Node.Link.LinkList()
	if err != nil {
		return fmt.Errorf("list links: %w", err)
	}
	for _, l := range links {
		v.sets.skip(l.Attrs().Group)
		v.nextIndex = max(v.nextIndex, l.Attrs().Index+1)
	}
	routed, err := v.Node.routed(nil)
	if err != nil {
		return err
	}
	v.unclaimed = map[netip.Addr]bool{}
	for _, a := range routed {
		for _, sub := range v.subnets {
			if sub.addresses.TakeExact(a) == nil {
				v.unclaimed[a] = true
			}
		}
	}
	return nil
}

// AdoptInterface takes over a complete interface, whose id and address are given. One that is not there, or was never
// completed, is fs.ErrNotExist.
func (v *VPC) AdoptInterface(s InterfaceSpec) (_ *Interface, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: adopt: %w", s.ID, err)
		}
	}()
	link, err := v.Node.Link.LinkByName((&Interface{ID: s.ID}).LinkName())
	if errors.As(err, new(netlink.LinkNotFoundError)) || err == nil && link.Attrs().Alias != s.ID { // it comes with all that makes the interface complete
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	routed, err := v.Node.routed(link)
	if err != nil {
		return nil, err
	}
	if len(routed) > 0 && !slices.Contains(routed, s.Address) { // a route that is missing, Sweep mends
		return nil, fmt.Errorf("the VPC has it at %v, not at %s", routed, s.Address)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	i, err := v.newInterfaceLocked(context.Background(), s) // rules are committed only if the groups are others than they were
	if err != nil {
		return nil, err
	}
	i.link, i.owner = link.Attrs().Index, link.Attrs().ParentIndex
	if link.Attrs().Group != i.group {
		if err := v.Node.Link.LinkSetGroup(link, int(i.group)); err != nil {
			i.forgetLocked()
			return nil, fmt.Errorf("security groups: %w", err)
		}
	}
	i.complete.Store(true)
	return i, nil
}

// sweepGroup is the device group of links that are to go.
const sweepGroup = 2

// Sweep ends all interfaces that nobody has adopted or made since the network was adopted, and tells their ids. What the
// VPC has of the others it makes as it should be, and adds what was not to Drift. Until
// then nobody who asks for just any address is given one of theirs. It visits everything. The kernel ends them in one go, at a hundredth of [Interface.Delete]'s cost.
func (v *VPC) Sweep() (removed []string, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	known := map[int]bool{loopback: true}
	loose := map[string]bool{}
	for _, i := range v.interfaces {
		known[i.link] = true
		loose[i.looseName()] = i.link != 0
	}
	links, err := v.Node.Link.LinkList()
	if err != nil {
		return nil, fmt.Errorf("vpc %s: sweep: list links: %w", v.ID, err)
	}
	for _, l := range links {
		a := l.Attrs()
		if known[a.Index] || loose[a.Name] || l.Type() != "veth" {
			continue
		}
		gone := v.Node.Link.LinkSetGroup(l, sweepGroup)
		if errors.Is(gone, unix.ENODEV) { // with its owner
			continue
		}
		err = errors.Join(err, gone)
		id := a.Alias
		if id == "" {
			id = a.Name
		}
		removed = append(removed, id)
	}
	if len(removed) > 0 {
		if end := v.Node.deleteGroup(sweepGroup); !errors.Is(end, unix.ENODEV) {
			err = errors.Join(err, end)
		}
	}
	for a := range v.unclaimed {
		for _, sub := range v.subnets {
			sub.addresses.Free(a)
		}
	}
	v.unclaimed = nil
	slices.Sort(removed)
	drift, mendErr := v.interfaceDriftLocked(true)
	v.Drift, err = append(v.Drift, drift...), errors.Join(err, mendErr)
	if err != nil {
		err = fmt.Errorf("vpc %s: sweep: %w", v.ID, err)
	}
	return removed, err
}
