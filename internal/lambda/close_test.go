package lambda_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"enilab/internal/lambda"
	"enilab/internal/nstest"
	"enilab/sandbox"
)

// networks are the network namespaces that this process holds: open descriptors to them, and what its threads are in.
func networks(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, pattern := range []string{"/proc/self/fd/*", "/proc/self/task/*/ns/net"} {
		paths, err := filepath.Glob(pattern)
		must(t, err)
		for _, p := range paths {
			if to, err := os.Readlink(p); err == nil && strings.HasPrefix(to, "net:") {
				found[to] = true
			}
		}
	}
	return found
}

// Close in the middle of everything: invocations that run, that start, that begin and that tear down, functions being
// made and changed. All of it ends, and nothing is left.
func TestCloseWhileInvocationsRun(t *testing.T) {
	nstest.NoLeaks(t)
	before := networks(t)
	b := newBed(t)
	for _, mode := range lambda.Modes {
		b.create(t, lambda.CreateFunctionInput{FunctionName: string(mode), VpcConfig: vpcOf("blue"), Mode: mode, Timeout: time.Minute})
	}
	must(t, os.WriteFile(b.store+"/go.zip", goFunction(t), 0o644))
	var wg sync.WaitGroup
	refusals := make(chan error, 100)
	for _, mode := range lambda.Modes {
		b.invoke(t, string(mode), nil)
		wg.Go(func() { // an event in hand
			_, err := b.try(t, string(mode), event{"do": "sleep:1h"})
			refusals <- err
		})
		wg.Go(func() { // cold starts, one after the other
			for {
				if _, err := b.Invoke(t.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: string(mode)}, Fresh: true}); err != nil {
					refusals <- err
					return
				}
			}
		})
	}
	wg.Go(func() {
		for i := range 1000 {
			mode, vpc := lambda.Modes[i%3], vpcOf([]string{"blue", "green"}[i%2])
			_, err := b.UpdateFunctionConfiguration(t.Context(), lambda.UpdateFunctionConfigurationInput{FunctionName: "shared", Mode: &mode, VpcConfig: &vpc})
			if err == nil {
				err = b.WaitFunctionActive(t.Context(), lambda.FunctionRef{Name: "shared"})
			}
			if err == nil {
				_, err = b.CreateFunction(t.Context(), lambda.CreateFunctionInput{FunctionName: fmt.Sprint("f-", i), StoreKey: "go.zip", VpcConfig: vpcOf("green", "sg-other")})
			}
			if err != nil {
				refusals <- err
				return
			}
		}
	})
	nstest.Eventually(t, 20*time.Second, func() error {
		if idle, functions := len(b.IdleEnvironments(lambda.FunctionRef{Name: "legacy"})), len(b.ListFunctions()); idle < 3 || functions < 5 {
			return fmt.Errorf("not in full swing yet: %d idle environments, %d functions", idle, functions)
		}
		return nil
	})
	if err := b.Service.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	wg.Wait()
	close(refusals)
	for err := range refusals {
		var e *lambda.Error
		if err == nil || !errors.As(err, &e) && !strings.Contains(err.Error(), "the lab is closed") && !strings.Contains(err.Error(), "function shared") {
			t.Errorf("a call was ended with %v", err)
		}
	}
	for _, customer := range []string{"blue", "green"} {
		vpc := b.network.VPC("vpc-" + customer)
		if _, used, _, _ := vpc.Subnet(subnet); used != 0 {
			t.Errorf("%s: %d addresses are in use", customer, used)
		}
	}
	if kept := stored(t, b); len(kept) != 0 {
		t.Errorf("the store keeps %v", kept)
	}
	if _, err := os.Stat(b.CodeDir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the worker's code: %v", err)
	}

	// After the end every call is refused, and a second end is none.
	_, err := b.Invoke(t.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: "shared"}})
	refused(t, err, lambda.ServiceException, 500, "closed")
	_, err = b.CreateFunction(t.Context(), lambda.CreateFunctionInput{FunctionName: "late", ZipFile: goFunction(t)})
	refused(t, err, lambda.ServiceException, 500, "closed")
	if err := errors.Join(b.Service.Close(), b.Settle(), b.close()); err != nil {
		t.Errorf("second close: %v", err)
	}
	if b.cgroups != "" {
		labs, err := sandbox.CgroupLabs()
		must(t, err)
		for _, l := range labs {
			if l == b.cgroups {
				t.Errorf("control groups of %s are left", l)
			}
		}
	}
	nstest.Eventually(t, 5*time.Second, func() error {
		for ns := range networks(t) {
			if !before[ns] {
				return fmt.Errorf("namespace %s is left", ns)
			}
		}
		return nil
	})
}

// Settle may be called at any time, by anybody.
func TestSettleUnderLoad(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	b.create(t, lambda.CreateFunctionInput{FunctionName: "f", VpcConfig: vpcOf("blue"), Mode: lambda.LegacyInPlace})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			b.RetireIdle("f")
			if err := b.Settle(); err != nil {
				t.Error(err)
			}
		}
	})
	var rounds sync.WaitGroup
	for range 2 {
		rounds.Go(func() {
			for range 15 {
				if _, err := b.try(t, "f", nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	rounds.Wait()
	cancel()
	wg.Wait()
	b.RetireIdle("f")
	must(t, b.Settle())
	if _, used, _, _ := b.network.VPC("vpc-blue").Subnet(subnet); used != 0 || len(b.interfaces("blue", lambda.LegacyInPlace)) != 0 {
		t.Errorf("%d addresses are in use by environments that are gone", used)
	}
}
