package sandbox

import (
	"bytes"
	"sync"
)

// TailSize is how much of an invocation's output Lambda returns in X-Amz-Log-Result, in bytes.
const TailSize = 4 << 10

// LogTail keeps the end of the current invocation's output: an io.Writer that never fails, never waits and never grows,
// however much a handler prints. The zero LogTail is ready. All methods are safe for concurrent use.
type LogTail struct {
	mu    sync.Mutex // guards all below
	ring  [TailSize]byte
	count int64 // bytes since Reset: ring[count%TailSize] is written next
}

// Write takes all of p, at the cost of a copy of at most TailSize.
func (t *LogTail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := p
	if skip := len(p) - TailSize; skip > 0 {
		t.count += int64(skip)
		kept = p[skip:]
	}
	for len(kept) > 0 {
		n := copy(t.ring[t.count%TailSize:], kept)
		t.count += int64(n)
		kept = kept[n:]
	}
	return len(p), nil
}

// Reset begins a new invocation.
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
