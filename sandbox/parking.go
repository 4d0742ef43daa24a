package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
)

// Parking parks launchers in slots, and gives each the names that tell environments of a host apart.
type Parking struct {
	FirstUID uint32   // environments run as the UIDs user ids from this one on, in turn; zero: uid 0 of a user namespace each
	Cgroups  *Cgroups // nil: no control groups
	Limits   Limits   // of each control group until Launcher.Start says otherwise
	Endpoint bool     // slots get Slot.Endpoint

	zygote Zygote
	count  atomic.Uint32
}

// Close ends what makes the launchers' processes; launchers that are there stay. It comes after the pools.
func (p *Parking) Close() error { return p.zygote.Close() }

// Slots makes of a maker of slots one of slots with a launcher. It is for NewPool; several pools may share a Parking.
func (p *Parking) Slots(maker func(index int) (*Slot, error)) func(context.Context, int) (*Slot, error) {
	return func(ctx context.Context, index int) (*Slot, error) {
		s, err := maker(index)
		if err != nil {
			return nil, err
		}
		if err := p.Park(ctx, s); err != nil {
			return nil, errors.Join(err, s.Close())
		}
		return s, nil
	}
}

// Park parks a launcher in a slot that has none.
func (p *Parking) Park(ctx context.Context, s *Slot) (err error) {
	if p.Endpoint {
		if err := s.listenEndpoint(); err != nil {
			return err
		}
	}
	if s.Launcher, err = p.park(ctx, s); err != nil {
		return fmt.Errorf("slot %d: %w", s.Index, err)
	}
	s.environment.Push(s.Launcher.Close)
	return nil
}

func (p *Parking) park(ctx context.Context, s *Slot) (_ *Launcher, err error) {
	number := p.count.Add(1)
	c := ParkConfig{NetNS: s.NS(), Hostname: "env-" + strconv.FormatUint(uint64(number), 10)}
	if p.FirstUID != 0 {
		c.UID = p.FirstUID + number%UIDs
		c.GID = c.UID
	}
	if p.Cgroups != nil {
		if c.Cgroup, err = p.Cgroups.New(c.Hostname, p.Limits); err != nil {
			return nil, err
		}
	}
	return p.zygote.Park(ctx, c)
}
