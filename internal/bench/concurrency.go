package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"enilab/internal/compare"
	"enilab/internal/events"
	"enilab/internal/lab"
	"enilab/internal/lambda"
	"enilab/netlab"
)

// concurrency counts what many environments at work at once take of a subnet: interfaces and addresses. All that are
// wanted are invoked, and those that serve are kept busy while they are counted. A legacy environment beyond the subnet's
// end is one that finds no address; its invocation fails as on AWS, and that is a count here, not a failure.
func (r *run) concurrency(ctx context.Context) (err error) {
	const small = "subnet-small" // where a quick run soon meets the end
	bus := new(events.Bus)
	b, err := r.bed(ctx, func(c *lab.Config) {
		vpc := &c.Network.VPCs[0]
		vpc.Subnets = append(vpc.Subnets, netlab.SubnetSpec{ID: small, CIDR: netip.MustParsePrefix("10.0.3.0/28")})
		c.Events = bus
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	subnet, levels := lab.AppSubnet(b.tenant), []int{1, 2, 5, 10, 20, 50, 100, 200, 251, 300, 500, 1000}
	if r.Quick {
		subnet, levels = small, []int{1, 5, 11, 20}
	}
	_, _, capacity, _ := b.vpc().Subnet(subnet)
	r.figure("subnet-addresses", "", 0, count).add(float64(capacity))
	modes := []lambda.Mode{lambda.Legacy, lambda.Shared}
	for i, mode := range modes {
		in := b.function(mode, subnet)
		in.Timeout = 15 * time.Minute // Lambda's longest: nobody is to end before all are counted
		t, err := b.trialOf(ctx, in)
		if err != nil {
			return err
		}
		t.Payload = []byte(`{"do":"sleep:15m"}`)
		err = r.keepBusy(ctx, b, bus, t, subnet, levels, func(done int) { r.progress(i*len(levels)+done, len(modes)*len(levels)) })
		// The mode's interfaces go before the other's come.
		err = errors.Join(err, b.Lambda.DeleteFunction(lambda.FunctionRef{Name: t.Function}), b.Lambda.Settle(), b.Lambda.ReclaimInterfaces(b.vpc().ID), compare.Calm(ctx))
		if err != nil {
			return err
		}
	}
	return nil
}

// keepBusy raises the number of environments from level to level and counts at each.
func (r *run) keepBusy(ctx context.Context, b *bed, bus *events.Bus, t compare.Trial, subnet string, levels []int, told func(done int)) (err error) {
	work, stop := context.WithCancel(ctx)
	c := &crowd{Trial: t, bed: b, work: work, ended: make(chan error, 2*levels[len(levels)-1]), news: bus.Subscribe(work, 1)}
	defer func() {
		stop()
		c.all.Wait()
		err = errors.Join(err, t.End(context.WithoutCancel(ctx)))
	}()
	variant := string(t.Mode)
	for i, at := range levels {
		if lack := shortOf(at - b.atWork(t.Function)); lack != "" {
			r.skip(variant, fmt.Sprintf("%d environments at once: %s", at, lack))
			return nil
		}
		refused, err := c.grow(ctx, at)
		if err != nil {
			return err
		}
		enis, addresses := b.inSubnet(t.Mode, subnet)
		r.figure("enis", variant, at, count).add(float64(enis))
		r.figure("addresses", variant, at, count).add(float64(addresses))
		r.figure("failures", variant, at, count).add(float64(refused))
		told(i + 1)
	}
	return nil
}

// crowd is a function's environments at work, each until work ends.
type crowd struct {
	compare.Trial
	bed   *bed
	work  context.Context
	all   sync.WaitGroup
	ended chan error // of every invocation; it never waits for its reader
	news  <-chan events.Event
}

// grow invokes until so many are at work or have found no address, and returns how many found none.
func (c *crowd) grow(ctx context.Context, at int) (refused int, err error) {
	lacking := at - c.bed.atWork(c.Function)
	if err := c.Prepare(ctx, lacking); err != nil {
		return 0, err
	}
	for range lacking {
		c.all.Go(func() {
			_, err := c.Cold(c.work)
			c.ended <- err
		})
	}
	for refused+c.bed.atWork(c.Function) < at {
		select {
		case err := <-c.ended:
			if failed := (*lambda.Error)(nil); !errors.As(err, &failed) || failed.Code != lambda.SubnetIPAddressLimit {
				return refused, fmt.Errorf("%d environments at once: one ended early: %w", at, err)
			}
			refused++
		case <-c.news: // an environment has started, or something else has happened
		case <-ctx.Done():
			return refused, context.Cause(ctx)
		}
	}
	return refused, nil
}

// atWork counts a function's environments that handle an event.
func (b *bed) atWork(function string) (n int) {
	for _, e := range b.Lambda.Environments() {
		if e.Function == function && e.State == lambda.EnvironmentBusy {
			n++
		}
	}
	return n
}

// inSubnet counts a mode's interfaces in a subnet, and the addresses that they have of it.
func (b *bed) inSubnet(mode lambda.Mode, subnet string) (enis, addresses int) {
	seen := map[netip.Addr]bool{}
	for _, i := range b.vpc().Interfaces() {
		if i.Subnet.ID == subnet && lambda.IsOf(mode, i.Description) {
			enis++
			seen[i.Address] = true
		}
	}
	return enis, len(seen)
}
