package wire

import (
	"container/list"
	"net"
	"net/http"
	"sync"
	"syscall"
)

// maxConns leaves three quarters of the files that may be open to the lab: slots, health checks, the state.
func maxConns(openFiles uint64) int { return int(min(4096, max(1, openFiles/4))) }

// openFiles is how many this process may have open.
func openFiles() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1024 // what Linux gives everybody
	}
	return limit.Cur
}

// doorkeeper limits connections. When there are too many it closes the one that has waited longest for a request or for
// the end of its header: a client that only holds connections makes room for one that uses them.
type doorkeeper struct {
	max int

	mu      sync.Mutex // guards all below
	open    int
	waiting list.List // of net.Conn, the longest first
	places  map[net.Conn]*list.Element
}

// track is an http.Server's ConnState.
func (d *doorkeeper) track(c net.Conn, state http.ConnState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch state {
	case http.StateNew:
		if d.open++; d.open > d.max {
			d.closeOneLocked(c)
		}
		d.waitLocked(c)
	case http.StateIdle:
		d.waitLocked(c)
	case http.StateActive:
		d.leaveLocked(c)
	case http.StateClosed, http.StateHijacked:
		d.leaveLocked(c)
		d.open--
	}
}

// closeOneLocked closes the connection that has waited longest; the new one if none waits.
func (d *doorkeeper) closeOneLocked(latest net.Conn) {
	victim := latest
	if e := d.waiting.Front(); e != nil {
		victim = e.Value.(net.Conn)
		d.leaveLocked(victim)
	}
	victim.Close() // the server then reports it closed
}

func (d *doorkeeper) waitLocked(c net.Conn) {
	if d.places == nil {
		d.places = map[net.Conn]*list.Element{}
	}
	d.places[c] = d.waiting.PushBack(c)
}

func (d *doorkeeper) leaveLocked(c net.Conn) {
	if e := d.places[c]; e != nil {
		d.waiting.Remove(e)
		delete(d.places, c)
	}
}
