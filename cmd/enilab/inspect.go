package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"enilab/internal/daemon"
	"enilab/internal/plain"

	"github.com/spf13/cobra"
)

func inspectCommand(s streams) *cobra.Command {
	f := oneLab{roots: s.env.roots}
	var format string
	cmd := &cobra.Command{
		Use: "inspect [" + strings.Join(daemon.Tables, "|") + "|" + daemon.Rules + " [VPC|ENI]...]", Short: "Show what is in a lab", ValidArgs: slices.Concat(daemon.Tables, []string{daemon.Rules}),
		Long: `Show what is in a lab: one table, or all of them but rules.

"rules" is what the kernel has counted for each rule of VPCs and of Hyperplane ENIs
since the rules were set: of those that are named, or of all; of another interface,
those of its security groups. A security group's rule counts the packets that opened
a connection; what follows, and the replies, are counted as the VPC's own.

Process ids ("pid inside") are the lab's own, as commands see them that 'enilab exec' runs.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || args[0] == daemon.Rules || len(args) == 1 && slices.Contains(daemon.Tables, args[0]) {
				return nil
			}
			return usage("inspect takes one of %v, or rules and any VPCs and ENIs, or nothing for all; see '%s --help'", daemon.Tables, cmd.CommandPath())
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			var of []string
			switch {
			case len(args) == 0:
				args = daemon.Tables
			case args[0] == daemon.Rules:
				args, of = args[:1], args[1:]
			}
			return f.ask(cmd.Context(), func(ctx context.Context, c *daemon.Client) error {
				var tables []daemon.Table
				for _, what := range args {
					raw, err := c.Inspect(ctx, what, of...)
					if err != nil {
						return err
					}
					var t daemon.Table
					if err := json.Unmarshal(raw, &t); err != nil {
						return err
					}
					tables = append(tables, t)
				}
				if format == "json" {
					if len(tables) == 1 {
						return printJSON(s.out, tables[0])
					}
					return printJSON(s.out, tables)
				}
				for i, t := range tables {
					if i > 0 {
						fmt.Fprintln(s.out)
					}
					if err := printTable(s.out, t); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	f.add(cmd)
	addFormat(cmd, &format)
	return cmd
}

func printTable(to io.Writer, t daemon.Table) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.ToUpper(strings.Join(t.Columns, "\t")))
	for _, row := range t.Rows {
		cells := make([]string, len(t.Columns))
		for i, c := range t.Columns {
			cells[i] = cell(row[c])
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}

// cell is a value as people read it; a value that is not there is a dash.
func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case string:
		if v == "" {
			return "-"
		}
		return plain.Line(v)
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = cell(e)
		}
		return cell(strings.Join(parts, ","))
	case float64:
		return strings.TrimSuffix(fmt.Sprintf("%.3f", v), ".000")
	}
	return fmt.Sprint(v)
}
