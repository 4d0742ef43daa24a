package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"

	"enilab/internal/demo"

	"github.com/spf13/cobra"
)

type demoFlags struct {
	labFlags
	environments int
	runs         int
	burst        int
	pause        bool
}

func (f *demoFlags) addDemo(cmd *cobra.Command) {
	cmd.Flags().IntVar(&f.environments, "environments", 3, "execution environments of each tenant's function, at once")
	cmd.Flags().IntVar(&f.runs, "runs", 10, "cold starts of each variant in the comparison")
	cmd.Flags().IntVar(&f.burst, "burst", 20, "cold starts at once in the comparison")
	cmd.Flags().BoolVar(&f.pause, "pause", false, "wait for Enter between the chapters, and say how to look inside")
}

func (f *demoFlags) checkDemo() error {
	return cmp.Or(inRange("--environments", f.environments, 1, 50), inRange("--runs", f.runs, 1, 1000), inRange("--burst", f.burst, 1, 200))
}

func inRange(flag string, n, low, high int) error {
	if n < low || n > high {
		return usage("%s %d: give %d to %d", flag, n, low, high)
	}
	return nil
}

func demoCommand(s streams) *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use: "demo", Short: "Show legacy and shared networking side by side, with real functions and servers", Args: noArgs,
		Long: `Build two customer VPCs of the same CIDR with a real Redis and a whoami service at the
same addresses, start real functions in both modes, and show what each of them sees,
where every microsecond went, and the NAT's own table. Everything happens in namespaces
that end with the command; the host is compared before and after.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.checkDemo(); err != nil {
				return err
			}
			if err := f.check(); err != nil {
				return err
			}
			args := append(f.args(), fmt.Sprintf("--environments=%d", f.environments), fmt.Sprintf("--runs=%d", f.runs),
				fmt.Sprintf("--burst=%d", f.burst), fmt.Sprintf("--pause=%t", f.pause))
			host, err := s.runInside(cmd.Context(), "demo", args, nil)
			if err != nil {
				return err
			}
			if !host.say(s.out) {
				return &exitError{exitFailed, errors.New("the host is not as it was")}
			}
			return nil
		},
	}
	f.add(cmd, s.env.functions)
	f.addDemo(cmd)
	return cmd
}

func demoInside(s streams) *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use: "demo", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			l, in, took, err := f.build(cmd.Context())
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, l.Close()) }()
			story := demo.Story{Lab: l, Built: took, Environments: f.environments, Runs: f.runs, Burst: f.burst, Code: f.code, Handler: f.handler, Out: s.out, Enter: in.Command()}
			if f.pause {
				story.Pause = bufio.NewReader(s.in)
			}
			return story.Tell(cmd.Context())
		},
	}
	f.addInside(cmd, s.env.functions)
	f.addDemo(cmd)
	return cmd
}
