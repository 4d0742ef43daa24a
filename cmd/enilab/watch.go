package main

import (
	"context"

	"enilab/internal/daemon"

	"github.com/spf13/cobra"
)

func eventsCommand(s streams) *cobra.Command {
	f := oneLab{roots: s.env.roots}
	var format string
	cmd := &cobra.Command{
		Use: "events", Short: "Print what happens in a lab, as it happens", Args: noArgs,
		Long: `Print what happens from now on, a line of JSON each ("schema":"enilab.event/v1"): ENIs
created and their states, functions, environments started, bound and ended, timeouts,
servers that died. A gap in "seq" means that the reader was too slow.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "json" {
				return usage("--format %q: give one of [json]", format)
			}
			return f.ask(cmd.Context(), func(ctx context.Context, c *daemon.Client) error { return c.Events(ctx, s.out) })
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&format, "format", "json", "json: a line each")
	return cmd
}

func logsCommand(s streams) *cobra.Command {
	f := oneLab{roots: s.env.roots}
	var follow bool
	cmd := &cobra.Command{
		Use: "logs FUNCTION", Short: "Print what a function has printed", Args: exactly("a function"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.ask(cmd.Context(), func(ctx context.Context, c *daemon.Client) error { return c.Logs(ctx, args[0], follow, s.out) })
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what it prints from now on")
	return cmd
}
