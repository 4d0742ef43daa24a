package sandbox

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/netutil"
)

// MaxPayload is the largest response Lambda takes from a function, in bytes: 6 MiB and 100 (MaxPayloadSize of AWS's
// runtime interface emulator, and the number in Lambda's own error message).
const MaxPayload = 6<<20 + 100

// What is on the other side is the customer's code, so everything it can make this process hold is bounded.
const (
	maxRuntimeConns  = 8               // at once; a runtime needs one or two, the rest wait in the kernel's backlog
	maxRuntimeHeader = 1<<20 + 64<<10  // aws-lambda-go puts up to 1 MiB of X-Ray cause into one header
	headerPatience   = 5 * time.Second // for a request's header; a body may take as long as the event
	longestEvent     = 15 * time.Minute
)

var (
	// ErrBusy is met by Invoke while an earlier event is unanswered. An event that ended with its context after the
	// runtime had it is never answered: such an environment is to be killed.
	ErrBusy = errors.New("environment is busy with another event")
	// ErrClosed is met by Invoke when the API is closed, before or during the event.
	ErrClosed = errors.New("runtime API is closed")
	// ErrExited is met by Invoke when Event.Exited closes before there is an answer.
	ErrExited = errors.New("the runtime exited")
)

// Event is one invocation, as the runtime's GET …/next receives it.
type Event struct {
	RequestID       string // needed
	FunctionARN     string
	TraceID         string    // X-Ray header; not sent when empty, like the two below
	ClientContext   string    // JSON
	CognitoIdentity string    // JSON
	Deadline        time.Time // zero means the context's deadline, or else 15 minutes, Lambda's longest
	Payload         []byte
	Exited          <-chan struct{} // closes when the runtime's process has ended; nil: it does not
}

// Result is the runtime's answer to an event.
type Result struct {
	Payload []byte         // body of the answer, also when it reports an error: it is what Lambda's caller gets
	Error   *FunctionError // nil after …/response
}

// FunctionError is what a runtime reports to …/error. Its fields are whatever the runtime said.
type FunctionError struct {
	Type       string          // errorType of the body, else Header, else "Runtime.Unknown"
	Message    string          // errorMessage
	StackTrace json.RawMessage // stackTrace; its shape differs between runtimes
	Header     string          // Lambda-Runtime-Function-Error-Type
}

func (e *FunctionError) Error() string { return e.Type + ": " + e.Message }

// The states are those of AWS's runtime interface emulator, whose names appear in its error messages.
type runtimeState string

const (
	stateStarted   runtimeState = "RuntimeStarted"            // no …/next yet
	stateInitError runtimeState = "RuntimeInitError"          // for good
	stateReady     runtimeState = "RuntimeReady"              // waits in …/next, or has the event
	stateAnswering runtimeState = "RuntimeInvocationResponse" // the answer's body is being read
	stateAnswered  runtimeState = "RuntimeResponseSent"       // until the following …/next
	stateSpent     runtimeState = "RuntimeSpent"              // ours: the caller left while the runtime had the event
)

// RuntimeAPI serves the Lambda Runtime API, version 2018-06-01, to one execution environment. One event is in hand at
// a time. Its client is not trusted: whatever that sends, it can only spoil its own environment.
type RuntimeAPI struct {
	server  *http.Server
	open    context.Context // ends with Close; parent of every request's context
	shut    context.CancelFunc
	served  chan struct{}  // closed when no more connections are accepted
	conns   sync.WaitGroup // a connection holds it until its goroutine ends
	ready   chan struct{}
	initErr chan Result

	mu      sync.Mutex // guards all below
	state   runtimeState
	failed  *Result          // of …/init/error, when its body is read
	current *invocation      // the latest event; nil before the first and when its caller has left
	waiting chan *invocation // of the runtime's …/next, when there is no event for it
	onWait  func()           // see OnWait
}

type invocation struct {
	Event
	delivered bool        // to the runtime; guarded by RuntimeAPI.mu
	result    chan Result // of capacity 1; sent to once, by whoever makes the state stateAnswered or stateInitError
}

// NewRuntimeAPI starts serving on l and owns it from now on. Close ends that.
func NewRuntimeAPI(l net.Listener) *RuntimeAPI {
	a := &RuntimeAPI{
		served:  make(chan struct{}),
		ready:   make(chan struct{}),
		initErr: make(chan Result, 1),
		state:   stateStarted,
	}
	a.open, a.shut = context.WithCancel(context.Background())
	mux := http.NewServeMux()
	const root = " /2018-06-01/runtime/"
	mux.HandleFunc("GET"+root+"invocation/next", a.serveNext)
	mux.HandleFunc("HEAD"+root+"invocation/next", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusMethodNotAllowed) // the GET pattern would match it and spend an event
	})
	mux.HandleFunc("POST"+root+"invocation/{id}/response", a.serveResponse)
	mux.HandleFunc("POST"+root+"invocation/{id}/error", a.serveError)
	mux.HandleFunc("POST"+root+"init/error", a.serveInitError)
	a.server = &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: headerPatience,
		MaxHeaderBytes:    maxRuntimeHeader,
		BaseContext:       func(net.Listener) context.Context { return a.open },
		ConnState:         a.count,
		ErrorLog:          log.New(io.Discard, "", 0), // else the client could write to our log
	}
	go func() {
		defer close(a.served)
		_ = a.server.Serve(netutil.LimitListener(l, maxRuntimeConns)) // always an error; Close is the usual one
	}()
	return a
}

func (a *RuntimeAPI) count(_ net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew: // in Serve's goroutine, so before served is closed
		a.conns.Add(1)
	case http.StateClosed: // the last thing a connection's goroutine does
		a.conns.Done()
	}
}

// Ready is closed when the runtime asks for its first event: its initialisation is over.
func (a *RuntimeAPI) Ready() <-chan struct{} { return a.ready }

// OnWait has f called whenever the runtime begins to wait for an event that is not there yet. f must return soon.
func (a *RuntimeAPI) OnWait(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.onWait = f
}

// InitError receives what the runtime posts to …/init/error, once at most. An Invoke meanwhile or later returns it too.
func (a *RuntimeAPI) InitError() <-chan Result { return a.initErr }

// Invoke hands e to the runtime, at once if that waits in …/next, and returns its answer. When ctx ends first, the
// error is the context's cause: if the runtime had e by then, the environment is spent and the owner kills it.
func (a *RuntimeAPI) Invoke(ctx context.Context, e Event) (Result, error) {
	inv := &invocation{Event: e, result: make(chan Result, 1)}
	if inv.Deadline.IsZero() {
		inv.Deadline = time.Now().Add(longestEvent)
		if d, ok := ctx.Deadline(); ok {
			inv.Deadline = d
		}
	}
	if err := a.begin(inv); err != nil {
		return Result{}, fmt.Errorf("event %q: %w", e.RequestID, err)
	}
	var err error
	select {
	case r := <-inv.result:
		return r, nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-e.Exited:
		err = ErrExited
	case <-a.open.Done():
		err = ErrClosed
	}
	if r, ok := a.abandon(inv); ok {
		return r, nil
	}
	return Result{}, fmt.Errorf("event %q: %w", e.RequestID, err)
}

func (a *RuntimeAPI) begin(inv *invocation) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case inv.RequestID == "":
		return errors.New("needs a request id")
	case a.open.Err() != nil:
		return ErrClosed
	case a.failed != nil:
		inv.result <- *a.failed
		return nil
	case a.state == stateSpent, a.current != nil && a.state != stateAnswered:
		return ErrBusy
	case a.current != nil && !a.current.delivered: // the state is the answer to the event before it
		return ErrBusy
	}
	a.current = inv
	if a.waiting != nil {
		a.state, inv.delivered = stateReady, true
		a.waiting <- inv
		a.waiting = nil
	}
	return nil
}

// abandon takes inv back, or returns the answer if that has just come.
func (a *RuntimeAPI) abandon(inv *invocation) (Result, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case r := <-inv.result:
		return r, true
	default:
	}
	a.current = nil
	if inv.delivered {
		a.state = stateSpent
	}
	return Result{}, false
}

// Close ends every connection and a waiting Invoke, and returns when no goroutine is left: at once, or within half a
// second when the runtime has just sent garbage, which net/http lets linger. It may be called twice.
func (a *RuntimeAPI) Close() error {
	a.shut()
	err := a.server.Close()
	<-a.served
	a.conns.Wait()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("runtime api: close: %w", err)
	}
	return nil
}

func (a *RuntimeAPI) serveNext(w http.ResponseWriter, r *http.Request) {
	next, waits, refused := a.next()
	if refused != "" {
		forbid(w, refused, stateReady)
		return
	}
	if waits != nil {
		waits()
	}
	select {
	case inv, ok := <-next:
		if !ok {
			forbid(w, stateReady, stateReady)
			return
		}
		inv.writeTo(w)
	case <-r.Context().Done(): // the runtime hung up, or Close
		a.leave(next)
	}
}

// next returns where the event will arrive. An event that was delivered and is unanswered arrives again, as in Lambda,
// so none is lost with a connection. Of two that wait the later counts, since the earlier may be a dead connection not
// noticed yet: its channel is closed. If the runtime has to wait, waits is what to call.
func (a *RuntimeAPI) next() (next chan *invocation, waits func(), refused runtimeState) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch a.state {
	case stateInitError, stateAnswering, stateSpent:
		return nil, nil, a.state
	case stateStarted:
		close(a.ready)
	case stateAnswered:
		if a.current != nil && a.current.delivered {
			a.current = nil
		}
	}
	a.state = stateReady
	next = make(chan *invocation, 1)
	if a.current != nil {
		a.current.delivered = true
		next <- a.current
		return next, nil, ""
	}
	if a.waiting != nil {
		close(a.waiting)
	}
	a.waiting = next
	return next, a.onWait, ""
}

func (a *RuntimeAPI) leave(next chan *invocation) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waiting == next {
		a.waiting = nil
	}
}

func (inv *invocation) writeTo(w http.ResponseWriter) {
	h := w.Header()
	for _, f := range [...]struct{ name, value string }{
		{"Lambda-Runtime-Aws-Request-Id", inv.RequestID},
		{"Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.Deadline.UnixMilli(), 10)},
		{"Lambda-Runtime-Invoked-Function-Arn", inv.FunctionARN},
		{"Lambda-Runtime-Trace-Id", inv.TraceID},
		{"Lambda-Runtime-Client-Context", inv.ClientContext},
		{"Lambda-Runtime-Cognito-Identity", inv.CognitoIdentity},
		{"Content-Type", "application/json"},
		{"Content-Length", strconv.Itoa(len(inv.Payload))}, // never chunked: a shell can read it
	} {
		if f.value != "" {
			h.Set(f.name, f.value)
		}
	}
	_, _ = w.Write(inv.Payload) // a runtime that hung up gets the event at its following …/next
}

func (a *RuntimeAPI) serveResponse(w http.ResponseWriter, r *http.Request) {
	mode := r.Header.Get("Lambda-Runtime-Function-Response-Mode")
	if mode != "" && !strings.EqualFold(mode, "streaming") && !strings.EqualFold(mode, "buffered") {
		refuse(w, http.StatusBadRequest, "InvalidFunctionResponseMode", "Invalid function response mode")
		return
	}
	a.answer(w, r, func(body []byte) Result {
		// A response that fails half-way says so in its trailer; the half is worth nothing then.
		kind := r.Trailer.Get("Lambda-Runtime-Function-Error-Type")
		report, err := base64.StdEncoding.DecodeString(r.Trailer.Get("Lambda-Runtime-Function-Error-Body"))
		if kind != "" || err != nil || len(report) > 0 {
			return errorResult(report, kind)
		}
		return Result{Payload: body}
	})
}

func (a *RuntimeAPI) serveError(w http.ResponseWriter, r *http.Request) {
	a.answer(w, r, func(body []byte) Result {
		return errorResult(body, r.Header.Get("Lambda-Runtime-Function-Error-Type"))
	})
}

// answer claims the event before it reads the body, so that an environment makes this process hold one body at most.
func (a *RuntimeAPI) answer(w http.ResponseWriter, r *http.Request, parse func(body []byte) Result) {
	inv, refused := a.claim(r.PathValue("id"))
	switch {
	case inv == nil:
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return
	case refused != "":
		forbid(w, refused, stateAnswering)
		return
	}
	body, err := readBody(r)
	switch {
	case errors.Is(err, errTooLarge):
		a.finish(inv, tooLarge())
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge",
			fmt.Sprintf("Exceeded maximum allowed payload size (%d bytes).", MaxPayload))
	case err != nil:
		a.unclaim(inv) // it may be posted again
		refuse(w, http.StatusBadRequest, "TruncatedHTTPRequest", "HTTP request detected as truncated")
	default:
		a.finish(inv, parse(body))
		accept(w)
	}
}

func (a *RuntimeAPI) claim(id string) (_ *invocation, refused runtimeState) {
	a.mu.Lock()
	defer a.mu.Unlock()
	inv := a.current
	if inv == nil || inv.RequestID != id {
		return nil, ""
	}
	if a.state != stateReady {
		return inv, a.state
	}
	a.state = stateAnswering
	return inv, ""
}

func (a *RuntimeAPI) unclaim(inv *invocation) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current == inv {
		a.state = stateReady
	}
}

func (a *RuntimeAPI) finish(inv *invocation, r Result) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current == inv { // else its caller has left
		a.state = stateAnswered
		inv.result <- r
	}
}

func (a *RuntimeAPI) serveInitError(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	was := a.state
	if was == stateStarted {
		a.state = stateInitError
	}
	a.mu.Unlock()
	if was != stateStarted {
		forbid(w, was, stateInitError)
		return
	}
	body, err := readBody(r)
	failed := errorResult(body, r.Header.Get("Lambda-Runtime-Function-Error-Type"))

	a.mu.Lock()
	a.failed = &failed
	a.initErr <- failed
	if a.current != nil {
		a.current.result <- failed
		a.current = nil
	}
	a.mu.Unlock()
	switch {
	case errors.Is(err, errTooLarge):
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge",
			fmt.Sprintf("Exceeded maximum allowed payload size (%d bytes).", MaxPayload))
	case err != nil:
		refuse(w, http.StatusBadRequest, "TruncatedHTTPRequest", "HTTP request detected as truncated")
	default:
		accept(w)
	}
}

var errTooLarge = errors.New("payload too large")

// readBody reads all of a body and its trailer. What exceeds the limit is thrown away for a while, as most clients
// look for an answer only when they have sent everything.
func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxPayload+1))
	if err == nil && len(body) > MaxPayload {
		_, _ = io.CopyN(io.Discard, r.Body, 10*MaxPayload)
		return nil, errTooLarge
	}
	return body, err
}

func errorResult(body []byte, header string) Result {
	var e struct {
		ErrorType    string          `json:"errorType"`
		ErrorMessage string          `json:"errorMessage"`
		StackTrace   json.RawMessage `json:"stackTrace"`
	}
	_ = json.Unmarshal(body, &e) // it need not be JSON
	kind := e.ErrorType
	if kind == "" {
		kind = header
	}
	if kind == "" {
		kind = "Runtime.Unknown"
	}
	return Result{body, &FunctionError{kind, e.ErrorMessage, e.StackTrace, header}}
}

func tooLarge() Result {
	const kind = "Function.ResponseSizeTooLarge"
	body, _ := json.Marshal(apiError{
		fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", MaxPayload), kind,
	})
	return errorResult(body, kind)
}

type apiError struct {
	Message string `json:"errorMessage"`
	Type    string `json:"errorType"`
}

func accept(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`+"\n")
}

func forbid(w http.ResponseWriter, from, to runtimeState) {
	refuse(w, http.StatusForbidden, "InvalidStateTransition",
		fmt.Sprintf("State transition from %s to %s failed for runtime. Error: State transition is not allowed", from, to))
}

func refuse(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(apiError{message, kind})
}
