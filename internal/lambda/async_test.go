package lambda_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"enilab/internal/events"
	"enilab/internal/lambda"
	"enilab/internal/nstest"
)

// lines are what a function's log has.
func (b *bed) lines(t *testing.T, function string) (list []string) {
	t.Helper()
	log, err := b.Logs(t.Context(), function, false)
	must(t, err)
	for line := range log {
		list = append(list, line.Text)
	}
	return list
}

func count(list []string, part string) (n int) {
	for _, s := range list {
		if strings.Contains(s, part) {
			n++
		}
	}
	return n
}

func (b *bed) send(t *testing.T, function string, e any) lambda.InvokeOutput {
	t.Helper()
	payload, err := json.Marshal(e)
	must(t, err)
	out, err := b.Invoke(t.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: function}, Type: lambda.EventInvocation, Payload: payload})
	must(t, err)
	return out
}

func TestAsynchronousEvents(t *testing.T) {
	nstest.NoLeaks(t)
	bus := new(events.Bus)
	b := newBed(t, func(c *lambda.Config) { c.Events = bus })
	ctx, cancel := context.WithCancel(t.Context())
	seen := bus.Subscribe(ctx, 1000)
	in := bash(t, `handler() { echo "got $1"; case $1 in *fail*) return 1;; esac; REPLY=1; }`)
	in.FunctionName = "f"
	b.create(t, in)

	ids := map[string]bool{}
	for i := range 20 {
		ids[b.send(t, "f", event{"n": i}).RequestID] = true
	}
	failing := b.send(t, "f", event{"do": "fail"})
	nstest.Eventually(t, 20*time.Second, func() error {
		list := b.lines(t, "f")
		if n, m := count(list, `got {"n":`), count(list, "fail"); n != 20 || m != 3 {
			return fmt.Errorf("%d events were dealt with, and the failing one tried %d times; want 20 and 3", n, m)
		}
		return nil
	})
	if n := count(b.lines(t, "f"), "START RequestId: "+failing.RequestID); n != 3 || len(ids) != 20 {
		t.Errorf("%d tries have the event's id; %d ids", n, len(ids))
	}

	// An event that is throttled waits, and is no failure of the function's.
	must(t, b.PutFunctionConcurrency("f", 0))
	b.send(t, "f", event{"late": 1})
	nstest.Eventually(t, 10*time.Second, func() error {
		select {
		case e := <-seen:
			if e.Type == events.InvokeRetry && e.Reason == "TooManyRequestsException" {
				return nil
			}
		default:
		}
		return fmt.Errorf("nothing is throttled")
	})
	must(t, b.DeleteFunctionConcurrency("f"))
	nstest.Eventually(t, 10*time.Second, func() error {
		if n := count(b.lines(t, "f"), `got {"late":1}`); n != 1 {
			return fmt.Errorf("the throttled event was dealt with %d times", n)
		}
		return nil
	})
	cancel()

	_, err := b.Invoke(t.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: "f"}, Type: lambda.EventInvocation, Payload: append(bytes.Repeat([]byte(" "), 1<<20), '1')})
	refused(t, err, lambda.RequestEntityTooLarge, 413, "Request must be smaller than 1048576 bytes for the InvokeFunction operation")
	_, err = b.Invoke(t.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: "nobody"}, Type: lambda.EventInvocation})
	refused(t, err, lambda.ResourceNotFound, 404)
	_, err = b.Invoke(t.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: "f"}, Type: "Evnt"})
	refused(t, err, lambda.ValidationException, 400, "'Evnt'", "RequestResponse")
	before := len(b.lines(t, "f"))
	if out, err := b.Invoke(t.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: "f"}, Type: lambda.DryRun}); err != nil || out.ExecutedVersion != "$LATEST" {
		t.Errorf("%+v, %v", out, err)
	}
	_, err = b.Invoke(t.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: "f", Qualifier: "9"}, Type: lambda.DryRun})
	refused(t, err, lambda.ResourceNotFound, 404)
	if after := b.lines(t, "f"); len(after) != before {
		t.Errorf("a dry run ran: %q", after[before:])
	}
}

// The log has what the function printed between the lines that Lambda adds, for those who look later and those who follow.
func TestLogs(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	in := bash(t, `echo init; handler() { case $1 in *sleep*) sleep 100;; *exit*) exit 3;; esac; echo one; printf two; REPLY=1; }`)
	in.FunctionName, in.Timeout = "f", time.Second
	b.create(t, in)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	following, err := b.Logs(ctx, "f", true)
	must(t, err)
	followed := make(chan lambda.LogLine, 100)
	go func() {
		defer close(followed)
		for line := range following {
			followed <- line
		}
	}()
	slow, err := b.Logs(ctx, "f", true)
	must(t, err)
	stuck := make(chan struct{})
	go func() {
		for range slow { // the first line is one too many
			<-ctx.Done()
		}
		close(stuck)
	}()

	out := b.invoke(t, "f", nil)
	id := out.RequestID
	first := []string{"init", "START RequestId: " + id + " Version: $LATEST", "one", "two", "END RequestId: " + id, "REPORT RequestId: " + id}
	check := func(got []string) {
		t.Helper()
		if !slices.EqualFunc(got, first, strings.HasPrefix) {
			t.Errorf("log %q, want %q", got, first)
		}
	}
	check(b.lines(t, "f"))
	report := b.lines(t, "f")[5]
	words := []string{"\tDuration: ", "\tBilled Duration: ", "\tMemory Size: 128 MB", "\tInit Duration: "}
	if b.cgroups != "" {
		words = append(words, "\tMax Memory Used: ")
	}
	for _, w := range words {
		if !strings.Contains(report, w) || !bytes.Contains(out.LogTail, []byte(w)) {
			t.Errorf("neither %q nor %q may lack %q", report, out.LogTail, w)
		}
	}
	var got []string
	for len(got) < len(first) {
		line := <-followed
		got = append(got, line.Text)
		if line.Environment != out.Environment || time.Since(line.Time) > time.Minute {
			t.Errorf("%+v", line)
		}
	}
	check(got)

	if again := b.invoke(t, "f", nil); strings.Contains(string(again.LogTail), "Init Duration") {
		t.Errorf("a warm start has %s", again.LogTail)
	}
	for do, words := range map[string][]string{
		"sleep": {" Task timed out after 1.00 seconds\n", "\tStatus: timeout\t\n"},
		"exit":  {"Error: Runtime exited with error: exit status 3\nRuntime.ExitError\n", "\tStatus: error\tError Type: Runtime.ExitError\t\n"},
	} {
		out := b.invoke(t, "f", event{"do": do})
		for _, w := range words {
			if !strings.Contains(string(out.LogTail), w) {
				t.Errorf("log of %s: %q, want %q", do, out.LogTail, w)
			}
		}
	}
	must(t, b.DeleteFunction(lambda.FunctionRef{Name: "f"}))
	must(t, b.Settle())
	for range followed { // it ends with the function
	}
	cancel()
	<-stuck
	_, err = b.Logs(t.Context(), "f", false)
	refused(t, err, lambda.ResourceNotFound, 404)
}
