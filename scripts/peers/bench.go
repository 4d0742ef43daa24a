package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"enilab/netlab"
)

// work is one kind of work; figures of different kinds are never compared.
type work string

const (
	attach work = "attach" // an empty namespace that is there → it can send to the customer's server
	detach work = "detach" // → its interface is gone
	start  work = "start"  // request → the function's first next
)

// key names a row of the table.
type key struct {
	work work
	name string
}

// line is what a row says besides figures.
type line struct {
	key
	includes string // what happens between the two times
}

// peer is one way to do one or several kinds of work.
type peer struct {
	name  string
	lines []line
	// version finds out whether the peer is here, and prepares what is not to be timed. An error is the reason to skip it.
	version func(ctx context.Context) (string, error)
	// once does the work once, in what order it likes, and leaves nothing that the next run would notice. Samples beside
	// an error count: they were complete before it.
	once func(ctx context.Context, c *customer) ([]sample, error)
}

type sample struct {
	key
	took time.Duration
}

// bench does rounds: in each, every peer has its turn, so that what disturbs the machine disturbs all alike.
type bench struct {
	runs  int
	said  io.Writer
	quiet bool
}

const (
	patience = 30 * time.Second // for one run
	// rest follows every run, as in enilab compare: the kernel is busy with grace periods for some time after it has ended
	// namespaces, and whoever moves a device meanwhile waits for two of them instead of one.
	rest = 60 * time.Millisecond
)

func (b bench) measure(ctx context.Context, c *customer, peers []peer) (report, error) {
	r := newReport(b.runs)
	var here []peer
	for _, p := range peers {
		version, err := p.version(ctx)
		if err == nil { // unmeasured: fills the page cache, makes what stays, and shows whether it works at all
			_, err = b.turn(ctx, c, p)
		}
		if ctx.Err() != nil {
			return r, context.Cause(ctx)
		}
		if err != nil && p.name == enilabName {
			return r, err // nothing to compare with
		}
		if err != nil {
			r.skip(p, err)
			continue
		}
		r.add(p, version)
		here = append(here, p)
	}
	for n := range b.runs {
		if !b.quiet {
			fmt.Fprintf(b.said, "\rround %d of %d ", n+1, b.runs)
		}
		for i := range here { // each round begins with another, so that nobody always follows the same one
			p := here[(n+i)%len(here)]
			samples, err := b.turn(ctx, c, p)
			if ctx.Err() != nil {
				return r, context.Cause(ctx)
			}
			r.count(p, samples, err)
			if err != nil {
				fmt.Fprintf(b.said, "\rbench-peers: round %d: %s: %v\n", n+1, p.name, err)
			}
		}
	}
	if !b.quiet {
		fmt.Fprint(b.said, "\r\x1b[K")
	}
	return r, nil
}

// turn is one run of a peer and the rest after it.
func (b bench) turn(ctx context.Context, c *customer, p peer) ([]sample, error) {
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	samples, err := p.once(within, c)
	if drained := netlab.Drain(ctx); drained != nil && err == nil {
		err = drained
	}
	select {
	case <-time.After(rest):
	case <-ctx.Done():
	}
	for _, s := range samples {
		if !slices.ContainsFunc(p.lines, func(l line) bool { return l.key == s.key }) {
			return nil, fmt.Errorf("%s reported %s of %s, which it did not announce", p.name, s.work, s.name)
		}
	}
	return samples, err
}
