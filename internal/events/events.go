// Package events carries what happens in a lab to whoever wants to watch.
package events

import (
	"context"
	"sync"
	"time"
)

// Event is one thing that happened. Its JSON is what `enilab events` prints, a line each.
type Event struct {
	Schema   string            `json:"schema"` // "enilab.event/v1"
	Seq      uint64            `json:"seq"`    // counts from 1; a gap means that the reader was too slow
	Time     time.Time         `json:"time"`
	Type     Type              `json:"type"`
	Function string            `json:"function,omitempty"`
	Version  string            `json:"version,omitempty"`
	Env      string            `json:"env,omitempty"` // the execution environment
	ENI      string            `json:"eni,omitempty"`
	VPC      string            `json:"vpc,omitempty"`
	Subnet   string            `json:"subnet,omitempty"`
	Name     string            `json:"name,omitempty"`   // of any other object, such as a resource or a role
	State    string            `json:"state,omitempty"`  // the new one
	Reason   string            `json:"reason,omitempty"` // of a state or a failure
	Detail   map[string]string `json:"detail,omitempty"`
}

// Schema names the shape of an Event.
const Schema = "enilab.event/v1"

// Type says what happened. The names are an API.
type Type string

// What can happen.
const (
	ENICreated      Type = "eni.created"
	ENIState        Type = "eni.state"
	ENIDeleted      Type = "eni.deleted"
	ENIAdopted      Type = "eni.adopted"
	FunctionState   Type = "function.state"
	FunctionUpdate  Type = "function.update"
	FunctionDeleted Type = "function.deleted"
	EnvStarted      Type = "env.started"
	EnvBound        Type = "env.bound"
	EnvEnded        Type = "env.ended"
	InvokeDone      Type = "invoke.done"
	InvokeTimeout   Type = "invoke.timeout"
	InvokeRetry     Type = "invoke.retry"
	InvokeDropped   Type = "invoke.dropped" // an asynchronous event that is given up
	VPCCreated      Type = "vpc.created"
	VPCDeleted      Type = "vpc.deleted"
	SubnetCreated   Type = "subnet.created"
	SubnetDeleted   Type = "subnet.deleted"
	GroupChanged    Type = "security-group.changed"
	GroupDeleted    Type = "security-group.deleted"
	ResourceState   Type = "resource.state"
	RoleChanged     Type = "role.changed"
	LabRecovered    Type = "lab.recovered"
	LabChanged      Type = "lab.changed"
	DriftMended     Type = "drift.mended" // somebody else had changed what the lab had made
)

// Bus hands each event to all who subscribed. A nil Bus drops them. It never waits for a reader.
type Bus struct {
	mu      sync.Mutex // guards all below
	seq     uint64
	readers map[chan Event]struct{}
}

// Watched tells whether anybody reads. An event that is dear to make need not be made for nobody.
func (b *Bus) Watched() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.readers) > 0
}

// Publish numbers, dates and delivers an event.
func (b *Bus) Publish(e Event) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seq++
	e.Schema, e.Seq, e.Time = Schema, b.seq, time.Now().UTC()
	for r := range b.readers {
		select {
		case r <- e:
		default: // the gap in Seq tells
		}
	}
}

// Subscribe delivers events from now on until ctx ends; then the channel is closed. Up to backlog events wait for a slow
// reader; what comes beyond is lost to it.
func (b *Bus) Subscribe(ctx context.Context, backlog int) <-chan Event {
	c := make(chan Event, backlog)
	b.mu.Lock()
	if b.readers == nil {
		b.readers = map[chan Event]struct{}{}
	}
	b.readers[c] = struct{}{}
	b.mu.Unlock()
	context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.readers, c)
		close(c)
	})
	return c
}
