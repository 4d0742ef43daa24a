package main

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"enilab/internal/netns"
)

// runtimeAPI is where functions under test look for Lambda's Runtime API: on loopback, so that they need no network.
var runtimeAPI = netip.MustParseAddrPort("127.0.0.1:9001")

// firstNext waits for a function's first request for an invocation and never answers it. Close ends the wait.
type firstNext struct {
	listener net.Listener
	came     chan time.Time
	failed   chan error
}

// awaitNext listens inside ns.
func awaitNext(ns *netns.NS) (*firstNext, error) {
	l, err := ns.Listen(runtimeAPI)
	if err != nil {
		return nil, err
	}
	f := &firstNext{l, make(chan time.Time, 1), make(chan error, 1)}
	go f.serve()
	return f, nil
}

func (f *firstNext) serve() {
	conn, err := f.listener.Accept()
	if err != nil {
		f.failed <- err
		return
	}
	req, err := http.ReadRequest(bufio.NewReader(conn))
	at := time.Now()
	switch {
	case err != nil:
		f.failed <- err
	case req.Method != http.MethodGet || !strings.HasSuffix(req.URL.Path, "/runtime/invocation/next"):
		f.failed <- errors.New("the function's first request is " + req.Method + " " + req.URL.Path)
	default:
		f.came <- at
	}
	_, _ = conn.Read(make([]byte, 1)) // until the function is ended, which closes it
	conn.Close()
}

func (f *firstNext) Close() error { return f.listener.Close() }
