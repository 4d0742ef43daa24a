package nat

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// sweepAfter is how long the connections of an unbound slot may stay. To find them the kernel walks the connections of all
// namespaces, for 7 ms on a machine with 24 GB; so those of all slots that were unbound meanwhile are ended by one walk.
const sweepAfter = 250 * time.Millisecond

// sweeper ends the connections of slots that were unbound. The zero sweeper is ready.
type sweeper struct {
	walk sync.Mutex // held while connections are ended; taken before mu

	mu      sync.Mutex // guards all below; nobody holds it for long
	gone    departed
	current departed    // those whose connections are being ended
	timer   *time.Timer // nil: nothing is left to do
	closed  bool
	err     error // what went wrong behind everybody's back
}

// departed are the addresses of slots whose connections are to end.
type departed map[netip.Addr]bool

// MatchConntrackFlow tells whether a connection is of one of them.
func (d departed) MatchConntrackFlow(f *netlink.ConntrackFlow) bool {
	from, _ := netip.AddrFromSlice(f.Forward.SrcIP)
	return d[from.Unmap()]
}

// forgetSoon ends the connections that a slot has through the ENI, within sweepAfter.
func (e *ENI) forgetSoon(slot netip.Addr) {
	s := &e.sweep
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return // they end with the namespace
	}
	if s.gone == nil {
		s.gone = departed{}
	}
	s.gone[slot] = true
	if s.timer == nil {
		s.timer = time.AfterFunc(sweepAfter, func() {
			if err := e.sweepUp(); err != nil {
				s.mu.Lock()
				s.err = errors.Join(s.err, err)
				s.mu.Unlock()
			}
		})
	}
}

// forgetNow is for who binds a slot again: its former connections are not to be taken for new ones.
func (e *ENI) forgetNow(slot netip.Addr) error {
	s := &e.sweep
	s.mu.Lock()
	former := s.gone[slot] || s.current[slot]
	s.mu.Unlock()
	if !former {
		return nil
	}
	return e.sweepUp()
}

// sweepUp ends what is to end by now, and returns when it has ended.
func (e *ENI) sweepUp() error {
	s := &e.sweep
	s.walk.Lock()
	defer s.walk.Unlock()
	s.mu.Lock()
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	s.current, s.gone = s.gone, nil
	of, closed := s.current, s.closed
	s.mu.Unlock()
	var err error
	if n, countErr := e.Connections(); !closed && len(of) > 0 && (countErr != nil || n > 0) {
		err = e.end(of)
	}
	s.mu.Lock()
	s.current = nil
	if err != nil { // with the next that goes, or is bound again
		for slot := range s.gone {
			of[slot] = true
		}
		s.gone = of
	}
	s.mu.Unlock()
	if err != nil {
		return fmt.Errorf("eni %s: end the connections of %d slots: %w", e.Node.Name, len(of), err)
	}
	return nil
}

// end deletes the tracked connections of slots.
func (e *ENI) end(of departed) (err error) {
	for range 5 { // again if the table changed meanwhile
		_, err = e.conns.ConntrackDeleteFilters(netlink.ConntrackTable, unix.AF_INET, of)
		if !errors.Is(err, netlink.ErrDumpInterrupted) && !errors.Is(err, unix.EINTR) {
			break
		}
	}
	return err
}

// close keeps the sweeper from starting again, waits for it, and tells what went wrong.
func (s *sweeper) close() error {
	s.mu.Lock()
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	s.closed = true
	s.mu.Unlock()
	s.walk.Lock()
	defer s.walk.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.err
	s.err = nil
	return err
}
