package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"

	"enilab/internal/realm"
)

// Client speaks to the daemon of one lab.
type Client struct {
	lab  string
	http *http.Client
}

// ErrDown is met when no daemon answers.
var ErrDown = errors.New("its daemon does not run")

// NewClient speaks through a lab's unix socket.
func NewClient(lab, socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, "unix", socket)
		if err != nil {
			return nil, err
		}
		if err := realm.CheckPeer(c.(*net.UnixConn)); err != nil {
			return nil, errors.Join(err, c.Close())
		}
		return c, nil
	}
	return &Client{lab, &http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// open sends a request and returns the answer's body, or the failure that it tells.
func (c *Client) open(ctx context.Context, method, path string, in any) (io.ReadCloser, error) {
	var body io.Reader
	if in != nil {
		var b bytes.Buffer
		if err := encoder(&b).Encode(in); err != nil {
			return nil, err
		}
		body = &b
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://lab/v1/"+path, body)
	if err != nil {
		return nil, err
	}
	answer, err := c.http.Do(request)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return nil, cause
		}
		why := errors.Unwrap(err)
		if hasEnded(why) {
			why = errors.New("it ended before it had answered")
		}
		return nil, fmt.Errorf("lab %s: %w: %v; 'enilab up' starts it again", c.lab, ErrDown, why)
	}
	if answer.StatusCode/100 == 2 {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	failure := new(Failure)
	if json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(failure) != nil || failure.Message == "" {
		return nil, fmt.Errorf("lab %s: %s answers %s", c.lab, path, answer.Status)
	}
	return nil, failure
}

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	body, err := c.open(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer body.Close()
	if out == nil {
		return nil
	}
	err = json.NewDecoder(body).Decode(out)
	switch cause := context.Cause(ctx); {
	case err == nil:
		return nil
	case cause != nil:
		return cause
	case hasEnded(err):
		return c.ended()
	}
	return fmt.Errorf("lab %s: answer to %s: %w", c.lab, path, err)
}

// hasEnded tells, of what a read has met, whether who was to answer is no more.
func hasEnded(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// ended is what a daemon leaves that ends within an answer.
func (c *Client) ended() error {
	return fmt.Errorf("lab %s: %w any more: it ended before it had said all; 'enilab up' starts it again", c.lab, ErrDown)
}

// Info describes the lab.
func (c *Client) Info(ctx context.Context) (info Info, err error) {
	return info, c.call(ctx, http.MethodGet, "lab", nil, &info)
}

// Apply makes the lab as a topology says and reports each change as it is made.
func (c *Client) Apply(ctx context.Context, in ApplyRequest, each func(Applied)) error {
	body, err := c.open(ctx, http.MethodPost, "apply", in)
	if err != nil {
		return err
	}
	defer body.Close()
	for lines := json.NewDecoder(body); ; {
		var a Applied
		if err := lines.Decode(&a); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			if !hasEnded(err) {
				return fmt.Errorf("lab %s: answer to apply: %w", c.lab, err)
			}
			return fmt.Errorf("lab %s: the daemon ended before all was done; 'enilab up' goes on from there", c.lab)
		}
		switch {
		case a.End && a.Error != "":
			return &Failure{a.Error, a.Usage}
		case a.End:
			return nil
		}
		each(a)
	}
}

// Invoke hands an event to a function.
func (c *Client) Invoke(ctx context.Context, in InvokeRequest) (out InvokeResult, err error) {
	return out, c.call(ctx, http.MethodPost, "invoke", in, &out)
}

// Inspect returns a table of what there is, as its JSON. Rules are those of some VPCs and ENIs, or of all.
func (c *Client) Inspect(ctx context.Context, what string, of ...string) (table json.RawMessage, err error) {
	path := "inspect/" + url.PathEscape(what)
	if len(of) > 0 {
		path += "?" + url.Values{"of": of}.Encode()
	}
	return table, c.call(ctx, http.MethodGet, path, nil, &table)
}

// Check compares the kernel with the lab's state, and makes it so if it is to mend.
func (c *Client) Check(ctx context.Context, in CheckRequest) (report CheckReport, err error) {
	return report, c.call(ctx, http.MethodPost, "check", in, &report)
}

// Node finds a node by name.
func (c *Client) Node(ctx context.Context, name string) (n Node, err error) {
	return n, c.call(ctx, http.MethodGet, "nodes/"+url.PathEscape(name), nil, &n)
}

// SetMode changes how a function is connected and returns when the change has been made.
func (c *Client) SetMode(ctx context.Context, in ModeRequest) error {
	return c.call(ctx, http.MethodPost, "mode", in, nil)
}

// Events copies what happens from now on, a line of JSON each, until ctx or the lab ends.
func (c *Client) Events(ctx context.Context, to io.Writer) error { return c.stream(ctx, "events", to) }

// Logs copies what a function has printed and, if it is to follow, what it prints from now on.
func (c *Client) Logs(ctx context.Context, function string, follow bool, to io.Writer) error {
	return c.stream(ctx, fmt.Sprintf("logs/%s?follow=%t", url.PathEscape(function), follow), to)
}

func (c *Client) stream(ctx context.Context, path string, to io.Writer) error {
	body, err := c.open(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	from := &reader{Reader: body}
	_, err = io.Copy(to, from)
	switch cause := context.Cause(ctx); {
	case cause != nil:
		return cause
	case hasEnded(from.err):
		return c.ended()
	}
	return err
}

// reader remembers what went wrong with reading, which is not what went wrong with writing. The end is no error.
type reader struct {
	io.Reader
	err error
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// Leave ends the daemon; the lab's networks and servers stay for the next one.
func (c *Client) Leave(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "leave", nil, nil)
}
