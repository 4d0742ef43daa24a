package wire_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"enilab/internal/nstest"
	"enilab/internal/wire"
	"enilab/internal/wire/ec2api"
	"enilab/internal/wire/lambdaapi"
)

const invokePath = "/2015-03-31/functions/f/invocations"

// echo answers an event with itself.
func echo(_ context.Context, in *lambdaapi.InvocationRequest) (*lambdaapi.InvocationResponse, error) {
	return &lambdaapi.InvocationResponse{Payload: in.Payload}, nil
}

func echoServer(t testing.TB, c wire.Config) string {
	return serve(t, c, func(s *wire.Server) { wire.Handle(s, lambdaapi.Invoke, echo) })
}

// dial opens a connection to say things on that no client would.
func dial(t *testing.T, url string) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	return c
}

// readAnswer reads an answer and tells whether the server closed the connection after it.
func readAnswer(t *testing.T, c net.Conn) (a answer, closed bool) {
	t.Helper()
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.Close {
		_, err = r.ReadByte()
	}
	return answer{res.StatusCode, res.Header, string(body)}, res.Close && err != nil
}

// alive shows that others are served.
func alive(t *testing.T, url string) {
	t.Helper()
	if a := send(t, request(t, "POST", url+invokePath, `"hello"`)); a.Status != 200 || a.Body != `"hello"` {
		t.Errorf("others get %+v", a)
	}
}

func TestBodies(t *testing.T) {
	url := echoServer(t, wire.Config{Grace: 300 * time.Millisecond, MaxMemory: 3 << 20})
	chunk := func(n int) string { return fmt.Sprintf("%x\r\n%s\r\n", n, strings.Repeat("x", n)) }
	for name, c := range map[string]struct {
		send   string
		want   int
		code   string
		closed bool
	}{
		"whole":           {"Content-Length: 3\r\n\r\n\"a\"", 200, "", false},
		"in chunks":       {"Transfer-Encoding: chunked\r\n\r\n" + chunk(100) + chunk(70_000) + "0\r\n\r\n", 200, "", false},
		"10 GB announced": {"Content-Length: 10000000000\r\n\r\n{", 413, "RequestEntityTooLargeException", true},
		"never comes":     {"Content-Length: 100\r\n\r\n", 408, "RequestTimeoutException", true},
		"stops half-way":  {"Content-Length: 200000\r\n\r\n" + strings.Repeat("x", 100_000), 408, "RequestTimeoutException", true},
		"too much memory": {"Content-Length: 6000000\r\n\r\n" + strings.Repeat("x", 6_000_000), 429, "TooManyRequestsException", true},
		"broken chunks":   {"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "SerializationException", true},
		"endless chunks":  {"Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat(chunk(1<<20), 4), 429, "TooManyRequestsException", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dial(t, url)
			go io.WriteString(conn, "POST "+invokePath+" HTTP/1.1\r\nHost: x\r\n"+c.send)
			a, closed := readAnswer(t, conn)
			if a.Status != c.want || a.Header.Get("X-Amzn-ErrorType") != c.code || closed != c.closed {
				t.Errorf("%d %s, closed %v, want %d %s %v", a.Status, a.Header.Get("X-Amzn-ErrorType"), closed, c.want, c.code, c.closed)
			}
			alive(t, url)
		})
	}
}

// TestMemoryComesBack shows that what refused bodies took is free again.
func TestMemoryComesBack(t *testing.T) {
	url := echoServer(t, wire.Config{MaxMemory: 2 << 20})
	for range 20 {
		nstest.Eventually(t, 10*time.Second, func() error { // a client can have its answer before the server has put all away
			if a := send(t, request(t, "POST", url+invokePath, strings.Repeat("x", 800_000))); a.Status != 200 {
				return fmt.Errorf("%d", a.Status)
			}
			return nil
		})
		res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request(t, "POST", url+invokePath, strings.Repeat("x", 1_100_000)))
		if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
			continue // the client was still writing when the server had closed: refused all the same
		}
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 429 {
			t.Fatalf("%d", res.StatusCode)
		}
	}
}

func TestChunksBeyondTheLimit(t *testing.T) {
	url := serve(t, wire.Config{MaxForm: 1000, Grace: time.Second}, func(s *wire.Server) { respond(s, ec2api.DescribeVpcs, nil, nil) })
	for size, want := range map[int]int{1000: 200, 1001: 413} {
		body := "Action=DescribeVpcs" + strings.Repeat("&", size-19)
		r := request(t, "POST", url, body)
		r.ContentLength, r.Body = -1, io.NopCloser(strings.NewReader(body))
		if a := send(t, r); a.Status != want {
			t.Errorf("%d bytes: %+v, want %d", size, a, want)
		}
	}
}

// TestTrickle shows that a body must keep a rate: one that never stops, but comes too slowly, is refused.
func TestTrickle(t *testing.T) {
	url := echoServer(t, wire.Config{Grace: 200 * time.Millisecond})
	conn := dial(t, url)
	io.WriteString(conn, "POST "+invokePath+" HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
	go func() {
		for {
			if _, err := conn.Write([]byte{'x'}); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	if a, _ := readAnswer(t, conn); a.Status != 408 {
		t.Errorf("%+v", a)
	}
}

func TestUnreadBodyOfUnknownOperation(t *testing.T) {
	url := echoServer(t, wire.Config{Grace: 200 * time.Millisecond})
	conn := dial(t, url)
	io.WriteString(conn, "POST /2015-03-31/nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx")
	if a, closed := readAnswer(t, conn); a.Status != 404 || !closed {
		t.Errorf("%+v, closed %v", a, closed)
	}
}

func TestHeaders(t *testing.T) {
	url := echoServer(t, wire.Config{HeaderTime: 200 * time.Millisecond, MaxHeader: 4096})
	for name, c := range map[string]struct {
		send string
		want string // the answer's beginning; empty if the connection is just closed
	}{
		"nothing":  {"", ""},
		"half":     {"POST / HTTP/1.1\r\nHost: x\r\n", ""},
		"garbage":  {"\x16\x03\x01\x02\x00\x01\x00\xff\r\n\r\n", "HTTP/1.1 400"},
		"too long": {"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 20_000), "HTTP/1.1 431"},
		"no host":  {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dial(t, url)
			io.WriteString(conn, c.send)
			got, err := io.ReadAll(conn)
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				t.Errorf("the connection stays open: %v", err)
			}
			if !strings.HasPrefix(string(got), c.want) || c.want == "" && len(got) > 0 && !strings.HasPrefix(string(got), "HTTP/1.1 408") {
				t.Errorf("%.200q, want %q", got, c.want)
			}
			alive(t, url)
		})
	}
}

// TestIdleConnectionsMakeRoom shows that a client that holds all connections does not keep others out.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	url := echoServer(t, wire.Config{MaxConns: 4})
	var idle []net.Conn
	for range 12 {
		idle = append(idle, dial(t, url))
	}
	alive(t, url)
	if _, err := idle[0].Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the first connection: %v, want it closed", err)
	}
}

func TestBusyConnectionsStay(t *testing.T) {
	started, finish := make(chan struct{}), make(chan struct{})
	url := serve(t, wire.Config{MaxConns: 1}, func(s *wire.Server) {
		wire.Handle(s, lambdaapi.Invoke, func(ctx context.Context, in *lambdaapi.InvocationRequest) (*lambdaapi.InvocationResponse, error) {
			close(started)
			<-finish
			return echo(ctx, in)
		})
	})
	busy := dial(t, url)
	io.WriteString(busy, "POST "+invokePath+" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
	<-started
	if n, err := dial(t, url).Read(make([]byte, 1)); n > 0 || err == nil {
		t.Error("a second connection was served")
	}
	close(finish)
	if a, _ := readAnswer(t, busy); a.Status != 200 {
		t.Errorf("%+v", a)
	}
}

func TestTooManyRequests(t *testing.T) {
	started, finish := make(chan struct{}), make(chan struct{})
	url := serve(t, wire.Config{MaxRequests: 1}, func(s *wire.Server) {
		wire.Handle(s, lambdaapi.Invoke, func(ctx context.Context, in *lambdaapi.InvocationRequest) (*lambdaapi.InvocationResponse, error) {
			close(started)
			<-finish
			return echo(ctx, in)
		})
		respond(s, ec2api.DescribeVpcs, nil, nil)
	})
	conn := dial(t, url)
	io.WriteString(conn, "POST "+invokePath+" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
	<-started
	if a := send(t, request(t, "POST", url, "Action=DescribeVpcs")); a.Status != 503 || !strings.Contains(a.Body, "<Code>RequestLimitExceeded</Code>") {
		t.Errorf("%+v", a)
	}
	close(finish)
	if a, _ := readAnswer(t, conn); a.Status != 200 {
		t.Errorf("%+v", a)
	}
	if a := send(t, request(t, "POST", url, "Action=DescribeVpcs")); a.Status != 200 {
		t.Errorf("afterwards: %+v", a)
	}
}

func TestHandlerEndsWithItsClient(t *testing.T) {
	started, ended := make(chan struct{}), make(chan error, 1)
	url := serve(t, wire.Config{}, func(s *wire.Server) {
		wire.Handle(s, lambdaapi.Invoke, func(ctx context.Context, _ *lambdaapi.InvocationRequest) (*lambdaapi.InvocationResponse, error) {
			close(started)
			<-ctx.Done()
			ended <- ctx.Err()
			return nil, ctx.Err()
		})
	})
	conn := dial(t, url)
	io.WriteString(conn, "POST "+invokePath+" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
	<-started
	conn.Close()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case <-time.After(2 * time.Minute):
		t.Error("the handler goes on without its client")
	}
}

// TestLateHandler shows that the deadlines of reading a request and of writing an answer do not meet the handler's time,
// nor the next request on the connection.
func TestLateHandler(t *testing.T) {
	const grace = 50 * time.Millisecond
	url := serve(t, wire.Config{Grace: grace}, func(s *wire.Server) {
		wire.Handle(s, lambdaapi.Invoke, func(ctx context.Context, in *lambdaapi.InvocationRequest) (*lambdaapi.InvocationResponse, error) {
			select {
			case <-time.After(4 * grace):
				return echo(ctx, in)
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
	})
	conn := dial(t, url)
	for range 2 {
		io.WriteString(conn, "POST "+invokePath+" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
		if a, _ := readAnswer(t, conn); a.Status != 200 || a.Body != "{}" {
			t.Errorf("%+v", a)
		}
		time.Sleep(4 * grace) // longer than the deadlines of the request before
	}
}

func TestPanicIsAnInternalFailure(t *testing.T) {
	var log logged
	url := serve(t, wire.Config{Log: log.logger()}, func(s *wire.Server) {
		wire.Handle(s, ec2api.DescribeVpcs, func(context.Context, *ec2api.DescribeVpcsRequest) (*ec2api.DescribeVpcsResult, error) {
			panic("a secret")
		})
		respond(s, ec2api.DescribeSubnets, nil, errors.New("another secret"))
		respond(s, ec2api.DescribeSecurityGroups, nil, &wire.Error{Code: "InternalFailure", Message: "open /a third secret/x: no space left on device", HTTPStatus: 500})
		respond(s, ec2api.DescribeNetworkInterfaces, nil, fmt.Errorf("a fourth secret: %w", &wire.Error{Code: "Unexpected", Message: "the sentence", HTTPStatus: 502}))
		wire.Handle(s, lambdaapi.Invoke, echo)
	})
	// What is told as it is, and is not the client's fault, is logged, too.
	a := send(t, request(t, "POST", url, "Action=DescribeNetworkInterfaces&Version=2016-11-15"))
	if a.Status != 502 || !strings.Contains(a.Body, "the sentence") || strings.Contains(a.Body, "secret") {
		t.Errorf("%+v", a)
	}
	if text := log.String(); !strings.Contains(text, "a fourth secret") || !strings.Contains(text, a.Header.Get("X-Amzn-RequestId")) {
		t.Errorf("the log says %s", text)
	}
	for action, secret := range map[string]string{"DescribeVpcs": "a secret", "DescribeSubnets": "another secret", "DescribeSecurityGroups": "a third secret"} {
		a := send(t, request(t, "POST", url, "Action="+action+"&Version=2016-11-15"))
		if a.Status != 500 || !strings.Contains(a.Body, "InternalFailure") || strings.Contains(a.Body, "secret") {
			t.Errorf("%+v", a)
		}
		if text := log.String(); !strings.Contains(text, secret) || !strings.Contains(text, a.Header.Get("X-Amzn-RequestId")) {
			t.Errorf("the log says %s", text)
		}
	}
	alive(t, url)
}
