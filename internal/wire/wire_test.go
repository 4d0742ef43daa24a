package wire_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"enilab/internal/wire"
)

// The time that the tests live in, for signatures and golden answers.
var today = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// free and keyed are callers that need nothing, and the tests' access key.
func free(net.Conn) wire.Caller  { return wire.Caller{Access: wire.Free} }
func keyed(net.Conn) wire.Caller { return wire.Caller{Secret: secret} }

// serve runs a server with some operations for free and returns its URL.
func serve(t testing.TB, c wire.Config, handlers func(*wire.Server)) string {
	t.Helper()
	return serveTo(t, free, c, handlers)
}

func serveTo(t testing.TB, caller func(net.Conn) wire.Caller, c wire.Config, handlers func(*wire.Server)) string {
	t.Helper()
	s := wire.New(c)
	handlers(s)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l, caller) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

// answer is what came of a request by hand.
type answer struct {
	Status int
	Header http.Header
	Body   string
}

func send(t testing.TB, r *http.Request) answer {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * time.Minute}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if id := res.Header.Get("X-Amzn-RequestId"); id == "" {
		t.Errorf("%s %s: no request id", r.Method, r.URL)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

// request makes a request, of a form if the body looks like one.
func request(t testing.TB, method, url, body string, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(body, "Action=") {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// answering is a handler that keeps what it got and answers always the same.
type answering[In, Out any] struct {
	in  *In
	req wire.Request
	out *Out
	err error
}

func (a *answering[In, Out]) handle(ctx context.Context, in *In) (*Out, error) {
	a.in, a.req = in, *wire.RequestOf(ctx)
	wire.RequestOf(ctx).ID = "00000000-0000-4000-8000-000000000000"
	return a.out, a.err
}

// respond registers an operation that answers out or err.
func respond[In, Out any](s *wire.Server, op wire.Operation[In, Out], out *Out, err error) *answering[In, Out] {
	a := &answering[In, Out]{out: out, err: err}
	wire.Handle(s, op, a.handle)
	return a
}

// logged collects what a server logs.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }
