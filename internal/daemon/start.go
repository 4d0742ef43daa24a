package daemon

import (
	"context"
	"errors"
	"fmt"

	"enilab/internal/api"
	"enilab/internal/ec2"
	"enilab/internal/iam"
	"enilab/internal/lab"
	"enilab/internal/lambda"
	"enilab/internal/netns"
	"enilab/internal/realm"
	"enilab/internal/topology"
	"enilab/netlab"
	"enilab/sandbox"
)

// recover is the way from what a former daemon has left, or from nothing, to what the state says. What is pinned is
// complete and is adopted; what is missing is built; what is in no record is removed.
func (d *Daemon) recover(ctx context.Context) error {
	for _, s := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"end former processes", d.endFormerProcesses},
		{"roles", d.restoreRoles},
		{"infrastructure", d.build},
		{"networks", d.restoreNetworks},
		{"resources", d.restoreResources},
		{"functions", d.restoreFunctions},
		{"remove left-overs", d.sweep},
		{"compare", d.noteDrift},
	} {
		if err := s.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// endFormerProcesses ends what a former daemon has left running, but for customers' servers and the internet's. With the
// environments go their namespaces and interfaces.
func (d *Daemon) endFormerProcesses(ctx context.Context) error {
	keep, err := newResources(nil, d.db, nil, nil).processes()
	if err != nil {
		return err
	}
	internet, err := lab.InternetProcesses(d.db)
	if err != nil {
		return err
	}
	ended, err := realm.ReapOthers(ctx, append(keep, internet...))
	d.recovery.Ended = len(ended)
	if err != nil {
		return err
	}
	if realm.Rootless() || sandbox.CheckCgroups() != nil {
		return nil
	}
	return sandbox.RemoveCgroups(d.Cgroups)
}

func (d *Daemon) restoreRoles(context.Context) error {
	d.iam = iam.New(iam.Config{Account: d.settings.Account, Region: d.settings.Region, State: d.db, Events: d.events})
	return d.iam.Restore()
}

func (d *Daemon) build(ctx context.Context) (err error) {
	c := lab.Config{
		Name: d.Cgroups, Store: d.settings.Store, Uploads: d.Uploads, Workers: d.settings.Workers,
		Account: d.settings.Account, Region: d.settings.Region, Quotas: d.settings.Quotas, Model: d.settings.Model,
		Allowed: d.iam.Allowed, Role: d.iam.RoleExists, Identify: d.identify, Room: eventMemory,
		State: d.db, Events: d.events, Log: d.Log,
	}
	if d.settings.Internet {
		c.Internet = d.Internet
	}
	if d.lab, err = lab.Build(ctx, c); err != nil {
		return err
	}
	if d.lab.Limits != nil {
		d.recovery.Notes = append(d.recovery.Notes, fmt.Sprintf("environments have no control groups: %v", d.lab.Limits))
	} else if untold := d.lab.Lambda.Cgroups.Untold(); untold != nil {
		d.recovery.Notes = append(d.recovery.Notes, fmt.Sprintf("whether an environment has more memory than it may "+
			"is looked at four times a second: the kernel does not tell: %v", untold))
	}
	d.recovery.Adopted, d.recovery.Built = d.lab.Adopted, d.lab.Built
	return nil
}

func (d *Daemon) restoreNetworks(ctx context.Context) error {
	d.ec2 = ec2.New(ec2.Config{
		Network: d.lab.Network, State: d.db, Events: d.events, Account: d.settings.Account, Region: d.settings.Region,
		AZs: topology.Zones(d.settings.Region),
	})
	return d.ec2.Restore(ctx)
}

func (d *Daemon) restoreResources(ctx context.Context) error {
	d.resources = newResources(d.lab.Network, d.db, d.events, d.Log)
	d.undo.Push(func() error { d.resources.leave(); return nil })
	adopted, built, err := d.resources.restore(ctx)
	d.recovery.Adopted += adopted
	d.recovery.Built += built
	if err != nil { // a server that does not start is no reason for the lab not to
		d.recovery.Notes = append(d.recovery.Notes, err.Error())
	}
	return nil
}

// identify is asked when an environment starts, which none does before functions are restored.
func (d *Daemon) identify(role, function string) (lambda.Identity, error) {
	return d.inside.Identify(role, function)
}

func (d *Daemon) restoreFunctions(ctx context.Context) error {
	d.inside = api.NewInside(d.api())
	d.undo.Push(d.inside.Close)
	if err := d.lab.Lambda.Restore(ctx); err != nil {
		return err
	}
	go d.lab.Lambda.Pool(lambda.Shared).Keep(ctx, d.settings.SharedPool)
	go d.lab.Lambda.Pool(lambda.Legacy).Keep(ctx, d.settings.LegacyPool)
	return nil
}

// sweep removes what is pinned or linked and in no record.
func (d *Daemon) sweep(context.Context) (err error) {
	for _, v := range d.lab.Network.VPCs() {
		removed, sweepErr := v.Sweep()
		err = errors.Join(err, sweepErr)
		d.recovery.Removed = append(d.recovery.Removed, removed...)
	}
	pinned, listErr := netns.Pinned()
	err = errors.Join(err, listErr)
	enis, listErr := d.lab.Lambda.RecordedENIs()
	err = errors.Join(err, listErr)
	known := map[string]bool{}
	for _, e := range enis {
		known[e.ID] = true
	}
	for _, n := range d.nodes() {
		known[n.Pin] = true
	}
	for _, name := range pinned {
		if !known[name] {
			err = errors.Join(err, netlab.EndPinned(name))
			d.recovery.Removed = append(d.recovery.Removed, name)
		}
	}
	return err
}

// nodes lists every namespace that is pinned.
func (d *Daemon) nodes() (list []Node) {
	add := func(kind, name string, n *netlab.Node) {
		list = append(list, Node{Name: name, Kind: kind, Pin: n.Name})
	}
	add("infrastructure", "hyperplane", d.lab.Lambda.Hyperplane.Node)
	for _, w := range d.lab.Lambda.Workers {
		add("infrastructure", w.Name, w.Node)
	}
	if d.lab.Internet != nil {
		add("infrastructure", "internet", d.lab.Internet.Node)
	}
	vpcs := d.lab.Network.VPCs()
	for _, id := range names(vpcs) {
		add("vpc", id, vpcs[id].Node)
	}
	for _, r := range d.lab.Network.Resources() {
		add("resource", r.VPC+"/"+r.Name, r.Node)
	}
	for _, e := range d.lab.Lambda.HyperplaneENIs() {
		add("eni", e.ENI.Node.Name, e.ENI.Node)
	}
	return list
}
