package lambda

import (
	"context"
	"errors"
	"slices"
	"time"

	"enilab/internal/events"
	"enilab/internal/spelling"
	"enilab/netlab"

	"github.com/google/uuid"
)

// check looks whether a kept interface can still send.
func (m *legacyENIs) check(ctx context.Context, e *legacyENI) error {
	err := e.iface.AwaitUp(ctx, e.slot.Node)
	if err != nil {
		m.mu.Lock()
		e.broken = true
		m.closeLocked(e)
		m.mu.Unlock()
	}
	return err
}

// reserve makes what EC2's first call needs: the right, a place in the Region's quota, the API's permission, an address.
func (m *legacyENIs) reserve(ctx context.Context, n *legacyNetwork, e *legacyENI) (err error) {
	if err := n.service.permit(n.role); err != nil {
		return err
	}
	quota := n.service.Quotas.interfaces()
	m.mu.Lock()
	count := m.count
	if e.quota = count < quota; e.quota {
		m.count++
	}
	m.mu.Unlock()
	if !e.quota {
		return fails(limitReached, "Lambda has %s; the quota of the Region is %d", spelling.Counted(count, "interface"), quota)
	}
	if !m.create.take() {
		return fails(throttled, "CreateNetworkInterface: Request limit exceeded.")
	}
	if !m.attach.take() {
		return fails(throttled, "AttachNetworkInterface: Request limit exceeded.")
	}
	e.iface, err = n.vpc.NewInterface(ctx, netlab.InterfaceSpec{
		Description: legacyDescription + uuid.NewString(), Subnet: e.key.subnet, SecurityGroups: n.config.SecurityGroupIDs,
		Type: "interface", Attachment: netlab.Attachment{ID: netlab.NewID("eni-attach-"), InstanceOwner: "aws-lambda", DeviceIndex: 1},
	})
	if err == nil {
		m.tell(e, events.ENICreated, "available")
	}
	return err
}

// attached records that the interface is in its namespace.
func (m *legacyENIs) attached(e *legacyENI, err error) error {
	if e.moved = err == nil; e.moved {
		m.tell(e, events.ENIState, "in-use")
	}
	return err
}

// leave is the end of an environment: the last one's interface is kept for a while, or ends. The processes are gone.
func (m *legacyENIs) leave(a *legacyAttachment) error {
	e := a.eni
	var err error
	switch a.home {
	case nil:
	case e.slot:
		err = e.slot.Vacate()
	default:
		err = a.home.Close()
	}
	if a.way == made {
		e.settle(errGivenUp) // if there is no word yet
	}
	m.mu.Lock()
	e.lodged = slices.DeleteFunc(e.lodged, func(n int) bool { return n == a.lodging })
	last := len(e.lodged) == 0
	useless := e.broken || e.hasFailed()
	keep := !useless && m.service.Quotas.KeepInterfaces > 0 && m.service.open.Err() == nil
	if last || useless {
		m.closeLocked(e)
	}
	m.mu.Unlock()
	if !last {
		return err
	}
	if keep {
		kept, keepErr := m.keep(e)
		if err = errors.Join(err, keepErr); kept {
			return err
		}
	}
	return errors.Join(err, m.end(e))
}

// keep parks a fresh process beside the interface and lets it wait for the next environment.
func (m *legacyENIs) keep(e *legacyENI) (kept bool, err error) {
	m.mu.Lock()
	n := e.lodge()
	m.mu.Unlock()
	spare, err := m.park(m.service.open, e.slot, n)
	if err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e.spare = spare
	if m.closed {
		return false, nil
	}
	e.expiry = time.AfterFunc(m.service.Quotas.KeepInterfaces, func() { m.expire(e) })
	m.kept[e.key] = append(m.kept[e.key], e)
	return true, nil
}

// expire ends an interface that nobody has come to use.
func (m *legacyENIs) expire(e *legacyENI) {
	m.mu.Lock()
	at := slices.Index(m.kept[e.key], e)
	if m.closed || at < 0 {
		m.mu.Unlock()
		return
	}
	m.kept[e.key] = slices.Delete(m.kept[e.key], at, at+1)
	m.ends.Add(1)
	m.mu.Unlock()
	defer m.ends.Done()
	if err := m.end(e); err != nil {
		m.service.Log.Warn("end a kept interface", "eni", e.iface.ID, "error", err)
	}
}

// end gives everything back. As a rule the interface ends with the namespace, for a hundredth of the cost of deleting
// it; only one that never got there is deleted.
func (m *legacyENIs) end(e *legacyENI) (err error) {
	if e.iface != nil && !e.moved {
		err = e.iface.Delete()
	}
	if e.spare != nil {
		err = errors.Join(err, e.spare.Close())
	}
	if e.slot != nil {
		err = errors.Join(err, e.slot.Close())
	}
	if e.moved {
		e.iface.Forget()
	}
	if e.quota {
		m.mu.Lock()
		m.count--
		m.mu.Unlock()
	}
	if e.iface != nil {
		m.tell(e, events.ENIDeleted, "")
	}
	return err
}

// drop ends the kept interfaces that match.
func (m *legacyENIs) drop(match func(eniKey) bool) (err error) {
	m.mu.Lock()
	var unused []*legacyENI
	for key, list := range m.kept {
		if match(key) {
			unused = append(unused, list...)
			delete(m.kept, key)
		}
	}
	m.mu.Unlock()
	for _, e := range unused {
		e.expiry.Stop()
		err = errors.Join(err, m.end(e))
	}
	return err
}

func (m *legacyENIs) close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.ends.Wait()
	return m.drop(func(eniKey) bool { return true })
}

func (m *legacyENIs) tell(e *legacyENI, what events.Type, state string) {
	if m.service.Events == nil {
		return // a cold start waits
	}
	m.service.Events.Publish(events.Event{
		Type: what, ENI: e.iface.ID, VPC: e.key.vpc, Subnet: e.key.subnet, State: state,
		Detail: map[string]string{"mode": string(Legacy), "address": e.iface.Address.String()},
	})
}
