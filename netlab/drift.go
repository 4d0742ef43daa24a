package netlab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"enilab/internal/ruleset"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Drift is one thing in the kernel that is not as the lab has made it: somebody else has changed it since.
type Drift struct {
	// "rule", "table" (of nft), "link", "address", "route", "neighbour", "routing rule", "queueing discipline" or "setting"
	Kind string `json:"kind"`
	What string `json:"what"` // the line of `iptables -S`, the address, the link's name with what it should be …
	Is   string `json:"is"`   // "missing", "extra", "moved" (a rule among others) or "changed"
}

// The ways in which a thing is not as it should be.
const (
	missing = string(ruleset.Missing)
	extra   = string(ruleset.Extra)
	changed = "changed"
)

// RuleDrift is the difference between a plan, as iptables-restore takes it, and the rules in force.
func RuleDrift(plan string, have ruleset.Set) (list []Drift, err error) {
	want, err := ruleset.Parse(plan)
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	for _, d := range ruleset.Diff(want, have) {
		list = append(list, Drift{"rule", d.Table + ": " + d.Line, string(d.Is)})
	}
	return list, nil
}

// mendRulesLocked commits the rules anew unless those in force are the same, and tells what was not.
func (v *VPC) mendRulesLocked(ctx context.Context, have ruleset.Set) ([]Drift, error) {
	found, err := RuleDrift(v.planLocked().text(), have)
	if err == nil && len(found) > 0 {
		err = v.commit(ctx)
	}
	return found, err
}

// Check compares what the kernel has of the VPC with what it should have: rules, the router's addresses, and of every
// interface that is complete its link, route and hardware address, and what [Node.Strangers] tells of. It changes nothing, and runs
// iptables. What is being
// made or ended meanwhile may be told of: what is found twice has drifted.
func (v *VPC) Check(ctx context.Context) ([]Drift, error) { return v.look(ctx, false) }

// Mend is Check, and makes what it tells of as it should be. A link that is missing is for [Interface.Mend].
func (v *VPC) Mend(ctx context.Context) ([]Drift, error) { return v.look(ctx, true) }

func (v *VPC) look(ctx context.Context, mend bool) (list []Drift, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	defer func() {
		if err != nil {
			err = fmt.Errorf("vpc %s: check: %w", v.ID, err)
		}
	}()
	rules, err := v.Node.Rules(filterTable)
	if err != nil {
		return nil, err
	}
	if mend {
		list, err = v.mendRulesLocked(ctx, rules)
	} else {
		list, err = RuleDrift(v.planLocked().text(), rules)
	}
	if err != nil {
		return nil, err
	}
	var router []Drift
	if mend {
		router, err = v.mendRouterLocked()
	} else {
		router, _, _, err = v.routerDriftLocked()
	}
	if err != nil {
		return nil, err
	}
	interfaces, err := v.interfaceDriftLocked(mend)
	if err != nil {
		return nil, err
	}
	strangers, err := v.Node.Strangers(ctx, Belongings{Tables: []string{filterTable}, Settings: slices.Concat(answerARP, vpcSettings), Owns: v.ownsLocked()}, mend)
	return slices.Concat(list, router, interfaces, strangers), err
}

// ownsLocked tells of routes that they are interfaces', which are compared on their own.
func (v *VPC) ownsLocked() func(Way) bool {
	links, addresses := map[int]bool{}, map[netip.Prefix]bool{}
	for _, i := range v.interfaces {
		addresses[Host(i.Address)] = true
		if i.complete.Load() { // else nobody but its maker knows its links
			links[i.link] = true
		}
	}
	return func(w Way) bool {
		return w.Table == unix.RT_TABLE_MAIN && (w.Link != 0 && links[w.Link] || addresses[w.To] && w.Priority == 0)
	}
}

// routerDriftLocked compares the router's addresses with the subnets: those that it lacks, and those that the VPC's namespace has
// besides, on whatever link. An address that comes with a subnet is another: all of that would be the router.
func (v *VPC) routerDriftLocked() (list []Drift, lost []netip.Addr, strange []netlink.Addr, err error) {
	have, err := v.Node.Link.AddrList(nil, unix.AF_INET)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("list addresses: %w", err)
	}
	left := map[netip.Prefix]bool{}
	for _, sub := range v.subnets {
		left[Host(Gateway(sub.CIDR))] = true
	}
	for _, a := range have {
		p := prefixOf(a)
		switch {
		case a.LinkIndex == loopback && left[p]:
			delete(left, p)
		case a.LinkIndex != loopback || !p.Addr().IsLoopback():
			strange = append(strange, a)
			text, on := p.String(), "the router"
			if p.IsSingleIP() {
				text = p.Addr().String()
			}
			if a.LinkIndex != loopback {
				on = v.Node.linkName(a.LinkIndex)
			}
			list = append(list, Drift{"address", text + " of " + on, extra})
		}
	}
	for _, id := range sortedKeys(v.subnets) {
		if a := Gateway(v.subnets[id].CIDR); left[Host(a)] {
			lost = append(lost, a)
			list = append(list, Drift{"address", a.String() + " of the router", missing})
		}
	}
	return list, lost, strange, nil
}

// mendRouterLocked makes the router's addresses those of the subnets, and tells which were not.
func (v *VPC) mendRouterLocked() ([]Drift, error) {
	list, lost, strange, err := v.routerDriftLocked()
	if err != nil {
		return nil, err
	}
	for _, a := range strange {
		if err := v.Node.dropAddress(a); err != nil {
			return nil, fmt.Errorf("remove router address %s: %w", a.IPNet, err)
		}
	}
	for _, a := range lost {
		if err := v.Node.Link.AddrAdd(indexed(loopback), hostAddress(a)); err != nil {
			return nil, fmt.Errorf("router address %s: %w", a, err)
		}
	}
	return list, nil
}

// dropAddress takes an address away as the kernel tells of it, with the subnet that it came with. One that went with another, whose
// subnet it shared, has gone.
func (n *Node) dropAddress(a netlink.Addr) error {
	err := n.Link.AddrDel(indexed(a.LinkIndex), &a)
	if errors.Is(err, unix.EADDRNOTAVAIL) {
		return nil
	}
	return err
}
