package lambda

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"

	"enilab/netlab"
	"enilab/sandbox"
)

// legacyNetwork is the way until 2019: every environment gets a network interface of its own in the customer's subnet,
// while the cold start waits. By the lab's settings an environment may also find one that another has left, or share
// that of its function's other environments.
type legacyNetwork struct {
	service *Service
	vpc     *netlab.VPC
	config  VpcConfig
	role    string
	inPlace bool
	share   int           // environments that one interface serves
	turn    atomic.Uint32 // environments take the subnets in turn
}

// prepareLegacy makes nothing that a customer could see: only the rules of the security groups.
func (s *Service) prepareLegacy(ctx context.Context, vpc *netlab.VPC, c FunctionConfiguration) (network, error) {
	if err := vpc.UseGroups(ctx, c.VpcConfig.SecurityGroupIDs); err != nil {
		return nil, diagnose(vpc, c.VpcConfig.SubnetIDs[0], c.VpcConfig.SecurityGroupIDs, err)
	}
	return &legacyNetwork{
		service: s, vpc: vpc, config: c.VpcConfig, role: c.Role, inPlace: c.Mode == LegacyInPlace,
		share: s.Quotas.environmentsPerInterface(c.MemorySize),
	}, nil
}

func (n *legacyNetwork) release() error { return nil }

// keys are the interfaces that would do, beginning with the subnet whose turn it is.
func (n *legacyNetwork) keys() []eniKey {
	first := int(n.turn.Add(1) - 1)
	keys := make([]eniKey, len(n.config.SubnetIDs))
	for i := range keys {
		keys[i] = keyOf(n.vpc.ID, n.config.SubnetIDs[(first+i)%len(keys)], n.config.SecurityGroupIDs)
	}
	return keys
}

// place finds an interface with room for one more environment, or one that was kept, and else an empty slot for a new
// one.
func (n *legacyNetwork) place(ctx context.Context) (attachment, error) {
	m := n.service.legacy
	a := m.find(ctx, n)
	if err := m.house(ctx, a); err != nil {
		return nil, errors.Join(err, m.leave(a))
	}
	return a, nil
}

// way is how an environment came to its interface.
type way int

const (
	made   way = iota // it makes it
	reused            // it finds one that another environment has left
	joined            // it shares one with others
)

type legacyAttachment struct {
	ctx     context.Context // of the cold start
	network *legacyNetwork
	eni     *legacyENI
	home    *sandbox.Slot
	way     way
	lodging int // which of the namespace's environments it is
}

func (a *legacyAttachment) slot() *sandbox.Slot { return a.home }

// steps make an interface in the subnet, put it into the environment's namespace, configure it, tell the VPC where it
// is, and wait until it can send.
func (a *legacyAttachment) steps() []sandbox.Step {
	e, n, m := a.eni, a.network, a.network.service.legacy
	owner := e.slot.Node
	switch a.way {
	case reused:
		return []sandbox.Step{{Name: "reuse", Run: func() error { return m.check(a.ctx, e) }}}
	case joined:
		join := sandbox.Step{Name: "join", Waits: true, Run: func() error { return e.await(a.ctx) }}
		if n.service.Model.delay(interfaceAttach) > 0 { // it waits for the other's modelled step, too
			join.Name, join.Kind = "model.join", sandbox.Modelled
		}
		return []sandbox.Step{join}
	}
	var steps []sandbox.Step
	step := func(name string, run func() error) {
		steps = append(steps, sandbox.Step{Name: name, Run: func() error {
			err := run()
			if err != nil {
				e.settle(diagnose(n.vpc, e.key.subnet, n.config.SecurityGroupIDs, err))
				return e.failed
			}
			return nil
		}})
	}
	step("reserve", func() error { return m.reserve(a.ctx, n, e) })
	if n.inPlace {
		step("create", func() error { return m.attached(e, e.iface.CreateIn(owner)) })
	} else {
		step("create", func() error { return e.iface.Create() })
		step("move", func() error { return m.attached(e, e.iface.Attach(owner)) })
	}
	steps = append(steps, n.service.Model.steps(a.ctx, "model.eni-attach", interfaceAttach)...)
	step("configure", func() error { return e.iface.Configure(owner) })
	step("publish", func() error { return e.iface.Publish() })
	step("up", func() error {
		err := e.iface.AwaitUp(a.ctx, owner)
		if err == nil {
			e.settle(nil)
		}
		return err
	})
	return steps
}

func (a *legacyAttachment) seen() (string, netip.Addr) {
	if a.eni.iface == nil {
		return "", netip.Addr{}
	}
	return a.eni.iface.ID, a.eni.iface.Address
}

// end gives the interface back: to be kept for the next environment, or to end with its namespace.
func (a *legacyAttachment) end() error { return a.network.service.legacy.leave(a) }
