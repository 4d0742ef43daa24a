package main

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"enilab/internal/netns"
)

//go:embed host_link.py
var hostLink string

// debianPython is the one that Debian's package mininet is for; the first python3 in PATH may be another.
const debianPython = "/usr/bin/python3"

// mininet is Mininet's own classes in a Python that is running: neither its start nor a switch is in the figures.
func mininet() peer {
	const name = "mininet"
	return peer{
		name: name,
		lines: []line{
			{key{attach, name}, "Link(router, host), setIP, setDefaultRoute, in a Python that runs already; the host is there"},
			{key{detach, name}, "link.delete()"},
		},
		version: func(ctx context.Context) (string, error) {
			if _, err := exec.LookPath("mnexec"); err != nil {
				return "", err
			}
			return firstLine(ctx, debianPython, "-c", "import mininet.net; print('Mininet', mininet.net.VERSION)")
		},
		once: func(ctx context.Context, c *customer) (samples []sample, err error) {
			p, err := startPython(ctx)
			if err != nil {
				return nil, err
			}
			defer func() { err = errors.Join(err, p.end()) }()
			pid, err := p.ask("host")
			if err != nil {
				return nil, err
			}
			ns, err := netns.Open("/proc/" + pid + "/ns/net")
			if err != nil {
				return nil, err
			}
			defer ns.Close() //nolint:errcheck // only read from
			return cycle(ctx, c, name, ns,
				func() error { _, err := p.ask("attach"); return err },
				func() error { _, err := p.ask("detach"); return err })
		},
	}
}

// python is a process that does what a line says and answers with a line, "ok …" or what went wrong.
type python struct {
	cmd   *exec.Cmd
	lines *bufio.Reader
	stdin io.WriteCloser
}

func startPython(ctx context.Context) (*python, error) {
	p := &python{cmd: exec.CommandContext(ctx, debianPython, "-c", hostLink)}
	p.cmd.Stderr = os.Stderr
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.lines = bufio.NewReader(out)
	return p, p.cmd.Start()
}

func (p *python) ask(what string) (string, error) {
	if _, err := fmt.Fprintln(p.stdin, what); err != nil {
		return "", fmt.Errorf("mininet: %s: %w", what, err)
	}
	answer, err := p.lines.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("mininet: %s: %w", what, err)
	}
	value, ok := strings.CutPrefix(strings.TrimSpace(answer), "ok")
	if !ok {
		return "", fmt.Errorf("mininet: %s: %s", what, strings.TrimSpace(answer))
	}
	return strings.TrimSpace(value), nil
}

// end lets it remove its nodes and leave.
func (p *python) end() error {
	_ = p.stdin.Close()
	return p.cmd.Wait()
}
