package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"

	"enilab/internal/daemon"
	"enilab/internal/doctor"
	"enilab/internal/labs"
	"enilab/internal/realm"
	"enilab/internal/sockdiag"

	"github.com/spf13/cobra"
)

// Descriptors that `up` passes through the keeper to the daemon.
const (
	apiFD     = 3 + iota // the listener of the AWS API, in the host's network namespace
	controlFD            // the listener of the lab's unix socket
	socketsFD            // a socket that tells whose the connections to the AWS API are
)

// keepInside is the first process of a lab that stays up.
func keepInside() *cobra.Command {
	return &cobra.Command{
		Use: realm.KeepVerb, Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			in, err := realm.Enter()
			if err != nil {
				return err
			}
			return realm.Keep(in)
		},
	}
}

// serveArgs is what `up` tells the daemon, as one argument.
type serveArgs struct {
	Lab      string           `json:"lab"`
	Cgroups  string           `json:"cgroups"`
	Version  string           `json:"version"`
	DB       string           `json:"db"`
	Uploads  string           `json:"uploads"`
	Settings *daemon.Settings `json:"settings"`
	Debug    bool             `json:"debug"`
	Key      string           `json:"key"`    // its file: arguments are for everybody to see
	Owners   []uint32         `json:"owners"` // user ids
}

// serveInside is the daemon.
func serveInside(s streams) *cobra.Command {
	return &cobra.Command{
		Use: "serve", Args: exactly("its arguments as JSON"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			var a serveArgs
			if err := json.Unmarshal([]byte(args[0]), &a); err != nil {
				return fmt.Errorf("serve: %w", err)
			}
			if err := realm.Join(); err != nil {
				return err
			}
			level := slog.LevelInfo
			if a.Debug {
				level = slog.LevelDebug
			}
			if err := doctor.Preflight(cmd.Context()); err != nil {
				return &exitError{exitPrecondition, err}
			}
			api, err := inherited(apiFD, "api")
			if err != nil {
				return err
			}
			control, err := inherited(controlFD, "control")
			if err != nil {
				return errors.Join(err, api.Close())
			}
			sockets, err := sockdiag.New(os.NewFile(socketsFD, "sockets"))
			if err != nil {
				return errors.Join(fmt.Errorf("serve: %w", err), api.Close(), control.Close())
			}
			defer sockets.Close() //nolint:errcheck // the program ends
			key, err := labs.ReadKey(a.Key)
			if err != nil {
				return errors.Join(err, api.Close(), control.Close())
			}
			return daemon.Serve(cmd.Context(), daemon.Config{
				Name: a.Lab, Cgroups: a.Cgroups, Version: a.Version, DB: a.DB, Uploads: a.Uploads, Settings: a.Settings,
				API: api, Control: control, Sockets: sockets, Owners: a.Owners, Key: daemon.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey},
				Whoami: whoamiArgv("{address}:80"), Internet: whoamiArgv("0.0.0.0:80"),
				Log: slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: level})),
			})
		},
	}
}

// inherited makes a listener of a descriptor that was passed.
func inherited(fd uintptr, name string) (net.Listener, error) {
	file := os.NewFile(fd, name)
	if file == nil {
		return nil, fmt.Errorf("serve: descriptor %d, %s, was not passed", fd, name)
	}
	defer file.Close()
	l, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("serve: %s: %w", name, err)
	}
	return l, nil
}
