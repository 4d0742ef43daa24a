package lambda

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

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

// look ends those that hold most until the rest is within the share, and tells of each.
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
	w.mu.Lock()
	all := maps.Clone(w.all)
	w.mu.Unlock()
	sum, held := int64(0), map[*environment]int64{}
	for e, p := range all {
		n, err := p.Sockets()
		if err != nil {
			return err
		}
		held[e], sum = n, sum+n
	}
	most := slices.SortedFunc(maps.Keys(held), func(a, b *environment) int { return cmp.Compare(held[b], held[a]) })
	for _, e := range most {
		if sum <= share {
			break
		}
		if err := all[e].EndForSockets(); err != nil {
			return err
		}
		tell(e, held[e])
		sum -= held[e]
	}
	return nil
}
