package events_test

import (
	"context"
	"testing"

	"enilab/internal/events"
)

func TestEveryReaderGetsEventsInOrder(t *testing.T) {
	var bus events.Bus
	ctx, cancel := context.WithCancel(t.Context())
	fast, slow := bus.Subscribe(ctx, 8), bus.Subscribe(ctx, 1)
	for _, kind := range []events.Type{events.ENICreated, events.EnvStarted, events.EnvEnded} {
		bus.Publish(events.Event{Type: kind})
	}
	cancel()
	var seqs []uint64
	for e := range fast {
		if e.Schema != events.Schema || e.Time.IsZero() {
			t.Errorf("event without schema or time: %+v", e)
		}
		seqs = append(seqs, e.Seq)
	}
	if len(seqs) != 3 || seqs[0] != 1 || seqs[2] != 3 {
		t.Errorf("the fast reader got %v", seqs)
	}
	if e := <-slow; e.Seq != 1 {
		t.Errorf("the slow reader got %d first", e.Seq)
	}
	if e, ok := <-slow; ok {
		t.Errorf("the slow reader got %+v besides: a publisher waited for it", e)
	}
}

func TestNilBusDropsEvents(_ *testing.T) {
	var bus *events.Bus
	bus.Publish(events.Event{Type: events.ENICreated})
}
