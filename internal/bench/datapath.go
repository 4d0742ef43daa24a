package bench

import (
	"context"
	"errors"
	"time"
)

// parallelStreams is how many "many" are: more than a machine for classrooms has processors.
const parallelStreams = 8

// datapath measures the ways over which packets go once a function is connected. The variants take turns within each
// round, figure by figure, so that what disturbs the machine disturbs all alike; every round counts. A stream has its
// clients send, a reverse one its servers.
func (r *run) datapath(ctx context.Context) (err error) {
	b, err := r.bed(ctx, addTrafficRules)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	paths, err := b.paths(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, paths.undo.Close()) }()
	rounds, while, trips := 7, time.Second, 2000
	if r.Quick {
		rounds, while, trips = 1, 200*time.Millisecond, 200
	}
	rate := func(name string, connections int, reverse bool) func(path) error {
		return func(p path) error {
			s := r.figure(name, p.variant, 0, megabits)
			mbits, err := stream(ctx, p, connections, reverse, while)
			return s.note(ctx, mbits, err)
		}
	}
	figures := []func(path) error{
		rate("stream", 1, false),
		rate("stream-reverse", 1, true),
		rate("streams", parallelStreams, false),
		rate("streams-reverse", parallelStreams, true),
		func(p path) error {
			s := r.figure("new-connections", p.variant, 0, perSecond)
			n, err := connect(ctx, p.client, p.ports, while)
			return s.note(ctx, n, err)
		},
		func(p path) error {
			s := r.figure("round-trip", p.variant, 0, microseconds)
			all, err := roundTrips(ctx, p, trips)
			for _, took := range all {
				s.took(took)
			}
			if err != nil && ctx.Err() == nil {
				s.failed(err)
			}
			return context.Cause(ctx)
		},
	}
	for i := range rounds {
		for _, measure := range figures {
			for _, p := range paths.list {
				if err := measure(p); err != nil {
					return err
				}
			}
		}
		r.progress(i+1, rounds)
	}
	return nil
}

// note records a sample, or that there is none. Its error is that the run has been called off.
func (s *series) note(ctx context.Context, value float64, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		s.failed(err)
	default:
		s.add(value)
	}
	return nil
}
