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
	return f, f.measure(ctx, false)
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

// measure takes one sample of each, with the machine at rest before what a namespace's end disturbs. The process that
// waits does so for as long as that of a slot: its caches are as cold.
func (f *floors) measure(ctx context.Context, counted bool) (err error) {
	note := func(name string, took time.Duration) {
		if counted {
			f.run.figureOf("floor", name, "", 0, microseconds).took(took)
		}
	}
	parked, err := f.spawner.Park()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, parked.Close(), compare.Calm(ctx)) }()
	attach, err := f.vpc.Attach()
	if err != nil {
		return err
	}
	note(floorAttach, attach)
	if err := compare.Calm(ctx); err != nil {
		return err
	}
	create, move, err := f.vpc.Move()
	if err != nil {
		return err
	}
	note(floorCreate, create)
	note(floorMove, move)
	if err := compare.Calm(ctx); err != nil {
		return err
	}
	for _, m := range []struct {
		name string
		do   func() (time.Duration, error)
	}{{floorSpawn, parked.Start}, {floorSpawnWhole, f.spawner.Whole}, {floorNamespace, floor.Namespace}} {
		took, err := m.do()
		if err != nil {
			return err
		}
		note(m.name, took)
	}
	return nil
}

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
		if err := f.measure(ctx, true); err != nil {
			return err
		}
		r.progress(i+1, n)
	}
	return nil
}
