package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"enilab/internal/compare"
	"enilab/internal/demo"
	"enilab/internal/realm"

	"github.com/spf13/cobra"
)

type compareFlags struct {
	labFlags
	runs  int
	burst int
}

func (f *compareFlags) addCompare(cmd *cobra.Command) {
	cmd.Flags().IntVar(&f.runs, "runs", 30, "cold starts of each variant, one after the other")
	cmd.Flags().IntVar(&f.burst, "burst", 50, "cold starts at once; 0 for none")
}

// formats of compare's output.
var formats = []string{"table", "json", "csv"}

func compareCommand(s streams) *cobra.Command {
	var f compareFlags
	var format string
	var quiet bool
	cmd := &cobra.Command{
		Use: "compare", Short: "Measure legacy, legacy-inplace and shared against each other", Args: noArgs,
		Long: `Measure cold starts, bursts and warm invocations of the three variants, interleaved:

  legacy          a network interface per environment, made and moved as EC2 does it
  legacy-inplace  the same, made where it belongs: the best that Linux can do
  shared          a Hyperplane ENI made ahead of time; an environment is only bound to it

All figures are measured. JSON goes to stdout alone and has the schema ` + compare.Schema + `.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmp.Or(inRange("--runs", f.runs, 1, 100_000), inRange("--burst", f.burst, 0, 1000)); err != nil {
				return err
			}
			if !slices.Contains(formats, format) {
				return usage("--format %q: give one of %v", format, formats)
			}
			if err := f.check(); err != nil {
				return err
			}
			var result bytes.Buffer
			args := append(f.args(), fmt.Sprintf("--runs=%d", f.runs), fmt.Sprintf("--burst=%d", f.burst), fmt.Sprintf("--quiet=%t", quiet))
			host, err := s.runInside(cmd.Context(), "compare", args, &result)
			if err != nil {
				return err
			}
			report := compare.Report{Schema: compare.Schema, Host: machine(), HostUnchanged: len(host.changes) == 0}
			if err := json.Unmarshal(result.Bytes(), &report.Variants); err != nil {
				return fmt.Errorf("read the lab's result: %w", err)
			}
			if err := s.writeReport(report, format); err != nil {
				return err
			}
			to := s.err
			if format == "table" {
				fmt.Fprintf(s.out, "\nMedians unless said otherwise, all measured; Linux %s, %d CPUs, rootless: %t.\n", report.Host.Kernel, report.Host.CPUs, report.Host.Rootless)
				to = s.out
			}
			if !report.HostUnchanged || format == "table" || !quiet && s.terminal {
				host.say(to)
			}
			if !report.HostUnchanged {
				return &exitError{exitFailed, errors.New("the host is not as it was")}
			}
			for _, v := range report.Variants {
				if n := v.Failures + v.Burst.Failures; n > 0 {
					return &exitError{exitFailed, fmt.Errorf("%d cold starts of %s failed", n, v.Name)}
				}
			}
			return nil
		},
	}
	f.add(cmd, s.env.functions)
	f.addCompare(cmd)
	cmd.Flags().StringVar(&format, "format", "table", "table, json or csv")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "no progress")
	return cmd
}

func (s streams) writeReport(r compare.Report, format string) error {
	switch format {
	case "json":
		return json.NewEncoder(s.out).Encode(r)
	case "csv":
		return compare.WriteCSV(s.out, r.Variants)
	}
	return compare.WriteTable(s.out, r.Variants)
}

// machine describes the host.
func machine() compare.Host {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		release = []byte("unknown")
	}
	return compare.Host{Kernel: strings.TrimSpace(string(release)), CPUs: runtime.NumCPU(), Rootless: !realm.Privileged() || realm.Rootless()}
}

func compareInside(s streams) *cobra.Command {
	var f compareFlags
	var quiet bool
	cmd := &cobra.Command{
		Use: "compare", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			l, in, _, err := f.build(cmd.Context())
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, l.Close()) }()
			if err := l.SeedTenants(cmd.Context()); err != nil {
				return err
			}
			o := compare.Options{Runs: f.runs, Burst: f.burst}
			o.Failed = func(variant string, err error) { fmt.Fprintf(s.err, "enilab: %s: %v\n", variant, err) }
			if !quiet && s.terminal {
				o.Progress = func(done, of int) { progress(direct(s.err), done, of) }
			}
			variants, err := compare.Run(cmd.Context(), demo.Target(l, f.code, f.handler), o)
			if err != nil {
				return err
			}
			return json.NewEncoder(in.Result).Encode(variants)
		},
	}
	f.addInside(cmd, s.env.functions)
	f.addCompare(cmd)
	cmd.Flags().BoolVar(&quiet, "quiet", false, "no progress")
	return cmd
}

// progress keeps one line of a terminal up to date, and clears it at the end.
func progress(w io.Writer, done, of int) {
	if done == of {
		fmt.Fprint(w, "\r\x1b[K")
		return
	}
	fmt.Fprintf(w, "\rmeasuring: %d of %d", done, of)
}
