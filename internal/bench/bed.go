package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"enilab/internal/compare"
	"enilab/internal/demo"
	"enilab/internal/lab"
	"enilab/internal/lambda"
	"enilab/netlab"
)

// bed is a lab to measure in: the demonstration's two tenants with their servers and, in the first one's network, a
// subnet that has addresses for thousands.
type bed struct {
	*lab.Lab
	run    *run
	tenant string
}

const (
	wideSubnet = "subnet-wide" // 4,091 addresses; the tenant's own has 251
	openGroup  = "sg-open"     // lets everything in
)

var wideCIDR = netip.MustParsePrefix("10.0.16.0/20")

// openDoors are quotas that bound nothing here: what is measured is the machine.
var openDoors = lambda.Quotas{Concurrency: 100_000, HyperplaneENIsPerVPC: 100_000, InterfacesPerRegion: 100_000}

// bed builds a lab. Change may add to it; the tenant's network is the first.
func (r *run) bed(ctx context.Context, change func(*lab.Config)) (_ *bed, err error) {
	c := lab.Config{Name: r.Lab, Network: lab.TwoTenants(r.Whoami), Store: r.Store, Quotas: openDoors}
	vpc := &c.Network.VPCs[0]
	vpc.Subnets = append(vpc.Subnets, netlab.SubnetSpec{ID: wideSubnet, CIDR: wideCIDR})
	vpc.SecurityGroups = append(vpc.SecurityGroups, netlab.SecurityGroupSpec{ID: openGroup, Ingress: []netlab.Rule{netlab.All}})
	if change != nil {
		change(&c)
	}
	l, err := lab.Build(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := l.SeedTenants(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &bed{l, r, lab.Tenants[0]}, nil
}

// vpc is the network that functions are in.
func (b *bed) vpc() *netlab.VPC { return b.Network.VPC("vpc-" + b.tenant) }

// trial makes a function in a subnet, invokes it once so that its code is where it is needed, and returns what starts it
// from then on. The function is named after its mode.
func (b *bed) trial(ctx context.Context, mode lambda.Mode, subnet string) (compare.Trial, error) {
	return b.trialOf(ctx, b.function(mode, subnet))
}

// function is the demonstration's, in a subnet.
func (b *bed) function(mode lambda.Mode, subnet string) lambda.CreateFunctionInput {
	in := demo.Target(b.Lab, b.run.Code, b.run.Handler).Create
	in.FunctionName, in.Mode = "bench-"+string(mode), mode
	in.VpcConfig.SubnetIDs = []string{subnet}
	return in
}

// trialOf is trial for any function. Its event has it ask its tenant's Redis and whoami server.
func (b *bed) trialOf(ctx context.Context, in lambda.CreateFunctionInput) (compare.Trial, error) {
	t := compare.Trial{Lambda: b.Lambda, Function: in.FunctionName, Mode: in.Mode, Payload: demo.Payload()}
	if _, err := b.Lambda.CreateFunction(ctx, in); err != nil {
		return t, err
	}
	if err := b.Lambda.WaitFunctionActive(ctx, lambda.FunctionRef{Name: t.Function}); err != nil {
		return t, err
	}
	if _, err := t.Cold(ctx); err != nil {
		return t, fmt.Errorf("%s, the start that is not counted: %w", t.Function, err)
	}
	return t, t.End(ctx)
}

// trials are one for each mode.
func (b *bed) trials(ctx context.Context, subnet string) (list []compare.Trial, err error) {
	for _, mode := range lambda.Modes {
		t, err := b.trial(ctx, mode, subnet)
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, nil
}
