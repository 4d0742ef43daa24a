package netlab

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"enilab/internal/netns"
	"enilab/internal/undo"
)

// VPC is one customer's network in the kernel: a namespace that routes.
type VPC struct {
	ID   string
	CIDR netip.Prefix
	Node *Node // the router; not for callers to change

	// Drift is how it was not as it should be when it was adopted, and is again.
	Drift []Drift

	undo undo.Stack
	keep bool // its resources are pinned

	mu         sync.Mutex // guards all below
	subnets    map[string]*subnet
	groups     map[string]SecurityGroupSpec
	sets       groupSets
	interfaces map[string]*Interface
	nextIndex  int                 // of the next interface's VPC end
	unclaimed  map[netip.Addr]bool // after an adoption: addresses of interfaces that nobody has adopted yet
}

// ErrNotFound is met when what is to be removed is not there.
var ErrNotFound = errors.New("not found")

// ErrInUse is met when what is to be removed is in use.
var ErrInUse = errors.New("in use")

// vpcSettings make a namespace behave as a VPC's router: it forwards, answers ARP in everybody's name, and lets no
// interface send under an address that is not routed to it (AWS's source/destination check; rp_filter does it with the
// /32 routes, without a rule). They are set before any link exists; links inherit the defaults.
var vpcSettings = []netns.Sysctl{
	{Key: "net/ipv4/ip_forward", Value: "1"},
	{Key: "net/ipv4/conf/default/proxy_arp", Value: "1"},
	{Key: "net/ipv4/conf/default/rp_filter", Value: "1"},
	{Key: "net/ipv4/conf/all/rp_filter", Value: "0"}, // a host's "loose" (2) is inherited and would outvote the line above
	{Key: "net/ipv4/conf/default/send_redirects", Value: "0"},
	{Key: "net/ipv4/conf/all/send_redirects", Value: "0"},
	{Key: "net/ipv4/conf/default/accept_redirects", Value: "0"},
}

// NewVPC builds an empty network: no subnets, no resources. The caller has validated the spec.
func NewVPC(ctx context.Context, s VPCSpec) (_ *VPC, err error) {
	v := newVPC(s)
	defer v.undo.CloseOn(&err)
	if v.Node, err = NewNode(s.ID, slices.Concat(answerARP, vpcSettings)...); err != nil {
		return nil, err
	}
	v.undo.Push(v.Node.Close)
	for _, sub := range s.Subnets {
		if err := v.addSubnetLocked(sub); err != nil {
			return nil, err
		}
	}
	for _, r := range s.Resources { // their rules are known: one commit does for all
		v.sets.add(canonical(r.SecurityGroups))
	}
	if err := v.commit(ctx); err != nil {
		return nil, err
	}
	return v, nil
}

// newVPC is the network as this process knows it: its groups, without a namespace and subnets.
func newVPC(s VPCSpec) *VPC {
	v := &VPC{
		ID: s.ID, CIDR: s.CIDR,
		subnets: map[string]*subnet{}, groups: map[string]SecurityGroupSpec{}, sets: groupSets{next: firstGroupSet}, nextIndex: firstIndex, interfaces: map[string]*Interface{},
	}
	for _, g := range s.SecurityGroups {
		v.groups[g.ID] = g
	}
	return v
}

// Close ends the network. Interfaces end with it; their owners' namespaces do not.
func (v *VPC) Close() error { return v.undo.Close() }

// Interfaces lists the network interfaces that exist in the VPC, ordered by id.
func (v *VPC) Interfaces() []*Interface {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.SortedFunc(maps.Values(v.interfaces), func(a, b *Interface) int { return strings.Compare(a.ID, b.ID) })
}
