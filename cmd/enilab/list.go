package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"enilab/internal/daemon"
	"enilab/internal/labs"

	"github.com/spf13/cobra"
)

// labLine is a lab as `list` shows it.
type labLine struct {
	Name    string         `json:"name"`
	Status  string         `json:"status"` // "up", "daemon dead" or "down"
	Keeper  int            `json:"keeperPid,omitempty"`
	Daemon  int            `json:"daemonPid,omitempty"`
	Listen  string         `json:"listen,omitempty"`
	Socket  string         `json:"socket"`
	State   string         `json:"state"`
	Since   *time.Time     `json:"since,omitempty"`
	Counts  map[string]int `json:"counts,omitempty"`
	Trouble string         `json:"trouble,omitempty"`
}

func listCommand(s streams) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List this user's labs", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			lines, err := listLabs(cmd.Context(), s.env.roots)
			if err != nil {
				return err
			}
			if format == "json" {
				return printJSON(s.out, struct {
					Schema string    `json:"schema"`
					Labs   []labLine `json:"labs"`
				}{"enilab.list/v1", lines})
			}
			if len(lines) == 0 {
				fmt.Fprintln(s.err, "There is no lab; 'enilab up' makes one.")
				return nil
			}
			w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "LAB\tSTATUS\tAWS API\tVPCS\tFUNCTIONS\tENIS\tDAEMON")
			for _, l := range lines {
				pid := ""
				if l.Daemon != 0 {
					pid = fmt.Sprintf("pid %d", l.Daemon)
				}
				count := func(of string) string {
					if l.Counts == nil { // its daemon does not tell
						return "-"
					}
					return strconv.Itoa(l.Counts[of])
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.Name, l.Status, l.Listen, count("vpcs"), count("functions"), count("enis"), pid)
			}
			return w.Flush()
		},
	}
	addFormat(cmd, &format)
	return cmd
}

// listWithin bounds how long a daemon that is busy, or stopped, holds up the list.
const listWithin = 2 * time.Second

func addFormat(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVar(format, "format", "table", "table or json")
}

func checkFormat(format string) error {
	if format != "table" && format != "json" {
		return usage("--format %q: give one of [table json]", format)
	}
	return nil
}

func listLabs(ctx context.Context, roots labs.Roots) ([]labLine, error) {
	places, err := roots.All()
	lines := make([]labLine, 0, len(places))
	for _, p := range places {
		l := labLine{Name: p.Name, Socket: p.Socket(), State: p.DB()}
		state, keeper, d, err := status(ctx, p)
		l.Status = state
		if err != nil {
			l.Status, l.Trouble = "unknown", err.Error()
		}
		if keeper != nil {
			l.Keeper = keeper.PID()
		}
		if d.Alive {
			l.Daemon = d.PID
			c := daemon.NewClient(p.Name, p.Socket())
			asking, cancel := context.WithTimeoutCause(ctx, listWithin, errors.New("its daemon does not answer"))
			if info, err := c.Info(asking); err == nil {
				l.Listen, l.Since, l.Counts = info.Listen, &info.Since, info.Counts
			} else {
				l.Trouble = err.Error()
			}
			cancel()
			c.Close()
		}
		lines = append(lines, l)
	}
	return lines, err
}
