package wire_test

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"enilab/internal/nstest"
	"enilab/internal/wire"
	"enilab/internal/wire/lambdaapi"
)

// crowd is a server whose clients are told apart by the test.
type crowd struct {
	t     *testing.T
	url   string
	names sync.Map // remote address → client
}

func newCrowd(t *testing.T, c wire.Config) *crowd {
	w := &crowd{t: t}
	w.url = serveTo(t, func(c net.Conn) wire.Caller {
		name, _ := w.names.Load(c.RemoteAddr().String())
		return wire.Caller{Access: wire.Free, Client: name.(string)}
	}, c, func(s *wire.Server) { wire.Handle(s, lambdaapi.Invoke, echo) })
	return w
}

// begin has a client send so much of an event of size bytes, and wait.
func (w *crowd) begin(client string, sent, size int) net.Conn {
	w.t.Helper()
	c := dial(w.t, w.url)
	w.names.Store(c.LocalAddr().String(), client)
	if _, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", invokePath, size, strings.Repeat("1", sent)); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// ask is the status that a client gets for an event of size bytes.
func (w *crowd) ask(client string, size int) int {
	w.t.Helper()
	c := dial(w.t, w.url)
	defer c.Close()
	w.names.Store(c.LocalAddr().String(), client)
	go fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", invokePath, size, strings.Repeat("1", size)) // it may be refused before all is sent
	a, _ := readAnswer(w.t, c)
	return a.Status
}

// One client has at most half of the memory, however many connections it has; others are served meanwhile.
func TestOneClientLeavesMemoryToOthers(t *testing.T) {
	w := newCrowd(t, wire.Config{MaxMemory: 4 << 20, Grace: time.Hour})
	for range 40 {
		w.begin("greedy", 100_000, 1_000_000)
	}
	nstest.Eventually(t, time.Minute, func() error { // it holds what it may have
		if s := w.ask("greedy", 1_000_000); s != 429 {
			return fmt.Errorf("a client that has it all gets %d", s)
		}
		return nil
	})
	for _, other := range []string{"a", "b", "c"} {
		if s := w.ask(other, 300_000); s != 200 {
			t.Errorf("%s gets %d", other, s)
		}
	}
	if s := w.ask("greedy", 20); s != 200 && s != 429 {
		t.Errorf("its small requests: %d", s)
	}
}

// The memory that there is at the moment counts, but small requests are served even if there is none.
func TestMemoryOfTheMoment(t *testing.T) {
	var room atomic.Int64
	w := newCrowd(t, wire.Config{Memory: room.Load})
	want := func(size, status int) {
		t.Helper()
		nstest.Eventually(t, time.Minute, func() error { // it is asked now and then
			if s := w.ask("a", size); s != status {
				return fmt.Errorf("%d bytes with room for %d: %d, want %d", size, room.Load(), s, status)
			}
			return nil
		})
	}
	want(2_000_000, 429)
	want(100_000, 200)
	room.Store(100 << 20)
	want(2_000_000, 200)
	room.Store(-5)
	want(2_000_000, 429)
	want(100_000, 200)
}
