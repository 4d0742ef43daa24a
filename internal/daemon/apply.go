package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"enilab/internal/ec2"
	"enilab/internal/events"
	"enilab/internal/lambda"
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
		"resource":       {d.servers, d.createResource, d.changeResource, d.deleteResource, 8, nil},
		"function":       {d.functions, d.createFunction, d.changeFunction, d.deleteFunction, 16, nil},
	}
}

// usageError is the topology's fault.
type usageError struct{ error }

// apply makes the lab as a topology says. It reports every step, goes on after one that failed, and says at the end how
// many did.
func (d *Daemon) apply(ctx context.Context, in ApplyRequest, report func(Applied)) error {
	d.applying.Lock()
	defer d.applying.Unlock()
	t, err := topology.ParseIn(d.settings.Region, filepath.Join(in.Dir, filepath.Base(in.File)), in.Topology)
	if err != nil {
		return usageError{err}
	}
	if t.Store == "" {
		t.Store = in.Store
	}
	if err := t.CheckFiles(); err != nil {
		return usageError{err}
	}
	found := codes{store: sandbox.Store{Dir: t.Store}}
	should, err := objectsOf(t, d.Whoami, found.of)
	if err != nil {
		return usageError{err}
	}
	is, err := d.look()
	if err != nil {
		return err
	}
	declared, err := d.declared.All()
	if err != nil {
		return err
	}
	steps := plan(is, should, declared)
	if in.DryRun {
		for _, s := range steps {
			report(Applied{Change: &s.Change})
		}
		return nil
	}
	if err := d.declare(is, should, declared); err != nil {
		return err
	}
	if len(steps) > 0 {
		d.events.Publish(events.Event{Type: events.LabChanged, Name: d.Name, Reason: fmt.Sprintf("%d changes from %s", len(steps), in.File)})
	}
	stepped := map[string]bool{}
	err = d.do(ctx, steps, func(s step, err error) {
		stepped[s.Kind+" "+s.Name] = true
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
	for _, o := range should {
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
		var together errgroup.Group
		together.SetLimit(max(m.atOnce, 1))
		report := inOrder(row, func(s step, err error) {
			failed[s.key()] = err != nil
			done(s, err)
		})
		for i, s := range row {
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
func (d *Daemon) fixed(_ context.Context, from, to object) error {
	return fmt.Errorf("%s: a %s cannot change; give the new one another name, and the old one goes", changes(from.Spec, to.Spec), from.Kind)
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
