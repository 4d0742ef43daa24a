package bench

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"enilab/internal/nstest"
)

// loop is a path whose two ends are one namespace.
func loop(t *testing.T) path {
	t.Helper()
	nstest.NeedRoot(t)
	var p paths
	t.Cleanup(func() { p.undo.Close() })
	n, err := p.addNode("loop")
	if err != nil {
		t.Fatal(err)
	}
	return path{variant: "loop", client: n, server: n, address: netip.MustParseAddr("127.0.0.1")}
}

// What streams measure is what arrived, whole, in either direction.
func TestStream(t *testing.T) {
	nstest.NoLeaks(t)
	p := loop(t)
	for _, c := range []struct {
		connections int
		reverse     bool
	}{{1, false}, {1, true}, {3, false}, {3, true}} {
		while := 50 * time.Millisecond
		for mbits := 0.0; mbits == 0; while *= 2 { // a busy machine may send nothing in so short a time
			began := time.Now()
			var err error
			mbits, err = stream(t.Context(), p, c.connections, c.reverse, while)
			if took := time.Since(began); err != nil || took < while || mbits == 0 && while > time.Minute {
				t.Fatalf("%+v: %v Mbit/s in %v of %v: %v", c, mbits, took, while, err)
			}
		}
	}
}

// A stream that is called off ends at once, and is no failure of the path.
func TestStreamCalledOff(t *testing.T) {
	nstest.NoLeaks(t)
	p := loop(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err := stream(ctx, p, 2, false, time.Hour) // the test's own end, if it goes on
	r := newRecorder(nil)
	s := r.figure("stream", "", 0, megabits)
	if s.note(ctx, 1, err) == nil || len(s.Values) != 0 || s.Failures != 0 {
		t.Errorf("what was called off is recorded: %+v", s.Figure)
	}
}

// Bytes that are not those that were sent are found out.
func TestReceiveLooksAtWhatComes(t *testing.T) {
	nstest.NoLeaks(t)
	p := loop(t)
	for name, c := range map[string]struct {
		bytes []byte
		want  string
	}{
		"the pattern":    {[]byte{0, 1, 2, 3}, ""},
		"its first lost": {[]byte{1, 2, 3}, "other bytes"},
		"one lost":       {[]byte{0, 1, 3}, "other bytes"},
		"one too many":   {[]byte{0, 0, 1, 2}, "other bytes"},
	} {
		l, err := p.open(t.Context(), firstPort, time.Now().Add(grace))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.client.Write(c.bytes); err != nil {
			t.Fatal(err)
		}
		l.client.CloseWrite()
		n, err := receive(l.server)
		if c.want == "" && (err != nil || n != int64(len(c.bytes))) {
			t.Errorf("%s: %d bytes: %v", name, n, err)
		}
		if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", name, err)
		}
		l.close()
	}
}

func TestRoundTrips(t *testing.T) {
	nstest.NoLeaks(t)
	took, err := roundTrips(t.Context(), loop(t), 100)
	if err != nil || len(took) != 100 {
		t.Fatalf("%d round trips: %v", len(took), err)
	}
	for _, d := range took {
		if d <= 0 {
			t.Errorf("one took %v", d)
		}
	}
}

// A server that is not there is an error of the path, not a figure.
func TestNobodyThere(t *testing.T) {
	nstest.NoLeaks(t)
	p := loop(t)
	p.address = netip.MustParseAddr("192.0.2.1") // nobody's
	if _, err := stream(t.Context(), p, 1, false, time.Millisecond); err == nil {
		t.Error("a stream to nobody")
	}
	if took, err := roundTrips(t.Context(), p, 1); err == nil || len(took) > 0 {
		t.Errorf("round trips to nobody: %v", took)
	}
}

// The plain path is one: a client reaches a server by way of a router, under its own address.
func TestRouted(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	var p paths
	defer p.undo.Close()
	if err := p.addRouted(); err != nil {
		t.Fatal(err)
	}
	l, err := p.list[0].open(t.Context(), firstPort, time.Now().Add(grace))
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	if from := l.server.RemoteAddr().String(); from != l.client.LocalAddr().String() || !strings.HasPrefix(from, "10.0.0.10:") {
		t.Errorf("the server sees %s, the client is %s", from, l.client.LocalAddr())
	}
}
