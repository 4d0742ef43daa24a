package main

import (
	"context"
	"fmt"
	"slices"

	"enilab/internal/daemon"
	"enilab/internal/lambda"

	"github.com/spf13/cobra"
)

func modeCommand(s streams) *cobra.Command {
	f := oneLab{roots: s.env.roots}
	cmd := &cobra.Command{
		Use: "mode FUNCTION legacy|legacy-inplace|shared", Short: "Change how a running function is connected to its VPC",
		Long: `Change how a function's environments are connected, while it runs: the new network is made
first, then new environments use it, and those of the old one end when they are idle.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usage("mode takes a function and a mode; see '%s --help'", cmd.CommandPath())
			}
			if !slices.Contains(lambda.Modes, lambda.Mode(args[1])) {
				return usage("mode %q: give one of %v", args[1], lambda.Modes)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			err := f.ask(cmd.Context(), func(ctx context.Context, c *daemon.Client) error {
				return c.SetMode(ctx, daemon.ModeRequest{Function: args[0], Mode: lambda.Mode(args[1])})
			})
			if err == nil {
				fmt.Fprintf(s.out, "%s is %s now.\n", args[0], args[1])
			}
			return err
		},
	}
	f.add(cmd)
	return cmd
}
