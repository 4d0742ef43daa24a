package sandbox

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

// TailSize is how much of an invocation's output Lambda returns in X-Amz-Log-Result, in bytes.
const TailSize = 4 << 10

const (
	defaultLogRate = 64 << 10 // bytes a second
	maxLogLine     = 4 << 10  // bytes, without the line's end
	logQueue       = 64 << 10 // bytes that wait for the receiver of the lines
	logNotice      = 64       // bytes of a notice at most
)

// LogTail is where the output of an environment goes: an io.Writer that never fails, never waits and never grows,
// however much a handler prints. It keeps the end of the current invocation's output. The zero LogTail is ready and
// does only that. All methods are safe for concurrent use.
type LogTail struct {
	Lines io.Writer        // gets the output as well, one whole line a Write; nil means nobody
	Rate  int              // bytes a second that Lines gets at most; zero means 64 KiB. More is lost, and said so
	Now   func() time.Time // nil means time.Now

	mu    sync.Mutex // guards all below
	ring  [TailSize]byte
	count int64 // bytes since Reset: ring[count%TailSize] is written next
	total int64

	line     []byte // the unfinished line; what exceeds maxLogLine is cut
	queue    []byte // whole lines for Lines
	pumping  bool   // a goroutine hands the queue over, and ends when it is empty
	idle     *sync.Cond
	tokens   float64 // bytes that may be forwarded now
	refilled time.Time
	lost     int64 // lines not forwarded since the last notice of it
}

// Write takes all of p. It costs no more than a look for line ends and a copy of at most TailSize.
func (t *LogTail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keepLocked(p)
	if t.Lines != nil {
		t.splitLocked(p)
	}
	return len(p), nil
}

// Reset begins a new invocation: the tail and the count start anew.
func (t *LogTail) Reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count = 0
}

// Tail returns a copy of the last TailSize bytes since Reset.
func (t *LogTail) Tail() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count <= TailSize {
		return bytes.Clone(t.ring[:t.count])
	}
	at := t.count % TailSize
	return append(bytes.Clone(t.ring[at:]), t.ring[:at]...)
}

// Count is how many bytes were written since Reset, and Total since the beginning.
func (t *LogTail) Count() int64 { t.mu.Lock(); defer t.mu.Unlock(); return t.count }

// Total is how many bytes were ever written.
func (t *LogTail) Total() int64 { t.mu.Lock(); defer t.mu.Unlock(); return t.total }

// Flush ends an unfinished line and returns when Lines has got all that waits for it. It waits as long as Lines does.
func (t *LogTail) Flush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.line) > 0 {
		t.endLineLocked()
	}
	if t.lost > 0 {
		t.noticeLocked()
		t.pumpLocked()
	}
	for t.pumping {
		t.idle.Wait()
	}
}

func (t *LogTail) keepLocked(p []byte) {
	t.total += int64(len(p))
	if skip := len(p) - TailSize; skip > 0 {
		t.count += int64(skip)
		p = p[skip:]
	}
	for len(p) > 0 {
		n := copy(t.ring[t.count%TailSize:], p)
		t.count += int64(n)
		p = p[n:]
	}
}

func (t *LogTail) splitLocked(p []byte) {
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		part := p
		if end >= 0 {
			part = p[:end]
		}
		t.line = append(t.line, part[:min(len(part), maxLogLine-len(t.line))]...)
		if end < 0 {
			return
		}
		t.endLineLocked()
		p = p[end+1:]
	}
}

// endLineLocked queues the line if the rate and the queue allow it, and counts it as lost if not.
func (t *LogTail) endLineLocked() {
	if size := len(t.line) + 1; len(t.queue)+logNotice+size > logQueue || !t.allowLocked(size) {
		t.lost++
	} else {
		t.noticeLocked()
		t.queue = append(append(t.queue, t.line...), '\n')
		t.pumpLocked()
	}
	t.line = t.line[:0]
}

func (t *LogTail) noticeLocked() {
	if t.lost > 0 && len(t.queue)+logNotice <= logQueue {
		t.queue = fmt.Appendf(t.queue, "[enilab: %d lines of output left out]\n", t.lost)
		t.lost = 0
	}
}

// allowLocked is a token bucket. Lines above the rate are lost, not late: nothing here ever sleeps.
func (t *LogTail) allowLocked(size int) bool {
	now, rate := time.Now, defaultLogRate
	if t.Now != nil {
		now = t.Now
	}
	if t.Rate > 0 {
		rate = t.Rate
	}
	at := now()
	burst := float64(max(rate, maxLogLine+1)) // so that every line can pass some time
	if t.refilled.IsZero() {
		t.tokens, t.refilled = burst, at
	}
	t.tokens = min(t.tokens+at.Sub(t.refilled).Seconds()*float64(rate), burst)
	t.refilled = at
	if t.tokens < float64(size) {
		return false
	}
	t.tokens -= float64(size)
	return true
}

func (t *LogTail) pumpLocked() {
	if t.pumping {
		return
	}
	t.pumping = true
	if t.idle == nil {
		t.idle = sync.NewCond(&t.mu)
	}
	go t.pump()
}

// pump is the only one that waits for Lines. It takes the queue as a whole, so that the writers go on meanwhile.
func (t *LogTail) pump() {
	var spare []byte
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.queue) > 0 {
		batch := t.queue
		t.queue = spare[:0]
		t.mu.Unlock()
		for line := range bytes.Lines(batch) {
			_, _ = t.Lines.Write(line) // a receiver that fails is no reason to stop a function
		}
		t.mu.Lock()
		spare = batch
	}
	t.pumping = false
	t.idle.Broadcast()
}
