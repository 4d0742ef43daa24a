package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"enilab/internal/labs"
	"enilab/internal/realm"
)

// follow prints the daemon's log until it ends, or until this process is told to end. Then the lab goes down, if it is this
// process's own; another's runs on.
func (s streams) follow(ctx context.Context, place labs.Place, own bool) error {
	keeper, err := realm.OpenKeeper(place.Run)
	if err != nil {
		return err
	}
	log, err := os.Open(place.Log())
	if err != nil {
		return err
	}
	defer log.Close()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := io.Copy(s.err, log); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			if !own {
				fmt.Fprintf(s.err, "Lab %s was up before, and stays up; 'enilab down' ends it.\n", place.Name)
				return errInterrupted
			}
			return errors.Join(errInterrupted, s.down(context.WithoutCancel(ctx), place, false))
		case <-tick.C:
		}
		if status, err := keeper.Daemon(); err != nil || !status.Alive {
			_, _ = io.Copy(s.err, log)
			if !place.Exists() {
				return nil // taken down by somebody
			}
			return fmt.Errorf("lab %s: its daemon has ended; 'enilab up' starts it again", place.Name)
		}
	}
}
