package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"enilab/internal/daemon"

	"github.com/spf13/cobra"
)

// maxPayload is what Lambda takes as a synchronous event.
const maxPayload = 6 << 20

func invokeCommand(s streams) *cobra.Command {
	f := oneLab{roots: s.env.roots}
	var payload, kind, format string
	var fresh, showLog bool
	cmd := &cobra.Command{
		Use: "invoke FUNCTION[:VERSION]", Short: "Hand an event to a function and print its answer", Args: exactly("a function"),
		Long: `Hand an event to a function and print its answer on stdout; where the time went goes to
stderr. --payload takes JSON, @FILE, or - for standard input. A function that fails
makes the exit code 1.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			event, err := s.readPayload(cmd.Context(), payload)
			if err != nil {
				return err
			}
			var out daemon.InvokeResult
			err = f.ask(cmd.Context(), func(ctx context.Context, c *daemon.Client) (err error) {
				out, err = c.Invoke(ctx, daemon.InvokeRequest{Function: args[0], Payload: daemon.NewPayload(event), Type: kind, Fresh: fresh})
				return err
			})
			if err != nil {
				return err
			}
			if format == "json" {
				out.Raw = nil // "payload" says it
				err = printJSON(s.out, out)
			} else {
				s.printInvoke(out, showLog)
			}
			if out.FunctionError != "" {
				return errors.Join(err, fmt.Errorf("function %s failed: %s", args[0], out.FunctionError))
			}
			return err
		},
	}
	f.add(cmd)
	addFormat(cmd, &format)
	cmd.Flags().StringVar(&payload, "payload", "{}", "the event: JSON, @FILE, or - for standard input")
	cmd.Flags().StringVar(&kind, "type", "RequestResponse", "RequestResponse, Event or DryRun")
	cmd.Flags().BoolVar(&fresh, "fresh", false, "start a new environment even if one is idle")
	cmd.Flags().BoolVar(&showLog, "log", false, "print the log's tail as well")
	return cmd
}

func (s streams) readPayload(ctx context.Context, p string) ([]byte, error) {
	b := []byte(p)
	var err error
	switch {
	case p == "-":
		b, err = s.readFile(ctx, p, maxPayload+1)
	case strings.HasPrefix(p, "@"):
		b, err = readAll(ctx, func() (io.ReadCloser, error) { return os.Open(p[1:]) }, maxPayload+1) // "@-" is a file
	}
	switch {
	case context.Cause(ctx) != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, usage("--payload %s: %w", p, err)
	case len(b) > maxPayload:
		return nil, usage("--payload: more than %d bytes", maxPayload)
	case !json.Valid(b):
		return nil, usage("--payload: it is no JSON")
	}
	return b, nil
}

// printInvoke puts the answer on stdout, as the function gave it, and all about it on stderr.
func (s streams) printInvoke(out daemon.InvokeResult, showLog bool) {
	if answer := out.Bytes(); len(answer) > 0 {
		fmt.Fprintf(s.out, "%s\n", answer)
	}
	if showLog {
		fmt.Fprint(s.err, out.Log)
		if out.Log != "" && !strings.HasSuffix(out.Log, "\n") {
			fmt.Fprintln(s.err)
		}
	}
	var parts []string
	for _, span := range out.Timeline {
		if span.Of != "" {
			continue
		}
		part := span.Name + " " + micros(span.Took)
		if span.Kind != "measured" {
			part += " (" + span.Kind + ")"
		}
		parts = append(parts, part)
	}
	if len(parts) > 0 {
		fmt.Fprintf(s.err, "%s: %s; %s measured\n", out.Environment, strings.Join(parts, ", "), micros(out.Total))
	}
}

func micros(us int64) string {
	d := time.Duration(us) * time.Microsecond
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", us)
	case d < time.Second:
		return fmt.Sprintf("%.1f ms", float64(us)/1e3)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// exactly wants one argument.
func exactly(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usage("%s takes %s, and %d arguments were given; see '%s --help'", cmd.Name(), what, len(args), cmd.CommandPath())
		}
		return nil
	}
}
