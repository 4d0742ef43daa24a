package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"enilab/internal/events"
	"enilab/internal/undo"
	"enilab/sandbox"
)

// environment is one execution environment: a process in a slot, attached to its version's network. It handles one
// event at a time and belongs to whoever took it.
type environment struct {
	id         string
	logStream  string
	identity   Identity // zero: it has none
	generation *generation
	started    time.Time
	slot       *sandbox.Slot
	attachment attachment
	process    *sandbox.Process
	freezer    *freezer // as process
	log        *environmentLog
	line       []byte // a buffer
	peak       int64  // bytes of memory, when that was last read
	peakRead   time.Time
	undo       undo.Stack

	// Guarded by the function's mu.
	state    EnvironmentState
	used     time.Time
	timeline []sandbox.Span // of its start
}

// initFailure is a runtime that did not get as far as its first event. It is the function's failure, not the lab's.
type initFailure struct{ kind, message string }

func (f *initFailure) Error() string { return "init: " + f.kind + ": " + f.message }

// start makes a new environment. If its init fails or takes too long, Lambda runs it once more, now as a part of the
// invocation: within the function's timeout.
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-ib
func (s *Service) start(ctx context.Context, g *generation, x *execution) (*environment, error) {
	e, err := s.provide(ctx, g, x)
	if !errors.As(err, new(*initFailure)) {
		return e, err
	}
	x.again = time.Now()
	x.out.Payload, x.out.FunctionError = nil, ""
	return s.provide(ctx, g, x)
}

// archiveError tells an archive that is not as it must be from a lab that cannot read or unpack it, for want of room say: then
// the system has refused something, and not for a name that the archive gives. The format names what the archive is.
func archiveError(err error, format string, args ...any) error {
	code := InvalidParameterValue
	if errno := syscall.Errno(0); errors.As(err, &errno) && errno != syscall.ENAMETOOLONG {
		code = ServiceException
	}
	return refuse(code, format+": %w", append(args, err)...)
}

// slotFailure is an environment that could not start for a reason of the lab's own.
type slotFailure struct{ as *Error }

func (f slotFailure) Error() string { return f.as.Error() }
func (f slotFailure) Unwrap() error { return f.as }

// maxSlots is how many slots are tried for one environment, if the lab fails to start a function in them.
const maxSlots = 3

// provide makes an environment in the first slot where the lab does not fail.
func (s *Service) provide(ctx context.Context, g *generation, x *execution) (*environment, error) {
	t := x.out.Timeline
	for attempt := 1; ; attempt++ {
		before := len(t.Spans)
		e, err := s.cold(ctx, g, x)
		failed := slotFailure{}
		if !errors.As(err, &failed) {
			return e, err
		}
		if attempt == maxSlots || ctx.Err() != nil {
			return nil, failed.as
		}
		s.Log.Warn("an environment could not start; another slot is taken", "function", g.version.function.name, "request", x.out.RequestID, "error", err)
		t.Spans = t.Spans[:before]
	}
}

// cold makes an environment and returns it when its runtime asks for the first event. It runs the phases of a cold
// start and records them. If the runtime fails, x.out says how.
func (s *Service) cold(ctx context.Context, g *generation, x *execution) (_ *environment, err error) {
	out := x.out
	t, f := out.Timeline, g.version.function
	first := len(t.Spans)
	e := &environment{generation: g, state: EnvironmentStarting, started: t.Began, used: t.Began}
	g.hold()
	defer func() {
		if err != nil {
			s.retire(e)
		}
	}()
	e.undo.Push(g.drop)

	if err := t.Run(sandbox.PhasePlace, func() (err error) {
		if e.attachment, err = g.network.place(ctx); err != nil {
			return err
		}
		e.undo.Push(e.attachment.end)
		e.slot = e.attachment.slot()
		f.mu.Lock()
		defer f.mu.Unlock()
		f.count++
		e.id = fmt.Sprintf("%s/%d", f.name, f.count)
		out.Environment = e.id // whatever becomes of it
		e.logStream = logStream(g.config.Version, t.Began)
		f.environments[e] = struct{}{}
		return nil
	}); err != nil {
		return nil, refuse(ServiceException, "%w", err)
	}
	e.log = &environmentLog{to: f.log, environment: e.id}

	var dir, layers string
	cache := g.code.source.cache
	if err := t.Fetched(sandbox.PhaseFetch, func() (bool, error) { return cache.Fetch(ctx, g.code.Code) }); err != nil {
		return nil, refuse(ServiceException, "%w", err)
	}
	if err := t.Fetched(sandbox.PhaseUnpack, func() (done bool, err error) {
		if dir, done, err = cache.Unpack(ctx, g.code.Code); err != nil || len(g.layers) == 0 {
			return done, err
		}
		var more bool
		layers, more, err = s.uploads.cache.UnpackLayers(ctx, g.layers)
		return done || more, err
	}); err != nil {
		return nil, archiveError(err, "unpack the code of %s", g.config.FunctionName)
	}

	began := time.Now()
	if err = s.launch(ctx, e, dir, layers, out); err == nil {
		began = time.Now()
		limit := s.InitTime
		if !x.again.IsZero() {
			limit = time.Until(x.again.Add(g.config.Timeout))
		}
		err = t.Run(sandbox.PhaseInit, func() error { return s.awaitReady(ctx, e, x, limit) })
	}
	if failed := (*initFailure)(nil); errors.As(err, &failed) {
		s.reportInit(e, failed, time.Since(began), x)
	}
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	e.state, e.timeline = EnvironmentBusy, slices.Clone(t.Spans[first:])
	f.mu.Unlock()
	s.announceStarted(e)
	return e, nil
}

// launch attaches the environment and spawns its process, in its turn if many start at once.
func (s *Service) launch(ctx context.Context, e *environment, dir, layers string, out *InvokeOutput) error {
	t, entered := out.Timeline, false
	turn := func() error {
		err := t.Fetched(sandbox.PhaseQueue, func() (bool, error) { return s.starts.enter(ctx) })
		entered = err == nil
		return err
	}
	defer func() {
		if entered {
			s.starts.leave()
		}
	}()
	steps := e.attachment.steps()
	if sandbox.Works(steps) { // who waits meanwhile, perhaps for one who has no turn yet, takes it afterwards
		if err := turn(); err != nil {
			return err
		}
	}
	if err := t.Steps(sandbox.PhaseAttach, steps); err != nil {
		return attachError(e.generation.config, err)
	}
	s.announceBound(e)
	if !entered {
		if err := turn(); err != nil {
			return err
		}
	}
	if err := t.Run(sandbox.PhaseSpawn, func() error { return s.spawn(ctx, e, dir, layers) }); err != nil {
		return spawnError(out.RequestID, err)
	}
	return nil
}

// reportInit tells the log, and after the second try the caller, of an environment that came to nothing.
func (s *Service) reportInit(e *environment, failed *initFailure, took time.Duration, x *execution) {
	out := x.out
	r := initReport{took: took, phase: "init", status: "error", errorType: failed.kind}
	if failed.kind == timedOut {
		r.status, r.errorType = "timeout", ""
	}
	if e.process != nil {
		e.process.Drain()
	}
	e.log.flush()
	if x.again.IsZero() {
		e.sayReport(&r)
		return
	}
	r.phase = "invoke"
	e.sayReport(&r)
	x.status = r.status
	out.FunctionError = unhandled
	if out.Payload == nil {
		out.Payload = failurePayload(failed.kind, "%s", failed.message)
	}
	e.sayStart(out.RequestID)
	e.say(append(append(e.line[:0], failed.message...), '\n'))
	e.report(&report{requestID: out.RequestID, took: time.Since(x.again), status: r.status, errorType: r.errorType, trace: x.trace}, x.in.LogTail)
	if x.in.LogTail {
		out.LogTail = e.log.Tail()
	}
}

// spawn makes the slot's parked process the function's.
func (s *Service) spawn(ctx context.Context, e *environment, dir, layers string) (err error) {
	c := e.generation.config
	if err := s.identify(e); err != nil {
		return err
	}
	start := sandbox.Config{
		Code: dir, Layers: layers, Env: s.variables(e), Limits: limits(c.MemorySize, c.EphemeralStorage), Tmp: int64(c.EphemeralStorage) << 20, Output: e.log,
	}
	if layers != "" && !isThere(dir, "bootstrap") && isThere(layers, "bootstrap") {
		start.Command = []string{"/opt/bootstrap"}
	}
	if err := s.manage(ctx, e, &start); err != nil {
		return err
	}
	if layers != "" && isThere(layers, "extensions") {
		e.say(append(e.line[:0], "The lab has no Extensions API: what is in /opt/extensions is not started\n"...))
	}
	if err := e.generation.checkInterpreter(&start); err != nil {
		return err
	}
	e.process, err = e.slot.Launcher.Start(ctx, start)
	if err == nil {
		e.undo.Push(e.process.Close)
		e.undo.Push(s.sockets.watch(e))
		e.freezer = &freezer{process: e.process, failed: func(err error) { s.Log.Warn("an idle environment is not frozen", "environment", e.id, "error", err) }}
		e.slot.API.OnWait(e.freezer.waiting)
		e.undo.Push(e.freezer.close)
	} else if errors.As(err, new(*sandbox.StartError)) && start.Command == nil && !isThere(dir, "bootstrap") {
		return &initFailure{ // https://github.com/aws/aws-lambda-dotnet/issues/1671
			"Runtime.InvalidEntrypoint", "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]",
		}
	}
	return err
}

func isThere(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}

// spawnError tells a bootstrap that cannot be executed, which is the function's failure, from a lab that cannot start
// one. The function's are the last two steps alone, to enter its code and to execute it.
func spawnError(requestID string, err error) error {
	if failed := (*initFailure)(nil); errors.As(err, &failed) {
		return &initFailure{failed.kind, fmt.Sprintf("RequestId: %s Error: %s", requestID, failed.message)}
	}
	if failed := (*sandbox.StartError)(nil); errors.As(err, &failed) && (failed.Step == "code" || failed.Step == "exec") {
		return &initFailure{"Runtime.InvalidEntrypoint", fmt.Sprintf("RequestId: %s Error: %v", requestID, failed)}
	}
	return slotFailure{refuse(ServiceException, "RequestId: %s Error: %w", requestID, err)}
}

// limits are an environment's, by its function's memory and /tmp in MB. Lambda gives processor time in proportion to memory, one vCPU
// at 1,769 MB (https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html). Here the proportion is a
// weight, which counts when environments compete, and the bound is the whole number of vCPUs that Lambda shows: a harder
// one would make every figure of the network a figure of the quota.
func limits(memoryMB, tmpMB int) sandbox.Limits {
	const perVCPU = 1769
	vcpus := max(2, (memoryMB+perVCPU-1)/perVCPU)
	return sandbox.Limits{Memory: int64(memoryMB) << 20, Tmp: int64(tmpMB) << 20, Pids: maxProcesses, VCPUs: float64(vcpus), Weight: max(1, memoryMB*100/perVCPU)}
}

// maxProcesses is Lambda's quota of processes and threads.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const maxProcesses = 1024

// timedOut is the error type of what took too long.
const timedOut = "Sandbox.Timedout"

// awaitReady returns when the runtime has asked for its first event, or says why it never will; what a runtime says of
// that itself is the answer. Within the invocation it is the function's timeout that ends the wait.
func (s *Service) awaitReady(ctx context.Context, e *environment, x *execution, allowed time.Duration) error {
	out := x.out
	limit := time.NewTimer(allowed)
	defer limit.Stop()
	said := func(r sandbox.Result) error {
		out.Payload = r.Payload
		return &initFailure{r.Error.Type, r.Error.Message}
	}
	select {
	case <-e.slot.API.Ready():
		return nil
	case r := <-e.slot.API.InitError():
		return said(r)
	case <-e.process.Done():
		select {
		case r := <-e.slot.API.InitError(): // it said why before it ended
			return said(r)
		default:
			return e.exitFailure(out.RequestID)
		}
	case <-limit.C:
		return &initFailure{timedOut, fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", out.RequestID, e.generation.config.Timeout.Seconds())}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// exitFailure is what Lambda answers for a runtime that ended.
func (e *environment) exitFailure(requestID string) *initFailure {
	x := e.process.Exit()
	switch {
	case x.Socket:
		return &initFailure{"Runtime.OutOfMemory", fmt.Sprintf("RequestId: %s Error: Runtime exited with error: signal: killed; %s", requestID, tooManySockets)}
	case x.OOM:
		return &initFailure{"Runtime.OutOfMemory", fmt.Sprintf("RequestId: %s Error: Runtime exited with error: signal: killed", requestID)}
	case x.Unwatched != nil:
		return &initFailure{"Runtime.ExitError", fmt.Sprintf("RequestId: %s Error: Runtime exited with error: signal: killed; the lab ended it: %v", requestID, x.Unwatched)}
	case x.Signal != 0:
		return &initFailure{"Runtime.ExitError", fmt.Sprintf("RequestId: %s Error: Runtime exited with error: signal: %v", requestID, x.Signal)}
	case x.Code != 0:
		return &initFailure{"Runtime.ExitError", fmt.Sprintf("RequestId: %s Error: Runtime exited with error: exit status %d", requestID, x.Code)}
	}
	return &initFailure{"Runtime.ExitError", fmt.Sprintf("RequestId: %s Error: Runtime exited without providing a reason", requestID)}
}

// failurePayload is the body by which Lambda reports a failure that the function itself could not.
func failurePayload(kind, format string, args ...any) []byte {
	b, _ := json.Marshal(struct { // two strings: it cannot fail
		Message string `json:"errorMessage"`
		Type    string `json:"errorType"`
	}{fmt.Sprintf(format, args...), kind})
	return b
}

// say writes to the environment's log. What it is given is the buffer for the next time.
func (e *environment) say(line []byte) {
	e.line = line
	_, _ = e.log.Write(line) // it takes everything
}

// An environment's peak of memory is read again at the end of an execution that took long, and of one that comes so long after
// the last reading. To read it takes some 20 µs, and much more than an execution waits for a processor when there are many.
const (
	long    = 100 * time.Millisecond
	peakAge = time.Second
)

// report ends the log of an invocation. Who looks at the log gets the memory used as it is now, others as it was a second ago
// at most: a peak does not fall.
func (e *environment) report(r *report, looked bool) {
	r.memory = e.generation.config.MemorySize
	if e.process != nil && (looked || r.init > 0 || r.took >= long || time.Since(e.peakRead) >= peakAge || e.log.to.followed()) {
		if peak, err := e.process.MaxMemory(); err == nil {
			e.peak, e.peakRead = peak, time.Now()
		}
	}
	r.used = e.peak
	e.log.flush()
	e.sayReport(r)
}

// retire ends an environment behind the caller's back: what it takes is on nobody's path.
func (s *Service) retire(e *environment) {
	s.background("end environment "+e.id, func() error {
		err := e.undo.Close()
		f := e.generation.version.function
		f.mu.Lock()
		delete(f.environments, e)
		f.mu.Unlock()
		if e.id != "" {
			s.Events.Publish(events.Event{Type: events.EnvEnded, Function: f.name, Version: e.generation.version.name, Env: e.id})
		}
		return err
	})
}
