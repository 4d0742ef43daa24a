package lambda

import (
	"sync"
	"time"

	"enilab/sandbox"
)

// freezeGrace is how long an environment waits for its next event before it is frozen. AWS freezes it at once; here that
// would cost each of a stream of events the time that it takes to freeze and to thaw.
const freezeGrace = 10 * time.Millisecond

// freezer freezes an environment between its events: when the last one is over, its runtime has asked for another, and
// none comes soon. https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
type freezer struct {
	process *sandbox.Process
	failed  func(error)

	mu     sync.Mutex // guards all below
	idle   bool       // no event is at hand
	waits  bool       // the runtime waits for one
	frozen bool
	closed bool
	timer  *time.Timer
}

// rest begins the time between two events.
func (z *freezer) rest() {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.idle = true
	z.armLocked()
}

// waiting is told whenever the runtime waits in …/next: only then it may be frozen, or it would be in the midst of
// something.
func (z *freezer) waiting() {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.waits = true
	z.armLocked()
}

func (z *freezer) armLocked() {
	switch {
	case !z.idle || !z.waits || z.frozen || z.closed:
	case z.timer == nil:
		z.timer = time.AfterFunc(freezeGrace, z.freeze)
	default:
		z.timer.Reset(freezeGrace)
	}
}

func (z *freezer) freeze() {
	z.mu.Lock()
	defer z.mu.Unlock()
	if !z.idle || !z.waits || z.frozen || z.closed {
		return
	}
	if err := z.process.Freeze(); err != nil {
		z.failed(err)
		return
	}
	z.frozen = true
}

// wake makes ready for an event, and tells whether there was anything to thaw.
func (z *freezer) wake() (thawed bool, err error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.idle, z.waits = false, false
	if z.timer != nil {
		z.timer.Stop()
	}
	if !z.frozen {
		return false, nil
	}
	z.frozen = false
	return true, z.process.Thaw()
}

// isFrozen tells whether the environment is frozen.
func (z *freezer) isFrozen() bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.frozen
}

// close ends the freezing: the process is about to be killed, which needs no thaw.
func (z *freezer) close() error {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.closed = true
	if z.timer != nil {
		z.timer.Stop()
	}
	return nil
}
