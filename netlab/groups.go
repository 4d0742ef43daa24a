package netlab

import (
	"context"
	"fmt"
	"slices"
)

// HasSecurityGroup tells whether the VPC has this group.
func (v *VPC) HasSecurityGroup(id string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, ok := v.groups[id]
	return ok
}

// SetSecurityGroup adds or changes a group and commits the VPC's rules. Tracked connections go on, as on AWS.
func (v *VPC) SetSecurityGroup(ctx context.Context, g SecurityGroupSpec) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	before, had := v.groups[g.ID]
	v.groups[g.ID] = g
	if err := v.commit(ctx); err != nil {
		if had {
			v.groups[g.ID] = before
		} else {
			delete(v.groups, g.ID)
		}
		return err
	}
	return nil
}

// RemoveSecurityGroup removes a group that no interface has and no other group's rule names.
func (v *VPC) RemoveSecurityGroup(ctx context.Context, id string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	before, ok := v.groups[id]
	if !ok {
		return fmt.Errorf("vpc %s: security group %s: %w", v.ID, id, ErrNotFound)
	}
	for _, i := range v.interfaces {
		if slices.Contains(i.groups, id) {
			return fmt.Errorf("vpc %s: security group %s: %w: interface %s has it", v.ID, id, ErrInUse, i.ID)
		}
	}
	for _, other := range v.groups {
		for _, r := range slices.Concat(other.Ingress, other.Egress) {
			if r.Group == id && other.ID != id {
				return fmt.Errorf("vpc %s: security group %s: %w: a rule of %s names it", v.ID, id, ErrInUse, other.ID)
			}
		}
	}
	sets := v.sets
	v.sets.drop(id)
	delete(v.groups, id)
	if err := v.commit(ctx); err != nil {
		v.sets, v.groups[id] = sets, before
		return err
	}
	return nil
}

// SecurityGroups lists the VPC's groups, ordered by id.
func (v *VPC) SecurityGroups() (list []SecurityGroupSpec) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, id := range sortedKeys(v.groups) {
		list = append(list, v.groups[id])
	}
	return list
}

// UseGroups makes a combination of security groups ready for interfaces: it gets its number and its rules. Doing so
// ahead of time keeps rules off the path of a new interface.
func (v *VPC) UseGroups(ctx context.Context, groups []string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, err := v.useGroupsLocked(ctx, groups)
	return err
}

func (v *VPC) useGroupsLocked(ctx context.Context, groups []string) (uint32, error) {
	groups = canonical(groups)
	if number, ok := v.sets.find(groups); ok {
		return number, nil
	}
	known := map[string]bool{}
	for id := range v.groups {
		known[id] = true
	}
	if errs := checkGroups(groups, known); len(errs) > 0 {
		return 0, fmt.Errorf("vpc %s: %w", v.ID, errs[0])
	}
	before := v.sets
	number := v.sets.add(groups)
	if err := v.commit(ctx); err != nil {
		v.sets = before
		return 0, err
	}
	return number, nil
}

// commit replaces the namespace's whole ruleset, whatever becomes of the context. Callers hold mu, or nobody else knows v yet.
func (v *VPC) commit(ctx context.Context) error { return v.Node.Apply(ctx, v.planLocked().text()) }

func (v *VPC) planLocked() filterPlan { return planFilter(v.groups, v.sets.list) }

// RuleCounts tells what the kernel has counted for each rule. It runs iptables.
func (v *VPC) RuleCounts() ([]RuleCount, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	have, err := v.Node.Rules(filterTable)
	if err != nil {
		return nil, fmt.Errorf("vpc %s: rules: %w", v.ID, err)
	}
	return v.planLocked().counts(have)
}

const filterTable = "filter"
