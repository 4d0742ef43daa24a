package lambda

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"enilab/internal/events"
	"enilab/internal/undo"
	"enilab/nat"
	"enilab/netlab"

	"github.com/google/uuid"
)

// sharedENI is one Hyperplane ENI.
type sharedENI struct {
	*nat.ENI
	record eniRecord
	iface  *netlab.Interface // nil for the provider's
	undo   undo.Stack

	bound int // environments; guarded by the fleet's mu, like the next
	load  int // connections
}

// eniRecord is a Hyperplane ENI as it is desired. It is written before the ENI is built and deleted when that is gone.
type eniRecord struct {
	ID          string     `json:"id"`            // also of the namespace and its pin
	VPC         string     `json:"vpc,omitempty"` // empty: the provider's own, whose address is a public one
	Subnet      string     `json:"subnet,omitempty"`
	Groups      string     `json:"groups,omitempty"`
	Function    string     `json:"function"`
	Description string     `json:"description"`
	Attachment  string     `json:"attachment"`
	Address     netip.Addr `json:"address"`
	Created     time.Time  `json:"created"`
}

func (r eniRecord) key() eniKey { return eniKey{r.VPC, r.Subnet, r.Groups} }

// spec is the record as the VPC knows it.
func (r eniRecord) spec() netlab.InterfaceSpec {
	return netlab.InterfaceSpec{
		ID: r.ID, Description: r.Description, Subnet: r.Subnet, SecurityGroups: r.key().groupIDs(), Address: r.Address,
		Type: "lambda", Attachment: netlab.Attachment{ID: r.Attachment, InstanceOwner: "amazon-aws", DeviceIndex: 1},
	}
}

// make makes one more ENI of a fleet.
func (m *sharedENIs) make(ctx context.Context, f *fleet) (*sharedENI, error) {
	e := &sharedENI{record: eniRecord{
		ID: netlab.NewID("eni-"), VPC: f.key.vpc, Subnet: f.key.subnet, Groups: f.key.groups, Function: f.function,
		Description: sharedDescription + f.function + "-" + uuid.NewString(), Attachment: netlab.NewID("ela-attach-"),
		Created: time.Now().UTC(),
	}}
	if err := m.count(f.key.vpc); err != nil {
		return nil, err
	}
	if err := m.build(ctx, e); err != nil {
		m.uncount(f.key.vpc)
		return nil, err
	}
	return e, nil
}

// count takes one ENI of the VPC's quota.
func (m *sharedENIs) count(vpc string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if quota := m.service.Quotas.hyperplaneENIs(); vpc != "" && m.perVPC[vpc] >= quota {
		return fails(limitReached, "%s has %d Hyperplane ENIs; the quota is %d", vpc, m.perVPC[vpc], quota)
	}
	m.perVPC[vpc]++
	return nil
}

func (m *sharedENIs) uncount(vpc string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.perVPC[vpc]--
}

// build makes the kernel's part of an ENI: of a new one, or of one that a record describes to the last digit.
func (m *sharedENIs) build(ctx context.Context, e *sharedENI) (err error) {
	select {
	case m.turns <- struct{}{}:
		defer func() { <-m.turns }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.undo.Close(), m.forget(e))
		}
	}()
	e.ENI, err = m.service.Hyperplane.NewENI(ctx, m.config(e, func(ctx context.Context, owner *netlab.Node) (netip.Addr, error) {
		return m.connect(ctx, e, owner)
	}))
	if err != nil {
		return err
	}
	e.undo.Push(e.ENI.Close)
	m.tell(e, events.ENIState, "in-use")
	return nil
}

func (m *sharedENIs) config(e *sharedENI, uplink func(context.Context, *netlab.Node) (netip.Addr, error)) nat.ENIConfig {
	return nat.ENIConfig{
		Name: e.record.ID, Capacity: m.capacity(), Uplink: uplink,
		Keep: m.service.State != nil, // what nobody remembers, nobody could adopt
	}
}

// connect gives an ENI its interface in the subnet, or its way out. The record is written once the address is known and
// before anything of the interface exists.
func (m *sharedENIs) connect(ctx context.Context, e *sharedENI, owner *netlab.Node) (addr netip.Addr, err error) {
	if e.record.VPC == "" {
		if err := m.table.Put(e.record.ID, e.record); err != nil {
			return addr, err
		}
		m.tell(e, events.ENICreated, "pending")
		addr, err := m.service.Internet.Connect(ctx, owner)
		if err == nil {
			e.undo.Push(func() error { return m.service.Internet.Disconnect(addr) })
		}
		return addr, err
	}
	vpc := m.service.Network.VPC(e.record.VPC)
	if vpc == nil {
		return addr, fails(noSubnet, "there is no vpc %s any more", e.record.VPC)
	}
	spec := e.record.spec()
	i, err := vpc.NewInterface(ctx, spec)
	if err != nil {
		return addr, diagnose(vpc, spec.Subnet, spec.SecurityGroups, err)
	}
	e.iface = i
	e.undo.Push(func() error { i.Forget(); return nil }) // the link ends with the namespace
	e.record.Address = i.Address
	if err := m.table.Put(e.record.ID, e.record); err != nil {
		return addr, err
	}
	m.tell(e, events.ENICreated, "pending")
	for _, step := range []func() error{
		func() error { return i.CreateIn(owner) },
		func() error { return i.Configure(owner) },
		i.Publish,
		func() error { return i.AwaitUp(ctx, owner) },
	} {
		if err := step(); err != nil {
			return addr, err
		}
	}
	return i.Address, nil
}

// forget takes an ENI out of what is desired: unless the whole control plane ends, with which nothing of that changes.
func (m *sharedENIs) forget(e *sharedENI) error {
	if m.service.open.Err() != nil {
		return nil
	}
	return m.table.Delete(e.record.ID)
}

// end gives back all that an ENI is.
func (m *sharedENIs) end(e *sharedENI) error {
	err := e.undo.Close()
	m.uncount(e.record.VPC)
	err = errors.Join(err, m.forget(e))
	m.tell(e, events.ENIDeleted, "")
	if err != nil {
		return fmt.Errorf("end %s: %w", e.record.ID, err)
	}
	return nil
}

func (m *sharedENIs) tell(e *sharedENI, what events.Type, state string) {
	m.service.Events.Publish(events.Event{
		Type: what, ENI: e.record.ID, VPC: e.record.VPC, Subnet: e.record.Subnet, Function: e.record.Function, State: state,
		Detail: map[string]string{"mode": string(Shared), "address": e.record.Address.String()},
	})
}
