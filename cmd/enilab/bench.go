package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"enilab/internal/bench"
	"enilab/internal/doctor"
	"enilab/internal/realm"
	"enilab/internal/report"
	"enilab/internal/spelling"

	"github.com/spf13/cobra"
)

type benchFlags struct {
	labFlags
	scenarios []string
	quick     bool
	quiet     bool
}

func (f *benchFlags) addBench(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&f.scenarios, "scenario", nil, "what to measure, by name, separated by commas; all if none is given")
	cmd.Flags().BoolVar(&f.quick, "quick", false, "measure less of each: below a minute, for classrooms")
	cmd.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "no progress")
}

// checkBench refuses names of no scenario.
func (f *benchFlags) checkBench() error {
	for _, name := range f.scenarios {
		if slices.Contains(bench.Names(), name) {
			continue
		}
		if near := spelling.Nearest(name, bench.Names()); near != "" {
			return usage("--scenario %q: unknown; did you mean %q?", name, near)
		}
		return usage("--scenario %q: unknown; there are %s", name, strings.Join(bench.Names(), ", "))
	}
	return nil
}

func benchCommand(s streams) *cobra.Command {
	var f benchFlags
	var format, baseline, output string
	cmd := &cobra.Command{
		Use: "bench", Short: "Measure everything, beside the floor that the bare kernel sets", Args: noArgs,
		Long: "Measure what the program exists for, beside the floor that the bare kernel sets in the same run:\n\n" + scenarioList() + `
All figures are measured. JSON goes to stdout alone and has the schema ` + bench.Schema + `; kept with -o,
it is what --baseline takes: the change of each figure is then printed with its confidence.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.checkBench(); err != nil {
				return err
			}
			if !slices.Contains(formats, format) {
				return usage("--format %q: give one of %v", format, formats)
			}
			var before *bench.Report
			if baseline != "" {
				text, err := s.readFile(cmd.Context(), baseline, report.MaxFile)
				if cause := context.Cause(cmd.Context()); cause != nil {
					return cause
				}
				if err != nil {
					return usage("--baseline %w", err)
				}
				r, err := bench.Parse(baseline, text)
				if err != nil {
					return usage("--baseline %w", err)
				}
				before = &r
			}
			if err := f.check(); err != nil {
				return err
			}
			return s.bench(cmd, f, format, output, before)
		},
	}
	f.add(cmd, s.env.functions)
	f.addBench(cmd)
	cmd.Flags().StringVar(&format, "format", "table", "table, json or csv")
	cmd.Flags().StringVar(&baseline, "baseline", "", "compare with an earlier run's JSON")
	cmd.Flags().StringVarP(&output, "output", "o", "", "write the JSON to this file, too")
	return cmd
}

func scenarioList() string {
	var b strings.Builder
	for _, sc := range bench.Scenarios() {
		fmt.Fprintf(&b, "  %-13s %s\n", sc.Name, sc.About)
	}
	return b.String()
}

// bench runs it in a realm and prints what it found.
func (s streams) bench(cmd *cobra.Command, f benchFlags, format, path string, before *bench.Report) error {
	if path != "" {
		if err := checkOutput(path); err != nil {
			return err
		}
	}
	machine := bench.ReadHost(os.DirFS("/"))
	machine.Rootless = !realm.Privileged() || realm.Rootless()
	var result bytes.Buffer
	args := append(f.args(), "--scenario="+strings.Join(f.scenarios, ","), fmt.Sprintf("--quick=%t", f.quick), fmt.Sprintf("--quiet=%t", f.quiet))
	host, err := s.runInside(cmd.Context(), "bench", args, &result)
	if err != nil {
		return err
	}
	var report bench.Report
	if err := json.Unmarshal(result.Bytes(), &report); err != nil {
		return fmt.Errorf("read the lab's result: %w", err)
	}
	report.Version, report.Host, report.HostUnchanged = version, machine, len(host.changes) == 0
	var lost error
	if path != "" {
		if lost = replace(path, func(w io.Writer) error { return json.NewEncoder(w).Encode(report) }); lost != nil {
			format = "json" // minutes are not to be lost for a full disk
			lost = fmt.Errorf("%w; the JSON went to standard output", lost)
		}
	}
	if err := errors.Join(lost, s.writeBench(report, format, before)); err != nil {
		return err
	}
	to := s.err
	if format == "table" {
		fmt.Fprintf(s.out, "All measured in %s; %s.\n", time.Duration(report.Took*float64(time.Second)).Round(time.Second), report.Host)
		to = s.out
	}
	if !report.HostUnchanged || format == "table" || !f.quiet && s.terminal {
		host.say(to)
	}
	if !report.HostUnchanged {
		return &exitError{exitFailed, errors.New("the host is not as it was")}
	}
	for _, fig := range report.Figures {
		if fig.Failures > 0 {
			return &exitError{exitFailed, fmt.Errorf("%s %s %s: %d attempts failed", fig.Scenario, fig.Variant, fig.Name, fig.Failures)}
		}
	}
	return nil
}

func (s streams) writeBench(r bench.Report, format string, before *bench.Report) error {
	if before != nil {
		to := s.err
		if format == "table" {
			to = s.out
		}
		defer func() { _ = bench.WriteChanges(to, *before, r) }() // after the figures
	}
	switch format {
	case "json":
		return json.NewEncoder(s.out).Encode(r)
	case "csv":
		return bench.WriteCSV(s.out, r)
	}
	return bench.WriteTable(s.out, r)
}

func benchInside(s streams) *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use: "bench", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, err := realm.Enter()
			if err != nil {
				return err
			}
			if err := doctor.Preflight(cmd.Context(), "redis-server"); err != nil {
				return &exitError{exitPrecondition, err}
			}
			o := bench.Options{Scenarios: f.scenarios, Quick: f.quick, Lab: f.name, Store: f.store, Code: f.code, Handler: f.handler, Whoami: whoamiArgv("{address}:80")}
			o.Failed = func(scenario, figure string, err error) {
				fmt.Fprintf(s.err, "enilab: %s: %s: %v\n", scenario, figure, err)
			}
			if !f.quiet && s.terminal {
				o.Progress = func(scenario string, done, of int) { benchProgress(direct(s.err), scenario, done, of) }
			}
			report, err := bench.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			return json.NewEncoder(in.Result).Encode(report)
		},
	}
	f.addInside(cmd, s.env.functions)
	f.addBench(cmd)
	return cmd
}

// benchProgress keeps one line of a terminal up to date, and clears it at the end of each scenario.
func benchProgress(w io.Writer, scenario string, done, of int) {
	if done == of {
		fmt.Fprint(w, "\r\x1b[K")
		return
	}
	fmt.Fprintf(w, "\r\x1b[Kmeasuring %s: %d of %d", scenario, done, of)
}
