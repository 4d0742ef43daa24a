package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"enilab/internal/compare"
	"enilab/internal/lab"
	"enilab/netlab"
)

// manyVPCs measures a lab of many customers: built until the last server accepts connections, and ended until the kernel
// has ended the last namespace.
func (r *run) manyVPCs(ctx context.Context) error {
	n, times := r.or(100, 5), r.or(3, 1)
	for i := range times {
		began := time.Now()
		l, err := lab.Build(ctx, lab.Config{Name: r.Lab, Network: customers(n, r.Whoami), Store: r.Store})
		if err != nil {
			return err
		}
		r.figure("build", "", n, seconds).took(time.Since(began))
		began = time.Now()
		if err := errors.Join(l.Close(), netlab.Drain(ctx)); err != nil {
			return err
		}
		r.figure("teardown", "", n, seconds).took(time.Since(began))
		if err := compare.Calm(ctx); err != nil {
			return err
		}
		r.progress(i+1, times)
	}
	return nil
}

// customers are as many networks of the same CIDR, each with two subnets and a server.
func customers(n int, server []string) (spec netlab.Spec) {
	for i := range n {
		id := fmt.Sprintf("vpc-%d", i)
		spec.VPCs = append(spec.VPCs, netlab.VPCSpec{
			ID: id, CIDR: netip.MustParsePrefix("10.0.0.0/16"),
			Subnets: []netlab.SubnetSpec{
				{ID: fmt.Sprintf("subnet-%d-app", i), CIDR: netip.MustParsePrefix("10.0.1.0/24")},
				{ID: fmt.Sprintf("subnet-%d-data", i), CIDR: netip.MustParsePrefix("10.0.2.0/24")},
			},
			SecurityGroups: []netlab.SecurityGroupSpec{
				{ID: "sg-app"},
				{ID: "sg-data", Ingress: []netlab.Rule{{Protocol: "tcp", FromPort: 80, Group: "sg-app"}}},
			},
			Resources: []netlab.ResourceSpec{{Name: "server", Subnet: fmt.Sprintf("subnet-%d-data", i), SecurityGroups: []string{"sg-data"}, Port: 80, Command: server}},
		})
	}
	return spec
}
