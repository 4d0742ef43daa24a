package main

import (
	"context"
	"errors"
	"time"

	"enilab/internal/netns"
)

// attacher connects namespaces that are there.
type attacher struct {
	name     string
	includes string // between request and connected
	version  func(ctx context.Context) (string, error)
	connect  func(ctx context.Context, namespace string) error
	sever    func(ctx context.Context, namespace string) error
}

func (a attacher) peer() peer {
	return peer{
		name:    a.name,
		version: a.version,
		lines: []line{
			{key{attach, a.name}, a.includes},
			{key{detach, a.name}, "the same way back"},
		},
		once: a.once,
	}
}

func (a attacher) once(ctx context.Context, c *customer) (samples []sample, err error) {
	r, err := newRoom(a.name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return cycle(ctx, c, a.name, r.NS,
		func() error { return a.connect(ctx, a.name) },
		func() error { return a.sever(ctx, a.name) })
}

// cycle connects ns, sees whether that works, and severs it again whatever it saw.
func cycle(ctx context.Context, c *customer, name string, ns *netns.NS, connect, sever func() error) (samples []sample, err error) {
	began := time.Now()
	err = connect()
	took := time.Since(began)
	if err == nil {
		err = c.reach(ctx, ns)
	}
	if err == nil {
		samples = append(samples, sample{key{attach, name}, took})
	}
	began = time.Now()
	severed := sever()
	took = time.Since(began)
	if severed == nil && err == nil {
		samples = append(samples, sample{key{detach, name}, took})
	}
	return samples, errors.Join(err, severed)
}
