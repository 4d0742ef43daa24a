package lambda_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"enilab/internal/events"
	"enilab/internal/lambda"
	"enilab/internal/nstest"
)

var errHungUp = errors.New("hung up")

// eventually waits until a function is in a state.
func (b *bed) eventually(t *testing.T, name string, state lambda.State, reason lambda.ReasonCode) {
	t.Helper()
	nstest.Eventually(t, 10*time.Second, func() error {
		c, err := b.GetFunctionConfiguration(lambda.FunctionRef{Name: name})
		if err == nil && (c.State != state || c.StateReasonCode != reason) {
			err = fmt.Errorf("%s is %s (%s), want %s (%s)", name, c.State, c.StateReasonCode, state, reason)
		}
		return err
	})
}

// A function that nobody invokes gives its network back, and gets it again when somebody does.
func TestIdleFunctionBecomesInactive(t *testing.T) {
	nstest.NoLeaks(t)
	bus := new(events.Bus)
	b := newBed(t, func(c *lambda.Config) { c.Quotas.Idle, c.Events = 300*time.Millisecond, bus })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := bus.Subscribe(ctx, 1000)
	b.create(t, lambda.CreateFunctionInput{FunctionName: "f", VpcConfig: vpcOf("blue")})
	first, _ := b.ask(t, "f", everything)

	// While it has an event it is not idle.
	if _, out := b.ask(t, "f", event{"do": "sleep:600ms"}); out.FunctionError != "" {
		t.Errorf("%s", out.Payload)
	}
	b.eventually(t, "f", lambda.Inactive, lambda.ReasonIdle)
	must(t, b.Settle())
	if n := len(b.interfaces("blue", lambda.Shared)); n != 0 || len(b.Environments()) != 0 {
		t.Errorf("an inactive function has %d ENIs and the environments %+v", n, b.Environments())
	}
	release := b.HoldENIs()
	_, err := b.try(t, "f", everything)
	refused(t, err, lambda.ResourceNotReady, 502, "inactive")
	b.eventually(t, "f", lambda.Pending, lambda.ReasonRestoring)
	_, err = b.try(t, "f", everything)
	refused(t, err, lambda.ResourceConflict, 409, "Pending")
	release()
	must(t, b.WaitFunctionActive(within(t, 10*time.Second), lambda.FunctionRef{Name: "f"}))
	if a, _ := b.ask(t, "f", everything); a.Tenant != "blue" || a.Instance == first.Instance {
		t.Errorf("%+v after %+v", a, first)
	}
	cancel()
	var states []string
	for e := range seen {
		if e.Type == events.FunctionState {
			states = append(states, e.State+" "+e.Reason)
		}
	}
	if want := []string{"Pending Creating", "Active ", "Inactive Idle", "Pending Restoring", "Active "}; !slices.Equal(states, want) {
		t.Errorf("states %q, want %q", states, want)
	}
}

func TestEnvironmentsEndWhenNobodyNeedsThem(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t, func(c *lambda.Config) { c.KeepIdle = 200 * time.Millisecond })
	b.create(t, lambda.CreateFunctionInput{FunctionName: "f", VpcConfig: vpcOf("blue"), Mode: lambda.Legacy})
	b.invoke(t, "f", nil)
	nstest.Eventually(t, 10*time.Second, func() error {
		if list := b.Environments(); len(list) != 0 {
			return fmt.Errorf("%+v", list)
		}
		return nil
	})
	b.eventually(t, "f", lambda.Active, "")
}

// A function that failed can be mended, or deleted.
func TestFailedFunctionCanBeUpdated(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	small := vpcOf("blue")
	small.SubnetIDs = []string{smallSubnet}
	b.create(t, lambda.CreateFunctionInput{FunctionName: "legacy", VpcConfig: small, Mode: lambda.LegacyInPlace})
	var wg sync.WaitGroup
	for range 11 {
		wg.Go(func() {
			if _, err := b.Invoke(t.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: "legacy"}, Fresh: true}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, name := range []string{"f", "g"} {
		_, err := b.CreateFunction(t.Context(), lambda.CreateFunctionInput{FunctionName: name, VpcConfig: small, ZipFile: goFunction(t)})
		must(t, err)
		b.eventually(t, name, lambda.Failed, lambda.ReasonSubnetFull)
	}
	_, err := b.PublishVersion(t.Context(), lambda.PublishVersionInput{FunctionName: "f"})
	refused(t, err, lambda.ResourceConflict, 409, "Failed")
	large := vpcOf("blue")
	_, err = b.UpdateFunctionConfiguration(t.Context(), lambda.UpdateFunctionConfigurationInput{FunctionName: "f", VpcConfig: &large})
	must(t, err)
	must(t, b.WaitFunctionActive(within(t, 10*time.Second), lambda.FunctionRef{Name: "f"}))
	if a, _ := b.ask(t, "f", everything); a.Tenant != "blue" {
		t.Errorf("%+v", a)
	}
	must(t, b.DeleteFunction(lambda.FunctionRef{Name: "g"}))
	must(t, b.Settle())
	if kept := stored(t, b); len(kept) != 2 {
		t.Errorf("the store keeps %v, want those of legacy and f", kept)
	}
}

func TestReservedConcurrency(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	f := b.create(t, lambda.CreateFunctionInput{FunctionName: "f"})
	must(t, b.PutFunctionConcurrency(f, 1))
	running := make(chan lambda.InvokeOutput)
	go func() {
		out, err := b.try(t, f, event{"do": "sleep:1s"})
		if err != nil {
			t.Error(err)
		}
		running <- out
	}()
	nstest.Eventually(t, 5*time.Second, func() error {
		if list := b.Environments(); len(list) != 1 || list[0].State != lambda.EnvironmentBusy {
			return fmt.Errorf("%+v", list)
		}
		return nil
	})
	_, err := b.try(t, f, nil)
	refused(t, err, lambda.TooManyRequests, 429, "Rate Exceeded.")
	if e := (*lambda.Error)(nil); !errors.As(err, &e) || e.Reason != lambda.ThrottledByReservation {
		t.Errorf("%+v", err)
	}
	<-running
	b.invoke(t, f, nil)
	must(t, b.PutFunctionConcurrency(f, 0))
	_, err = b.try(t, f, nil)
	refused(t, err, lambda.TooManyRequests, 429)
	if n, err := b.GetFunctionConcurrency(f); err != nil || n == nil || *n != 0 {
		t.Errorf("reserved %v, %v", n, err)
	}
	must(t, b.DeleteFunctionConcurrency(f))
	b.invoke(t, f, nil)
	must(t, b.PutFunctionConcurrency(f, 900))
	if a := b.GetAccountSettings(); a.UnreservedConcurrentExecutions != 100 {
		t.Errorf("%+v", a)
	}
	must(t, b.DeleteFunction(lambda.FunctionRef{Name: f}))
	if a := b.GetAccountSettings(); a.UnreservedConcurrentExecutions != 1000 {
		t.Errorf("%+v", a)
	}
}
