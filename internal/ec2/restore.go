package ec2

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"

	"enilab/internal/events"
	"enilab/netlab"
)

// Restore reads what should be from the state and makes the kernel so: networks that outlived the former control plane
// are adopted, the others are built. A service that has networks already is not restored.
//
// Interfaces of servers and of Lambda are for those to adopt afterwards; only then may what is left be swept.
func (s *Service) Restore(ctx context.Context) error {
	s.change.Lock()
	defer s.change.Unlock()
	if err := s.read(); err != nil {
		return fmt.Errorf("ec2: %w", err)
	}
	for _, vpc := range sortedValues(s.vpcs) {
		if err := s.restoreVPC(ctx, vpc); err != nil {
			return fmt.Errorf("ec2: %w", err)
		}
	}
	for _, rec := range sortedValues(s.interfaces) {
		if err := s.restoreInterface(ctx, rec); err != nil {
			return fmt.Errorf("ec2: %w", err)
		}
	}
	return nil
}

// Recall reads what should be, and makes nothing of it: all but network interfaces can be described as they will be once the lab is
// up. It returns the interfaces that stand alone.
func (s *Service) Recall() (interfaces []netlab.InterfaceSpec, err error) {
	s.change.Lock()
	defer s.change.Unlock()
	if err := s.read(); err != nil {
		return nil, fmt.Errorf("ec2: %w", err)
	}
	for _, rec := range sortedValues(s.interfaces) {
		interfaces = append(interfaces, rec.spec())
	}
	return interfaces, nil
}

// read fills the shelves from the state, and drops what has lost what it was in: that cannot be, but it could not be built.
func (s *Service) read() error {
	err := errors.Join(s.vpcs.read(), s.subnets.read(), s.groups.read(), s.interfaces.read(), s.tags.read())
	maps.DeleteFunc(s.subnets.all, func(_ string, v Subnet) bool { return !has(s.vpcs, v.VpcID) })
	maps.DeleteFunc(s.groups.all, func(_ string, g SecurityGroup) bool { return !has(s.vpcs, g.VpcID) })
	maps.DeleteFunc(s.interfaces.all, func(_ string, r standalone) bool { return !has(s.subnets, r.SubnetID) })
	return err
}

func (sh *shelf[T]) read() error {
	all, err := sh.table.All()
	if err == nil {
		maps.Copy(sh.all, all)
	}
	return err
}

func has[T any](sh *shelf[T], id string) bool {
	_, ok := sh.all[id]
	return ok
}

// restoreVPC adopts a network or builds it. One that is there and cannot be adopted is built anew: those in it will find
// that theirs is gone.
func (s *Service) restoreVPC(ctx context.Context, vpc Vpc) error {
	spec := s.specOf(vpc)
	reason := ""
	if s.Network.Keep { // else nothing can have outlived anybody, and names under /run/netns are others'
		_, err := s.Network.AdoptVPC(ctx, spec)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if !errors.Is(err, fs.ErrNotExist) {
			reason = err.Error()
			if err := netlab.EndPinned(vpc.VpcID); err != nil {
				return err
			}
		}
	}
	if _, err := s.Network.AddVPC(ctx, spec); err != nil {
		return err
	}
	s.Events.Publish(events.Event{Type: events.VPCCreated, VPC: vpc.VpcID, State: "available", Reason: reason})
	return nil
}

// specOf is a VPC with all that the records say is in it.
func (s *Service) specOf(vpc Vpc) netlab.VPCSpec {
	spec := netlab.VPCSpec{ID: vpc.VpcID, CIDR: vpc.CidrBlock}
	for _, sub := range sortedValues(s.subnets) {
		if sub.VpcID == vpc.VpcID {
			spec.Subnets = append(spec.Subnets, sub.spec())
		}
	}
	for _, g := range sortedValues(s.groups) {
		if g.VpcID == vpc.VpcID {
			spec.SecurityGroups = append(spec.SecurityGroups, g.spec())
		}
	}
	return spec
}

// restoreInterface makes an interface that stands alone. A link of a former control plane's is replaced: nobody owns its
// other end, so nothing goes through it.
func (s *Service) restoreInterface(ctx context.Context, rec standalone) error {
	vpc := s.Network.VPC(rec.VpcID)
	i, err := vpc.NewInterface(ctx, rec.spec())
	if err != nil {
		return err
	}
	if old, err := vpc.Node.Link.LinkByName(i.LinkName()); err == nil {
		if err := vpc.Node.Link.LinkDel(old); err != nil {
			return errors.Join(fmt.Errorf("%s: remove the former link: %w", rec.ID, err), i.Delete())
		}
	}
	if err := i.Create(); err != nil {
		return errors.Join(err, i.Delete())
	}
	s.Events.Publish(events.Event{Type: events.ENIAdopted, ENI: rec.ID, VPC: rec.VpcID, Subnet: rec.SubnetID, State: "available"})
	return nil
}
