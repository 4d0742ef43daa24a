package lambda_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"enilab/internal/lambda"
	"enilab/internal/nstest"
)

// unpacked lists the code that the worker has.
func unpacked(t *testing.T, b *bed) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(b.CodeDir, "*", "task"))
	must(t, err)
	return list
}

// The worker's copy of code stays while anything may run it, and goes with the last that does.
func TestCodeGoesWithItsLastUser(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	one := bash(t, `handler() { case $1 in *slow*) sleep 0.5; . "$LAMBDA_TASK_ROOT/function.sh";; esac; REPLY=1; }`)
	for _, name := range []string{"f", "g"} {
		one.FunctionName = name
		b.create(t, one)
		b.invoke(t, name, nil)
	}
	if n := len(unpacked(t, b)); n != 1 {
		t.Fatalf("the same code is unpacked %d times", n)
	}
	two := bash(t, "handler() { REPLY=2; }").ZipFile
	update := func(name string) {
		_, err := b.UpdateFunctionCode(t.Context(), lambda.UpdateFunctionCodeInput{FunctionName: name, ZipFile: two})
		must(t, err)
		must(t, b.WaitFunctionActive(within(t, 10*time.Second), lambda.FunctionRef{Name: name}))
	}
	update("f")
	must(t, b.Settle())
	if n := len(unpacked(t, b)); n != 1 {
		t.Errorf("g's code: %d are there", n)
	}
	slow := make(chan lambda.InvokeOutput, 1)
	go func() { slow <- b.invoke(t, "g", event{"do": "slow"}) }()
	nstest.Eventually(t, 5*time.Second, func() error {
		if len(b.IdleEnvironments(lambda.FunctionRef{Name: "g"})) > 0 {
			return fmt.Errorf("the event was not taken")
		}
		return nil
	})
	update("g") // while the old code runs
	if out := <-slow; out.FunctionError != "" {
		t.Errorf("code went under an event: %s", out.Payload)
	}
	must(t, b.Settle())
	if list := unpacked(t, b); len(list) != 0 { // the new one was not run yet
		t.Errorf("%v are left", list)
	}
	b.invoke(t, "g", nil)
	if n := len(unpacked(t, b)); n != 1 {
		t.Errorf("%d are there", n)
	}
	for _, name := range []string{"f", "g"} {
		must(t, b.DeleteFunction(lambda.FunctionRef{Name: name}))
	}
	must(t, b.Settle())
	if left, _ := os.ReadDir(b.CodeDir); len(left) != 0 {
		t.Errorf("%v are left of functions that are gone", left)
	}
}

// An update is shown as soon as it is promised, and serves when it is done; one that fails is no longer shown then.
func TestUpdatesAreShownAtOnce(t *testing.T) {
	nstest.NoLeaks(t)
	path, change := durable(t)
	b := newBed(t, change)
	one := bash(t, "handler() { REPLY=1; }")
	one.FunctionName, one.VpcConfig = "f", vpcOf("blue")
	b.create(t, one)
	type shown struct {
		status                             lambda.UpdateStatus
		vpc, group, description, hash, key string
	}
	see := func() (s shown, revision string) {
		t.Helper()
		f, err := b.GetFunction(lambda.FunctionRef{Name: "f"})
		must(t, err)
		c := f.Configuration
		for _, other := range []func() (lambda.FunctionConfiguration, error){
			func() (lambda.FunctionConfiguration, error) {
				return b.GetFunctionConfiguration(lambda.FunctionRef{Name: "f"})
			},
			func() (lambda.FunctionConfiguration, error) { return b.ListFunctions()[0], nil },
			func() (lambda.FunctionConfiguration, error) {
				list, err := b.ListVersionsByFunction("f")
				list[0].FunctionARN = c.FunctionARN
				return list[0], err
			},
		} {
			if o, err := other(); err != nil || !reflect.DeepEqual(o, c) {
				t.Errorf("%+v, %v; GetFunction has %+v", o, err, c)
			}
		}
		return shown{c.LastUpdateStatus, c.VpcConfig.VpcID, c.VpcConfig.SecurityGroupIDs[0], c.Description, c.CodeSha256, f.Code.Key}, c.RevisionID
	}
	update := func(vpc lambda.VpcConfig, description string) string {
		t.Helper()
		c, err := b.UpdateFunctionConfiguration(t.Context(), lambda.UpdateFunctionConfigurationInput{FunctionName: "f", VpcConfig: &vpc, Description: &description})
		must(t, err)
		return c.RevisionID
	}
	served, first := see()

	release := b.HoldENIs()
	revision := update(vpcOf("green"), "moved")
	want := served
	want.status, want.vpc, want.description = lambda.UpdateInProgress, "vpc-green", "moved"
	if got, r := see(); got != want || r != revision || r == first {
		t.Errorf("during the update: %+v at %s, want %+v at %s", got, r, want, revision)
	}
	b.crash(t, path, release) // what was promised is still shown, and done
	must(t, b.WaitFunctionActive(within(t, 10*time.Second), lambda.FunctionRef{Name: "f"}))
	want.status = lambda.UpdateSuccessful
	if got, r := see(); got != want || r != revision {
		t.Errorf("after the update: %+v at %s, want %+v at %s", got, r, want, revision)
	}

	// The group goes while the update needs it.
	served, first = want, revision
	release = b.HoldENIs()
	revision = update(vpcOf("green", "sg-other"), "too late")
	want.status, want.group, want.description = lambda.UpdateInProgress, "sg-other", "too late"
	if got, _ := see(); got != want {
		t.Errorf("during the update: %+v, want %+v", got, want)
	}
	must(t, b.network.VPC("vpc-green").RemoveSecurityGroup(t.Context(), "sg-other"))
	release()
	if err := b.WaitFunctionActive(within(t, 10*time.Second), lambda.FunctionRef{Name: "f"}); err == nil || !strings.Contains(err.Error(), "InvalidSecurityGroup") {
		t.Errorf("without its group: %v", err)
	}
	served.status = lambda.UpdateFailed
	if got, r := see(); got != served || r == revision || r == first {
		t.Errorf("after an update that failed: %+v at %s, want %+v at a new revision", got, r, served)
	}
	if out := b.invoke(t, "f", nil); string(out.Payload) != "1" {
		t.Errorf("%s", out.Payload)
	}
	release = b.HoldENIs()
	code, err := b.UpdateFunctionCode(t.Context(), lambda.UpdateFunctionCodeInput{FunctionName: "f", ZipFile: bash(t, "handler() { REPLY=2; }").ZipFile})
	must(t, err)
	if got, _ := see(); got.hash != code.CodeSha256 || got.key == served.key {
		t.Errorf("new code: %+v, and it was %+v", got, served)
	}
	release()
	must(t, b.WaitFunctionActive(within(t, 10*time.Second), lambda.FunctionRef{Name: "f"}))
	if out := b.invoke(t, "f", nil); string(out.Payload) != "2" {
		t.Errorf("%s", out.Payload)
	}
}

// No invocation fails while VPC, mode and code are changed under a function that began as shared and one that began as
// legacy, and none sees a mixture.
func TestNoInvocationFailsDuringUpdates(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	code := func(n int) []byte {
		return bash(t, fmt.Sprintf(`handler() { exec 3<>/dev/tcp/%s/%d; printf '*2\r\n$3\r\nGET\r\n$1\r\nk\r\n' >&3; read -r -t 5 _ <&3; read -r -t 5 who <&3; exec 3>&-; REPLY="\"%d ${who%%$'\r'}\""; }`, server, redisPort, n)).ZipFile
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for name, mode := range map[string]lambda.Mode{"shared": lambda.Shared, "legacy": lambda.Legacy} {
		b.create(t, lambda.CreateFunctionInput{FunctionName: name, ZipFile: code(0), Handler: "function.handler", VpcConfig: vpcOf("blue"), Mode: mode})
		for range 2 {
			wg.Go(func() {
				for served := 0; ; served++ {
					select {
					case <-stop:
						if served == 0 {
							t.Errorf("%s served nothing", name)
						}
						return
					default:
					}
					out, err := b.try(t, name, nil)
					answer := strings.Trim(string(out.Payload), `"`)
					if err != nil || out.FunctionError != "" || !strings.HasSuffix(answer, " blue") && !strings.HasSuffix(answer, " green") {
						t.Errorf("%s: an invocation failed: %v %s", name, err, out.Payload)
						return
					}
				}
			})
		}
	}
	for i := range 6 {
		for _, name := range []string{"shared", "legacy"} {
			tenant := []string{"green", "blue"}[i%2]
			var err error
			if vpc, mode := vpcOf(tenant), lambda.Modes[i%len(lambda.Modes)]; i%3 == 2 {
				_, err = b.UpdateFunctionCode(t.Context(), lambda.UpdateFunctionCodeInput{FunctionName: name, ZipFile: code(i)})
			} else {
				_, err = b.UpdateFunctionConfiguration(t.Context(), lambda.UpdateFunctionConfigurationInput{FunctionName: name, VpcConfig: &vpc, Mode: &mode})
			}
			must(t, err)
			must(t, b.WaitFunctionActive(within(t, 10*time.Second), lambda.FunctionRef{Name: name}))
		}
	}
	close(stop)
	wg.Wait()
	for _, name := range []string{"shared", "legacy"} {
		if out := b.invoke(t, name, nil); string(out.Payload) != `"5 green"` { // the last update of the network was the fifth
			t.Errorf("%s answers %s in the end", name, out.Payload)
		}
	}
}
