package daemon

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"testing"

	"enilab/internal/nstest"
)

// A daemon that ends while it is asked is said to have ended, of which lab it was, and what to do; it may be asked again.
func TestDaemonThatEndsWhileItIsAsked(t *testing.T) {
	nstest.NoLeaks(t)
	for name, test := range map[string]struct {
		said string // before it ends; none: not even a status
		ask  func(*Client) error
		got  string
	}{
		"events": {"{\"seq\":1}\n", func(c *Client) error {
			var to bytes.Buffer
			err := c.Events(t.Context(), &to)
			if to.String() != "{\"seq\":1}\n" {
				err = errors.Join(err, errors.New("what it had said is "+to.String()))
			}
			return err
		}, "lab shop: its daemon does not run any more: it ended before it had said all; 'enilab up' starts it again"},
		"logs": {"line\n", func(c *Client) error {
			return c.Logs(t.Context(), "f", true, io.Discard)
		}, "lab shop: its daemon does not run any more: it ended before it had said all; 'enilab up' starts it again"},
		"an answer": {"{\"schema\":", func(c *Client) error {
			_, err := c.Info(t.Context())
			return err
		}, "lab shop: its daemon does not run any more: it ended before it had said all; 'enilab up' starts it again"},
		"no answer": {"", func(c *Client) error {
			_, err := c.Invoke(t.Context(), InvokeRequest{Function: "f"})
			return err
		}, "lab shop: its daemon does not run: it ended before it had answered; 'enilab up' starts it again"},
	} {
		t.Run(name, func(t *testing.T) {
			c := clientOf(t, func(w http.ResponseWriter, _ *http.Request) {
				if test.said != "" {
					_, _ = io.WriteString(w, test.said)
					_ = http.NewResponseController(w).Flush()
				}
				panic(http.ErrAbortHandler) // the connection is closed, as a process's end does
			})
			if err := test.ask(c); err == nil || err.Error() != test.got || !errors.Is(err, ErrDown) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Who cannot write, or is interrupted, is told that, and not that the daemon has ended.
func TestReaderThatEnds(t *testing.T) {
	nstest.NoLeaks(t)
	c := clientOf(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "line\n") })
	full := errors.New("no space left on device")
	err := c.Events(t.Context(), writer(func([]byte) (int, error) { return 0, full }))
	if !errors.Is(err, full) || errors.Is(err, ErrDown) {
		t.Errorf("who cannot write is told %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	interrupted := errors.New("interrupted")
	err = c.Events(ctx, writer(func(p []byte) (int, error) { cancel(interrupted); return len(p), nil }))
	if !errors.Is(err, interrupted) {
		t.Errorf("who is interrupted is told %v", err)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// clientOf is a client of a lab called shop, whose daemon answers so.
func clientOf(t *testing.T, answer http.HandlerFunc) *Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", socket)
	must(t, err)
	server := &http.Server{Handler: answer}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	c := NewClient("shop", socket)
	t.Cleanup(func() {
		c.Close()
		must(t, server.Close())
		<-done
	})
	return c
}
