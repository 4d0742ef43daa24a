package lambda_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"enilab/internal/events"
	"enilab/internal/lambda"
	"enilab/internal/nstest"
	"enilab/sandbox"
)

// processorTime is what a process and its children have had, in nanoseconds.
// https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat
func processorTime(t *testing.T, pid int) (spent int64) {
	t.Helper()
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	for _, thread := range threads {
		b, err := os.ReadFile(thread + "/schedstat")
		must(t, err)
		var n int64
		_, err = fmt.Sscan(string(b), &n)
		must(t, err)
		spent += n
		b, err = os.ReadFile(thread + "/children")
		must(t, err)
		for field := range strings.FieldsSeq(string(b)) {
			var child int
			_, err := fmt.Sscan(field, &child)
			must(t, err)
			spent += processorTime(t, child)
		}
	}
	return spent
}

// Between its events an environment has no processor time, whatever its threads and children want; with the next event
// it goes on where it was.
func TestFrozenBetweenEvents(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	b.create(t, lambda.CreateFunctionInput{FunctionName: "other"})
	for _, mode := range []lambda.Mode{lambda.Shared, lambda.Legacy} {
		in := bash(t, "while :; do :; done & while :; do (:); done & n=0; handler() { n=$((n+1)); REPLY=$n; }")
		in.FunctionName, in.Mode, in.VpcConfig = string(mode), mode, vpcOf("blue")
		f := b.create(t, in)
		first := b.invoke(t, f, nil)
		for n := range 3 {
			e := b.Idle(f)[0]
			nstest.Eventually(t, 2*time.Minute, func() error {
				if still, err := e.StandsStill(); err != nil || !still {
					return fmt.Errorf("%s stands still: %v, %v", e.ID, still, err)
				}
				return nil
			})
			if list := b.IdleEnvironments(lambda.FunctionRef{Name: f}); len(list) != 1 || list[0].State != lambda.EnvironmentFrozen || list[0].PID == 0 {
				t.Errorf("%+v", list)
			}
			before := processorTime(t, e.PID)
			for range 20 {
				b.invoke(t, "other", nil)
			}
			// The kernel may charge it microseconds for a signal or a child's end.
			if after := processorTime(t, e.PID); after-before > time.Millisecond.Nanoseconds() || before == 0 {
				t.Errorf("%s had %d ns of processor time while 20 events went to others", e.ID, after-before)
			}
			out := b.invoke(t, f, nil)
			if string(out.Payload) != fmt.Sprint(n+2) || out.Environment != first.Environment || out.Timeline.Took(sandbox.PhaseThaw) == 0 {
				t.Errorf("%s answers %s: %+v", out.Environment, out.Payload, out.Timeline.Spans)
			}
		}
	}
	// What is frozen ends as what is not.
	for _, f := range []string{"shared", "legacy"} {
		must(t, b.DeleteFunction(lambda.FunctionRef{Name: f}))
	}
	must(t, b.Settle())
	for _, e := range b.Environments() {
		if e.Function != "other" {
			t.Errorf("left: %+v", e)
		}
	}
}

// An init that takes too long is run again, as a part of the invocation; the log says so in AWS's words.
func TestInitIsRunAgain(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t, func(c *lambda.Config) { c.InitTime = 500 * time.Millisecond })
	in := bash(t, "sleep 1; n=0; handler() { n=$((n+1)); REPLY=$n; }")
	in.FunctionName, in.Timeout = "slow", time.Minute
	f := b.create(t, in)
	out := b.invoke(t, f, nil)
	if out.FunctionError != "" || string(out.Payload) != "1" {
		t.Fatalf("%s %s\n%s", out.FunctionError, out.Payload, out.LogTail)
	}
	log := b.lines(t, f)
	if n := count(log, "INIT_REPORT Init Duration: "); n != 1 || !strings.HasSuffix(log[0], " ms\tPhase: init\tStatus: timeout") {
		t.Errorf("%q", log)
	}
	report := log[len(log)-1]
	var took float64
	if _, err := fmt.Sscanf(report, "REPORT RequestId: "+out.RequestID+"\tDuration: %f ms", &took); err != nil || took < 1000 || strings.Contains(report, "Init Duration") {
		t.Errorf("%q: %v; want the init's second in the duration", report, err)
	}
	if again := b.invoke(t, f, nil); string(again.Payload) != "2" || again.Environment != out.Environment {
		t.Errorf("%s answers %s", again.Environment, again.Payload)
	}

	// The timeout of the function ends the second init, and an init that fails is run twice, too.
	in = bash(t, "sleep 1000")
	in.FunctionName, in.Timeout = "never", time.Second
	b.create(t, in)
	if kind, message := failure(t, b.invoke(t, "never", nil)); kind != "Sandbox.Timedout" || !strings.HasSuffix(message, "Error: Task timed out after 1.00 seconds") {
		t.Errorf("%s: %s", kind, message)
	}
	in = bash(t, "echo trying; exit 3")
	in.FunctionName = "failing"
	b.create(t, in)
	if kind, _ := failure(t, b.invoke(t, "failing", nil)); kind != "Runtime.ExitError" {
		t.Error(kind)
	}
	for function, want := range map[string][2]string{
		"never":   {"Phase: init\tStatus: timeout", "Phase: invoke\tStatus: timeout"},
		"failing": {"Phase: init\tStatus: error\tError Type: Runtime.ExitError", "Phase: invoke\tStatus: error\tError Type: Runtime.ExitError"},
	} {
		log := b.lines(t, function)
		if count(log, want[0]) != 1 || count(log, want[1]) != 1 || count(log, "REPORT RequestId") != 1 || function == "failing" && count(log, "trying") != 2 {
			t.Errorf("%s: %q", function, log)
		}
	}
	must(t, b.Settle())
	if n := len(b.Environments()); n != 1 {
		t.Errorf("%d environments, want that of the function that works", n)
	}
}

// A slot whose process has died is no failure of the function that would have had it.
func TestDeadSlotsServeNobody(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	f := b.create(t, lambda.CreateFunctionInput{FunctionName: "f"})
	must(t, b.Pool(lambda.Shared).Fill(t.Context(), 3))
	parked := children(t)
	killed := 0
	for _, pid := range parked {
		if b.isParked(t, pid) {
			kill(t, pid) // else it may be taken for a slot that waits, thrice
			killed++
		}
	}
	if killed < 3 {
		t.Fatalf("of the processes %v only %d are parked", parked, killed)
	}
	for range 3 {
		out, err := b.Invoke(t.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: f}, Fresh: true})
		if err != nil || out.FunctionError != "" {
			t.Errorf("%v: %s %s", err, out.FunctionError, out.Payload)
		}
	}
}

// kill returns when the process is dead.
func kill(t *testing.T, pid int) {
	t.Helper()
	must(t, syscall.Kill(pid, syscall.SIGKILL))
	nstest.Eventually(t, time.Minute, func() error {
		if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && !strings.Contains(string(stat), ") Z ") {
			return fmt.Errorf("process %d has not died yet", pid)
		}
		return nil
	})
}

// onAnotherSlot is a log that calls somebody when an environment has failed in one slot, before another is taken.
type onAnotherSlot struct {
	slog.Handler
	call func()
}

func (l onAnotherSlot) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "another slot is taken") {
		l.call()
	}
	return nil
}

// An environment whose slot fails, here because its process dies between Take and Start, is made in another one. After the
// third the caller is told, and nothing is left.
func TestAnotherSlotIsTaken(t *testing.T) {
	nstest.NoLeaks(t)
	var b *bed
	held := make(chan func(), 1)
	b = newBed(t, func(c *lambda.Config) {
		c.Log = slog.New(onAnotherSlot{slog.NewTextHandler(io.Discard, nil), func() { held <- b.HoldStarts() }})
	})
	in := bash(t, "handler() { REPLY=1; }")
	in.FunctionName = "f"
	f := b.create(t, in)
	type result struct {
		out lambda.InvokeOutput
		err error
	}
	for _, failing := range []int{1, 2, 3} {
		done, dead := make(chan result, 1), map[int]bool{}
		start := b.HoldStarts()
		go func() {
			out, err := b.Invoke(t.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: f}, Fresh: true})
			done <- result{out, err}
		}()
		for slot := 1; slot <= failing; slot++ {
			pid := 0
			nstest.Eventually(t, 2*time.Minute, func() error {
				for _, pid = range b.Starting(f) {
					if !dead[pid] {
						return nil
					}
				}
				return fmt.Errorf("slot %d of %d is not taken yet", slot, failing)
			})
			kill(t, pid)
			dead[pid] = true
			start()
			if slot == 3 {
				break
			}
			select {
			case start = <-held:
			case a := <-done:
				t.Fatalf("after slot %d of %d: %v, %s %s", slot, failing, a.err, a.out.FunctionError, a.out.Payload)
			}
		}
		if failing < 3 {
			start()
		}
		a := <-done
		if failing == 3 {
			refused(t, a.err, lambda.ServiceException, 500)
		} else if a.err != nil || a.out.FunctionError != "" {
			t.Errorf("after %d slots: %v, %s %s", failing, a.err, a.out.FunctionError, a.out.Payload)
		} else if n := len(slices.DeleteFunc(slices.Clone(a.out.Timeline.Spans), func(s sandbox.Span) bool { return s.Name != string(sandbox.PhaseSpawn) })); n != 1 {
			t.Errorf("after %d slots the timeline tells of %d starts", failing, n)
		}
		b.RetireIdle(f)
		must(t, b.Settle())
		if left := b.Environments(); len(left) != 0 {
			t.Errorf("after %d slots: left %+v", failing, left)
		}
	}
	if out := b.invoke(t, f, nil); out.FunctionError != "" {
		t.Errorf("then: %s %s", out.FunctionError, out.Payload)
	}
}

// children are this process's.
func children(t *testing.T) (pids []int) {
	t.Helper()
	threads, _ := filepath.Glob("/proc/self/task/*/children")
	for _, thread := range threads {
		b, err := os.ReadFile(thread)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue
		}
		must(t, err)
		for field := range strings.FieldsSeq(string(b)) {
			var pid int
			_, err := fmt.Sscan(field, &pid)
			must(t, err)
			pids = append(pids, pid)
		}
	}
	return pids
}

// isParked tells the processes that wait for a function, in pid namespaces of their own, from servers.
func (b *bed) isParked(t *testing.T, pid int) bool {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	for line := range strings.Lines(string(status)) {
		if pids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			ids := strings.Fields(pids)
			return len(ids) > 1 && ids[len(ids)-1] == "1"
		}
	}
	return false
}

// Whoever sent an event was told that it is accepted: if it is given up, that is said.
func TestDroppedEventsAreTold(t *testing.T) {
	nstest.NoLeaks(t)
	bus := new(events.Bus)
	b := newBed(t, func(c *lambda.Config) { c.Events = bus })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	seen := bus.Subscribe(ctx, 1000)
	in := bash(t, "handler() { return 1; }")
	in.FunctionName = "failing"
	b.create(t, in)
	in.FunctionName = "my-function"
	b.create(t, in)
	must(t, b.PutFunctionConcurrency("my-function", 0))
	dropped := map[string]string{b.send(t, "failing", nil).RequestID: "Unhandled"}
	throttled := b.send(t, "my-function", nil).RequestID
	for e := range seen { // it waits for its next try
		if e.Type == events.InvokeRetry && e.Name == throttled {
			break
		}
		if e.Type == events.InvokeDropped && dropped[e.Name] == e.Reason {
			delete(dropped, e.Name)
		}
	}
	dropped[throttled] = "ResourceNotFoundException"
	must(t, b.DeleteFunction(lambda.FunctionRef{Name: "my-function"}))
	for e := range seen {
		if e.Type == events.InvokeDropped && dropped[e.Name] == e.Reason {
			delete(dropped, e.Name)
		}
		if len(dropped) == 0 {
			return
		}
	}
	t.Errorf("nothing was said of %v", dropped)
}
