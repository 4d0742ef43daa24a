package bench

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"enilab/internal/bench/floor"
	"enilab/internal/compare"
	"enilab/internal/realm"
	"enilab/internal/undo"
	"enilab/sandbox"
)

// The floor's figures. Each is the least that the kernel has to do for what it is named after; see package floor.
const (
	floorAttach     = "floor.attach-inplace"
	floorBind       = "floor.bind"   // a tunnel's end to an ENI's, both of which are there
	floorCreate     = "floor.create" // a veth, to be moved
	floorMove       = "floor.move"   // its end to another namespace, under a new name
	floorNamespace  = "floor.netns"
	floorSpawn      = "floor.spawn"       // a process that waits in its namespaces executes the function's bootstrap
	floorSpawnWhole = "floor.spawn-whole" // from clone to there
)

// floors measures the floor, in the lab's control group and with the lab's function, but in namespaces without a lab.
type floors struct {
	run     *run
	vpc     *floor.VPC
	tunnels *floor.Tunnels
	spawner *floor.Spawner
	undo    undo.Stack
}

func (b *bed) floors(ctx context.Context) (_ *floors, err error) {
	f := &floors{run: b.run, spawner: &floor.Spawner{User: b.Lambda.FirstUID == 0}}
	defer f.undo.CloseOn(&err)
	if f.vpc, err = floor.NewVPC(); err != nil {
		return nil, err
	}
	f.undo.Push(f.vpc.Close)
	if f.tunnels, err = floor.NewTunnels(); err != nil {
		return nil, err
	}
	f.undo.Push(f.tunnels.Close)
	if f.spawner.Program, err = f.unpack(ctx); err != nil {
		return nil, err
	}
	if b.Limits == nil {
		group, err := b.Lambda.Cgroups.New("floor", sandbox.Limits{})
		if err != nil {
			return nil, err
		}
		f.undo.Push(group.Close)
		if f.spawner.Directory, f.spawner.Tasks, err = group.Entry(); err != nil {
			return nil, err
		}
		f.undo.Push(func() (err error) {
			for _, file := range append(f.spawner.Tasks, f.spawner.Directory) {
				if file != nil {
					err = errors.Join(err, file.Close())
				}
			}
			return err
		})
	}
	if err := f.spawner.Open(); err != nil {
		return nil, err
	}
	f.undo.Push(f.spawner.Close)
	return f, f.measure(ctx, nil, false)
}

// unpack puts the function's code where a process without a root of its own finds it.
func (f *floors) unpack(ctx context.Context) (bootstrap string, err error) {
	code, err := sandbox.Store{Dir: f.run.Store}.Open(f.run.Code)
	if err != nil {
		return "", err
	}
	defer code.Close() //nolint:errcheck // only read from
	dir := filepath.Join(realm.RunDir, "enilab-floor")
	f.undo.Push(func() error { return os.RemoveAll(dir) })
	if err := sandbox.Unpack(ctx, code, code.Size, dir, sandbox.ArchiveLimits{}); err != nil {
		return "", err
	}
	return filepath.Join(dir, "bootstrap"), nil
}

// measure takes one sample of each. What a slot has is made before, and rests if a start does that it is the floor of: its
// caches are as cold. What disturbs the machine, which is a namespace's end, comes after.
func (f *floors) measure(ctx context.Context, figure func(name string) *series, rested bool) error {
	note := func(name string, took time.Duration) {
		if figure != nil {
			figure(name).took(took)
		}
	}
	rest := func() error {
		if rested {
			return compare.Calm(ctx)
		}
		return nil
	}
	owned := func(measure func(*floor.Owner) error) error {
		o, err := f.vpc.Owner()
		if err == nil {
			if err = rest(); err == nil {
				err = measure(o)
			}
			err = errors.Join(err, o.Close(), compare.Calm(ctx))
		}
		return err
	}
	err := owned(func(o *floor.Owner) error {
		took, err := o.Attach()
		note(floorAttach, took)
		return err
	})
	if err != nil {
		return err
	}
	err = owned(func(o *floor.Owner) error {
		create, move, err := o.Move()
		note(floorCreate, create)
		note(floorMove, move)
		return err
	})
	if err != nil {
		return err
	}
	return f.start(ctx, note, rest)
}

// start is the part of measure that is about a process, and the tunnel that it begins with.
func (f *floors) start(ctx context.Context, note func(string, time.Duration), rest func() error) (err error) {
	var made undo.Stack
	defer func() { err = errors.Join(err, made.Close(), compare.Calm(ctx)) }()
	slot, err := f.tunnels.Slot()
	if err != nil {
		return err
	}
	made.Push(slot.Close)
	parked, err := f.spawner.Park()
	if err != nil {
		return err
	}
	made.Push(parked.Close)
	if err := rest(); err != nil {
		return err
	}
	for _, m := range []struct {
		name string
		do   func() (time.Duration, error)
	}{{floorBind, slot.Bind}, {floorSpawn, parked.Start}, {floorSpawnWhole, f.spawner.Whole}, {floorNamespace, floor.Namespace}} {
		took, err := m.do()
		if err != nil {
			return err
		}
		note(m.name, took)
	}
	return nil
}

// ofFloor is the figure under which the floor's figures are found by all.
func (r *run) ofFloor(name string) *series { return r.figureOf("floor", name, "", 0, microseconds) }

// ofHere is the figure of the floor that belongs to this scenario alone.
func (r *run) ofHere(name string) *series { return r.figure(name, "", 0, microseconds) }

// floor measures the floor alone. Who measures starts, too, gets it between them.
func (r *run) floor(ctx context.Context) (err error) {
	if r.wants("idle") {
		return nil
	}
	b, err := r.bed(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	f, err := b.floors(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.undo.Close()) }()
	n := r.or(idleStarts, quickStarts)
	for i := range n {
		if err := f.measure(ctx, r.ofFloor, false); err != nil {
			return err
		}
		r.progress(i+1, n)
	}
	return nil
}
