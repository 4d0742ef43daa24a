package lambda

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"enilab/internal/events"
)

// How Lambda treats asynchronous events.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
const (
	// https://aws.amazon.com/blogs/compute/more-room-to-build-serverless-services-now-support-payloads-up-to-1-mb
	maxAsyncEvent = 1 << 20 // bytes

	maxEventAge = 6 * time.Hour // then an event is dropped

	// What is no fault of the function, such as throttling, is tried again after a pause that doubles from the first to
	// the last.
	firstBackoff = time.Second
	lastBackoff  = 5 * time.Minute
)

// retryPauses are how long Lambda waits before it gives an event once more to a function that failed: two retries.
var retryPauses = []time.Duration{time.Minute, 2 * time.Minute}

// Bounds of the lab's own.
const (
	asyncAtOnce    = 16        // events of one function under way; AWS scales its pollers further
	maxQueuedBytes = 128 << 20 // of all events that wait, by their size, whatever Config.Room says
	minQueuedBytes = 2 << 20   // and without asking it: one event of any size may always wait

	// eventCost bounds what an event takes beside its payload and client context, in memory and as a record. Events are
	// small as a rule: without it the bound would let in millions, each of some hundred bytes.
	eventCost = 1 << 10
)

// asyncEvent is an event that nobody waits for. It is kept until the function has dealt with it.
type asyncEvent struct {
	ID            string    `json:"id"` // of the request, and of every try
	Function      string    `json:"function"`
	Qualifier     string    `json:"qualifier,omitempty"` // as it was asked for: each try of an alias goes by its weights
	Payload       []byte    `json:"payload"`
	ClientContext string    `json:"clientContext,omitempty"`
	TraceHeader   string    `json:"traceHeader,omitempty"`
	Accepted      time.Time `json:"accepted"`
	Failures      int       `json:"failures,omitempty"` // of the function

	due      time.Time
	deferred int // tries that were no fault of the function, in a row
}

// size is what the event counts towards what may wait.
func (e *asyncEvent) size() int64 { return int64(eventCost + len(e.Payload) + len(e.ClientContext)) }

// eventQueue is what waits for one function. It costs nothing while it is empty.
type eventQueue struct {
	service  *Service
	function *function

	mu      sync.Mutex    // guards all below
	waiting []*asyncEvent // the first due first
	running int
	timer   *time.Timer
	closed  bool
}

// accept keeps an event, and has it dealt with behind the caller's back. AWS does not say what it answers when it has no
// room for one more; the lab throttles, which every SDK tries again.
func (s *Service) accept(v *version, e *asyncEvent) error {
	if queued := s.queued.Add(e.size()); queued > s.room(queued) {
		s.queued.Add(-e.size())
		taken := (queued - e.size()) >> 20
		return refuse(TooManyRequests, "the events that wait in this lab take %d MB, which is all there is room for", taken)
	}
	if err := s.asyncs.Put(e.ID, *e); err != nil {
		s.queued.Add(-e.size())
		return refuse(ServiceException, "keep the event: %w", err)
	}
	if !v.function.queue.push(e) {
		return errors.Join(s.notFound(FunctionRef{Name: v.function.name}), s.forgetEvent(e))
	}
	return nil
}

// room is how many bytes of events may wait, if that is to be so many.
func (s *Service) room(wanted int64) int64 {
	if s.Room == nil || wanted <= minQueuedBytes {
		return maxQueuedBytes
	}
	return min(maxQueuedBytes, max(s.Room(), minQueuedBytes))
}

// push puts an event in its place, and begins what is due. A closed queue takes none.
func (q *eventQueue) push(e *asyncEvent) bool {
	q.mu.Lock()
	closed := q.closed
	if !closed {
		at, _ := slices.BinarySearchFunc(q.waiting, e, func(a, b *asyncEvent) int { return cmp.Or(a.due.Compare(b.due), -1) })
		q.waiting = slices.Insert(q.waiting, at, e)
	}
	q.mu.Unlock()
	q.dispatch()
	return !closed
}

// dispatch begins what is due and sets the clock for what is not.
func (q *eventQueue) dispatch() {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	for !q.closed && len(q.waiting) > 0 && q.running < asyncAtOnce {
		next := q.waiting[0]
		if left := next.due.Sub(now); left > 0 {
			if q.timer == nil {
				q.timer = time.AfterFunc(left, q.dispatch)
			} else {
				q.timer.Reset(left)
			}
			return
		}
		done, err := q.service.control()
		if err != nil {
			return // the lab ends; what waits is kept
		}
		q.waiting[0] = nil
		q.waiting = q.waiting[1:]
		q.running++
		go func() {
			defer done()
			again := q.service.try(q.function, next)
			q.mu.Lock()
			q.running--
			q.mu.Unlock()
			if again && !q.push(next) { // the function has gone meanwhile
				if err := q.service.dropEvent(next, string(ResourceNotFound)); err != nil {
					q.service.Log.Warn("drop an event", "error", err)
				}
			}
			q.dispatch()
		}()
	}
}

// close drops what waits, and its records unless the lab comes back.
func (q *eventQueue) close() (err error) {
	q.mu.Lock()
	waiting := q.waiting
	q.waiting, q.closed = nil, true
	if q.timer != nil {
		q.timer.Stop()
	}
	q.mu.Unlock()
	for _, e := range waiting {
		err = errors.Join(err, q.service.dropEvent(e, string(ResourceNotFound)))
	}
	return err
}

// forgetEvent ends an event that is dealt with. Those that the end of the lab interrupts stay recorded.
func (s *Service) forgetEvent(e *asyncEvent) error {
	s.queued.Add(-e.size())
	if s.open.Err() != nil {
		return nil
	}
	if err := s.asyncs.Delete(e.ID); err != nil {
		return fmt.Errorf("forget event %s of function %s: %w", e.ID, e.Function, err)
	}
	return nil
}

// dropEvent gives an event up, and says so: whoever sent it has been told that it was accepted.
func (s *Service) dropEvent(e *asyncEvent, why string) error {
	if s.open.Err() == nil {
		s.Events.Publish(events.Event{Type: events.InvokeDropped, Function: e.Function, Version: cmp.Or(e.Qualifier, latestVersion), Name: e.ID, Reason: why})
		s.Log.Warn("an asynchronous event is dropped", "function", e.Function, "version", cmp.Or(e.Qualifier, latestVersion), "request", e.ID, "reason", why)
	}
	return s.forgetEvent(e)
}

// try gives an event to its function and tells whether to do so again, when it is due.
func (s *Service) try(f *function, e *asyncEvent) (again bool) {
	out, err := s.invoke(s.open, InvokeInput{Function: FunctionRef{f.name, e.Qualifier}, Payload: e.Payload, ClientContext: e.ClientContext, TraceHeader: e.TraceHeader}, e.ID)
	if s.open.Err() != nil {
		return false // kept
	}
	failed, why := out.FunctionError != "", out.FunctionError
	if err != nil {
		why = string(codeOf(err))
	}
	pause, again, tooOld := e.next(f.eventConfig(e.Qualifier), failed, err, time.Since(e.Accepted), s.pause)
	if tooOld {
		why = "MaximumEventAgeExceeded"
	}
	if again {
		e.due = time.Now().Add(pause)
		if failed {
			if err := s.asyncs.Put(e.ID, *e); err != nil {
				s.Log.Warn("keep an event for its retry", "function", f.name, "error", err)
			}
		}
		s.Events.Publish(events.Event{Type: events.InvokeRetry, Function: f.name, Version: out.ExecutedVersion, Env: out.Environment, Name: e.ID, Reason: why})
		return true
	}
	end := s.forgetEvent
	if why != "" {
		end = func(e *asyncEvent) error { return s.dropEvent(e, why) }
	}
	if err := end(e); err != nil {
		s.Log.Warn("end an event", "error", err)
	}
	return false
}

// next decides what becomes of an event that was tried: whether it is given to the function again, and after which pause; if
// not, whether it has become too old for that. Failed is the function's failure, err one that was not the function's. How long
// AWS's pauses are here, pause says, which also knows the pauses without the model.
func (e *asyncEvent) next(c EventInvokeConfig, failed bool, err error, age time.Duration, pause func(aws, quick time.Duration) time.Duration) (wait time.Duration, again, tooOld bool) {
	switch code := codeOf(err); {
	case err == nil && failed && e.Failures < c.retries():
		wait = pause(retryPauses[e.Failures], quickRetry)
		e.Failures++
		e.deferred = 0
	case err == nil, code == ResourceNotFound, code == InvalidRequestContent:
		return 0, false, false
	default: // throttled, not ready, or the lab's fault
		backoff := min(firstBackoff<<min(e.deferred, 10), lastBackoff)
		wait = pause(backoff, backoff/100)
		e.deferred++
	}
	if age+wait > pause(c.age(), c.age()) {
		return 0, false, true
	}
	return wait, true, false
}

// quickRetry is the pause before a retry where AWS's is not modelled.
const quickRetry = 10 * time.Millisecond

// pause is what AWS's pause takes with the model, and quick without one.
func (s *Service) pause(aws, quick time.Duration) time.Duration {
	if s.Model.AWS {
		return s.Model.delay(aws)
	}
	return quick
}

// restoreEvents goes on with the events that a daemon left. Events of functions that are gone, or that were made anew
// since, go too.
func (s *Service) restoreEvents() error {
	records, err := s.asyncs.All()
	if err != nil {
		return fmt.Errorf("restore: events: %w", err)
	}
	for _, e := range records {
		s.queued.Add(e.size())
		s.mu.Lock()
		f := s.functions[e.Function]
		s.mu.Unlock()
		if f == nil || e.Accepted.Before(f.created) {
			if err := s.dropEvent(&e, string(ResourceNotFound)); err != nil {
				return fmt.Errorf("restore: %w", err)
			}
			continue
		}
		e.due = e.Accepted
		f.queue.push(&e)
	}
	return nil
}
