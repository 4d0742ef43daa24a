package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// trouble lets an event ask the function to misbehave, so that one can watch what holds it: see the README's table.
type trouble struct {
	Do      string `json:"do"`      // "verb" or "verb:argument"
	Timeout int    `json:"timeout"` // of connect and udp, in ms; 0 means 2000
}

// outcome is what an attempt came to: in one word, and in detail.
type outcome struct {
	Outcome string            `json:"outcome"`
	Detail  string            `json:"detail,omitempty"`
	Count   int               `json:"count,omitempty"`
	Env     map[string]string `json:"env,omitempty"`
}

var ballast [][]byte // of alloc: kept, as a leak is

func (t trouble) make() (any, error) {
	verb, arg, _ := strings.Cut(t.Do, ":")
	switch verb {
	case "":
		return nil, nil
	case "exit":
		os.Exit(1)
	case "panic":
		panic("asked to panic")
	case "sleep": // deaf to the deadline, as a handler that hangs is
		d, err := time.ParseDuration(arg)
		time.Sleep(d)
		return outcome{Outcome: "slept"}, err
	case "flood":
		return flood(number(arg, 1<<20)), nil
	case "fork":
		return fork(min(number(arg, 10_000), 10_000)), nil
	case "alloc":
		for range number(arg, 1) {
			ballast = append(ballast, bytes.Repeat([]byte{1}, 1<<20)) // written to, so that it is really there
		}
		return outcome{Outcome: "allocated", Count: len(ballast)}, nil
	case "connect":
		return t.connect(arg), nil
	case "udp":
		return t.datagram(arg), nil
	case "read":
		b, err := os.ReadFile(arg)
		return outcome{Outcome: word(err, "read"), Detail: string(b[:min(len(b), 64<<10)]) + reason(err)}, nil
	case "env":
		env := map[string]string{}
		for _, kv := range os.Environ() {
			k, v, _ := strings.Cut(kv, "=")
			env[k] = v
		}
		return outcome{Outcome: "read", Env: env}, nil
	}
	return nil, fmt.Errorf("unknown trouble %q", t.Do)
}

func flood(size int) outcome {
	line := bytes.Repeat([]byte("flood "), 20)
	line[len(line)-1] = '\n'
	sent := 0
	for sent < size {
		n, err := os.Stdout.Write(line[:min(len(line), size-sent)])
		sent += n
		if err != nil {
			return outcome{Outcome: word(err, ""), Detail: err.Error(), Count: sent}
		}
	}
	return outcome{Outcome: "written", Count: sent}
}

const forked = "trouble-forked" // argument that makes this binary a child of fork

// A child does nothing until its parent is gone, which closes its standard input: it cannot outlive the environment.
func init() {
	if len(os.Args) == 2 && os.Args[1] == forked {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
}

// fork starts up to n children that stay, and says how far it came and what stopped it.
func fork(n int) outcome {
	self, err := os.Executable()
	if err != nil {
		return outcome{Outcome: word(err, ""), Detail: err.Error()}
	}
	in, held, err := os.Pipe()
	if err != nil {
		return outcome{Outcome: word(err, ""), Detail: err.Error()}
	}
	defer in.Close()
	lifeline = append(lifeline, held)
	for i := range n {
		child, err := os.StartProcess(self, []string{self, forked}, &os.ProcAttr{Files: []*os.File{in}})
		if err != nil {
			return outcome{Outcome: word(err, ""), Detail: err.Error(), Count: i}
		}
		_ = child.Release() // its descriptor: the limit to be met is that of processes
	}
	return outcome{Outcome: "forked", Count: n}
}

var lifeline []*os.File // the children's standard input ends with this process

func (t trouble) connect(addr string) outcome {
	c, err := net.DialTimeout("tcp", addr, t.patience())
	if err != nil {
		return outcome{Outcome: word(err, ""), Detail: err.Error()}
	}
	defer c.Close()
	return outcome{Outcome: "succeeded", Detail: c.LocalAddr().String()}
}

func (t trouble) datagram(addr string) outcome {
	c, err := net.DialTimeout("udp", addr, t.patience())
	if err != nil {
		return outcome{Outcome: word(err, ""), Detail: err.Error()}
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(t.patience()))
	if _, err := io.WriteString(c, "ping"); err != nil {
		return outcome{Outcome: word(err, ""), Detail: err.Error()}
	}
	reply := make([]byte, 64<<10)
	size, err := c.Read(reply)
	return outcome{Outcome: word(err, "replied"), Detail: string(reply[:size]) + reason(err)}
}

func (t trouble) patience() time.Duration {
	return cmp.Or(time.Duration(t.Timeout)*time.Millisecond, patience)
}

// word names what an error means to a network: "timed out" is what a dropped packet looks like, "refused" a reset.
func word(err error, fine string) string {
	var slow net.Error
	switch {
	case err == nil:
		return fine
	case errors.Is(err, syscall.EAGAIN): // says of itself that it is a timeout
		return "failed"
	case errors.As(err, &slow) && slow.Timeout():
		return "timed out"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "unreachable"
	}
	return "failed"
}

func reason(err error) string {
	if err != nil {
		return err.Error()
	}
	return ""
}

func number(s string, otherwise int) int {
	if n, err := strconv.Atoi(s); err == nil {
		return n
	}
	return otherwise
}
