package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"enilab/internal/daemon"
	"enilab/internal/labs"
	"enilab/internal/realm"
	"enilab/internal/sockdiag"
)

// starter is how `up` comes to a daemon that serves.
type starter struct {
	streams
	place    labs.Place
	address  netip.AddrPort                              // of the AWS API
	chosen   bool                                        // the address was asked for
	settings *daemon.Settings                            // nil: those that the lab has
	flags    *upFlags                                    // what they say is put over either
	declared *declared                                   // the topology; nil: there is none
	consent  func(*daemon.Client, daemon.Settings) error // asks a daemon whether the topology can be had with other settings; nil: there is none
	fresh    bool                                        // there is nothing of the lab yet
	owners   []uint32                                    // who may use the AWS API without the lab's key
	dryRun   bool
	debug    bool

	changed bool // settings were, or would be
}

// notServed is a lab that a dry run does not start.
type notServed struct{ state string }

func (e *notServed) Error() string { return e.state }

// ensure starts what does not run. It restarts a daemon that has other settings than those asked for: the lab's networks
// and servers stay, its environments do not.
func (s *starter) ensure(ctx context.Context) (started bool, err error) {
	if err := s.keepAddress(); err != nil {
		return false, err
	}
	state, keeper, info, err := s.look(ctx)
	if err != nil {
		return false, err
	}
	if state == "up" {
		again, err := s.renew(ctx, keeper, info)
		if err != nil || !again {
			return false, err
		}
		var cancel context.CancelFunc // who is interrupted now has a lab that runs, and is to keep one
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), restart)
		defer cancel()
	} else {
		if _, err := s.differsRecorded(); err != nil {
			return false, err
		}
		if s.dryRun {
			return false, &notServed{state}
		}
		if err := s.refuseDown(); err != nil {
			return false, err
		}
	}
	if err = s.place.Make(); err == nil {
		err = s.start(ctx, keeper)
	}
	if err != nil {
		if keeper == nil { // nothing ran before, and nothing is to run
			err = errors.Join(err, s.undo(context.WithoutCancel(ctx)))
		}
		return false, err
	}
	if s.settings != nil {
		return true, nil
	}
	if state, keeper, info, err = s.look(ctx); err != nil || state != "up" { // now it is known which it has
		return true, err
	}
	again, err := s.renew(ctx, keeper, info)
	if err == nil && again {
		err = s.start(ctx, keeper)
	}
	return true, err
}

// keepAddress takes the address that the lab had, unless another is asked for: clients know it.
func (s *starter) keepAddress() error {
	if s.chosen {
		return nil
	}
	b, err := os.ReadFile(s.place.Listen())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if had, err := netip.ParseAddrPort(strings.TrimSpace(string(b))); err == nil {
		s.address = had
	}
	return nil
}

// restart is how long a daemon may take to leave and the next to serve.
const restart = time.Minute

// justKilled is how long a daemon may be alive to its keeper and dead to its clients.
const justKilled = 5 * time.Second

// look tells how the lab is, and what its daemon says of it.
func (s *starter) look(ctx context.Context) (state string, keeper *realm.Keeper, info daemon.Info, err error) {
	state, keeper, running, err := status(ctx, s.place)
	if err != nil || state != "up" {
		return state, keeper, info, err
	}
	client := daemon.NewClient(s.place.Name, s.place.Socket())
	defer client.Close()
	asking, answered := unlessStopped(ctx, s.place.Name, func() int { return running.PID })
	info, err = client.Info(asking)
	answered()
	if !errors.Is(err, daemon.ErrDown) {
		return state, keeper, info, err
	}
	waiting, cancel := context.WithTimeout(ctx, justKilled)
	defer cancel()
	if keeper.WaitDaemon(waiting) == nil {
		return "daemon dead", keeper, info, nil
	}
	return state, keeper, info, err
}

// unlessStopped is a context that ends when a daemon is found stopped: one that is busy answers in the end, one that is stopped
// does not. Who it is, is asked when an answer has not come at once; 0 is one that cannot be seen from here.
func unlessStopped(ctx context.Context, lab string, daemon func() int) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		const looks = time.Second
		for tick := time.Tick(looks); ; {
			select {
			case <-ctx.Done():
				return
			case <-tick:
			}
			if pid := daemon(); pid != 0 && realm.IsStopped(pid) {
				cancel(fmt.Errorf("lab %s: its daemon, process %d, is stopped; 'kill -CONT %d' lets it go on, 'kill -9 %d' ends it, and then 'enilab up' starts another", lab, pid, pid, pid))
				return
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}

// renew compares the settings of a daemon that runs, and has it leave if there is to be another.
func (s *starter) renew(ctx context.Context, keeper *realm.Keeper, info daemon.Info) (again bool, err error) {
	wanted, err := s.wanted(info.Settings)
	if err != nil {
		return false, err
	}
	s.settings = &wanted
	difference, fixed := wanted.Difference(info.Settings)
	switch {
	case difference == "":
		return false, nil
	case fixed:
		return false, s.cannotChange(difference)
	}
	client := daemon.NewClient(s.place.Name, s.place.Socket())
	defer client.Close()
	if s.consent != nil {
		if err := s.consent(client, wanted); err != nil { // what is refused is not to cost the lab its daemon
			return false, err
		}
	}
	if had, err := netip.ParseAddrPort(info.Listen); err == nil && s.chosen && had != s.address {
		err := s.tryAddress() // one that is taken, or is not this machine's, is not to cost the lab its daemon
		if own := had.Port() == s.address.Port() && errors.Is(err, syscall.EADDRINUSE); err != nil && !own {
			return false, err
		}
	}
	s.changed = true
	if s.dryRun {
		fmt.Fprintf(s.out, "would change settings: %s\n", difference)
		return false, nil
	}
	if err := context.Cause(ctx); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restart)
	defer cancel()
	fmt.Fprintf(s.out, "changed settings: %s; the control plane starts again\n", difference)
	if err := client.Leave(ctx); err != nil {
		return false, err
	}
	return true, keeper.WaitDaemon(ctx)
}

// cannotChange refuses a setting that the kernel's objects were made after, where it was asked for.
func (s *starter) cannotChange(setting string) error {
	text := fmt.Sprintf("lab %s was made with another %s, which cannot change; leave it as it was, or end the lab first: 'enilab down --name %[1]s'",
		s.place.Name, daemon.SettingName(setting))
	switch {
	case setting == "region" && s.flags.changed("region"):
		return usage("--region %s: %s", s.flags.region, text)
	case s.declared == nil:
		return usage("%s", text)
	}
	at := s.declared.ErrorAt(setting, "%s", text)
	at.File = s.declared.file
	return &exitError{exitUsage, at}
}

// start starts a daemon, and a keeper if there is none, and returns when it serves.
func (s *starter) start(ctx context.Context, keeper *realm.Keeper) error {
	if err := reap(); err != nil {
		return err
	}
	log, err := os.OpenFile(s.place.Log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	api, address, err := s.listen()
	if err != nil {
		return err
	}
	defer api.Close()
	control, err := listenUnix(s.place.Socket())
	if err != nil {
		return err
	}
	defer control.Close()
	if keeper == nil {
		if keeper, err = realm.StartKeeper(ctx, realm.KeeperConfig{Dir: s.place.Run, Name: s.place.Name, Log: log}); err != nil {
			return err
		}
	}
	if err := s.place.MakeKey(); err != nil {
		return err
	}
	sockets, err := sockdiag.Open()
	if err != nil {
		return err
	}
	defer sockets.Close()
	args, err := json.Marshal(serveArgs{
		Lab: s.place.Name, Cgroups: keeper.Lab().String(), Version: version, DB: s.place.DB(), Uploads: s.place.Uploads(), Settings: s.settings, Debug: s.debug,
		Key: s.place.KeyFile(), Owners: s.owners,
	})
	if err != nil {
		return err
	}
	from, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if err := keeper.Start(ctx, []string{"serve", string(args)}, api, control, sockets); err != nil {
		return err
	}
	if err := awaitDaemon(ctx, s.place, keeper, from); err != nil {
		return err
	}
	return os.WriteFile(s.place.Listen(), []byte(address+"\n"), 0o600) // not before: where nothing has served nobody looks
}

// awaitDaemon returns when the daemon serves, or says what it said last.
func awaitDaemon(ctx context.Context, place labs.Place, keeper *realm.Keeper, from int64) error {
	client := daemon.NewClient(place.Name, place.Socket())
	defer client.Close()
	served := make(chan error, 1)
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, err := client.Info(asking) // the socket is there already; the answer comes when the daemon serves
		served <- err
	}()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = keeper.WaitDaemon(asking) // how it ended is asked below
	}()
	select {
	case err := <-served:
		if err == nil {
			return nil
		}
		<-ended
	case <-ended:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	status, err := keeper.Daemon()
	if err != nil {
		return err
	}
	code := exitFailed
	if status.Code == exitPrecondition {
		code = exitPrecondition
	}
	return &exitError{code, fmt.Errorf("the daemon of lab %s ended: %s", place.Name, lastWords(place.Log(), from))}
}

// lastWords is what the daemon has logged since an offset, or where to look.
func lastWords(path string, from int64) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	const most = 4096
	if info, err := f.Stat(); err == nil {
		from = max(from, info.Size()-most)
	}
	b, err := io.ReadAll(io.NewSectionReader(f, from, most))
	if err != nil || len(b) == 0 {
		return "see " + path
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "enilab: "); ok {
			return strings.TrimSpace(rest)
		}
	}
	return strings.TrimSpace(string(b))
}

// undo removes what a failed start has made.
func (s *starter) undo(ctx context.Context) error {
	keeper, err := realm.OpenKeeper(s.place.Run)
	if err == nil {
		name := keeper.Lab().String()
		err = keeper.Stop(ctx)
		if realm.Privileged() {
			err = errors.Join(err, removeCgroups(name))
		}
	}
	if errors.Is(err, realm.ErrNoKeeper) {
		err = nil
	}
	if s.fresh {
		return errors.Join(err, s.place.Remove())
	}
	return errors.Join(err, s.place.RemoveRun(), s.place.RemoveEmptyState())
}
