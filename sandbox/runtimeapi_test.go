package sandbox_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"enilab/internal/nstest"
	"enilab/sandbox"
)

const apiRoot = "/2018-06-01/runtime/"

// serveRuntimeAPI serves on an ordinary loopback listener until the test ends.
func serveRuntimeAPI(tb testing.TB) (*sandbox.RuntimeAPI, string) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	a := sandbox.NewRuntimeAPI(l)
	tb.Cleanup(func() {
		if err := a.Close(); err != nil {
			tb.Error(err)
		}
	})
	return a, l.Addr().String()
}

// rawClient is a runtime that writes its own HTTP: it can do what no library would.
type rawClient struct {
	tb testing.TB
	net.Conn
	r *bufio.Reader
}

func dialRuntimeAPI(tb testing.TB, addr string) *rawClient {
	tb.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(2 * time.Minute)) // a test that hangs says where
	return &rawClient{tb, c, bufio.NewReader(c)}
}

func (c *rawClient) send(format string, args ...any) {
	c.tb.Helper()
	if _, err := fmt.Fprintf(c, format, args...); err != nil {
		c.tb.Fatal(err)
	}
}

type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) errorType() string {
	var e struct{ ErrorType, ErrorMessage string }
	if json.Unmarshal([]byte(r.body), &e) != nil || e.ErrorMessage == "" {
		return ""
	}
	return e.ErrorType
}

func (c *rawClient) receive() reply {
	c.tb.Helper()
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.tb.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.tb.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(body)}
}

func (c *rawClient) askNext() {
	c.tb.Helper()
	c.send("GET %sinvocation/next HTTP/1.1\r\nHost: x\r\n\r\n", apiRoot)
}

// post sends a whole request; header lines end in \r\n.
func (c *rawClient) post(path, header, body string) reply {
	c.tb.Helper()
	c.send("POST %s%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n%s", apiRoot, path, len(body), header, body)
	return c.receive()
}

type answer struct {
	sandbox.Result
	err error
}

func invokeAsync(ctx context.Context, a *sandbox.RuntimeAPI, e sandbox.Event) <-chan answer {
	got := make(chan answer, 1)
	go func() {
		r, err := a.Invoke(ctx, e)
		got <- answer{r, err}
	}()
	return got
}

func TestRuntimeAPIConversation(t *testing.T) {
	nstest.NoLeaks(t)
	a, addr := serveRuntimeAPI(t)
	c := dialRuntimeAPI(t, addr)
	select {
	case <-a.Ready():
		t.Fatal("ready before the first next")
	default:
	}
	for i, e := range []sandbox.Event{
		{RequestID: "id-1", Payload: []byte(`{"n":1}`), Deadline: time.UnixMilli(1234567890123)},
		{RequestID: "id-2", FunctionARN: "arn:f", TraceID: "Root=1", ClientContext: `{"c":1}`, CognitoIdentity: `{"i":1}`},
		{RequestID: "id-3", Payload: []byte(strings.Repeat("x", 5_000_000))},
	} {
		got := invokeAsync(t.Context(), a, e)
		c.askNext()
		next := c.receive()
		if next.status != 200 || next.body != string(e.Payload) {
			t.Fatalf("next: %d, body of %d bytes; want 200 and %d", next.status, len(next.body), len(e.Payload))
		}
		for name, want := range map[string]string{
			"Lambda-Runtime-Aws-Request-Id":       e.RequestID,
			"Lambda-Runtime-Invoked-Function-Arn": e.FunctionARN,
			"Lambda-Runtime-Trace-Id":             e.TraceID,
			"Lambda-Runtime-Client-Context":       e.ClientContext,
			"Lambda-Runtime-Cognito-Identity":     e.CognitoIdentity,
			"Content-Length":                      strconv.Itoa(len(e.Payload)),
		} {
			if next.header.Get(name) != want {
				t.Errorf("%s: %q, want %q", name, next.header.Get(name), want)
			}
			if _, sent := next.header[name]; sent && want == "" {
				t.Errorf("%s was sent though it is not set", name)
			}
		}
		deadline, _ := strconv.ParseInt(next.header.Get("Lambda-Runtime-Deadline-Ms"), 10, 64)
		if i == 0 && deadline != 1234567890123 {
			t.Errorf("deadline %d, want 1234567890123", deadline)
		}
		if left := time.Until(time.UnixMilli(deadline)); i > 0 && (left < 14*time.Minute || left > 15*time.Minute) {
			t.Errorf("deadline without a deadline is %s away, want 15 minutes", left)
		}
		want := fmt.Sprintf(`{"answer":%d}`, i)
		if r := c.post("invocation/"+e.RequestID+"/response", "", want); r.status != 202 || strings.TrimSpace(r.body) != `{"status":"OK"}` {
			t.Errorf("response: %d %q, want 202 and status OK", r.status, r.body)
		}
		if r := <-got; r.err != nil || r.Error != nil || string(r.Payload) != want {
			t.Errorf("Invoke: %+v, want %s", r, want)
		}
	}
	<-a.Ready()
}

// Every way for a runtime to answer one event, and what the invoker sees.
func TestRuntimeAPIAnswers(t *testing.T) {
	nstest.NoLeaks(t)
	errorBody := `{"errorType":"MyError","errorMessage":"no luck","stackTrace":["a","b"]}`
	chunks := func(header, trailer string, parts ...string) string {
		s := "Transfer-Encoding: chunked\r\n" + header + "\r\n"
		for _, p := range parts {
			s += fmt.Sprintf("%x\r\n%s\r\n", len(p), p)
		}
		return s + "0\r\n" + trailer + "\r\n"
	}
	sized := func(header, body string) string {
		return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", header, len(body), body)
	}
	const streaming = "Lambda-Runtime-Function-Response-Mode: streaming\r\n"
	const trailers = "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n"
	const headerType = "Lambda-Runtime-Function-Error-Type: Runtime.Odd\r\n"
	huge := strings.Repeat("h", sandbox.MaxPayload+1)
	tooLarge := `{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).",` +
		`"errorType":"Function.ResponseSizeTooLarge"}`
	for name, c := range map[string]struct {
		path, request string
		status        int
		payload       string // of the result
		failure       string // its FunctionError, with the header and trace
	}{
		"response":             {"response", sized("", `{"a":1}`), 202, `{"a":1}`, ""},
		"empty":                {"response", sized("", ""), 202, "", ""},
		"not JSON":             {"response", sized("", "\x00\xff"), 202, "\x00\xff", ""},
		"chunked":              {"response", chunks("", "", "ab", "cd"), 202, "abcd", ""},
		"streaming":            {"response", chunks(streaming+trailers, "", "ab", "cd"), 202, "abcd", ""},
		"mode in capitals":     {"response", sized(strings.ToUpper(streaming), "x"), 202, "x", ""},
		"buffered":             {"response", sized("Lambda-Runtime-Function-Response-Mode: Buffered\r\n", "x"), 202, "x", ""},
		"largest":              {"response", sized("", huge[1:]), 202, huge[1:], ""},
		"too large":            {"response", sized("", huge), 413, tooLarge, "Function.ResponseSizeTooLarge: Response payload size exceeded maximum allowed payload size (6291556 bytes). | Function.ResponseSizeTooLarge | "},
		"too large, chunked":   {"response", chunks(streaming, "", huge, "more"), 413, tooLarge, "Function.ResponseSizeTooLarge: Response payload size exceeded maximum allowed payload size (6291556 bytes). | Function.ResponseSizeTooLarge | "},
		"fails half-way":       {"response", chunks(streaming+trailers, "Lambda-Runtime-Function-Error-Type: MyError\r\nLambda-Runtime-Function-Error-Body: "+base64.StdEncoding.EncodeToString([]byte(errorBody))+"\r\n", "ha"), 202, errorBody, `MyError: no luck | MyError | ["a","b"]`},
		"bad trailer":          {"response", chunks(streaming+trailers, "Lambda-Runtime-Function-Error-Body: %%%\r\n", "ha"), 202, "", "Runtime.Unknown:  |  | "},
		"error":                {"error", sized("", errorBody), 202, errorBody, `MyError: no luck |  | ["a","b"]`},
		"error with a header":  {"error", sized(headerType, errorBody), 202, errorBody, `MyError: no luck | Runtime.Odd | ["a","b"]`},
		"error by header only": {"error", sized(headerType, ""), 202, "", "Runtime.Odd:  | Runtime.Odd | "},
		"error not JSON":       {"error", sized("", "oops"), 202, "oops", "Runtime.Unknown:  |  | "},
		"error of other types": {"error", sized("", `{"errorType":7,"errorMessage":"m"}`), 202, `{"errorType":7,"errorMessage":"m"}`, "Runtime.Unknown: m |  | "},
		"error too deep":       {"error", sized("", strings.Repeat("[", 100_000)), 202, strings.Repeat("[", 100_000), "Runtime.Unknown:  |  | "},
		"error too large":      {"error", sized("", huge), 413, tooLarge, "Function.ResponseSizeTooLarge: Response payload size exceeded maximum allowed payload size (6291556 bytes). | Function.ResponseSizeTooLarge | "},
	} {
		t.Run(name, func(t *testing.T) {
			a, addr := serveRuntimeAPI(t)
			rt := dialRuntimeAPI(t, addr)
			got := invokeAsync(t.Context(), a, sandbox.Event{RequestID: "id"})
			rt.askNext()
			rt.receive()
			rt.send("POST %sinvocation/id/%s HTTP/1.1\r\nHost: x\r\n%s", apiRoot, c.path, c.request)
			if r := rt.receive(); r.status != c.status || c.status == 413 && r.errorType() != "RequestEntityTooLarge" {
				t.Errorf("answered %d %s, want %d", r.status, r.body, c.status)
			}
			r := <-got
			if r.err != nil || string(r.Payload) != c.payload {
				t.Errorf("Invoke: %v, payload %.200q; want %.200q", r.err, r.Payload, c.payload)
			}
			failure := ""
			if e := r.Error; e != nil {
				failure = e.Error() + " | " + e.Header + " | " + string(e.StackTrace)
			}
			if failure != c.failure {
				t.Errorf("function error %q, want %q", failure, c.failure)
			}
		})
	}
}

// What a runtime may not do, in which state, and that it is told so without harm to the event in hand.
func TestRuntimeAPIRefuses(t *testing.T) {
	nstest.NoLeaks(t)
	type step struct {
		line      string // method and path below the root; " next" at its end waits for an event
		status    int
		errorType string
	}
	const next, badState, badID = "GET invocation/next", "InvalidStateTransition", "InvalidRequestID"
	for name, steps := range map[string][]step{
		"response before next":           {{"POST invocation/id/response", 400, badID}},
		"error before next":              {{"POST invocation/id/error", 400, badID}},
		"unknown id":                     {{next, 200, ""}, {"POST invocation/other/response", 400, badID}, {"POST invocation/id/response", 202, ""}},
		"id of another case":             {{next, 200, ""}, {"POST invocation/ID/error", 400, badID}},
		"response twice":                 {{next, 200, ""}, {"POST invocation/id/response", 202, ""}, {"POST invocation/id/response", 403, badState}},
		"error after response":           {{next, 200, ""}, {"POST invocation/id/response", 202, ""}, {"POST invocation/id/error", 403, badState}},
		"init error after next":          {{next, 200, ""}, {"POST init/error", 403, badState}, {"POST invocation/id/response", 202, ""}},
		"init error after response":      {{next, 200, ""}, {"POST invocation/id/response", 202, ""}, {"POST init/error", 403, badState}},
		"init error twice":               {{"POST init/error", 202, ""}, {"POST init/error", 403, badState}},
		"next after init error":          {{"POST init/error", 202, ""}, {next, 403, badState}},
		"response after init error":      {{"POST init/error", 202, ""}, {"POST invocation/id/response", 400, badID}},
		"next again: same event":         {{next, 200, ""}, {next, 200, ""}, {"POST invocation/id/response", 202, ""}},
		"HEAD does not spend it":         {{"HEAD invocation/next", 405, ""}, {next, 200, ""}},
		"wrong method":                   {{"POST invocation/next", 405, ""}, {"GET invocation/id/response", 405, ""}, {"GET init/error", 405, ""}},
		"unknown path":                   {{"GET invocation/later", 404, ""}, {"GET ", 404, ""}, {"POST invocation//response", 307, ""}, {"GET restore/next", 404, ""}},
		"escaped id is not two":          {{next, 200, ""}, {"POST invocation/id%2Fresponse", 404, ""}},
		"unknown response mode":          {{next, 200, ""}, {"POST invocation/id/response mode", 400, "InvalidFunctionResponseMode"}, {"POST invocation/id/response", 202, ""}},
		"large header of an X-Ray cause": {{next, 200, ""}, {"POST invocation/id/error xray", 202, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			a, addr := serveRuntimeAPI(t)
			ctx, cancel := context.WithCancel(t.Context())
			c := dialRuntimeAPI(t, addr)
			for i, s := range steps {
				line, how, _ := strings.Cut(s.line, " ")
				path, how, _ := strings.Cut(how, " ")
				header := map[string]string{
					"mode": "Lambda-Runtime-Function-Response-Mode: Sometimes\r\n",
					"xray": "Lambda-Runtime-Function-Xray-Error-Cause: " + strings.Repeat("x", 1<<20-1) + "\r\n",
				}[how]
				if s.line == next && s.status == 200 {
					invokeAsync(ctx, a, sandbox.Event{RequestID: "id", Payload: []byte("p")})
				}
				fmt.Fprintf(c, "%s %s%s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n%s\r\n", line, apiRoot, path, header)
				var r reply
				if line == http.MethodHead {
					resp, err := http.ReadResponse(c.r, &http.Request{Method: line})
					if err != nil {
						t.Fatal(err)
					}
					r.status = resp.StatusCode
				} else {
					r = c.receive()
				}
				if r.status != s.status || r.errorType() != s.errorType {
					t.Fatalf("step %d, %s: %d %q, want %d %q", i, s.line, r.status, r.body, s.status, s.errorType)
				}
				if s.line == next && s.status == 200 && r.body != "p" {
					t.Errorf("step %d: event %q, want p", i, r.body)
				}
			}
			cancel()
		})
	}
}

// A header without end: the server gives up on the connection, with an answer or without, and serves the next one.
func TestRuntimeAPIEndlessHeader(t *testing.T) {
	nstest.NoLeaks(t)
	a, addr := serveRuntimeAPI(t)
	c := dialRuntimeAPI(t, addr)
	sent, err := fmt.Fprintf(c, "GET %sinvocation/next HTTP/1.1\r\nHost: x\r\nX: ", apiRoot)
	for part := strings.Repeat("x", 64<<10); err == nil; {
		var n int
		n, err = io.WriteString(c, part)
		if sent += n; sent > 64<<20 {
			t.Fatal("the server takes a header of 64 MiB")
		}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the server neither reads nor closes")
	}
	waitingRuntime(t, a, addr)
}

func TestRuntimeAPIInitError(t *testing.T) {
	nstest.NoLeaks(t)
	const body = `{"errorType":"ImportError","errorMessage":"no module","stackTrace":[]}`
	check := func(t *testing.T, r sandbox.Result, err error) {
		t.Helper()
		if err != nil || r.Error == nil || r.Error.Error() != "ImportError: no module" || string(r.Payload) != body {
			t.Errorf("got %+v, %v; want the init error", r, err)
		}
	}
	a, addr := serveRuntimeAPI(t)
	early := invokeAsync(t.Context(), a, sandbox.Event{RequestID: "early"})
	if r := dialRuntimeAPI(t, addr).post("init/error", "", body); r.status != 202 {
		t.Errorf("answered %d %s", r.status, r.body)
	}
	check(t, <-a.InitError(), nil)
	r := <-early
	check(t, r.Result, r.err)
	late, err := a.Invoke(t.Context(), sandbox.Event{RequestID: "late"})
	check(t, late, err)
	select {
	case <-a.Ready():
		t.Error("ready after an init error")
	default:
	}
}

// waitingRuntime is a client of which the server knows that it waits.
func waitingRuntime(t *testing.T, a *sandbox.RuntimeAPI, addr string) *rawClient {
	t.Helper()
	c := dialRuntimeAPI(t, addr)
	c.askNext()
	select {
	case <-a.Ready():
	case <-time.After(2 * time.Minute):
		t.Fatal("not ready after next")
	}
	return c
}

func TestRuntimeAPITwoNexts(t *testing.T) {
	nstest.NoLeaks(t)
	a, addr := serveRuntimeAPI(t)
	first := waitingRuntime(t, a, addr)
	second := dialRuntimeAPI(t, addr)
	second.askNext()
	if r := first.receive(); r.status != 403 || r.errorType() != "InvalidStateTransition" {
		t.Errorf("the earlier next: %d %s, want 403", r.status, r.body)
	}
	got := invokeAsync(t.Context(), a, sandbox.Event{RequestID: "id", Payload: []byte("p")})
	if r := second.receive(); r.status != 200 || r.body != "p" {
		t.Errorf("the later next: %d %q, want the event", r.status, r.body)
	}
	second.post("invocation/id/response", "", "ok")
	if r := <-got; string(r.Payload) != "ok" {
		t.Errorf("Invoke: %+v", r)
	}
}

// A runtime's connection breaks in next, whether the server has noticed or not: the event reaches its following next.
func TestRuntimeAPIDisconnectInNext(t *testing.T) {
	nstest.NoLeaks(t)
	for i := range 20 {
		a, addr := serveRuntimeAPI(t)
		c := waitingRuntime(t, a, addr)
		if i%2 == 0 {
			c.send("more") // of a pipelined request: net/http stops watching the connection then
		}
		c.Close()
		got := invokeAsync(t.Context(), a, sandbox.Event{RequestID: "id", Payload: []byte("p")})
		again := dialRuntimeAPI(t, addr)
		again.askNext()
		if r := again.receive(); r.status != 200 || r.body != "p" {
			t.Fatalf("next after a disconnect: %d %q", r.status, r.body)
		}
		again.post("invocation/id/response", "", "ok")
		if r := <-got; string(r.Payload) != "ok" {
			t.Fatalf("Invoke: %+v", r)
		}
	}
}

// sendHalf begins an answer and returns when the server is reading its body.
func sendHalf(c *rawClient, path string) {
	c.tb.Helper()
	c.send("POST %s%s HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n", apiRoot, path)
	if line, err := c.r.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		c.tb.Fatalf("%q, %v; want 100 Continue", line, err)
	}
	if _, err := c.r.ReadString('\n'); err != nil {
		c.tb.Fatal(err)
	}
	c.send("half")
}

func TestRuntimeAPIHangsInBody(t *testing.T) {
	nstest.NoLeaks(t)
	a, addr := serveRuntimeAPI(t)
	got := invokeAsync(t.Context(), a, sandbox.Event{RequestID: "id"})
	c := waitingRuntime(t, a, addr)
	c.receive()
	sendHalf(c, "invocation/id/response")

	other := dialRuntimeAPI(t, addr)
	for _, path := range []string{"invocation/id/response", "invocation/id/error", "init/error"} {
		if r := other.post(path, "", "x"); r.status != 403 {
			t.Errorf("%s while an answer is on its way: %d %s, want 403", path, r.status, r.body)
		}
	}
	other.askNext()
	if r := other.receive(); r.status != 403 {
		t.Errorf("next while an answer is on its way: %d, want 403", r.status)
	}

	if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if r := c.receive(); r.status != 400 || r.errorType() != "TruncatedHTTPRequest" {
		t.Errorf("a body that ends half-way: %d %s, want 400", r.status, r.body)
	}
	if r := other.post("invocation/id/response", "", "whole"); r.status != 202 {
		t.Errorf("the same answer again: %d %s, want 202", r.status, r.body)
	}
	if r := <-got; string(r.Payload) != "whole" {
		t.Errorf("Invoke: %+v, want the whole answer", r)
	}
}

func TestRuntimeAPIInvokeEndsWithItsContext(t *testing.T) {
	nstest.NoLeaks(t)
	a, addr := serveRuntimeAPI(t)
	timeout := errors.New("timed out")

	// Nobody has it yet: it is withdrawn, and the environment as good as before.
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(timeout)
	if _, err := a.Invoke(ctx, sandbox.Event{RequestID: "withdrawn"}); !errors.Is(err, timeout) || !strings.Contains(err.Error(), "withdrawn") {
		t.Errorf("err %v, want the context's cause and the event", err)
	}
	ctx, cancel = context.WithCancelCause(t.Context())
	got := invokeAsync(ctx, a, sandbox.Event{RequestID: "taken"})
	c := waitingRuntime(t, a, addr)
	if id := c.receive().header.Get("Lambda-Runtime-Aws-Request-Id"); id != "taken" {
		t.Fatalf("event %q, want taken", id)
	}

	// One at a time.
	if _, err := a.Invoke(t.Context(), sandbox.Event{RequestID: "second"}); !errors.Is(err, sandbox.ErrBusy) {
		t.Errorf("a second Invoke: %v, want ErrBusy", err)
	}
	if _, err := a.Invoke(t.Context(), sandbox.Event{}); err == nil || errors.Is(err, sandbox.ErrBusy) {
		t.Errorf("an event without an id: %v, want an error of its own", err)
	}

	// The runtime has it: the environment is spent, and what comes late is refused.
	sendHalf(c, "invocation/taken/response")
	cancel(timeout)
	if r := <-got; !errors.Is(r.err, timeout) {
		t.Errorf("err %v, want the context's cause", r.err)
	}
	c.send("rest..")
	c.receive()
	if r := c.post("invocation/taken/response", "", "late"); r.status != 400 || r.errorType() != "InvalidRequestID" {
		t.Errorf("a late answer: %d %s, want 400", r.status, r.body)
	}
	c.askNext()
	if r := c.receive(); r.status != 403 {
		t.Errorf("next after a timeout: %d, want 403", r.status)
	}
	if _, err := a.Invoke(t.Context(), sandbox.Event{RequestID: "after"}); !errors.Is(err, sandbox.ErrBusy) {
		t.Errorf("Invoke after a timeout: %v, want ErrBusy", err)
	}
}

// The answer is posted and the following event comes before the runtime asks for it: it waits, alone.
func TestRuntimeAPIInvokeBeforeFollowingNext(t *testing.T) {
	nstest.NoLeaks(t)
	a, addr := serveRuntimeAPI(t)
	first := invokeAsync(t.Context(), a, sandbox.Event{RequestID: "1"})
	c := waitingRuntime(t, a, addr)
	c.receive()
	c.post("invocation/1/response", "", "a")
	<-first
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Invoke(ctx, sandbox.Event{RequestID: "2"}); !errors.Is(err, context.Canceled) {
		t.Errorf("err %v, want cancelled", err)
	}
	third := invokeAsync(t.Context(), a, sandbox.Event{RequestID: "3"})
	c.askNext()
	if r := c.receive(); r.header.Get("Lambda-Runtime-Aws-Request-Id") != "3" {
		t.Errorf("event %q, want 3", r.header.Get("Lambda-Runtime-Aws-Request-Id"))
	}
	c.post("invocation/3/response", "", "c")
	if r := <-third; string(r.Payload) != "c" {
		t.Errorf("Invoke: %+v", r)
	}
}

func TestRuntimeAPICloseEndsEverything(t *testing.T) {
	nstest.NoLeaks(t)
	for name, occupy := range map[string]func(*testing.T, *sandbox.RuntimeAPI, string){
		"nothing":         func(*testing.T, *sandbox.RuntimeAPI, string) {},
		"waiting in next": func(t *testing.T, a *sandbox.RuntimeAPI, addr string) { waitingRuntime(t, a, addr) },
		"pipelining":      func(t *testing.T, a *sandbox.RuntimeAPI, addr string) { waitingRuntime(t, a, addr).send("GET") },
		"half a header": func(t *testing.T, a *sandbox.RuntimeAPI, addr string) {
			dialRuntimeAPI(t, addr).send("GET /2018")
		},
		"init error hangs": func(t *testing.T, a *sandbox.RuntimeAPI, addr string) {
			sendHalf(dialRuntimeAPI(t, addr), "init/error")
		},
		"event not read": func(t *testing.T, a *sandbox.RuntimeAPI, addr string) {
			invokeAsync(t.Context(), a, sandbox.Event{RequestID: "id", Payload: make([]byte, 50<<20)})
			c := waitingRuntime(t, a, addr)
			if _, err := c.r.Peek(1); err != nil {
				t.Fatal(err)
			}
		},
		"flood of connections": func(t *testing.T, a *sandbox.RuntimeAPI, addr string) {
			for range 200 {
				dialRuntimeAPI(t, addr).send("GET ")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			nstest.NoLeaks(t)
			a, addr := serveRuntimeAPI(t)
			occupy(t, a, addr)
			if err := a.Close(); err != nil {
				t.Error(err)
			}
			if err := a.Close(); err != nil {
				t.Errorf("second Close: %v", err)
			}
			if _, err := a.Invoke(t.Context(), sandbox.Event{RequestID: "x"}); err == nil {
				t.Error("Invoke after Close succeeded")
			}
			if c, err := net.Dial("tcp", addr); err == nil {
				c.Close()
				t.Error("still listening after Close")
			}
		})
	}
}

func TestRuntimeAPICloseEndsInvoke(t *testing.T) {
	nstest.NoLeaks(t)
	a, addr := serveRuntimeAPI(t)
	got := invokeAsync(t.Context(), a, sandbox.Event{RequestID: "id"})
	waitingRuntime(t, a, addr).receive()
	a.Close()
	if r := <-got; !errors.Is(r.err, sandbox.ErrClosed) {
		t.Errorf("err %v, want ErrClosed", r.err)
	}
}

// However many connections a function opens, a few are served, and the function gets on as soon as it lets go.
func TestRuntimeAPIConnectionFlood(t *testing.T) {
	nstest.NoLeaks(t)
	a, addr := serveRuntimeAPI(t)
	var flood []*rawClient
	for range 100 {
		flood = append(flood, dialRuntimeAPI(t, addr))
	}
	got := invokeAsync(t.Context(), a, sandbox.Event{RequestID: "id", Payload: []byte("p")})
	last := dialRuntimeAPI(t, addr)
	last.askNext()
	for _, c := range flood {
		c.Close()
	}
	if r := last.receive(); r.body != "p" {
		t.Errorf("event %q, want p", r.body)
	}
	last.post("invocation/id/response", "", "ok")
	if r := <-got; string(r.Payload) != "ok" {
		t.Errorf("Invoke: %+v", r)
	}
}

// Whatever bytes come, the server answers or closes, keeps an event that it holds, and still serves others.
func FuzzRuntimeAPI(f *testing.F) {
	for _, seed := range []string{
		"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /2018-06-01/runtime/invocation/next HTTP/1.0\r\n\r\nPOST /2018-06-01/runtime/invocation/id/response HTTP/1.0\r\n\r\n",
		"POST /2018-06-01/runtime/invocation/id/response HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
		"POST /2018-06-01/runtime/invocation/id/error HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n1\r\nx\r\n0\r\nA: b\r\n\r\n",
		"POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n{\"errorType\":{}}",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n", "\x16\x03\x01", "\r\n\r\n", "", "GET", "GET \x00 HTTP/9.9\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, addr := serveRuntimeAPI(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		got := invokeAsync(ctx, a, sandbox.Event{RequestID: "id", Payload: []byte("p")})
		c := dialRuntimeAPI(t, addr)
		_, _ = c.Write(raw)
		_ = c.Conn.(*net.TCPConn).CloseWrite()
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("neither answered nor closed")
		}

		// An honest runtime asks: it gets this event, or, if raw was an answer, another one, or hears of an init error.
		other := dialRuntimeAPI(t, addr)
		other.askNext()
		asked := make(chan struct{})
		go func() { defer close(asked); _, _ = other.r.Peek(1) }()
		select {
		case <-asked:
		case first := <-got:
			if first.err != nil {
				t.Fatal(first.err)
			}
			got = invokeAsync(ctx, a, sandbox.Event{RequestID: "id", Payload: []byte("p")})
			<-asked
		}
		switch r := other.receive(); {
		case r.status == 200 && r.body == "p":
			other.post("invocation/id/response", "", "ok")
			if r := <-got; string(r.Payload) != "ok" {
				t.Fatalf("Invoke: %+v", r)
			}
		case r.status == 403:
			if r := <-got; r.Error == nil {
				t.Fatalf("Invoke after an init error: %+v", r)
			}
		default:
			t.Fatalf("next: %d %s", r.status, r.body)
		}
	})
}

// BenchmarkRuntimeAPIWarm is a warm invocation without the network and the handler: Invoke, next, response, over
// loopback to a client that does nothing else.
func BenchmarkRuntimeAPIWarm(b *testing.B) {
	a, addr := serveRuntimeAPI(b)
	c := dialRuntimeAPI(b, addr)
	_ = c.SetDeadline(time.Time{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		next := []byte("GET " + apiRoot + "invocation/next HTTP/1.1\r\nHost: x\r\n\r\n")
		post := []byte("POST " + apiRoot + "invocation/id/response HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
		for {
			for _, request := range [][]byte{next, post} {
				if _, err := c.Write(request); err != nil {
					return
				}
				if err := skipReply(c.r); err != nil {
					return
				}
			}
		}
	}()
	e := sandbox.Event{RequestID: "id", Payload: []byte(`{"key":"tenant"}`)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Invoke(b.Context(), e); err != nil {
			b.Fatal(err)
		}
	}
	c.Close()
	<-done
}

func skipReply(r *bufio.Reader) error {
	size := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			_, err := r.Discard(size)
			return err
		}
		if v, ok := strings.CutPrefix(string(line), "Content-Length: "); ok {
			size, _ = strconv.Atoi(strings.TrimSpace(v))
		}
	}
}
