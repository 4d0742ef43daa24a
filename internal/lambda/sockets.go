package lambda

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"enilab/internal/netns"
	"enilab/sandbox"
)

// socketWatch holds a lab to its share of the memory that the machine has for sockets (sandbox.SocketShare). When they
// hold more, the environments end whose sockets hold most, busy or idle, as those do that run out of memory.
type socketWatch struct {
	share int64 // bytes; zero: no bound

	mu  sync.Mutex // guards all
	all map[*environment]*sandbox.Process
}

// socketsEvery is how often the watch looks: at one number, as long as that is small.
const socketsEvery = 250 * time.Millisecond

// tooManySockets is what is said of an environment that was ended for it.
const tooManySockets = "its connections held more memory than the lab may have for connections: what is sent to them has to be read"

// watch begins to watch an environment, whose process is there. It returns what ends that.
func (w *socketWatch) watch(e *environment) (end func() error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[*environment]*sandbox.Process{}
	}
	w.all[e] = e.process
	return func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.all, e)
		return nil
	}
}

func (s *Service) watchSockets() {
	tick := time.NewTicker(socketsEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.open.Done():
			return
		case <-tick.C:
			if err := s.sockets.look(s.sockets.share, func(e *environment, held int64) {
				s.Log.Warn("an environment is ended: its connections hold too much memory", "environment", e.id, "bytes", held, "share of the lab", s.sockets.share)
			}); err != nil {
				s.Log.Warn("what sockets hold is not known", "error", err)
			}
		}
	}
}

// look bounds what the environments hold, if all sockets of the machine hold more than the share.
func (w *socketWatch) look(share int64, tell func(*environment, int64)) error {
	w.mu.Lock()
	none := len(w.all) == 0
	w.mu.Unlock()
	if none || share == 0 {
		return nil
	}
	if used, err := sandbox.SocketMemory(); err != nil || used <= share { // as a rule
		return err
	}
	return w.bound(share, tell)
}

// bound ends those that hold most until the rest is within the share, and tells of each.
func (w *socketWatch) bound(share int64, tell func(*environment, int64)) error {
	holders, err := w.holders()
	if err != nil {
		return err
	}
	sum := int64(0)
	for _, h := range holders {
		sum += h.bytes
	}
	for _, h := range holders {
		if sum <= share {
			break
		}
		for _, e := range h.environments {
			if err := e.process.EndForSockets(); err != nil {
				return err
			}
			tell(e, h.bytes)
		}
		sum -= h.bytes
	}
	return nil
}

// holder is who holds sockets: an environment, or all environments of a network namespace, where no control group counts for
// each. Which of them it is that holds most, nobody knows then.
type holder struct {
	environments []*environment
	bytes        int64
}

// holders are those with the most first. Each namespace is one, however many environments are in it.
func (w *socketWatch) holders() (list []*holder, err error) {
	w.mu.Lock()
	all := maps.Clone(w.all)
	w.mu.Unlock()
	common := map[*netns.NS]*holder{}
	for e, p := range all {
		bytes, ofNamespace, err := p.Sockets()
		if err != nil {
			return nil, err
		}
		h := common[e.slot.NS()]
		if h == nil || !ofNamespace {
			h = &holder{bytes: bytes}
			list = append(list, h)
		}
		if ofNamespace {
			common[e.slot.NS()] = h
		}
		h.environments = append(h.environments, e)
	}
	slices.SortFunc(list, func(a, b *holder) int { return cmp.Compare(b.bytes, a.bytes) })
	return list, nil
}
