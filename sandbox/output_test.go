package sandbox

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"

	"enilab/internal/nstest"
)

func pipe(t *testing.T, to io.Writer) (*output, *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return &output{pipe: r, to: to}, w
}

// What was printed before Drain is written on after it, whoever of the two copied it.
func TestDrainSeesWhatWasPrinted(t *testing.T) {
	nstest.NoLeaks(t)
	var log LogTail
	o, w := pipe(t, &log)
	done := make(chan struct{})
	go func() { o.copy(); close(done) }()
	for i := range 2000 {
		line := bytes.Repeat([]byte{byte('a' + i%26)}, 1+i%3000)
		log.Reset()
		if _, err := w.Write(line); err != nil {
			t.Fatal(err)
		}
		if o.Drain(); !bytes.Equal(log.Tail(), line) {
			t.Fatalf("round %d: the tail has %d bytes of %d", i, len(log.Tail()), len(line))
		}
	}
	w.Close()
	<-done
	o.Drain() // of what has ended
	(*output)(nil).Drain()
}

// A flood does not keep Drain.
func TestDrainOfAFlood(t *testing.T) {
	nstest.NoLeaks(t)
	o, w := pipe(t, io.Discard)
	done := make(chan struct{})
	go func() { o.copy(); close(done) }()
	flood := make(chan struct{})
	go func() {
		defer close(flood)
		for b := make([]byte, 64<<10); ; {
			if _, err := w.Write(b); err != nil {
				return
			}
		}
	}()
	for range 100 {
		o.Drain()
	}
	w.Close()
	<-flood
	<-done
}

type broken struct{ writes int }

func (b *broken) Write([]byte) (int, error) { b.writes++; return 0, errors.New("full") }

// A writer that fails is not asked again, and the environment can print on.
func TestOutputOfABrokenWriter(t *testing.T) {
	nstest.NoLeaks(t)
	to := new(broken)
	o, w := pipe(t, to)
	done := make(chan struct{})
	go func() { o.copy(); close(done) }()
	if _, err := w.Write(make([]byte, 1<<20)); err != nil { // more than the pipe holds
		t.Error(err)
	}
	w.Close()
	<-done
	if to.writes != 1 {
		t.Errorf("asked %d times", to.writes)
	}
}
