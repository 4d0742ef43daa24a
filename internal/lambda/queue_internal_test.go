package lambda

import (
	"context"
	"errors"
	"testing"
)

func TestQueue(t *testing.T) {
	q := make(queue, 1)
	if waited, err := q.enter(t.Context()); waited || err != nil {
		t.Errorf("the first: waited %v, %v", waited, err)
	}
	why := errors.New("gone")
	over, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if waited, err := q.enter(over); !waited || !errors.Is(err, why) {
		t.Errorf("who cannot wait: waited %v, %v", waited, err)
	}
	served := make(chan bool)
	go func() {
		waited, _ := q.enter(t.Context())
		served <- waited
	}()
	q.leave()
	<-served // whether it came before leave or after
	q.leave()
	if len(q) != 0 {
		t.Error("somebody is in it")
	}
}
