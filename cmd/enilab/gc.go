package main

import (
	"errors"
	"fmt"
	"os"

	"enilab/internal/labs"
	"enilab/internal/realm"
	"enilab/sandbox"

	"github.com/spf13/cobra"
)

// leftover is something that a lab has left which is gone.
type leftover struct {
	what   string
	remove func() error
}

func gcCommand(s streams) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use: "gc", Short: "Remove what labs that have ended have left", Args: noArgs,
		Long: `Remove what labs that were killed have left on this machine: control groups whose owner is
dead, run files of labs whose keeper is, and locks without a lab. It touches nothing of a
lab that lives, nothing of anybody else, and no lab's state: 'enilab up' brings such a lab
back, 'enilab down' ends it for good.`,
		RunE: func(*cobra.Command, []string) error {
			found, err := leftovers(s.env.roots)
			for _, l := range found {
				if dryRun {
					fmt.Fprintf(s.out, "would remove %s\n", l.what)
					continue
				}
				if removeErr := l.remove(); removeErr != nil {
					err = errors.Join(err, removeErr)
					continue
				}
				fmt.Fprintf(s.out, "removed %s\n", l.what)
			}
			if len(found) == 0 && err == nil {
				fmt.Fprintln(s.out, "Nothing is left of labs that have ended.")
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "list it, and remove nothing")
	return cmd
}

// leftovers finds them; it visits everything.
func leftovers(roots labs.Roots) (found []leftover, err error) {
	places, err := roots.All()
	for _, p := range places {
		if _, statErr := os.Stat(p.Run); statErr != nil {
			continue // down, with its state kept
		}
		if _, openErr := realm.OpenKeeper(p.Run); !errors.Is(openErr, realm.ErrNoKeeper) {
			continue // it lives, or nobody knows
		}
		found = append(found, leftover{"run files of lab " + p.Name + " in " + p.Run, func() error { return removeRun(p) }})
	}
	for _, p := range roots.Stale() {
		found = append(found, leftover{"lock of lab " + p.Name + ", " + p.Run + ".lock", p.RemoveLock})
	}
	// Last: a keeper that has just been killed is dead by now.
	if realm.Privileged() && !realm.Rootless() {
		names, _ := sandbox.CgroupLabs() // without control groups none is left
		for _, name := range names {
			if lab, parseErr := realm.ParseLab(name); parseErr == nil && lab.Dead() {
				found = append(found, leftover{"control groups " + name, func() error { return sandbox.RemoveCgroups(name) }})
			}
		}
	}
	return found, err
}

// removeRun removes a dead lab's run files, unless somebody is just bringing it up.
func removeRun(p labs.Place) (err error) {
	lock, err := p.Lock("gc")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if _, openErr := realm.OpenKeeper(p.Run); !errors.Is(openErr, realm.ErrNoKeeper) {
		return nil
	}
	return p.RemoveRun()
}
