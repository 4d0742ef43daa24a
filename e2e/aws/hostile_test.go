package aws_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// zeros has no end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Clients that hang, send garbage or 10 GB, or leave while their function runs, harm nobody else, and cost the daemon
// nothing that lasts.
func TestHostileClients(t *testing.T) {
	t.Parallel()
	l := up(t, strings.ReplaceAll(two, "STORE", functions))
	dial := func() net.Conn { return try(net.Dial("tcp", l.Listen))(t) }
	const head = "POST /2015-03-31/functions/steady-shared/invocations HTTP/1.1\r\nHost: lab\r\n"
	var hostile sync.WaitGroup
	var open []net.Conn
	for range 50 { // hang, at every point
		for _, start := range []string{"", "POST /2015-03-31/fun", head, head + "Content-Length: 10\r\n\r\n", head + "Content-Length: 10\r\n\r\n{"} {
			c := dial()
			fmt.Fprint(c, start)
			open = append(open, c)
		}
	}
	defer func() {
		for _, c := range open {
			c.Close()
		}
		hostile.Wait()
	}()
	for _, garbage := range []string{
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", strings.Repeat("A", 1<<20), "GET / HTTP/9.9\r\n\r\n", head + "Content-Length: -1\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: lab\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 30\r\n\r\nAction=%zz&Version=\x00&Filter.99999",
		head + "Authorization: AWS4-HMAC-SHA256 Credential=/////, =\r\nContent-Length: 2\r\n\r\n{}",
	} {
		hostile.Go(func() {
			c := dial()
			defer c.Close()
			c.SetDeadline(time.Now().Add(2 * time.Minute))
			io.WriteString(c, garbage)
			io.Copy(io.Discard, c)
		})
	}
	hostile.Go(func() { // 10 GB, until it is told to stop
		c := dial()
		defer c.Close()
		fmt.Fprintf(c, "POST /2015-03-31/functions HTTP/1.1\r\nHost: lab\r\nContent-Length: %d\r\n\r\n", 10<<30)
		n, _ := io.Copy(c, io.LimitReader(zeros{}, 10<<30))
		if n > 1<<30 {
			t.Errorf("it took %d bytes", n)
		}
	})
	for range 20 { // leave while the function runs
		hostile.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			_, err := l.lambda().Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("steady-shared"), Payload: []byte(`{"do":"sleep:5s"}`)})
			if err == nil {
				t.Error("the answer came before the client had gone")
			}
		})
	}
	for i := range 50 { // everybody else
		out := try(l.lambda().Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("steady-shared"), Payload: []byte(`{"whoami":"http://10.0.1.20/"}`)}))(t)
		if out.FunctionError != nil {
			t.Fatalf("invocation %d: %s", i, out.Payload)
		}
	}
	if pid := l.list().DaemonPID; pid != l.DaemonPID {
		t.Errorf("the daemon was %d and is %d", l.DaemonPID, pid)
	}
}
