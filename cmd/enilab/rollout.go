package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"enilab/internal/demo"
	"enilab/internal/lambda"
	"enilab/internal/rollout"

	"github.com/spf13/cobra"
)

type rolloutFlags struct {
	labFlags
	rollout.Options
	from  string
	quiet bool
}

func (f *rolloutFlags) addRollout(cmd *cobra.Command) {
	f.Steps = rollout.Steps{0, 10, 50, 100}
	cmd.Flags().Var(&f.Steps, "steps", "percentages of the functions that are shared, step by step")
	cmd.Flags().DurationVar(&f.Hold, "hold", 5*time.Second, "how long each step lasts")
	cmd.Flags().IntVar(&f.Functions, "functions", 10, "how many functions there are")
	cmd.Flags().Float64Var(&f.Rate, "rate", 50, "requests a second, over all functions, sent on schedule whatever the answers do")
	cmd.Flags().Float64Var(&f.Fresh, "fresh", 0.2, "share of the requests that need a new environment")
	cmd.Flags().StringVar(&f.from, "from", string(lambda.Legacy), "what to move away from: legacy or legacy-inplace")
	cmd.Flags().Uint64Var(&f.Seed, "seed", 1, "chooses the requests that need a new environment")
	cmd.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "no progress")
}

func (f *rolloutFlags) checkRollout() error {
	f.From = lambda.Mode(f.from)
	if err := f.Validate(); err != nil {
		return usage("--%w", err) // it begins with the option's name
	}
	return nil
}

func (f *rolloutFlags) argsRollout() []string {
	return append(f.args(), "--steps="+f.Steps.String(), fmt.Sprintf("--hold=%v", f.Hold), fmt.Sprintf("--functions=%d", f.Functions),
		fmt.Sprintf("--rate=%v", f.Rate), fmt.Sprintf("--fresh=%v", f.Fresh), "--from="+f.from, fmt.Sprintf("--seed=%d", f.Seed), fmt.Sprintf("--quiet=%t", f.quiet))
}

func rolloutCommand(s streams) *cobra.Command {
	var f rolloutFlags
	var format, output string
	cmd := &cobra.Command{
		Use: "rollout", Short: "Move a running workload from legacy to shared in steps, and watch its latency", Args: noArgs,
		Long: `Send requests to a number of functions in a customer's VPC, some of which need a new
environment, and move the functions from legacy to shared networking in steps while the
requests come. Cold starts get shorter step by step, the subnet's addresses come back,
and no invocation fails: else the exit code is 1.

Requests are sent on schedule, whether the ones before have been answered or not, and
what they take counts from when they were due: waiting cannot hide. All figures are
measured. JSON goes to stdout alone and has the schema ` + rollout.Schema + `; CSV has a
row for each invocation.`,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if err := f.checkRollout(); err != nil {
				return err
			}
			if !slices.Contains(formats, format) {
				return usage("--format %q: give one of %v", format, formats)
			}
			if err := f.check(); err != nil {
				return err
			}
			out, err := s.openOutput(cmd.Context(), output)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, out.close()) }()
			r, host, err := s.roll(cmd.Context(), &f)
			if err != nil {
				return err
			}
			write, to := rolloutWriters[format], s.err
			if err := out.replace(func(w io.Writer) error { return write(w, r) }); err != nil {
				if out.file != nil {
					err = errors.Join(fmt.Errorf("%w; it went to standard output", err), write(s.out, r))
				}
				return err
			}
			if format == "table" {
				fmt.Fprintf(out, "\nAll measured; Linux %s, %d CPUs, rootless: %t.\n", r.Kernel, r.CPUs, r.Rootless)
				to = out
			} else {
				for _, n := range r.Notes() {
					fmt.Fprintf(s.err, "Note: %s\n", n)
				}
			}
			if !r.HostUnchanged || format == "table" || !f.quiet && s.terminal {
				host.say(to)
			}
			if !r.HostUnchanged {
				return &exitError{exitFailed, errors.New("the host is not as it was")}
			}
			return r.Err()
		},
	}
	f.add(cmd, s.env.functions)
	f.addRollout(cmd)
	cmd.Flags().StringVar(&format, "format", "table", "table, json or csv")
	cmd.Flags().StringVarP(&output, "output", "o", "", "write to this file instead of stdout")
	return cmd
}

// rolloutWriters are those of the formats.
var rolloutWriters = map[string]func(io.Writer, rollout.Report) error{
	"table": rollout.WriteTable,
	"json":  func(w io.Writer, r rollout.Report) error { return json.NewEncoder(w).Encode(r) },
	"csv":   rollout.WriteCSV,
}

// roll runs a rollout inside a realm, and completes its report with what the outside knows.
func (s streams) roll(ctx context.Context, f *rolloutFlags) (r rollout.Report, host hostReport, err error) {
	var result bytes.Buffer
	if host, err = s.runInside(ctx, "rollout", f.argsRollout(), &result); err != nil {
		return r, host, err
	}
	if err := json.Unmarshal(result.Bytes(), &r); err != nil {
		return r, host, fmt.Errorf("read the lab's result: %w", err)
	}
	m := machine()
	r.Version, r.Kernel, r.CPUs, r.Rootless, r.HostUnchanged = version, m.Kernel, m.CPUs, m.Rootless, len(host.changes) == 0
	return r, host, nil
}

func rolloutInside(s streams) *cobra.Command {
	var f rolloutFlags
	cmd := &cobra.Command{
		Use: "rollout", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			f.From = lambda.Mode(f.from)
			l, in, _, err := f.build(cmd.Context())
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, l.Close()) }()
			if err := l.SeedTenants(cmd.Context()); err != nil {
				return err
			}
			if !f.quiet && s.terminal {
				f.Progress = func(p rollout.Progress) { rolloutProgress(direct(s.err), p) }
				defer fmt.Fprint(direct(s.err), "\r\x1b[K")
			}
			t := demo.Target(l, f.code, f.handler)
			r, err := rollout.Run(cmd.Context(), rollout.Target{Lambda: t.Lambda, Create: t.Create, Payload: t.Payload, Used: func() (enis, addresses int) {
				legacy, theirs := t.Used(lambda.Legacy)
				shared, its := t.Used(lambda.Shared)
				return legacy + shared, theirs + its
			}}, f.Options)
			if err != nil {
				return err
			}
			return json.NewEncoder(in.Result).Encode(r)
		},
	}
	f.addInside(cmd, s.env.functions)
	f.addRollout(cmd)
	return cmd
}

// rolloutProgress keeps one line of a terminal up to date.
func rolloutProgress(w io.Writer, p rollout.Progress) {
	fmt.Fprintf(w, "\r\x1b[K%3.0f of %.0f s: %d %% shared, %d requests sent, %d waiting", p.At.Seconds(), p.Of.Seconds(), p.Percent, p.Sent, p.Waiting)
}
