package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"enilab/internal/api"
	awswire "enilab/internal/wire"
)

// wire is the AWS API, served on the realm's loopback.
type wire struct {
	listener net.Listener
	served   chan error
	shut     func(context.Context) error
}

func (b *bed) wire() (*wire, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve the AWS API: %w", err)
	}
	front := api.New(b.api())
	w := &wire{l, make(chan error, 1), front.Shutdown}
	go func() {
		w.served <- front.Serve(l, func(net.Conn) awswire.Caller { return awswire.Caller{Access: awswire.Signed} })
	}()
	return w, nil
}

func (w *wire) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := w.shut(ctx)
	if errors.Is(err, context.DeadlineExceeded) { // a client's connection that says no more
		err = nil
	}
	if served := <-w.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// client invokes a function over one connection. What it does costs as little as can be, because it shares the processors
// with what is measured.
type client struct {
	conn    net.Conn
	read    *bufio.Reader
	request []byte
}

func (w *wire) dial(ctx context.Context, function string) (*client, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp4", w.listener.Addr().String())
	if err != nil {
		return nil, err
	}
	request := "POST /2015-03-31/functions/" + function + "/invocations HTTP/1.1\r\nHost: localhost\r\n" +
		"Authorization: AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20261128/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=00\r\n" +
		"X-Amz-Date: 20261128T000000Z\r\nContent-Length: 2\r\n\r\n{}"
	return &client{conn, bufio.NewReader(conn), []byte(request)}, nil
}

// invoke sends an event and wants the function's own answer.
func (c *client) invoke(context.Context) error {
	if err := c.conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	length := -1
	for first := true; ; first = false {
		line, err := c.read.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimSpace(line)
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch {
		case first && string(line) != "HTTP/1.1 200 OK", bytes.EqualFold(name, []byte("X-Amz-Function-Error")):
			return fmt.Errorf("the answer is %q", line)
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		}
		if len(line) == 0 {
			break
		}
	}
	if length <= 0 {
		return errors.New("the answer has no content")
	}
	_, err := c.read.Discard(length)
	return err
}
