package wire

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestSlowUploadsAreCut(t *testing.T) {
	start := time.Now()
	for _, c := range []struct {
		got   int
		after time.Duration
		cut   bool
	}{
		{0, time.Second, false},
		{0, 3 * time.Second, true},
		{10 * rate, 2 * time.Second, false}, // 1 MB/s and more
		{10 * rate, 4 * time.Second, true},
	} {
		u := &upload{control: http.NewResponseController(httptest.NewRecorder()), start: start, grace: 20 * time.Second}
		u.await(c.got)
		u.cutIfSlow(start.Add(c.after))
		if u.slow != c.cut || u.await(c.got) == c.cut {
			t.Errorf("%d bytes in %v: cut %v, want %v", c.got, c.after, u.slow, c.cut)
		}
	}
}

// One that waits for its client is woken, and what it has is others'.
func TestCutUploadEnds(t *testing.T) {
	s := New(Config{Grace: time.Hour, MaxMemory: 1 << 20})
	ended := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, taken, err := s.readBody(w, r, "a", 400_000)
		s.memory.give("a", taken)
		ended <- err
	}))
	defer server.Close()
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\n%s", strings.Repeat("x", 300_000)); err != nil {
		t.Fatal(err)
	}
	for cut := false; !cut; time.Sleep(time.Millisecond) { // nobody tells how far it has come
		s.memory.mu.Lock()
		if cut = s.memory.by["a"] == 400_000; cut {
			s.memory.cutSlowLocked(time.Now().Add(time.Hour)) // as if it had taken so long
		}
		s.memory.mu.Unlock()
	}
	if err := <-ended; !errors.Is(err, errTooSlow) {
		t.Error(err)
	}
	if s.memory.taken != 0 || len(s.memory.uploads) != 0 || !s.memory.take("b", 500_000) {
		t.Errorf("%+v is left", s.memory.by)
	}
}
