package netlab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
)

// AdoptResource takes over a resource of an adopted VPC, with the interface that it has, and its server if that runs
// still: was is the [Resource.State] of old. Otherwise the server is started again in its place. A resource that is not
// there, or not at the address that s says, is fs.ErrNotExist; one that cannot be adopted is ended, unless ctx is, so that it
// can be added anew.
func (l *Lab) AdoptResource(ctx context.Context, vpc string, s ResourceSpec, was ResourceState) (*Resource, error) {
	v := l.VPC(vpc)
	if v == nil {
		return nil, fmt.Errorf("resource %s: there is no vpc %q", s.Name, vpc)
	}
	r, err := v.adoptResource(ctx, s, was)
	if err == nil {
		if err = l.knowResource(r); err != nil {
			err = errors.Join(err, r.letGo())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("vpc %s: resource %s: adopt: %w", vpc, s.Name, err)
	}
	return r, nil
}

func (v *VPC) adoptResource(ctx context.Context, s ResourceSpec, was ResourceState) (_ *Resource, err error) {
	r := &Resource{Name: s.Name, VPC: v.ID, Spec: s}
	if r.Node, err = OpenNode(v.nodeName(s)); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.letGo())
			if ctx.Err() == nil {
				err = errors.Join(err, EndPinned(r.Node.Name))
			}
		}
	}()
	id, address, err := v.interfaceOf(r.Node, was.Address)
	if err != nil {
		return nil, err
	}
	if s.Address.IsValid() && address != s.Address { // it was to be made anew
		return nil, fmt.Errorf("it has the address %v, and is to have %v: %w", address, s.Address, fs.ErrNotExist)
	}
	if was.Attachment == "" {
		was.Attachment = NewID("eni-attach-")
	}
	r.Interface, err = v.AdoptInterface(InterfaceSpec{
		ID: id, Description: r.description(), Subnet: s.Subnet, SecurityGroups: s.SecurityGroups, Address: address,
		Attachment: Attachment{ID: was.Attachment},
	})
	if err != nil {
		return nil, err
	}
	r.process, err = adoptProcess(r.Node, s.Command[0], was.ProcessState)
	if errors.Is(err, fs.ErrNotExist) {
		if err = endProcessesIn(r.Node.NS); err == nil {
			err = r.startServer(ctx)
		}
	}
	if err != nil {
		return nil, err
	}
	r.undo.Push(r.Node.Close)
	r.undo.Push(func() error { r.Interface.Forget(); return nil })
	r.undo.Push(r.closeServer)
	return r, nil
}

// letGo gives up an adoption that failed, and leaves what is there.
func (r *Resource) letGo() error {
	if p := r.Process(); p != nil {
		p.release()
	}
	if r.Interface != nil {
		r.Interface.Forget()
	}
	return r.Node.Release()
}

// interfaceOf tells the id and address of the interface whose eth0 is in a node; the address that it had if the VPC has no
// route to it any more, which is for [VPC.Sweep] to mend.
func (v *VPC) interfaceOf(owner *Node, had netip.Addr) (id string, address netip.Addr, err error) {
	end, err := owner.Link.LinkByName(OwnerLink)
	if err != nil {
		return "", address, fmt.Errorf("%s of %s: %w", OwnerLink, owner.Name, err)
	}
	link, err := v.Node.Link.LinkByIndex(end.Attrs().ParentIndex) // of a veth: the other end
	if err != nil {
		return "", address, fmt.Errorf("the VPC's end of %s: %w", owner.Name, err)
	}
	routed, err := v.Node.routed(link)
	if err == nil && len(routed) == 0 && had.IsValid() {
		routed = append(routed, had)
	}
	if err == nil && len(routed) != 1 {
		err = fmt.Errorf("link %s has the addresses %v, want one", link.Attrs().Name, routed)
	}
	if err != nil {
		return "", address, err
	}
	return link.Attrs().Alias, routed[0], nil
}
