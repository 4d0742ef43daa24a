package netlab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"sync"

	"enilab/internal/undo"

	"golang.org/x/sync/errgroup"
)

// Lab holds the customer networks there are, and their servers. All methods are safe for concurrent use.
type Lab struct {
	// Keep pins VPCs and resources that are added, so that they outlive this process and can be adopted. It is set before
	// the first is added.
	Keep bool

	mu        sync.Mutex // guards all below
	vpcs      map[string]*VPC
	resources map[string]*Resource // "vpc/name"
}

// NewLab makes a lab with nothing in it.
func NewLab() *Lab { return &Lab{vpcs: map[string]*VPC{}, resources: map[string]*Resource{}} }

// Build makes everything that the spec describes, or nothing.
func (s Spec) Build(ctx context.Context) (_ *Lab, err error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	lab := NewLab()
	var undo undo.Stack
	defer undo.CloseOn(&err)
	undo.Push(lab.Close)
	all, building := errgroup.WithContext(ctx)
	all.SetLimit(runtime.GOMAXPROCS(0))
	for _, spec := range s.VPCs { // they have nothing in common
		all.Go(func() error { return lab.build(building, spec) })
	}
	if err := all.Wait(); err != nil {
		return nil, err
	}
	return lab, nil
}

// build adds one network with its resources.
func (l *Lab) build(ctx context.Context, s VPCSpec) error {
	if _, err := l.AddVPC(ctx, s); err != nil {
		return err
	}
	for _, r := range s.resourcesByNeed() {
		if _, err := l.AddResource(ctx, s.ID, r); err != nil {
			return err
		}
	}
	return nil
}

// AddVPC builds one more network, without its resources. The caller has validated the spec.
func (l *Lab) AddVPC(ctx context.Context, s VPCSpec) (*VPC, error) {
	if l.VPC(s.ID) != nil {
		return nil, fmt.Errorf("vpc %s: there is one of this name already", s.ID)
	}
	vpc, err := NewVPC(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("vpc %s: %w", s.ID, err)
	}
	if vpc.keep = l.Keep; vpc.keep {
		err = vpc.Node.Pin()
	}
	if err == nil {
		err = l.knowVPC(vpc)
	}
	if err != nil {
		return nil, errors.Join(err, vpc.Close())
	}
	return vpc, nil
}

func (l *Lab) knowVPC(v *VPC) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.vpcs[v.ID] != nil {
		return fmt.Errorf("vpc %s: there is one of this name already", v.ID)
	}
	l.vpcs[v.ID] = v
	return nil
}

// RemoveVPC ends a network. Its resources have been removed before. One that is not there is no error.
func (l *Lab) RemoveVPC(id string) error {
	l.mu.Lock()
	vpc := l.vpcs[id]
	delete(l.vpcs, id)
	l.mu.Unlock()
	if vpc == nil {
		return nil
	}
	return vpc.Close()
}

// AddResource starts one more server in a VPC and returns when it serves.
func (l *Lab) AddResource(ctx context.Context, vpc string, s ResourceSpec) (*Resource, error) {
	v := l.VPC(vpc)
	if v == nil {
		return nil, fmt.Errorf("resource %s: there is no vpc %q", s.Name, vpc)
	}
	r, err := v.AddResource(ctx, s)
	if err == nil {
		if err = l.knowResource(r); err != nil {
			err = errors.Join(err, r.Close())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("vpc %s: %w", vpc, err)
	}
	return r, nil
}

func (l *Lab) knowResource(r *Resource) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := r.VPC + "/" + r.Name
	if l.resources[key] != nil {
		return fmt.Errorf("resource %s: there is one of this name already", r.Name)
	}
	l.resources[key] = r
	return nil
}

// RemoveResource ends a server. One that is not there is no error.
func (l *Lab) RemoveResource(vpc, name string) error {
	l.mu.Lock()
	r := l.resources[vpc+"/"+name]
	delete(l.resources, vpc+"/"+name)
	l.mu.Unlock()
	if r == nil {
		return nil
	}
	return r.Close()
}

// Close ends all of the lab, servers first, visits everything, and may be called twice.
func (l *Lab) Close() (err error) {
	l.mu.Lock()
	vpcs, resources := l.vpcs, l.resources
	l.vpcs, l.resources = map[string]*VPC{}, map[string]*Resource{}
	l.mu.Unlock()
	for _, name := range sortedKeys(resources) {
		err = errors.Join(err, resources[name].Close())
	}
	for _, id := range sortedKeys(vpcs) {
		err = errors.Join(err, vpcs[id].Close())
	}
	return err
}

// VPC returns the network with this id, or nil.
func (l *Lab) VPC(id string) *VPC {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.vpcs[id]
}

// VPCs returns all networks by id.
func (l *Lab) VPCs() map[string]*VPC {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.vpcs)
}

// Resource returns a server by its VPC and name, or nil.
func (l *Lab) Resource(vpc, name string) *Resource {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.resources[vpc+"/"+name]
}

// Resources lists all servers, ordered by VPC and name.
func (l *Lab) Resources() (list []*Resource) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, key := range sortedKeys(l.resources) {
		list = append(list, l.resources[key])
	}
	return list
}
