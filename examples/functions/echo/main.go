// Command echo is the least of a function and of a runtime: it answers every event with the event, over one connection and
// without a library. What an invocation of it costs is what the lab and the Runtime API cost.
//
//	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bootstrap ./examples/functions/echo
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"syscall"
)

func main() {
	if err := serve(os.Getenv("AWS_LAMBDA_RUNTIME_API")); err != nil {
		fmt.Fprintln(os.Stderr, "echo:", err)
		os.Exit(1)
	}
}

// serve asks for events until the Runtime API is gone.
func serve(api string) error {
	conn, err := dial(api)
	if err != nil {
		return fmt.Errorf("runtime api %q: %w", api, err)
	}
	const root = " /2018-06-01/runtime/invocation/"
	next := []byte("GET" + root + "next HTTP/1.1\r\nHost: " + api + "\r\n\r\n")
	in := bufio.NewReader(conn)
	var out []byte
	for {
		if _, err := conn.Write(next); err != nil {
			return fmt.Errorf("ask for an event: %w", err)
		}
		id, event, err := answer(in)
		if err != nil {
			return fmt.Errorf("an event: %w", err)
		}
		out = append(append(append(out[:0], "POST"+root...), id...), "/response HTTP/1.1\r\nHost: "+api+"\r\nContent-Length: "...)
		out = append(append(strconv.AppendInt(out, int64(len(event)), 10), "\r\n\r\n"...), event...)
		if _, err := conn.Write(out); err != nil {
			return fmt.Errorf("respond to %s: %w", id, err)
		}
		if _, _, err := answer(in); err != nil {
			return fmt.Errorf("the response to %s: %w", id, err)
		}
	}
}

// dial connects with a socket that blocks: who waits for one thing only needs no poller.
func dial(api string) (*os.File, error) {
	to, err := netip.ParseAddrPort(api)
	if err != nil {
		return nil, err
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := syscall.Connect(fd, &syscall.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "runtime api"), nil
}

// answer reads one: the id of the request that it brings, if it does, and its body. Each has a length, and lines that fit
// the reader.
func answer(in *bufio.Reader) (id, body []byte, err error) {
	length := 0
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return nil, nil, err
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch {
		case first && !bytes.HasPrefix(line, []byte("HTTP/1.1 2")):
			return nil, nil, errors.New(string(line))
		case bytes.EqualFold(name, []byte("Lambda-Runtime-Aws-Request-Id")):
			id = bytes.Clone(value)
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return nil, nil, err
			}
		}
	}
	body = make([]byte, length)
	_, err = io.ReadFull(in, body)
	return id, body, err
}
