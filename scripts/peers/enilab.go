package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const enilabName = "enilab"

// variants of enilab compare; what each row includes.
var variants = []struct{ name, attach, start string }{
	{"shared", "less work: nothing is made; a slot whose tunnel was made ahead is bound to an ENI made ahead", "with its network: place, attach, spawn, init; its contained process was made ahead and waits"},
	{"legacy-inplace", "reserve, make in place, configure, publish, first ARP", "the same"},
	{"legacy", "reserve, make, move, configure, publish, first ARP", "the same"},
}

// reference is what the others are compared with.
const reference = enilabName + " shared"

// enilab is one cold start of each variant, as enilab compare measures it, in a lab of its own.
func enilab(s setting) peer {
	p := peer{
		name:    enilabName,
		version: func(ctx context.Context) (string, error) { return firstLine(ctx, s.enilab, "version") },
		once:    func(ctx context.Context, _ *customer) ([]sample, error) { return compare(ctx, s) },
	}
	for _, v := range variants {
		name := enilabName + " " + v.name
		p.lines = append(p.lines, line{key{attach, name}, v.attach}, line{key{start, name}, v.start})
	}
	return p
}

// comparison is the part of enilab.compare/v1 that is read here.
type comparison struct {
	Schema   string `json:"schema"`
	Variants []struct {
		Name     string `json:"name"`
		Failures int    `json:"failures"`
		Ready    figure `json:"ready"`
		Phases   []struct {
			Name string `json:"name"`
			figure
		} `json:"phases"`
	} `json:"variants"`
}

type figure struct {
	N   int     `json:"n"`
	P50 float64 `json:"p50_us"`
}

func compare(ctx context.Context, s setting) ([]sample, error) {
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, s.enilab, "compare", "--runs", "1", "--burst", "0", "--quiet", "--format", "json", "--store", s.store)
	cmd.Stdout, cmd.Stderr = &out, &said
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) } // it gives back its control groups
	cmd.WaitDelay = 10 * time.Second
	failed := cmd.Run()
	samples, err := read(out.Bytes())
	if failed != nil {
		err = fmt.Errorf("enilab compare: %w: %s", failed, strings.TrimSpace(said.String()))
	}
	return samples, err
}

// read takes the one sample of each figure out of a comparison of one run.
func read(text []byte) (samples []sample, err error) {
	var c comparison
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("enilab compare: %w", err)
	}
	if c.Schema != "enilab.compare/v1" {
		return nil, fmt.Errorf("enilab compare: schema is %q, not enilab.compare/v1", c.Schema)
	}
	for _, v := range c.Variants {
		name := enilabName + " " + v.Name
		add := func(w work, f figure) {
			if f.N == 1 {
				samples = append(samples, sample{key{w, name}, time.Duration(f.P50 * 1e3)})
			}
		}
		add(start, v.Ready)
		for _, p := range v.Phases {
			if p.Name == "attach" {
				add(attach, p.figure)
			}
		}
	}
	return samples, nil
}
