package lambda

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"

	"enilab/nat"
	"enilab/netlab"
	"enilab/sandbox"
)

// sharedNetwork is the way since 2019: environments reach the customer's VPC through Hyperplane ENIs that were made
// ahead of time, for each subnet and security-group set, and belong to no function alone.
type sharedNetwork struct {
	service *Service
	fleets  []*fleet      // one for each subnet
	turn    atomic.Uint32 // environments take the subnets in turn
}

// prepareShared makes the ENIs, or finds them: other functions may have them in use already.
func (s *Service) prepareShared(ctx context.Context, vpc *netlab.VPC, c FunctionConfiguration) (_ network, err error) {
	n := &sharedNetwork{service: s}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.release())
		}
	}()
	for _, subnet := range c.VpcConfig.SubnetIDs {
		f, err := s.shared.acquire(ctx, keyOf(vpc.ID, subnet, c.VpcConfig.SecurityGroupIDs), c)
		if err != nil {
			return nil, err
		}
		n.fleets = append(n.fleets, f)
	}
	return n, nil
}

// prepareProvider serves functions without a VPC: ENIs of the provider's own, with the internet behind them.
func (s *Service) prepareProvider(ctx context.Context, c FunctionConfiguration) (network, error) {
	f, err := s.shared.acquire(ctx, eniKey{}, c)
	if err != nil {
		return nil, err
	}
	return &sharedNetwork{service: s, fleets: []*fleet{f}}, nil
}

func (n *sharedNetwork) release() (err error) {
	for _, f := range n.fleets {
		err = errors.Join(err, n.service.shared.release(f))
	}
	return err
}

// place takes a slot that is ready, and an ENI that has room.
func (n *sharedNetwork) place(ctx context.Context) (attachment, error) {
	slot, err := n.service.tunnels.Take(ctx)
	if err != nil {
		return nil, err
	}
	f := n.fleets[int(n.turn.Add(1)-1)%len(n.fleets)]
	return &sharedAttachment{
		fleet: f, eni: f.place(), home: slot,
		tunnel: nat.Tunnel{
			Address: slot.Address, MAC: slot.MAC, VNI: nat.VNI(slot.VNI), Worker: slot.Worker.VTEP,
			Device: slot.Device, Slot: slot.Node,
		},
	}, nil
}

type sharedAttachment struct {
	fleet  *fleet
	eni    *sharedENI
	home   *sandbox.Slot
	tunnel nat.Tunnel
	bound  bool
}

func (a *sharedAttachment) slot() *sandbox.Slot { return a.home }

// steps tell the slot and the ENI of each other. They create nothing.
func (a *sharedAttachment) steps() []sandbox.Step {
	return []sandbox.Step{
		{Name: "slot-to-eni", Run: func() error { a.bound = true; return a.eni.Forward(a.tunnel) }},
		{Name: "eni-to-slot", Run: func() error { return a.eni.Return(a.tunnel) }},
	}
}

func (a *sharedAttachment) seen() (string, netip.Addr) { return a.eni.record.ID, a.eni.Address }

// end takes the entries away, which ends the environment's connections, and closes the slot.
func (a *sharedAttachment) end() (err error) {
	if a.bound {
		err = a.eni.Unbind(a.tunnel)
	}
	a.fleet.leave(a.eni)
	return errors.Join(err, a.home.Close())
}
