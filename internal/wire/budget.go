package wire

import (
	"net/http"
	"sync"
	"time"
)

// budget is the memory that requests may take together. A client may have as much of it as is then left for all others: one
// alone at most a half, two a third each. So whatever a client does, there is something for the next.
type budget struct {
	most   int64        // bytes
	memory func() int64 // what it may be at the moment; nil means always the most

	mu      sync.Mutex // guards all below
	taken   int64
	by      map[string]int64 // client → of those
	room    int64            // what memory has said
	asked   time.Time
	uploads map[*upload]struct{} // being read
}

// smallChange is given whatever memory says, and without asking it: a server that is out of memory still answers.
const smallChange = 2 << 20

// roomLasts is how long it is not asked again how much memory there is: longer than asking takes, and shorter than it takes
// to send a lot.
const roomLasts = 50 * time.Millisecond

// take takes n bytes for a client, unless that is more than it may have.
func (b *budget) take(client string, n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if left := b.roomLocked(b.taken+n) - b.taken - n; left < 0 || b.by[client]+n > left {
		b.cutSlowLocked(time.Now())
		return false
	}
	b.taken += n
	if b.by == nil {
		b.by = map[string]int64{}
	}
	b.by[client] += n
	return true
}

// roomLocked is how much all may have together, if that is to be so much.
func (b *budget) roomLocked(wanted int64) int64 {
	if b.memory == nil || 2*wanted <= smallChange {
		return b.most
	}
	if now := time.Now(); now.Sub(b.asked) >= roomLasts {
		b.room, b.asked = b.memory(), now
	}
	return min(b.most, max(b.room, smallChange))
}

// give gives back.
func (b *budget) give(client string, n int64) {
	if n == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taken -= n
	if b.by[client] -= n; b.by[client] == 0 {
		delete(b.by, client)
	}
}

// upload is a body that is being read.
type upload struct {
	control *http.ResponseController
	start   time.Time
	grace   time.Duration // for all of it, besides a second for each rate bytes

	mu   sync.Mutex // guards all below
	got  int
	slow bool // it has been cut off
}

// begin has an upload be one that may be cut off, until its end.
func (b *budget) begin(u *upload) (end func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.uploads == nil {
		b.uploads = map[*upload]struct{}{}
	}
	b.uploads[u] = struct{}{}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.uploads, u)
	}
}

// scarcity is how many times faster bodies must come when there is no memory for another.
const scarcity = 10

// cutSlowLocked ends what holds memory and does not hurry.
func (b *budget) cutSlowLocked(now time.Time) {
	for u := range b.uploads {
		u.cutIfSlow(now)
	}
}

func (u *upload) cutIfSlow(now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if now.Sub(u.start) > (u.grace+time.Duration(u.got)*time.Second/rate)/scarcity {
		u.slow = true
		_ = u.control.SetReadDeadline(time.Unix(1, 0)) // who reads is woken
	}
}

// await sets the deadline of the next read, after so many bytes; false if there is to be none.
func (u *upload) await(got int) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.got = got
	if u.slow {
		return false
	}
	_ = u.control.SetReadDeadline(u.start.Add(u.grace + time.Duration(got)*time.Second/rate))
	return true
}
