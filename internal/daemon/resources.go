package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"enilab/internal/events"
	"enilab/internal/realm"
	"enilab/internal/state"
	"enilab/internal/topology"
	"enilab/netlab"

	"golang.org/x/sync/errgroup"
)

// resources keeps customers' servers running: it restarts what dies or fails its health check, and hands what lives on to
// the next daemon.
type resources struct {
	network *netlab.Lab
	records *state.Table[resourceRecord]
	events  *events.Bus
	log     *slog.Logger

	mu      sync.Mutex // guards all below
	watched map[string]*watched
	kept    map[string][]entry // what Redis servers held that a change has ended, until they are back or another serves
}

// resourceRecord is what is kept of a resource. It is there before the resource is, and goes after it.
type resourceRecord struct {
	VPC   string
	Spec  netlab.ResourceSpec
	Data  map[string]string     `json:",omitempty"` // of a Redis, written whenever it has been started
	State *netlab.ResourceState `json:",omitempty"` // of the server that has its data

	// Before, unless nil, is what the resource was before a change: until the new server has served, the old one may have to
	// come back.
	Before *resourceRecord `json:",omitempty"`
}

func (r resourceRecord) key() string { return r.VPC + "/" + r.Spec.Name }

// watched is a resource with the goroutine that looks after it, to which the record belongs.
type watched struct {
	record resourceRecord
	stop   context.CancelFunc
	gone   chan struct{} // closed when the goroutine has ended

	mu       sync.Mutex // guards all below
	trouble  string     // empty: it is healthy
	restarts int
}

func newResources(network *netlab.Lab, db *state.DB, bus *events.Bus, log *slog.Logger) *resources {
	return &resources{
		network: network, records: state.TableOf[resourceRecord](db, "resources"), events: bus, log: log,
		watched: map[string]*watched{}, kept: map[string][]entry{},
	}
}

// processes lists the servers that a former daemon has left running, as far as the records tell.
func (r *resources) processes() (list []realm.Kept, err error) {
	records, err := r.records.All()
	for _, record := range records {
		if record.State != nil {
			list = append(list, realm.Kept{PID: record.State.PID, Start: record.State.Start})
		}
	}
	return list, err
}

// A recovery waits so long for so many servers at once; those that take longer are left to their watches.
const (
	restoreWithin = 3 * time.Second
	restoreAtOnce = 8
)

// restore adopts each server that lives and builds those that are missing. A server that cannot be had is reported, and
// tried again by its watch; the lab goes on without it.
func (r *resources) restore(ctx context.Context) (adopted, built int, err error) {
	records, err := r.records.All()
	if err != nil {
		return 0, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, restoreWithin)
	defer cancel()
	var mu sync.Mutex // guards the results
	var work errgroup.Group
	work.SetLimit(restoreAtOnce)
	for _, key := range names(records) {
		record := records[key]
		work.Go(func() error {
			found, restoreErr := r.bringOrBack(ctx, &record)
			r.watch(record, restoreErr)
			mu.Lock()
			defer mu.Unlock()
			switch err = errors.Join(err, restoreErr); {
			case found:
				adopted++
			case restoreErr == nil:
				built++
			}
			return nil
		})
	}
	_ = work.Wait() // err has it all
	return adopted, built, err
}

// bring finds a resource that is there, or makes it, at the address that it had; and sees to its data.
func (r *resources) bring(ctx context.Context, record *resourceRecord) (found bool, err error) {
	spec := record.Spec
	var was netlab.ResourceState
	if record.State != nil {
		if was = *record.State; !spec.Address.IsValid() {
			spec.Address = was.Address
		}
	}
	_, err = r.network.AdoptResource(ctx, record.VPC, record.Spec, was)
	found = err == nil
	if errors.Is(err, fs.ErrNotExist) {
		_, err = r.network.AddResource(ctx, record.VPC, spec)
	}
	if err != nil {
		return false, err
	}
	r.events.Publish(events.Event{Type: events.ResourceState, VPC: record.VPC, Name: record.Spec.Name, State: "running"})
	return found, r.note(ctx, record)
}

// bringOrBack is bring, and has the server back that a change has ended if the new one does not come up: record is then the
// old one's, and the error says so. If neither comes, or ctx ends, the record stays what it is, and both can be tried again.
func (r *resources) bringOrBack(ctx context.Context, record *resourceRecord) (found bool, err error) {
	before := record.Before
	if before == nil {
		return r.bring(ctx, record)
	}
	wanted := *record
	record.Before = nil
	if found, err = r.bring(ctx, record); err == nil {
		r.takeKept(record.key())
		return found, r.records.Put(record.key(), *record) // a server that was found as recorded has not been noted
	}
	if ctx.Err() != nil {
		*record = wanted
		return false, err
	}
	old := *before
	backErr := errors.Join(r.network.RemoveResource(old.VPC, old.Spec.Name), r.records.Put(old.key(), old))
	if backErr == nil {
		_, backErr = r.bring(ctx, &old)
	}
	if backErr == nil {
		*record = old
		return false, fmt.Errorf("%w; the former server is back%s", err, r.refill(ctx, old))
	}
	*record = wanted
	err = fmt.Errorf("%w; the former server has ended and does not come back, either: %w; both are tried on", err, backErr)
	return false, errors.Join(err, r.network.RemoveResource(record.VPC, record.Spec.Name), r.records.Put(record.key(), wanted))
}

// refill has a Redis that is back hold what it held, and says what it holds.
func (r *resources) refill(ctx context.Context, record resourceRecord) string {
	entries, ok := r.takeKept(record.key())
	if !topology.ServesRedis(record.Spec) {
		return ""
	}
	if ok {
		err := writeBack(ctx, r.network.Resource(record.VPC, record.Spec.Name), record.Data, entries)
		if err == nil {
			return " with its data"
		}
		r.log.Warn("a Redis has lost what it held", "resource", record.key(), "error", err)
	}
	return " with the data that was declared for it, and no other"
}

// keep holds what a Redis holds that is about to be ended.
func (r *resources) keep(ctx context.Context, record resourceRecord) {
	resource := r.network.Resource(record.VPC, record.Spec.Name)
	if resource == nil || !topology.ServesRedis(record.Spec) {
		return
	}
	entries, err := writtenTo(ctx, resource)
	if err != nil {
		r.log.Warn("what a Redis holds is not kept while it is changed", "resource", record.key(), "error", err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept[record.key()] = entries
}

// takeKept returns what was kept, which is then forgotten.
func (r *resources) takeKept(key string) (entries []entry, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	entries, ok = r.kept[key]
	delete(r.kept, key)
	return entries, ok
}

// note fills a server that is not the one of the record, and records it.
func (r *resources) note(ctx context.Context, record *resourceRecord) error {
	resource := r.network.Resource(record.VPC, record.Spec.Name)
	now := resource.State()
	if record.State != nil && *record.State == now {
		return nil
	}
	if record.State == nil || record.State.ProcessState != now.ProcessState {
		if err := seed(ctx, resource, record.Data); err != nil {
			return err
		}
	}
	record.State = &now
	return r.records.Put(record.key(), *record)
}

// add starts a server and looks after it from then on.
func (r *resources) add(ctx context.Context, record resourceRecord) error {
	r.forget(record.key())
	r.takeKept(record.key())
	if err := r.records.Put(record.key(), record); err != nil {
		return err
	}
	if _, err := r.bring(ctx, &record); err != nil {
		return errors.Join(err, r.network.RemoveResource(record.VPC, record.Spec.Name), r.records.Delete(record.key()))
	}
	r.watch(record, nil)
	return nil
}

// change makes a server anew, because its interface and process hang on what has changed. If the new one does not come up,
// the old one is had back.
func (r *resources) change(ctx context.Context, record resourceRecord) error {
	record, err := r.stop(ctx, record)
	if err != nil {
		return err
	}
	_, err = r.bringOrBack(ctx, &record)
	var trouble error
	if r.network.Resource(record.VPC, record.Spec.Name) == nil {
		trouble = err
	}
	r.watch(record, trouble)
	return err
}

// stop ends a server that is to be what a record says, and returns that record, which says what the server was, too. It is
// kept before the server ends: if nobody comes to start the new one, the next daemon does. If it cannot be stopped, a watch
// looks after what there is.
func (r *resources) stop(ctx context.Context, record resourceRecord) (resourceRecord, error) {
	records, err := r.records.All()
	if err != nil {
		return record, err
	}
	r.forget(record.key())
	old := records[record.key()]
	if record.Before = old.Before; record.Before == nil { // else it has been stopped already
		before := old
		record.Before = &before
	}
	if old.State != nil && old.Spec.Subnet == record.Spec.Subnet {
		record.State = &netlab.ResourceState{Address: old.State.Address} // it keeps its address
	}
	if err := r.records.Put(record.key(), record); err != nil {
		r.watch(old, err)
		return record, err
	}
	r.keep(ctx, old)
	if err := r.network.RemoveResource(record.VPC, record.Spec.Name); err != nil {
		r.watch(record, err)
		return record, err
	}
	return record, nil
}

// remove ends a server for good.
func (r *resources) remove(vpc, name string) error {
	key := vpc + "/" + name
	r.forget(key)
	r.takeKept(key)
	if err := r.network.RemoveResource(vpc, name); err != nil {
		return err
	}
	r.events.Publish(events.Event{Type: events.ResourceState, VPC: vpc, Name: name, State: "removed"})
	return r.records.Delete(key)
}

// watch looks after a resource from now on; trouble is why it could not be brought up yet.
func (r *resources) watch(record resourceRecord, trouble error) {
	ctx, stop := context.WithCancel(context.Background())
	w := &watched{record: record, stop: stop, gone: make(chan struct{})}
	w.note(trouble)
	r.mu.Lock()
	r.watched[record.key()] = w
	r.mu.Unlock()
	go func() {
		defer close(w.gone)
		r.look(ctx, w)
	}()
}

// forget stops looking after a resource.
func (r *resources) forget(key string) {
	r.mu.Lock()
	w := r.watched[key]
	delete(r.watched, key)
	r.mu.Unlock()
	if w != nil {
		w.stop()
		<-w.gone
	}
}

// leave stops looking after all servers; they run on.
func (r *resources) leave() {
	r.mu.Lock()
	keys := names(r.watched)
	r.mu.Unlock()
	for _, key := range keys {
		r.forget(key)
	}
}

// A server that does not stay up is left alone after each attempt, twice as long as after the one before, until it has stayed
// up for as long as that can be.
const (
	firstRestart = 100 * time.Millisecond
	lastRestart  = 10 * time.Second
)

// look restarts the server when it has died or its check fails, and brings up one that is not there.
func (r *resources) look(ctx context.Context, w *watched) {
	interval := w.record.Spec.Interval
	if interval <= 0 {
		interval = netlab.DefaultInterval
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	pause := firstRestart
	var attempt time.Time // the last one
	for {
		resource := r.network.Resource(w.record.VPC, w.record.Spec.Name)
		select {
		case <-ctx.Done():
			return
		case <-ended(resource):
		case <-tick.C:
		}
		if time.Since(attempt) > pause+lastRestart {
			pause = firstRestart
		}
		restarted, err := r.mend(ctx, w, resource)
		if ctx.Err() != nil {
			return
		}
		switch {
		case err != nil:
			w.note(err)
			r.log.Warn("resource does not come up", "resource", w.record.key(), "error", err)
		case !restarted:
			w.note(nil)
			continue
		}
		attempt = time.Now()
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, lastRestart)
	}
}

// mend makes a resource healthy, if it is not. One that was restarted has still to show that it stays up.
func (r *resources) mend(ctx context.Context, w *watched, resource *netlab.Resource) (restarted bool, err error) {
	if resource == nil {
		_, err := r.bringOrBack(ctx, &w.record)
		return false, err
	}
	if sick := healthy(ctx, resource); sick != nil && ctx.Err() == nil {
		w.note(sick)
		r.events.Publish(events.Event{Type: events.ResourceState, VPC: w.record.VPC, Name: w.record.Spec.Name, State: "failed", Reason: sick.Error()})
		if err := resource.Restart(ctx); err != nil {
			return false, err
		}
		restarted = true
		w.mu.Lock()
		w.restarts++
		w.mu.Unlock()
		r.events.Publish(events.Event{Type: events.ResourceState, VPC: w.record.VPC, Name: w.record.Spec.Name, State: "restarted"})
	}
	return restarted, r.note(ctx, &w.record)
}

// ended is closed when the server has; of one that is not there it never is, and the next tick tries.
func ended(r *netlab.Resource) <-chan struct{} {
	if r == nil {
		return nil
	}
	if p := r.Process(); p != nil {
		return p.Done()
	}
	return nil
}

func (w *watched) note(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trouble = ""
	if err != nil {
		w.trouble = err.Error()
	}
}

// health tells how a resource is, and how often it had to be restarted.
func (r *resources) health(key string) (text string, restarts int) {
	r.mu.Lock()
	w := r.watched[key]
	r.mu.Unlock()
	if w == nil {
		return "unknown", 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.trouble == "" {
		return "ok", w.restarts
	}
	return w.trouble, w.restarts
}
