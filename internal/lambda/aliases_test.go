package lambda_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"enilab/internal/events"
	"enilab/internal/lambda"
	"enilab/internal/nstest"
)

// What a function's qualifiers have acts on their events, and is there again after the daemon was killed.
func TestQualifiersAct(t *testing.T) {
	nstest.NoLeaks(t)
	path, change := durable(t)
	bus := new(events.Bus)
	b := newBed(t, change, func(c *lambda.Config) { c.Events = bus })
	in := bash(t, `handler() { case $1 in *fail*) return 1;; esac; REPLY="\"$AWS_LAMBDA_FUNCTION_VERSION\""; }`)
	in.FunctionName, in.Publish = "f", true
	layer, err := b.PublishLayerVersion(lambda.PublishLayerVersionInput{LayerName: "lib", ZipFile: zipOf(entry{"lib.sh", 0o644, "x"}), CompatibleRuntimes: []string{"provided.al2023"}})
	must(t, err)
	in.Layers = []string{layer.ARN}
	b.create(t, in)
	_, err = b.UpdateFunctionConfiguration(t.Context(), lambda.UpdateFunctionConfigurationInput{FunctionName: "f", MemorySize: new(256)})
	must(t, err)
	must(t, b.WaitFunctionActive(within(t, 20*time.Second), lambda.FunctionRef{Name: "f"}))
	_, err = b.PublishVersion(t.Context(), lambda.PublishVersionInput{FunctionName: "f"})
	must(t, err)
	for _, version := range []string{"1", "2"} {
		must(t, b.WaitFunctionActive(within(t, 20*time.Second), lambda.FunctionRef{Name: "f", Qualifier: version}))
	}

	live := lambda.FunctionRef{Name: "f", Qualifier: "live"}
	_, err = b.CreateAlias(lambda.AliasInput{Function: "f", Name: "live", FunctionVersion: "1", Description: new("both"), Weights: map[string]float64{"2": 1}})
	must(t, err)
	_, err = b.AddPermission(lambda.PermissionInput{Function: live, StatementID: "s", Action: "lambda:InvokeFunction", Principal: "s3.amazonaws.com", SourceAccount: "123456789012"})
	must(t, err)
	_, err = b.PutFunctionEventInvokeConfig(live, lambda.EventInvokeConfig{MaximumRetryAttempts: new(0), MaximumEventAgeInSeconds: new(3600)}, false)
	must(t, err)
	_, err = b.PutFunctionEventInvokeConfig(lambda.FunctionRef{Name: "f"}, lambda.EventInvokeConfig{MaximumRetryAttempts: new(1)}, false)
	must(t, err)
	must(t, b.PutFunctionConcurrency("f", 7))

	// said is all of it as people are told.
	said := func() string {
		t.Helper()
		var all []any
		tell := func(v any, err error) {
			t.Helper()
			must(t, err)
			all = append(all, v)
		}
		tell(b.GetAlias("f", "live"))
		policy, revision, err := b.GetPolicy(live)
		tell([]string{policy, revision}, err)
		tell(b.ListFunctionEventInvokeConfigs("f"))
		tell(b.GetLayerVersion("lib", 1))
		reserved, err := b.GetFunctionConcurrency("f")
		tell(reserved, err)
		text, err := json.Marshal(all)
		must(t, err)
		return string(text)
	}
	// acts holds that the weights route, and that each qualifier's events are tried as often as its configuration says.
	acts := func(when string) {
		t.Helper()
		if out, err := b.try(t, "f:live", nil); err != nil || out.ExecutedVersion != "2" || string(out.Payload) != `"2"` {
			t.Errorf("%s the alias is served by %s: %s, %v", when, out.ExecutedVersion, out.Payload, err)
		}
		for qualifier, tries := range map[string]int{"live": 1, "": 2} {
			seen := bus.Subscribe(t.Context(), 1000)
			out, err := b.Invoke(t.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: "f", Qualifier: qualifier}, Type: lambda.EventInvocation, Payload: []byte(`"fail"`)})
			must(t, err)
			nstest.Eventually(t, 20*time.Second, func() error {
				select {
				case e := <-seen:
					if e.Type == events.InvokeDropped && e.Name == out.RequestID {
						return nil
					}
				default:
				}
				return fmt.Errorf("the event for %q is not given up", qualifier)
			})
			if n := count(b.lines(t, "f"), "START RequestId: "+out.RequestID); n != tries {
				t.Errorf("%s an event for %q that fails is tried %d times, want %d", when, qualifier, n, tries)
			}
		}
	}
	acts("at first")
	_, err = b.UpdateAlias(lambda.AliasInput{Function: "f", Name: "live", Weights: map[string]float64{"2": 0}})
	must(t, err)
	if out, err := b.try(t, "f:live", nil); err != nil || out.ExecutedVersion != "1" {
		t.Errorf("without a weight the alias is served by %s, %v", out.ExecutedVersion, err)
	}
	_, err = b.UpdateAlias(lambda.AliasInput{Function: "f", Name: "live", Weights: map[string]float64{"2": 1}})
	must(t, err)
	before := said()
	b.crash(t, path, func() {})
	if after := said(); after != before {
		t.Errorf("before the daemon was killed:\n%s\nafter it:\n%s", before, after)
	}
	acts("after the restart")
}
