package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"enilab/internal/compare"
	"enilab/internal/lab"
	"enilab/internal/lambda"
	"enilab/internal/undo"
	"enilab/nat"
	"enilab/netlab"

	"golang.org/x/sync/errgroup"
)

// growthENIs measures a function's start, and new connections through its Hyperplane ENI, while there are more and more
// others; and what it takes to make one. Each is of a function and a subnet of its own.
func (r *run) growthENIs(ctx context.Context) (err error) {
	sizes := []int{1, 10, 100, 1000}
	if r.Quick {
		sizes = []int{1, 10}
	}
	b, err := r.bed(ctx, func(c *lab.Config) {
		vpc := &c.Network.VPCs[0]
		for i := range sizes[len(sizes)-1] {
			vpc.Subnets = append(vpc.Subnets, narrowSubnet(i))
		}
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	t, err := b.trial(ctx, lambda.Shared, narrowSubnet(0).ID)
	if err != nil {
		return err
	}
	through, err := b.newThrough(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, through.undo.Close()) }()
	there := 1
	for i, at := range sizes {
		if err := r.growENIs(ctx, b, there, at); err != nil {
			return err
		}
		there = at
		if err := compare.Calm(ctx); err != nil {
			return err
		}
		if err := r.attaches(ctx, t, at, r.or(20, quickStarts)); err != nil {
			return err
		}
		s := r.figure("new-connections", "", at, perSecond)
		for range r.or(3, 1) {
			n, err := connect(ctx, through.from, through.to, time.Second)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				s.failed(err)
			} else {
				s.add(n)
			}
		}
		r.progress(i+1, len(sizes))
	}
	return nil
}

// narrowSubnet is the i-th of the smallest there are, of 1,024.
func narrowSubnet(i int) netlab.SubnetSpec {
	address := netip.AddrFrom4([4]byte{10, 0, byte(64 + i>>4), byte(i << 4)})
	return netlab.SubnetSpec{ID: fmt.Sprintf("subnet-narrow-%d", i), CIDR: netip.PrefixFrom(address, 28)}
}

// timedBuilds is how many of the ENIs that are added last are made one after the other, and measured.
const timedBuilds = 10

// growENIs makes functions, and with each an ENI, until there are so many.
func (r *run) growENIs(ctx context.Context, b *bed, there, at int) error {
	group, grown := errgroup.WithContext(ctx)
	group.SetLimit(runtime.NumCPU())
	for i := there; i < at-timedBuilds; i++ {
		group.Go(func() error { return b.addENI(grown, i) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i := max(there, at-timedBuilds); i < at; i++ {
		began := time.Now()
		if err := b.addENI(ctx, i); err != nil {
			return err
		}
		r.figure("eni-build", "", at, microseconds).took(time.Since(began))
	}
	return nil
}

// addENI is what people wait for who make a function in a subnet that has none yet.
func (b *bed) addENI(ctx context.Context, i int) error {
	in := b.function(lambda.Shared, narrowSubnet(i).ID)
	in.FunctionName = fmt.Sprintf("bench-%d", i)
	if _, err := b.Lambda.CreateFunction(ctx, in); err != nil {
		return err
	}
	return b.Lambda.WaitFunctionActive(ctx, lambda.FunctionRef{Name: in.FunctionName})
}

// through is a slot bound to an ENI, and a server in the customer's network behind it. The ENI is nobody else's: so many
// connections have the ENI manager make another, and then delete the one that no function's environment is bound to.
type through struct {
	from *netlab.Node
	to   []netip.AddrPort
	undo undo.Stack
}

func (b *bed) newThrough(ctx context.Context) (_ *through, err error) {
	t := new(through)
	defer t.undo.CloseOn(&err)
	connect := func(ctx context.Context, n *netlab.Node) (netip.Addr, error) {
		i, err := b.vpc().Connect(ctx, n, netlab.InterfaceSpec{Subnet: wideSubnet, SecurityGroups: []string{openGroup}})
		if err != nil {
			return netip.Addr{}, err
		}
		t.undo.Push(func() error { i.Forget(); return nil })
		return i.Address, nil
	}
	eni, err := b.Lambda.Hyperplane.NewENI(ctx, nat.ENIConfig{Name: "bench-eni", Uplink: connect})
	if err != nil {
		return nil, err
	}
	t.undo.Push(eni.Close)
	slot, err := b.Lambda.Workers[0].NewSlot(firstIdle)
	if err != nil {
		return nil, err
	}
	t.undo.Push(slot.Close)
	if err := eni.Bind(tunnelOf(slot)); err != nil {
		return nil, err
	}
	t.from = slot.Node
	server, err := netlab.NewNode("bench-server")
	if err != nil {
		return nil, err
	}
	t.undo.Push(server.Close)
	address, err := connect(ctx, server)
	if err != nil {
		return nil, err
	}
	to, stop, err := accept(server, address)
	if err != nil {
		return nil, err
	}
	t.to = to
	t.undo.Push(stop)
	return t, nil
}
