package lambda

import "sync"

// tally counts what goes on, and lets others wait until nothing does. Unlike a sync.WaitGroup it may grow from nothing
// while somebody waits.
type tally struct {
	mu   sync.Mutex // guards n
	n    int
	none *sync.Cond
}

func newTally() *tally {
	t := new(tally)
	t.none = sync.NewCond(&t.mu)
	return t
}

func (t *tally) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n++
}

func (t *tally) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n--; t.n == 0 {
		t.none.Broadcast()
	}
}

func (t *tally) wait() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.n > 0 {
		t.none.Wait()
	}
}
