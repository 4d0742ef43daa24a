package bench

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"enilab/internal/api"
	"enilab/internal/compare"
	"enilab/internal/ec2"
	"enilab/internal/iam"
	"enilab/internal/lambda"
	"enilab/internal/undo"
)

// warmClients invoke at once, and as many environments serve them.
const warmClients = 16

// caller invokes once and returns when it has the function's answer.
type caller func(context.Context) error

// echoCode is the function that costs the least: what its invocations cost is the lab's share, and the kernel's.
const echoCode = "echo.zip"

// warm measures warm invocations with an empty event: by calls of the control plane in this process, and over the AWS wire
// by clients of HTTP on connections of their own. They invoke the Go function, whose runtime is AWS's, and the one that
// costs the least. The clients and the functions share the processors with what is measured. All take turns; the first
// invocations of each are cold and not counted.
func (r *run) warm(ctx context.Context) (err error) {
	b, err := r.bed(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // the daemon's, which serves the wire; see internal/daemon
	wire, err := b.wire()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, wire.close()) }()

	var connections undo.Stack
	defer func() { err = errors.Join(err, connections.Close()) }()

	type kind struct {
		variant string
		callers []caller
	}
	var kinds []kind
	var trials []compare.Trial
	add := func(suffix string, in lambda.CreateFunctionInput) error {
		in.FunctionName += suffix
		t, err := b.trialOf(ctx, in)
		if err != nil {
			return err
		}
		t.Payload = []byte("{}")
		trials = append(trials, t)
		inProcess := make([]caller, warmClients)
		overWire := make([]caller, warmClients)
		for i := range warmClients {
			inProcess[i] = func(ctx context.Context) error { _, err := t.Warm(ctx); return err }
			c, err := wire.dial(ctx, t.Function)
			if err != nil {
				return err
			}
			connections.Push(c.conn.Close)
			overWire[i] = c.invoke
		}
		kinds = append(kinds, kind{"in-process" + suffix, inProcess}, kind{"aws-wire" + suffix, overWire})
		return nil
	}
	if err := add("", b.function(lambda.Shared, wideSubnet)); err != nil {
		return err
	}
	reason, err := r.missing(echoCode, "")
	if err != nil {
		return err
	}
	if reason != "" {
		r.skip("echo", reason)
	} else {
		in := b.function(lambda.Shared, wideSubnet)
		in.StoreKey, in.Handler = echoCode, "bootstrap"
		if err := add("-echo", in); err != nil {
			return err
		}
	}
	for _, k := range kinds {
		r.together(ctx, k.variant, k.callers, time.Second/2, false)
	}
	turns, each := 5, 2*time.Second
	if r.Quick {
		turns, each = 1, time.Second/2
	}
	for turn := range turns {
		for _, k := range kinds {
			r.together(ctx, k.variant, k.callers, each, true)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
		r.progress(turn+1, turns)
	}
	for _, t := range trials {
		err = errors.Join(err, t.End(ctx))
	}
	return err
}

// together has all clients invoke for a while, each without a pause.
func (r *run) together(ctx context.Context, variant string, callers []caller, while time.Duration, counted bool) {
	latencies := make([][]time.Duration, len(callers))
	failed := make([][]error, len(callers))
	began := time.Now()
	over := began.Add(while)
	var clients sync.WaitGroup
	for i, call := range callers {
		clients.Go(func() {
			for at := time.Now(); at.Before(over) && ctx.Err() == nil; {
				err := call(ctx)
				now := time.Now()
				if err != nil {
					failed[i] = append(failed[i], err)
				} else {
					latencies[i] = append(latencies[i], now.Sub(at))
				}
				at = now
			}
		})
	}
	clients.Wait()
	took := time.Since(began)
	if !counted || ctx.Err() != nil {
		return
	}
	latency, served := r.figure("latency", variant, 0, microseconds), 0
	for i := range callers {
		served += len(latencies[i])
		for _, d := range latencies[i] {
			latency.took(d)
		}
		for _, err := range failed[i] {
			latency.failed(err)
		}
	}
	r.figure("invocations", variant, 0, perSecond).add(float64(served) / took.Seconds())
}

// api is the AWS API over a bed's Lambda.
func (b *bed) api() api.Config {
	c := api.Config{Lambda: b.Lambda, Account: b.Lambda.Account, Region: b.Lambda.Region}
	c.EC2 = ec2.New(ec2.Config{Network: b.Network, Account: c.Account, Region: c.Region})
	c.IAM = iam.New(iam.Config{Account: c.Account, Region: c.Region})
	return c
}
