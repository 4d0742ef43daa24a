package functions_test

import (
	"bytes"
	"context"
	"testing"

	"enilab/internal/nstest"
	"enilab/sandbox"
)

// TestEcho: events come back as they are, of every size, on one connection; then the runtime ends with its API.
func TestEcho(t *testing.T) {
	nstest.NoLeaks(t)
	e := start(t, buildGo(t, "echo"), "")
	for _, size := range []int{0, 1, 4095, 4096, 100_000, 5 << 20} {
		event := bytes.Repeat([]byte("\r\n\r"), size/3+1)[:size]
		r, err := e.Invoke(t.Context(), sandbox.Event{RequestID: "1", Payload: event})
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if r.Error != nil || !bytes.Equal(r.Payload, event) {
			t.Errorf("%d bytes: %d came back, error %v", size, len(r.Payload), r.Error)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	<-e.alive.Done()
	if err := context.Cause(e.alive); err == nil {
		t.Error("the runtime ended without an error")
	}
}
