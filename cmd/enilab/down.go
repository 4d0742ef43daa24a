package main

import (
	"context"
	"errors"
	"fmt"

	"enilab/internal/labs"
	"enilab/internal/realm"

	"github.com/spf13/cobra"
)

func downCommand(s streams) *cobra.Command {
	f := oneLab{roots: s.env.roots}
	var all, keepState bool
	cmd := &cobra.Command{
		Use: "down", Aliases: []string{"destroy"}, Short: "End a lab and leave nothing of it", Args: noArgs,
		Long: `End a lab: its daemon, functions, servers and networks, and then its state, so that nothing
is left of it. With --keep-state the next 'enilab up' builds the same lab again.
A lab that is not there is no error.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if all && f.name != "" {
				return usage("--all means all labs, and --name one of them: give one of the two")
			}
			places, err := s.env.roots.All()
			if err != nil {
				return err
			}
			if !all {
				p, err := f.place()
				if e := new(exitError); errors.As(err, &e) {
					return err
				}
				if err != nil {
					fmt.Fprintln(s.out, "There is no such lab: nothing to do.") // down twice is fine
					err = nil
					for _, p := range s.env.roots.Stale() {
						err = errors.Join(err, p.RemoveLock())
					}
					return err
				}
				places = []labs.Place{p}
			}
			for _, p := range places {
				err = errors.Join(err, s.down(cmd.Context(), p, keepState))
			}
			return err
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "all labs of this user")
	cmd.Flags().BoolVar(&keepState, "keep-state", false, "keep what the next 'enilab up' needs to build the same lab again")
	return cmd
}

// down ends one lab.
func (s streams) down(ctx context.Context, p labs.Place, keepState bool) (err error) {
	lock, err := p.Lock("down")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	return s.end(ctx, p, keepState)
}

// end is down for who holds the lock. It visits everything.
func (s streams) end(ctx context.Context, p labs.Place, keepState bool) (err error) {
	keeper, err := realm.OpenKeeper(p.Run)
	if silent := err; errors.Is(err, realm.ErrSilent) { // it is stopped, or hangs, and is to end anyway
		if keeper, err = realm.RecordedKeeper(p.Run); errors.Is(err, realm.ErrNoKeeper) {
			// Somebody holds the socket: what is left of the lab is still needed to end it.
			return fmt.Errorf("lab %s: %w; from here 'enilab down' cannot end it: run it where the lab was started, outside of this container, say", p.Name, silent)
		}
	}
	switch {
	case errors.Is(err, realm.ErrNoKeeper):
		err = reap()
	case err != nil:
		return err
	default:
		name := keeper.Lab().String()
		err = keeper.Stop(ctx)
		if realm.Privileged() {
			err = errors.Join(err, removeCgroups(name))
		}
	}
	if err != nil {
		return err // the directories say where the rest is
	}
	if keepState {
		err = p.RemoveRun()
	} else {
		err = p.Remove()
	}
	if err == nil {
		fmt.Fprintf(s.out, "Lab %s is down.\n", p.Name)
	}
	return err
}
