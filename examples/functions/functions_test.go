package functions_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"enilab/internal/nstest"
	"enilab/sandbox"
)

// pathInSandbox is what an environment has, so that an interpreter found here is found there.
const pathInSandbox = "/usr/local/bin:/usr/bin:/bin:/opt/bin"

// runtimes are the examples and the interpreter that each needs.
var runtimes = []struct{ dir, name, interpreter, handler string }{
	{"go", "go", "", "bootstrap"},
	{"node", "nodejs", "node", "index.handler"},
	{"python", "python", "/usr/bin/python3", "function.handler"},
	{"bash", "bash", "/bin/bash", "function.handler"},
	{"java", "java", "javac", "Function.handler"},
}

func eachRuntime(t *testing.T, test func(t *testing.T, code, name, handler string)) {
	nstest.NoLeaks(t)
	for _, r := range runtimes {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			test(t, codeOf(t, r.dir, r.interpreter), r.name, r.handler)
		})
	}
}

// codeOf returns the directory with the runtime's bootstrap, or skips.
func codeOf(tb testing.TB, dir, interpreter string) string {
	tb.Helper()
	if interpreter == "" {
		return buildGo(tb, dir)
	}
	if _, err := exec.LookPath(interpreter); err != nil {
		tb.Skipf("%s example: %v", dir, err)
	}
	if dir == "java" {
		return buildJava(tb)
	}
	code, err := filepath.Abs(dir)
	if err != nil {
		tb.Fatal(err)
	}
	return code
}

// buildJava compiles the example beside its bootstrap.
func buildJava(tb testing.TB) string {
	tb.Helper()
	code := tb.TempDir()
	sources, err := filepath.Glob("java/*.java")
	if err != nil {
		tb.Fatal(err)
	}
	if out, err := exec.Command("javac", append([]string{"--release", "11", "-d", code}, sources...)...).CombinedOutput(); err != nil {
		tb.Fatalf("javac: %v\n%s", err, out)
	}
	bootstrap, err := os.ReadFile("java/bootstrap")
	if err == nil {
		err = os.WriteFile(filepath.Join(code, "bootstrap"), bootstrap, 0o755)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return code
}

func buildGo(tb testing.TB, dir string) string {
	tb.Helper()
	code := tb.TempDir()
	if err := nstest.BuildExample("../..", dir, code); err != nil {
		tb.Fatal(err)
	}
	return code
}

// environment is a bootstrap's process and its Runtime API: an execution environment without the isolation.
type environment struct {
	*sandbox.RuntimeAPI
	log    sandbox.LogTail
	cmd    *exec.Cmd
	alive  context.Context // ends with the process; its cause is how that ended
	events int
}

func start(tb testing.TB, code, handler string, env ...string) *environment {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	e := &environment{RuntimeAPI: sandbox.NewRuntimeAPI(l)}
	e.cmd = exec.Command(filepath.Join(code, "bootstrap"))
	e.cmd.Env = append(env, "PATH="+pathInSandbox, "AWS_LAMBDA_RUNTIME_API="+l.Addr().String(),
		"LAMBDA_TASK_ROOT="+code, "_HANDLER="+handler)
	e.cmd.Stdout, e.cmd.Stderr = &e.log, &e.log
	if err := e.cmd.Start(); err != nil {
		e.Close()
		tb.Fatal(err)
	}
	alive, died := context.WithCancelCause(context.Background())
	e.alive = alive
	go func() { died(fmt.Errorf("runtime exited: %w", e.cmd.Wait())) }()
	tb.Cleanup(func() {
		_ = e.cmd.Process.Kill()
		<-e.alive.Done()
		if err := e.Close(); err != nil {
			tb.Error(err)
		}
		if tb.Failed() {
			tb.Logf("output:\n%s", e.log.Tail())
		}
	})
	return e
}

type answer struct {
	Tenant, Whoami, Runtime, Instance string
	Invocation                        int
	Outcome                           struct {
		Outcome, Detail string
		Count           int
		Env             map[string]string
	}
}

// invoke ends with the process, and after a while of silence.
func (e *environment) invoke(event any) (sandbox.Result, error) {
	payload, err := json.Marshal(event)
	if err != nil {
		return sandbox.Result{}, err
	}
	ctx, cancel := context.WithTimeout(e.alive, 2*time.Minute)
	defer cancel()
	e.events++
	return e.Invoke(ctx, sandbox.Event{RequestID: fmt.Sprintf("event-%d", e.events), Payload: payload})
}

type fields map[string]any

func (e *environment) mustAnswer(tb testing.TB, event fields) (a answer) {
	tb.Helper()
	r, err := e.invoke(event)
	if err != nil {
		tb.Fatal(err)
	}
	if r.Error != nil {
		tb.Fatalf("function error: %s", r.Payload)
	}
	if err := json.Unmarshal(r.Payload, &a); err != nil {
		tb.Fatalf("answer %q: %v", r.Payload, err)
	}
	return a
}

func (e *environment) mustFail(tb testing.TB, event fields, kind string, words ...string) {
	tb.Helper()
	r, err := e.invoke(event)
	if err != nil {
		tb.Fatal(err)
	}
	if r.Error == nil || r.Error.Type != kind {
		tb.Fatalf("answer %s, want a %s", r.Payload, kind)
	}
	for _, w := range words {
		if !strings.Contains(strings.ToLower(r.Error.Message), strings.ToLower(w)) {
			tb.Errorf("%s %q does not say %q", kind, r.Error.Message, w)
		}
	}
}

const oddValue = "\"grün\"\\ \t\nend"

// fakeRedis knows three keys; one of them it cannot GET.
func fakeRedis(tb testing.TB) string {
	return serveTCP(tb, func(c net.Conn) {
		r := bufio.NewReader(c)
		var words []string
		for len(words) < 2 {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			switch size := 0; line[0] {
			default:
				return // not RESP
			case '$':
				fmt.Sscanf(line, "$%d", &size)
				word := make([]byte, size+2)
				if _, err := io.ReadFull(r, word); err != nil {
					return
				}
				words = append(words, string(word[:size]))
			case '*':
			}
		}
		switch strings.Join(words, " ") {
		case "GET tenant":
			io.WriteString(c, "$4\r\nblue\r\n")
		case "GET odd":
			fmt.Fprintf(c, "$%d\r\n%s\r\n", len(oddValue), oddValue)
		case "GET list":
			io.WriteString(c, "-WRONGTYPE not a string\r\n")
		case "GET hangup":
		default:
			io.WriteString(c, "$-1\r\n")
		}
	})
}

// serveTCP accepts until the test ends.
func serveTCP(tb testing.TB, serve func(net.Conn)) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan struct{})
	tb.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c)
			c.Close()
		}
	}()
	return l.Addr().String()
}

// fakeWhoami answers as the lab's whoami does.
func fakeWhoami(tb testing.TB) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{"client": r.RemoteAddr, "server": r.Host})
	}))
	tb.Cleanup(s.Close)
	return s.URL + "/"
}

// silent is a server that takes connections and says nothing: nobody accepts, the kernel's backlog does.
func silent(tb testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// closedPort is bound, so that nobody else takes it, but does not listen.
func closedPort(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	return c.LocalAddr().String()
}

func TestFunctions(t *testing.T) {
	eachRuntime(t, func(t *testing.T, code, name, handler string) {
		redis, whoami, refused := fakeRedis(t), fakeWhoami(t), closedPort(t)
		e := start(t, code, handler)

		first := e.mustAnswer(t, fields{"redis": redis, "whoami": whoami, "key": "tenant"})
		if first.Tenant != "blue" || first.Runtime != name || first.Invocation != 1 || len(first.Instance) < 8 {
			t.Errorf("answer %+v", first)
		}
		second := e.mustAnswer(t, fields{"redis": redis, "whoami": whoami})
		if second.Invocation != 2 || second.Instance != first.Instance || second.Tenant != "blue" {
			t.Errorf("warm answer %+v after %+v", second, first)
		}
		for _, w := range []string{first.Whoami, second.Whoami} {
			if host, port, err := net.SplitHostPort(w); err != nil || host != "127.0.0.1" || port == "0" {
				t.Errorf("whoami %q, want this function's address", w)
			}
		}
		if first.Whoami == second.Whoami {
			t.Errorf("both invocations from %s: the connection was kept", first.Whoami)
		}
		if a := e.mustAnswer(t, fields{}); a.Tenant != "" || a.Whoami != "" || a.Invocation != 3 {
			t.Errorf("answer to the empty event: %+v", a)
		}
		if a := e.mustAnswer(t, fields{"redis": redis, "key": "odd"}); a.Tenant != oddValue {
			t.Errorf("tenant %q, want %q", a.Tenant, oddValue)
		}

		e.mustFail(t, fields{"redis": redis, "key": "nobody"}, "RedisError", redis, "nobody", "no such key")
		e.mustFail(t, fields{"redis": redis, "key": "list"}, "RedisError", redis, "WRONGTYPE")
		e.mustFail(t, fields{"redis": redis, "key": "hangup"}, "RedisError", redis)
		e.mustFail(t, fields{"redis": refused}, "RedisError", refused, "refused")
		e.mustFail(t, fields{"whoami": "http://" + refused + "/"}, "WhoamiError", refused, "refused")
		e.mustFail(t, fields{"whoami": "http://" + redis + "/"}, "WhoamiError", redis)

		pad := strings.Repeat("ü", 200_000) // more characters than a pipe holds, and other lengths in bytes
		if a := e.mustAnswer(t, fields{"pad": pad, "redis": redis}); a.Tenant != "blue" || a.Invocation != 11 {
			t.Errorf("answer to a long event after errors: %+v", a)
		}

		// The environment does not outlive its Runtime API.
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		select {
		case <-e.alive.Done():
		case <-time.After(2 * time.Minute):
			t.Error("the runtime outlives the Runtime API")
		}
	})
}

func TestFunctionsTakeDefaultsFromEnvironment(t *testing.T) {
	eachRuntime(t, func(t *testing.T, code, name, handler string) {
		e := start(t, code, handler, "REDIS_ADDR="+fakeRedis(t), "WHOAMI_URL="+fakeWhoami(t))
		if a := e.mustAnswer(t, fields{}); a.Tenant != "blue" || a.Whoami == "" {
			t.Errorf("answer %+v", a)
		}
	})
}

// A packet that a security group drops looks like this: an error that names the server, after two seconds.
func TestFunctionsGiveUpOnSilence(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for two seconds, twice in each language")
	}
	eachRuntime(t, func(t *testing.T, code, name, handler string) {
		e := start(t, code, handler)
		for kind, event := range map[string]fields{
			"RedisError":  {"redis": silent(t)},
			"WhoamiError": {"whoami": "http://" + silent(t) + "/"},
		} {
			before := time.Now()
			e.mustFail(t, event, kind, "127.0.0.1:")
			if took := time.Since(before); took < 1900*time.Millisecond {
				t.Errorf("%s after %s, want 2 s or, on a busy machine, more", kind, took)
			}
		}
	})
}

func TestFunctionsInitError(t *testing.T) {
	eachRuntime(t, func(t *testing.T, code, name, handler string) {
		if name == "go" {
			t.Skip("a Go handler is linked in: there is nothing to load")
		}
		file, _, _ := strings.Cut(handler, ".")
		for _, h := range []string{"absent.handler", file + ".absent"} {
			e := start(t, code, h)
			select {
			case r := <-e.InitError():
				if r.Error.Message == "" || r.Error.Type == "Runtime.Unknown" || !strings.Contains(r.Error.Message, "absent") {
					t.Errorf("init error %s does not name what is absent", r.Payload)
				}
			case <-time.After(2 * time.Minute):
				t.Fatalf("no init error with _HANDLER=%s", h)
			}
			<-e.alive.Done() // it exits
		}
	})
}

func TestTrouble(t *testing.T) {
	nstest.NoLeaks(t)
	code := buildGo(t, "go")
	mute, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	echo, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		b := make([]byte, 100)
		if n, from, err := echo.ReadFrom(b); err == nil {
			echo.WriteTo(b[:n], from)
		}
	}()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	e := start(t, code, "bootstrap", "COLOUR=blue")
	for _, c := range []struct {
		do, outcome, detail string
		count               int
	}{
		{"connect:" + silent(t), "succeeded", "127.0.0.1:", 0},
		{"connect:" + closedPort(t), "refused", "refused", 0},
		{"udp:" + mute.LocalAddr().String(), "timed out", "timeout", 0},
		{"udp:" + echo.LocalAddr().String(), "replied", "ping", 0},
		{"udp:" + closedPort(t), "refused", "refused", 0},
		{"read:" + file, "read", "text", 0},
		{"read:/nowhere", "failed", "/nowhere: no such file", 0},
		{"alloc:8", "allocated", "", 8},
		{"flood:1000000", "written", "", 1_000_000},
		{"sleep:1ms", "slept", "", 0},
		{"env", "read", "", 0},
	} {
		e.log.Reset()
		o := e.mustAnswer(t, fields{"do": c.do, "timeout": 200}).Outcome
		if o.Outcome != c.outcome || !strings.Contains(o.Detail, c.detail) || o.Count != c.count {
			t.Errorf("%s: %+v, want %+v", c.do, o, c)
		}
		if strings.HasPrefix(c.do, "flood:") && len(e.log.Tail()) < sandbox.TailSize {
			t.Errorf("the log has %d bytes, want the flood's end", len(e.log.Tail()))
		}
		if c.do == "env" && o.Env["COLOUR"] != "blue" {
			t.Errorf("env: %v", o.Env)
		}
	}
	e.mustFail(t, fields{"do": "dance"}, "errorString", "dance")

	t.Run("panic", func(t *testing.T) {
		e := start(t, code, "bootstrap")
		e.mustFail(t, fields{"do": "panic"}, "string", "asked to panic")
		<-e.alive.Done()
	})
	t.Run("exit", func(t *testing.T) {
		e := start(t, code, "bootstrap")
		var exit *exec.ExitError
		if r, err := e.invoke(fields{"do": "exit"}); !errors.As(err, &exit) || exit.ExitCode() != 1 {
			t.Errorf("%+v, %v; want exit status 1", r, err)
		}
	})
	t.Run("sleep", func(t *testing.T) {
		e := start(t, code, "bootstrap")
		<-e.Ready()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := e.Invoke(ctx, sandbox.Event{RequestID: "x", Payload: []byte(`{"do":"sleep:1h"}`)})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("err %v, want the deadline", err)
		}
	})
	t.Run("fork", func(t *testing.T) {
		e := start(t, code, "bootstrap")
		if o := e.mustAnswer(t, fields{"do": "fork:5"}).Outcome; o.Outcome != "forked" || o.Count != 5 {
			t.Errorf("%+v, want 5 children", o)
		}
		if n := forked(t, code); n != 5 {
			t.Errorf("%d children, want 5", n)
		}
		e.cmd.Process.Kill()
		nstest.Eventually(t, 5*time.Second, func() error {
			if n := forked(t, code); n != 0 {
				return fmt.Errorf("%d children outlive the function", n)
			}
			return nil
		})
	})
}

// forked counts the children that the Go example in dir made.
func forked(t *testing.T, dir string) (n int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		if b, _ := os.ReadFile(path); bytes.HasPrefix(b, []byte(dir)) && bytes.Contains(b, []byte("trouble-forked")) {
			n++
		}
	}
	return n
}

// BenchmarkInit is from exec to the first next, without isolation.
func BenchmarkInit(b *testing.B) {
	for _, r := range runtimes {
		b.Run(r.name, func(b *testing.B) {
			code := codeOf(b, r.dir, r.interpreter)
			for b.Loop() {
				e := start(b, code, r.handler)
				<-e.Ready()
				b.StopTimer()
				_ = e.cmd.Process.Kill()
				<-e.alive.Done()
				e.Close()
				b.StartTimer()
			}
		})
	}
}

// BenchmarkWarm is an invocation that does nothing: what the Runtime API and the runtime cost.
func BenchmarkWarm(b *testing.B) {
	for _, r := range runtimes {
		b.Run(r.name, func(b *testing.B) {
			e := start(b, codeOf(b, r.dir, r.interpreter), r.handler)
			<-e.Ready()
			for b.Loop() {
				e.mustAnswer(b, fields{})
			}
		})
	}
}
