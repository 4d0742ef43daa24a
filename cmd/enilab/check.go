package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"enilab/internal/daemon"
	"enilab/internal/plain"
	"enilab/internal/spelling"

	"github.com/spf13/cobra"
)

func checkCommand(s streams) *cobra.Command {
	f := oneLab{roots: s.env.roots}
	var format string
	cmd := &cobra.Command{
		Use: "check", Short: "Compare the kernel with what a lab's state says", Args: noArgs,
		Long: `Compare what the kernel has in a lab's namespaces with what the lab's state says it should
have: VPCs, Hyperplane ENIs, servers, the Hyperplane node, workers, the internet. That is
iptables rules, and tables of iptables and nft in which the lab has none; links, addresses,
routes of all tables, rules of routing, neighbours, queueing disciplines; and settings that
the lab has made (ip_forward, rp_filter and their like). It does not look at namespaces of
environments, which end soon, at tunnels' entries, at links that somebody has added, at
programs of BPF, or at IPv6 but for tables. Nothing is changed; 'enilab up' mends what has
drifted: what is not the lab's is taken away.

The exit code is 4 if something has drifted, and 0 if all is as it should be.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			return f.ask(cmd.Context(), func(ctx context.Context, c *daemon.Client) error {
				report, err := c.Check(ctx, daemon.CheckRequest{})
				if err != nil {
					return err
				}
				return s.sayDrift(report, format)
			})
		},
	}
	f.add(cmd)
	addFormat(cmd, &format)
	return cmd
}

// sayDrift prints what a check has found, and fails if that is anything.
func (s streams) sayDrift(report daemon.CheckReport, format string) error {
	if format == "json" {
		if err := printJSON(s.out, report); err != nil {
			return err
		}
	} else if len(report.Found) == 0 {
		fmt.Fprintf(s.out, "The kernel is as the lab's state says: %s checked.\n", spelling.Counted(report.Checked, "object"))
	} else {
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "OBJECT\tWHAT\tIS\tWHICH")
		for _, f := range report.Found {
			fmt.Fprintf(w, "%s %s\t%s\t%s\t%s\n", f.Object, plain.Line(f.Name), f.Kind, f.Is, plain.Line(f.What))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if len(report.Found) == 0 {
		return nil
	}
	return &exitError{exitCheck, fmt.Errorf("%s in the kernel from the lab's state; 'enilab up' mends that", differs(len(report.Found)))}
}

func differs(n int) string {
	if n == 1 {
		return "1 thing differs"
	}
	return fmt.Sprintf("%d things differ", n)
}

// mend has the daemon make the kernel what the lab's state says, or in a dry run only look, and says what was not so.
func (s streams) mend(ctx context.Context, client *daemon.Client, dryRun bool) (mended bool, err error) {
	report, err := client.Check(ctx, daemon.CheckRequest{Mend: !dryRun})
	if err != nil {
		return false, told(err)
	}
	verb := "mended"
	if dryRun {
		verb = "would mend"
	}
	s.sayMended(verb, report.Found)
	return len(report.Found) > 0, nil
}

// sayMended prints a line for each object: all if it is one difference, else how many there are and the first.
func (s streams) sayMended(verb string, found []daemon.Finding) {
	count := map[string]int{}
	for _, f := range found {
		count[f.Object+f.Name]++
	}
	for _, f := range found {
		n := count[f.Object+f.Name]
		delete(count, f.Object+f.Name)
		line := fmt.Sprintf("%s %s %s: %s %s: %s", verb, f.Object, f.Name, f.Kind, f.Is, f.What)
		switch {
		case n == 0: // said
			continue
		case n > 1:
			line += fmt.Sprintf(", and %s", spelling.Counted(n-1, "difference")+" more")
		}
		fmt.Fprintln(s.out, plain.Line(line))
	}
}
