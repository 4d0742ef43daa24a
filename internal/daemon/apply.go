package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"enilab/internal/ec2"
	"enilab/internal/events"
	"enilab/internal/lambda"
	"enilab/internal/runtimes"
	"enilab/internal/spelling"
	"enilab/internal/state"
	"enilab/internal/topology"
	"enilab/sandbox"

	"golang.org/x/sync/errgroup"
)

// maker makes, changes and removes the objects of one kind, and tells which there are.
type maker struct {
	is     func() ([]object, error)
	create func(context.Context, object) error
	change func(ctx context.Context, from, to object) error
	remove func(context.Context, object) error
	atOnce int // how many steps of the kind may be made at once; zero means one

	// before, unless nil, is called before a row of steps of the kind; it tells which of them have failed already.
	before func(context.Context, []step) map[string]error
}

func (d *Daemon) makers() map[string]maker {
	return map[string]maker{
		"vpc":            {d.vpcs, d.createVPC, d.fixed, d.deleteVPC, 4, nil},
		"subnet":         {d.subnets, d.createSubnet, d.fixed, d.deleteSubnet, 4, nil},
		"security-group": {d.groups, d.createGroup, d.changeGroup, d.deleteGroup, 1, d.freeGroups},
		"role":           {d.roles, d.createRole, d.changeRole, d.deleteRole, 4, nil},
		"layer":          {d.layers, d.createLayer, d.changeLayer, d.deleteLayer, 4, nil},
		"resource":       {d.servers, d.createResource, d.changeResource, d.deleteResource, 8, d.freeAddresses},
		"function":       {d.functions, d.createFunction, d.changeFunction, d.deleteFunction, 16, d.freeConcurrency},
	}
}

// errEnds is why a daemon that is told to end does not go on with what it was doing.
var errEnds = errors.New("the daemon has been told to end")

// usageError is the topology's fault.
type usageError struct{ error }

// proposal is a plan that nothing is known to stand in the way of.
type proposal struct {
	is, should []object
	declared   map[string]declaration
	steps      []step
}

// propose finds out what it takes to make the lab as a topology says, and refuses, before anything is made, what cannot be
// made.
func (d *Daemon) propose(in ApplyRequest) (p proposal, err error) {
	t, err := in.parse(d.settings.Region)
	if err != nil {
		return p, err
	}
	if p.should, err = in.objects(t, d.Whoami); err != nil {
		return p, err
	}
	if p.is, err = d.look(); err != nil {
		return p, err
	}
	if p.declared, err = d.declared.All(); err != nil {
		return p, err
	}
	p.steps = plan(p.is, p.should, p.declared)
	c, err := d.circumstances(in)
	if err != nil {
		return p, err
	}
	return p, in.refusal(objections(t, p.is, p.should, p.declared, p.steps, c))
}

// FromNothing lists what a topology makes in a lab that is not there yet, or refuses it as that lab would.
func FromNothing(in ApplyRequest, s Settings) ([]Change, error) {
	s.Region = cmp.Or(s.Region, DefaultRegion)
	t, err := in.parse(s.Region)
	if err != nil {
		return nil, err
	}
	should, err := in.objects(t, nil)
	if err != nil {
		return nil, err
	}
	steps := plan(nil, should, nil)
	if err := in.refusal(objections(t, nil, should, nil, steps, circumstances{settings: s, machine: runtimes.NewMachine("/")})); err != nil {
		return nil, err
	}
	var list []Change
	for _, s := range steps {
		list = append(list, s.Change)
	}
	return list, nil
}

// Validate refuses a topology that no lab of these settings could be made as, for what the file alone tells: neither this machine is
// asked, nor a lab, nor is code looked for. The error is a [topology.Errors].
func Validate(in ApplyRequest, s Settings) error {
	s.Region = cmp.Or(s.Region, DefaultRegion)
	t, err := topology.ParseIn(s.Region, filepath.Join(in.Dir, filepath.Base(in.File)), in.Topology)
	if err != nil {
		return err
	}
	should, err := objectsOf(t, nil, func(topology.Code) (code, error) { return code{}, nil })
	if err != nil {
		return err
	}
	return objections(t, nil, should, nil, plan(nil, should, nil), circumstances{settings: s})
}

// parse reads the request's topology for a lab of a Region.
func (in ApplyRequest) parse(region string) (*topology.Topology, error) {
	t, err := topology.ParseIn(region, filepath.Join(in.Dir, filepath.Base(in.File)), in.Topology)
	if err != nil {
		return nil, in.refusal(err)
	}
	if t.Store == "" {
		t.Store = in.Store
	}
	return t, in.refusal(t.CheckFiles())
}

func (in ApplyRequest) objects(t *topology.Topology, whoami []string) ([]object, error) {
	found := codes{store: sandbox.Store{Dir: t.Store}}
	list, err := objectsOf(t, whoami, found.of)
	return list, in.refusal(err)
}

// refusal is what is wrong with the request's topology, which it calls as the user does.
func (in ApplyRequest) refusal(err error) error {
	if err == nil {
		return nil
	}
	if errs := topology.Errors(nil); errors.As(err, &errs) {
		for i := range errs {
			errs[i].File = in.File
		}
	}
	return usageError{err}
}

// circumstances looks at what the plan has to reckon with.
func (d *Daemon) circumstances(in ApplyRequest) (c circumstances, err error) {
	c = circumstances{settings: d.settings, whoami: d.Whoami, servers: map[string]string{}, versions: map[string][]lambda.FunctionConfiguration{}, machine: runtimes.NewMachine("/")}
	if in.Settings != nil {
		c.settings = *in.Settings
		c.settings.Region = d.settings.Region // it keeps that
	}
	if d.recalled != nil {
		c.interfaces, c.servers = d.recalled.interfaces, d.recalled.servers
	} else {
		page, err := d.ec2.DescribeNetworkInterfaces(ec2.Query{})
		if err != nil {
			return c, err
		}
		c.interfaces = page.Items
		for _, r := range d.lab.Network.Resources() {
			c.servers[r.Interface.ID] = r.VPC + "/" + r.Name
		}
	}
	for _, f := range d.lab.Lambda.ListFunctions() {
		if c.versions[f.FunctionName], err = d.versions(f.FunctionName); err != nil {
			return c, err
		}
	}
	return c, nil
}

// apply makes the lab as a topology says, if that can be done. It reports every step. One that fails all the same does not
// keep it from making what does not hang on that; what is asked for stays declared, and the next apply goes on from there.
// Whoever asked for it may go: what has begun is carried through, so that the lab is not left half-way. Only the end of the
// daemon ends it, and then the next one has what the records say, and the next apply goes on.
func (d *Daemon) apply(ctx context.Context, in ApplyRequest, report func(Applied)) error {
	d.applying.Lock()
	defer d.applying.Unlock()
	if err := errors.Join(context.Cause(ctx), context.Cause(d.life)); err != nil {
		return err
	}
	p, err := d.propose(in)
	if err != nil {
		return err
	}
	if in.DryRun {
		for _, s := range p.steps {
			report(Applied{Change: &s.Change})
		}
		return nil
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	ctx = d.life
	if err := d.declare(p.is, p.should, p.declared); err != nil {
		return err
	}
	if len(p.steps) > 0 {
		why := spelling.Counted(len(p.steps), "change") + " from " + in.File
		d.events.Publish(events.Event{Type: events.LabChanged, Name: d.Name, Reason: why})
	}
	stepped := map[string]bool{}
	err = d.do(ctx, p.steps, func(s step, err error) {
		stepped[s.key()] = true
		a := Applied{Change: &s.Change}
		if err != nil {
			a.Error = err.Error()
		}
		report(a)
	})
	if err != nil {
		return err
	}
	// What a former `up` has asked for may still be on its way.
	for _, o := range p.should {
		if o.Kind != "function" || stepped[o.key()] {
			continue
		}
		if err := d.lab.Lambda.WaitFunctionActive(ctx, lambda.FunctionRef{Name: o.Name}); err != nil {
			report(Applied{Change: &Change{Action: Update, Kind: o.Kind, Name: o.Name}, Error: err.Error()})
		}
	}
	return nil
}

// look lists what is.
func (d *Daemon) look() (is []object, err error) {
	makers := d.makers()
	for _, kind := range kinds {
		list, err := makers[kind].is()
		if err != nil {
			return nil, fmt.Errorf("look at what is: %w", err)
		}
		is = append(is, list...)
	}
	return is, nil
}

// declare notes, before anything is made, what is declared from now on: all that should be, and what was declared and has
// still to go. What was declared and is no more, because the API removed it, may come again by the API and is then not a
// topology's to remove.
func (d *Daemon) declare(is, should []object, before map[string]declaration) error {
	now := map[string]bool{}
	for _, o := range should {
		now[o.key()] = true
	}
	for _, o := range is {
		if _, was := before[o.key()]; was {
			now[o.key()] = true
		}
	}
	return d.db.Update(func(tx *state.Tx) error {
		table := d.declared.In(tx)
		for key := range before {
			if !now[key] {
				if err := table.Delete(key); err != nil {
					return err
				}
			}
		}
		for key := range now {
			if _, was := before[key]; !was {
				if err := table.Put(key, declaration{}); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// declaration is the record of an object that a topology declared. Its key says all.
type declaration struct{}

// do makes the steps row by row, a few of a row at once. One that fails does not keep others from being made, but those that
// hang on it: they are not tried.
func (d *Daemon) do(ctx context.Context, steps []step, done func(step, error)) error {
	makers := d.makers()
	failed := map[string]bool{} // keys
	for len(steps) > 0 {
		n := slices.IndexFunc(steps, func(s step) bool { return s.row != steps[0].row })
		if n < 0 {
			n = len(steps)
		}
		row := steps[:n]
		steps = steps[n:]
		results := map[string]error{}
		try := make([]step, 0, n)
		for _, s := range row {
			if first := slices.IndexFunc(s.after, func(key string) bool { return failed[key] }); first >= 0 {
				results[s.Name] = fmt.Errorf("it was not tried, because of %s", s.after[first])
				continue
			}
			try = append(try, s)
		}
		m := makers[row[0].Kind]
		if m.before != nil {
			maps.Copy(results, m.before(ctx, try))
		}
		report := inOrder(row, func(s step, err error) {
			failed[s.key()] = err != nil
			done(s, err)
		})
		var together errgroup.Group
		together.SetLimit(max(m.atOnce, 1))
		for i, s := range row {
			if i > 0 && s.wave != row[i-1].wave {
				if err := together.Wait(); err != nil {
					return context.Cause(ctx)
				}
			}
			together.Go(func() error {
				err := results[s.Name]
				if err == nil {
					err = d.make(ctx, m, s)
				}
				report(i, err)
				return ctx.Err()
			})
		}
		if err := together.Wait(); err != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// inOrder reports steps in their order, each as soon as those before it are done.
func inOrder(steps []step, done func(step, error)) func(i int, err error) {
	var mu sync.Mutex
	results := make([]*error, len(steps))
	next := 0
	return func(i int, err error) {
		mu.Lock()
		defer mu.Unlock()
		results[i] = &err
		for ; next < len(steps) && results[next] != nil; next++ {
			done(steps[next], *results[next])
		}
	}
}

// make makes one step. What has gone is no longer declared.
func (d *Daemon) make(ctx context.Context, m maker, s step) error {
	switch s.Action {
	case Create:
		return m.create(ctx, *s.to)
	case Update:
		return m.change(ctx, *s.from, *s.to)
	}
	if err := m.remove(ctx, *s.from); err != nil {
		return err
	}
	return d.declared.Delete(s.from.key())
}

// fixed is the change of what cannot change.
func (d *Daemon) fixed(_ context.Context, from, to object) error { return cannotChange(from, to) }

func cannotChange(from, to object) error {
	return fmt.Errorf("%s: a %s cannot change; give the new one another name, and the old one goes", changes(from.Spec, to.Spec), strings.ReplaceAll(from.Kind, "-", " "))
}

func names[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// freeWithin is how long the interfaces of what has just been deleted may take to go.
const freeWithin = 10 * time.Second

// untilFree tries to remove something while what was in it is still going.
func untilFree(ctx context.Context, remove func() error) error {
	ctx, cancel := context.WithTimeout(ctx, freeWithin)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := remove()
		refused := new(ec2.Error)
		if !errors.As(err, &refused) || refused.Code != ec2.DependencyViolation {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-again.C:
		}
	}
}
