package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"enilab/internal/daemon"
	"enilab/internal/labs"
	"enilab/internal/realm"

	"github.com/spf13/cobra"
)

// oneLab is the flag of every verb that speaks to a running lab.
type oneLab struct {
	roots labs.Roots
	name  string
}

func (f *oneLab) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.name, "name", "", "the lab; not needed while there is only one")
}

// place finds the lab that is meant.
func (f *oneLab) place() (labs.Place, error) {
	if f.name != "" {
		p, err := f.roots.Of(f.name)
		if errors.As(err, new(*labs.NameError)) {
			return p, usage("--name: %w", err)
		}
		if err != nil {
			return p, err
		}
		if !p.Exists() {
			return p, fmt.Errorf("there is no lab %q here (%s); 'enilab list' shows which there are, 'enilab up' makes one", f.name, f.roots.Run)
		}
		return p, nil
	}
	all, err := f.roots.All()
	switch {
	case err != nil:
		return labs.Place{}, err
	case len(all) == 0:
		return labs.Place{}, fmt.Errorf("there is no lab here (%s); 'enilab up' makes one", f.roots.Run)
	case len(all) > 1:
		names := make([]string, len(all))
		for i, p := range all {
			names[i] = p.Name
		}
		return labs.Place{}, usage("there are several labs (%s); say which with --name", strings.Join(names, ", "))
	}
	return all[0], nil
}

// ask runs one request to the daemon of the lab that is meant. It does not wait for one that is stopped.
func (f *oneLab) ask(ctx context.Context, request func(context.Context, *daemon.Client) error) error {
	p, err := f.place()
	if err != nil {
		return err
	}
	return ask(ctx, p, request)
}

func ask(ctx context.Context, p labs.Place, request func(context.Context, *daemon.Client) error) error {
	c := daemon.NewClient(p.Name, p.Socket())
	defer c.Close()
	ctx, answered := unlessStopped(ctx, p.Name, func() int {
		_, _, d, _ := status(ctx, p) // of one that cannot be told the request itself knows
		return d.PID
	})
	defer answered()
	return told(request(ctx, c))
}

// told gives a daemon's refusal its exit code.
func told(err error) error {
	if f := new(daemon.Failure); errors.As(err, &f) && f.Usage {
		return &exitError{exitUsage, f}
	}
	return err
}

// status says how a lab is: "up", "daemon dead", or "down" with only its state left.
func status(ctx context.Context, p labs.Place) (state string, keeper *realm.Keeper, d realm.DaemonStatus, err error) {
	keeper, err = realm.OpenKeeper(p.Run)
	if errors.Is(err, realm.ErrNoKeeper) {
		return "down", nil, d, nil
	}
	if err != nil {
		return "", nil, d, err
	}
	if d, err = keeper.Daemon(); err != nil {
		return "", keeper, d, err
	}
	if !d.Alive {
		return "daemon dead", keeper, d, nil
	}
	return "up", keeper, d, ctx.Err()
}

// printJSON indents, and leaves < and & as they are: nobody takes it for HTML.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
