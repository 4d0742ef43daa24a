package lambda_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"enilab/internal/events"
	"enilab/internal/lambda"
	"enilab/internal/nstest"
)

// Environments are seen from their beginning to their end, by who asks and by who watches.
func TestEnvironmentsAreSeen(t *testing.T) {
	nstest.NoLeaks(t)
	bus := new(events.Bus)
	b := newBed(t, func(c *lambda.Config) { c.Events = bus })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := bus.Subscribe(ctx, 1000)
	b.create(t, lambda.CreateFunctionInput{FunctionName: "shared", VpcConfig: vpcOf("blue"), Timeout: time.Second})
	b.create(t, lambda.CreateFunctionInput{FunctionName: "legacy", VpcConfig: vpcOf("blue"), Mode: lambda.Legacy})
	_, out := b.ask(t, "shared", nil)
	busy := make(chan lambda.InvokeOutput, 1)
	go func() { busy <- b.invoke(t, "legacy", event{"do": "sleep:1s"}) }()
	var list []lambda.EnvironmentInfo
	nstest.Eventually(t, 5*time.Second, func() error {
		if list = b.Environments(); len(list) != 2 || list[0].State != lambda.EnvironmentBusy {
			return errors.New("the event was not taken")
		}
		return nil
	})
	legacy, shared := list[0], list[1]
	if shared.ID != out.Environment || shared.Function != "shared" || shared.Version != "$LATEST" || shared.State != lambda.EnvironmentIdle && shared.State != lambda.EnvironmentFrozen || shared.PID == 0 || !shared.Slot.IsValid() ||
		shared.ENI == "" || !shared.Address.IsValid() || shared.LastUsed.Before(shared.Started) || len(shared.Timeline) < 4 || shared.Node == "" {
		t.Errorf("%+v", shared)
	}
	if legacy.Slot.IsValid() || legacy.ENI == shared.ENI || !legacy.Address.IsValid() {
		t.Errorf("%+v", legacy)
	}
	if pools := b.Pools(); len(pools) != 2 || pools[0].Used != 1 || pools[1].Used != 1 {
		t.Errorf("%+v", pools)
	}
	<-busy
	if out := b.invoke(t, "shared", event{"do": "sleep:1h"}); out.FunctionError == "" {
		t.Errorf("no timeout: %s", out.Payload)
	}
	must(t, b.Settle())
	cancel()
	var story []events.Type
	for e := range seen {
		if e.Env != shared.ID {
			continue
		}
		story = append(story, e.Type)
		switch e.Type {
		case events.EnvBound:
			if e.ENI != shared.ENI || e.VPC != "vpc-blue" || e.Detail["address"] != shared.Address.String() {
				t.Errorf("%+v", e)
			}
		case events.InvokeDone:
			if ms, err := strconv.Atoi(e.Detail["duration"]); err != nil || ms == 0 || e.Function != "shared" || e.Version != "$LATEST" || e.Name == "" {
				t.Errorf("%+v", e)
			}
			story[len(story)-1] += events.Type(" " + e.State)
		case events.EnvStarted:
			if e.Detail["attach"] == "" || e.Detail["init"] == "" {
				t.Errorf("%+v", e)
			}
		}
	}
	slices.Sort(story[3:]) // it ends while the caller gets its answer
	if want := []events.Type{events.EnvBound, events.EnvStarted, "invoke.done success", events.EnvEnded, "invoke.done timeout", events.InvokeTimeout}; !slices.Equal(story, want) {
		t.Errorf("%v, want %v", story, want)
	}
}
