package lambda

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"enilab/internal/events"

	"github.com/google/uuid"
)

// begin makes v what v.next says, behind the caller's back. The caller holds the function's plane, and has recorded it.
func (s *Service) begin(what string, v *version) {
	s.background(what, func() error { return s.settle(v) })
}

// settle makes the network of v.next and has v serve with it instead of what it had. It takes the code of v.next over.
func (s *Service) settle(v *version) error {
	f := v.function
	f.mu.Lock()
	next, what := *v.next, events.FunctionState
	if next.config.LastUpdateStatus == UpdateInProgress {
		what = events.FunctionUpdate
	}
	f.mu.Unlock()
	s.announce(what, v)
	network, err := s.prepare(s.open, next.config)
	if s.open.Err() != nil { // the lab ends; the record says how to go on
		if err == nil {
			err = network.release()
		} else {
			err = nil
		}
		f.mu.Lock()
		v.next = nil
		close(v.settled)
		f.mu.Unlock()
		return errors.Join(err, next.code.drop())
	}
	var made *generation
	if err == nil {
		made, err = s.newGeneration(v, next, network)
	}
	f.plane.Lock()
	var done func() error
	if err != nil {
		done = s.fail(v, next, err)
	} else {
		done = s.succeed(v, next, made)
	}
	kept := s.keep(f)
	f.mu.Lock()
	gone := v.goneLocked()
	close(v.settled)
	f.mu.Unlock()
	f.plane.Unlock()
	if !gone {
		s.announce(what, v)
	}
	return errors.Join(kept, done())
}

// fail records why v could not become what it should. What it had serves on. The caller does the rest without locks.
func (s *Service) fail(v *version, next change, why error) (rest func() error) {
	f := v.function
	f.mu.Lock()
	defer f.mu.Unlock()
	c := &v.config
	c.Cause = why.Error()
	s.Log.Warn("a function could not be set up", "function", f.name, "version", v.name, "error", why)
	switch {
	case next.config.LastUpdateStatus == UpdateInProgress:
		// People saw the revision that failed as the function's. What they see again now has another one, so that nobody
		// who holds the failed one takes it for that. AWS does not document whether its own does so.
		c.revise()
		c.LastUpdateStatus, c.LastUpdateStatusReason, c.LastUpdateStatusReasonCode = UpdateFailed, reasonSaid(why), reasonFor(why)
	case c.StateReasonCode == ReasonRestoring:
		// https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html: "If Lambda fails to recreate the resources,
		// the function is set to the inactive state."
		c.State, c.StateReason, c.StateReasonCode = Inactive, reasonSaid(why), reasonFor(why)
	default:
		c.State, c.StateReason, c.StateReasonCode, c.LastUpdateStatus = Failed, reasonSaid(why), reasonFor(why), UpdateSuccessful
	}
	v.next = nil
	return next.code.drop
}

// succeed puts what was made in the place of what v had. The caller does the rest without locks.
func (s *Service) succeed(v *version, next change, made *generation) (rest func() error) {
	f := v.function
	f.mu.Lock()
	defer f.mu.Unlock()
	v.next = nil
	if v.goneLocked() {
		return func() error { return errors.Join(made.drop(), next.code.drop()) }
	}
	c := &next.config
	c.State, c.StateReason, c.StateReasonCode, c.Cause = Active, "", "", ""
	c.LastUpdateStatus, c.LastUpdateStatusReason, c.LastUpdateStatusReasonCode = UpdateSuccessful, "", ""
	old, code, retired := v.current, v.code, v.idle
	v.current = made
	v.config, v.code, v.idle, v.used = *c, next.code, nil, time.Now()
	return func() error {
		for _, e := range retired {
			s.retire(e)
		}
		return errors.Join(old.drop(), code.drop())
	}
}

// announce tells who watches what became of a version: of its state, or of its update.
func (s *Service) announce(what events.Type, v *version) {
	if s.Events == nil {
		return
	}
	f := v.function
	f.mu.Lock()
	c := v.shownLocked().config
	f.mu.Unlock()
	e := events.Event{Type: what, Function: f.name, Version: v.name, VPC: c.VpcConfig.VpcID, State: string(c.State), Reason: string(c.StateReasonCode)}
	if what == events.FunctionUpdate {
		e.State, e.Reason = string(c.LastUpdateStatus), string(c.LastUpdateStatusReasonCode)
	}
	s.Events.Publish(e)
}

func (v *version) goneLocked() bool { return v.deleted || v.function.deleted }

// notReadyLocked says why a version cannot be invoked, changed or published.
// https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
func (s *Service) notReadyLocked(v *version) error {
	switch f := v.function; {
	case v.goneLocked():
		return s.notFound(FunctionRef{f.name, qualifierOf(v)})
	case v.next != nil && v.next.config.LastUpdateStatus == UpdateInProgress:
		return refuse(ResourceConflict, "The operation cannot be performed at this time. An update is in progress for resource: %s", v.config.FunctionARN)
	}
	return refuse(ResourceConflict, "The operation cannot be performed at this time. The function is currently in the following state: %s", v.config.State)
}

func qualifierOf(v *version) string {
	if v.number == 0 {
		return ""
	}
	return v.name
}

// awakenLocked begins to restore a version that is Inactive, and says that it cannot serve yet.
func (s *Service) awakenLocked(v *version) error {
	v.config.State, v.config.StateReason, v.config.StateReasonCode = Pending, "The function is being restored.", ReasonRestoring
	v.next = &change{v.config, v.code.hold()}
	v.settled = make(chan struct{})
	s.begin("restore function "+v.function.name, v)
	return refuse(ResourceNotReady, "The function is inactive and its VPC connection is no longer available. Wait for the VPC connection to reestablish and try again.")
}

// watchIdle makes functions Inactive that nobody has invoked for the quota's time, and ends environments that have
// waited too long, until the lab ends. One goroutine serves all: what begins to be idle from now on is not due before it
// wakes up.
func (s *Service) watchIdle() {
	for {
		next := min(s.patience(), s.idleTime())
		for _, f := range s.all() {
			for _, v := range f.all() {
				next = min(next, s.rest(v))
			}
		}
		timer := time.NewTimer(max(next, time.Millisecond))
		select {
		case <-timer.C:
		case <-s.open.Done():
			timer.Stop()
			return
		}
	}
}

// ever stands for a time that never comes.
const ever = time.Duration(1<<63 - 1)

// patience is how long an environment waits for its next event.
func (s *Service) patience() time.Duration { return orEver(s.KeepIdle) }

// idleTime is how long a function waits for its next invocation.
func (s *Service) idleTime() time.Duration { return orEver(s.Quotas.idle()) }

func orEver(d time.Duration) time.Duration {
	if d < 0 {
		return ever
	}
	return d
}

// rest ends what of a version has been idle too long, and says when to look again.
func (s *Service) rest(v *version) (again time.Duration) {
	f, now := v.function, time.Now()
	f.mu.Lock()
	again = min(s.patience(), s.idleTime())
	for len(v.idle) > 0 { // the first has waited longest
		if left := s.patience() - now.Sub(v.idle[0].used); left > 0 {
			again = min(again, left)
			break
		}
		s.retire(v.idle[0])
		v.idle = v.idle[1:]
	}
	if v.current == nil || v.next != nil || v.running > 0 {
		f.mu.Unlock()
		return again
	}
	if left := s.idleTime() - now.Sub(v.used); left > 0 {
		f.mu.Unlock()
		return min(again, left)
	}
	envs, current := v.idle, v.current
	v.idle, v.current = nil, nil
	v.config.State, v.config.StateReason, v.config.StateReasonCode = Inactive, "The function is idle.", ReasonIdle
	f.mu.Unlock()
	for _, e := range envs {
		s.retire(e)
	}
	s.announce(events.FunctionState, v)
	s.background("release the network of "+f.name, func() error {
		f.plane.Lock()
		kept := s.keep(f)
		f.plane.Unlock()
		return errors.Join(kept, current.drop())
	})
	return again
}

// all are the versions there are.
func (f *function) all() []*version {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.allLocked()
}

func (f *function) allLocked() []*version {
	list := []*version{f.latest}
	for _, v := range f.versions {
		list = append(list, v)
	}
	return list
}

// WaitFunctionActive returns when the function's creation or update has ended, with an error if it failed. It is what
// the SDKs' waiters FunctionActiveV2 and FunctionUpdatedV2 do by polling.
func (s *Service) WaitFunctionActive(ctx context.Context, ref FunctionRef) error {
	v, err := s.version(ref)
	if err != nil {
		return err
	}
	v.function.mu.Lock()
	settled := v.settled
	v.function.mu.Unlock()
	select {
	case <-settled:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	c, err := s.GetFunctionConfiguration(ref)
	switch {
	case err != nil:
		return err
	case c.State == Failed:
		return fmt.Errorf("function %s: %s: %s", ref, c.StateReasonCode, cmp.Or(c.Cause, c.StateReason))
	case c.LastUpdateStatus == UpdateFailed:
		return fmt.Errorf("function %s: update: %s: %s", ref, c.LastUpdateStatusReasonCode, cmp.Or(c.Cause, c.LastUpdateStatusReason))
	}
	return nil
}

// revise gives a configuration that was changed a new revision.
func (c *FunctionConfiguration) revise() {
	c.LastModified = time.Now().UTC()
	c.RevisionID = uuid.NewString()
}
