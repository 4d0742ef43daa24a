package netlab

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"enilab/internal/ruleset"
)

// Drift is one thing in the kernel that is not as the lab has made it: somebody else has changed it since.
type Drift struct {
	Kind string `json:"kind"` // "rule", "link", "address", "route" or "neighbour"
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
// interface that is complete its link, route and hardware address. It changes nothing, and runs iptables. What is being
// made or ended meanwhile may be told of: what is found twice has drifted.
func (v *VPC) Check() ([]Drift, error) { return v.look(context.Background(), false) }

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
		var lost, strange []netip.Addr
		lost, strange, err = v.routerDriftLocked()
		router = routerDrift(lost, strange)
	}
	if err != nil {
		return nil, err
	}
	interfaces, err := v.interfaceDriftLocked(mend)
	return slices.Concat(list, router, interfaces), err
}

// routerDriftLocked compares the router's addresses with the subnets.
func (v *VPC) routerDriftLocked() (lost, strange []netip.Addr, err error) {
	have, err := v.Node.addresses(loopback)
	for _, id := range sortedKeys(v.subnets) {
		if a := Gateway(v.subnets[id].CIDR); !slices.Contains(have, a) {
			lost = append(lost, a)
		}
	}
	for _, a := range have {
		if !a.IsLoopback() && !slices.ContainsFunc(sortedKeys(v.subnets), func(id string) bool { return Gateway(v.subnets[id].CIDR) == a }) {
			strange = append(strange, a)
		}
	}
	return lost, strange, err
}

func routerDrift(lost, strange []netip.Addr) (list []Drift) {
	for _, a := range lost {
		list = append(list, Drift{"address", a.String() + " of the router", missing})
	}
	for _, a := range strange {
		list = append(list, Drift{"address", a.String() + " of the router", extra})
	}
	return list
}

// mendRouterLocked makes the router's addresses those of the subnets, and tells which were not.
func (v *VPC) mendRouterLocked() ([]Drift, error) {
	lost, strange, err := v.routerDriftLocked()
	if err != nil {
		return nil, err
	}
	for _, a := range strange {
		if err := v.Node.Link.AddrDel(indexed(loopback), hostAddress(a)); err != nil {
			return nil, fmt.Errorf("remove router address %s: %w", a, err)
		}
	}
	for _, a := range lost {
		if err := v.Node.Link.AddrAdd(indexed(loopback), hostAddress(a)); err != nil {
			return nil, fmt.Errorf("router address %s: %w", a, err)
		}
	}
	return routerDrift(lost, strange), nil
}
