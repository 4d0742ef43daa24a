package lambda

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"enilab/internal/events"
	"enilab/sandbox"
)

// EnvironmentState is what an execution environment does.
type EnvironmentState string

// The states of an environment.
const (
	EnvironmentStarting EnvironmentState = "starting"
	EnvironmentBusy     EnvironmentState = "busy"
	EnvironmentIdle     EnvironmentState = "idle"
	EnvironmentFrozen   EnvironmentState = "frozen" // idle, and for some time
	EnvironmentEnding   EnvironmentState = "ending"
)

// EnvironmentInfo is one execution environment as people ask about it.
type EnvironmentInfo struct {
	ID       string
	Function string
	Version  string
	State    EnvironmentState
	Node     string         // the name of its slot
	Slot     netip.Addr     // its own address in the Lambda VPC; zero in legacy mode
	ENI      string         // the interface that servers see
	Address  netip.Addr     // and its address
	PID      int            // of its first process, as the lab sees it
	Started  time.Time      // when its cold start began
	LastUsed time.Time      // when it last began or ended an event
	Timeline []sandbox.Span // of its cold start
}

// infoLocked needs the function's mu. What an environment that is starting does not have yet is left out.
func (e *environment) infoLocked() EnvironmentInfo {
	v := e.generation.version
	i := EnvironmentInfo{ID: e.id, Function: v.function.name, Version: v.name, State: e.state, Started: e.started, LastUsed: e.used, Timeline: e.timeline}
	if i.Slot = e.slot.Address; e.slot.Node != nil {
		i.Node = e.slot.Node.Name
	}
	if e.state == EnvironmentIdle && e.freezer.isFrozen() {
		i.State = EnvironmentFrozen
	}
	if e.state == EnvironmentBusy || e.state == EnvironmentIdle {
		i.PID = e.process.Pid()
		i.ENI, i.Address = e.attachment.seen()
	}
	return i
}

// Environments describes all environments, those too that are busy, start or end, ordered by function and age.
func (s *Service) Environments() (list []EnvironmentInfo) {
	for _, f := range s.all() {
		from := len(list)
		f.mu.Lock()
		for e := range f.environments {
			list = append(list, e.infoLocked())
		}
		f.mu.Unlock()
		byAge(list[from:])
	}
	return list
}

// IdleEnvironments describes the environments of a version that wait for an event, ordered by age.
func (s *Service) IdleEnvironments(ref FunctionRef) []EnvironmentInfo {
	v, err := s.version(ref)
	if err != nil {
		return nil
	}
	v.function.mu.Lock()
	defer v.function.mu.Unlock()
	list := make([]EnvironmentInfo, len(v.idle))
	for i, e := range v.idle {
		list[i] = e.infoLocked()
	}
	byAge(list)
	return list
}

func byAge(list []EnvironmentInfo) {
	slices.SortFunc(list, func(a, b EnvironmentInfo) int {
		return cmp.Or(cmp.Compare(len(a.ID), len(b.ID)), strings.Compare(a.ID, b.ID))
	})
}

// PoolInfo is one kind of slots.
type PoolInfo struct {
	Kind  string // "tunnel", for shared mode, or "bare"
	Ready int    // slots that wait
	Used  int    // slots that environments have
}

// Pools describes the slots there are.
func (s *Service) Pools() []PoolInfo {
	tunnels, bare := PoolInfo{Kind: "tunnel", Ready: s.tunnels.Ready()}, PoolInfo{Kind: "bare", Ready: s.bare.Ready()}
	for _, e := range s.Environments() {
		if e.Slot.IsValid() {
			tunnels.Used++
		} else {
			bare.Used++
		}
	}
	return []PoolInfo{tunnels, bare}
}

// announceBound tells who watches what an environment is connected to.
func (s *Service) announceBound(e *environment) {
	if s.Events == nil {
		return
	}
	c := &e.generation.config
	eni, address := e.attachment.seen()
	s.Events.Publish(events.Event{
		Type: events.EnvBound, Function: c.FunctionName, Version: c.Version, Env: e.id, ENI: eni, VPC: c.VpcConfig.VpcID,
		Detail: map[string]string{"address": address.String(), "mode": string(c.Mode)},
	})
}

// announceDone tells who watches what came of an invocation: its status, and how long it took in microseconds.
func (s *Service) announceDone(v *version, x *execution, err error) {
	if !s.Events.Watched() {
		return
	}
	e := events.Event{
		Type: events.InvokeDone, Function: v.function.name, Version: v.name, Env: x.out.Environment, Name: x.out.RequestID, State: "success",
		Detail: map[string]string{"duration": strconv.FormatInt(time.Since(x.out.Timeline.Began).Microseconds(), 10)},
	}
	switch {
	case err != nil:
		e.State, e.Reason = "error", string(codeOf(err))
	case x.out.FunctionError != "":
		e.State, e.Reason = x.status, x.out.FunctionError
	}
	s.Events.Publish(e)
}

// announceStarted tells who watches where a cold start's time went, in microseconds.
func (s *Service) announceStarted(e *environment) {
	if s.Events == nil {
		return
	}
	c := &e.generation.config
	detail := map[string]string{}
	for _, span := range e.timeline {
		detail[span.Name] = strconv.FormatInt(span.Took.Microseconds(), 10)
	}
	s.Events.Publish(events.Event{Type: events.EnvStarted, Function: c.FunctionName, Version: c.Version, Env: e.id, VPC: c.VpcConfig.VpcID, Detail: detail})
}
