package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"enilab/internal/doctor"
	"enilab/internal/lab"
	"enilab/internal/realm"
	"enilab/sandbox"

	"github.com/spf13/cobra"
)

// labFlags are those of every verb that builds the two tenants' lab.
type labFlags struct {
	store   string // function store
	code    string // key in it
	handler string
	name    string // of the lab; inside only
	changed func(flag string) bool
}

func (f *labFlags) add(cmd *cobra.Command, store string) {
	f.changed = cmd.Flags().Changed
	cmd.Flags().StringVar(&f.store, "store", store, "directory of the function store")
	cmd.Flags().StringVar(&f.code, "code", "go.zip", "function code in the store: it reads its tenant's Redis and asks whoami")
	cmd.Flags().StringVar(&f.handler, "handler", "bootstrap", "the code's handler, such as index.handler for nodejs.zip, function.handler for python.zip and bash.zip")
}

func (f *labFlags) addInside(cmd *cobra.Command, store string) {
	f.add(cmd, store)
	cmd.Flags().StringVar(&f.name, "lab", "", "name of the lab")
}

func (f *labFlags) args() []string {
	return []string{"--store=" + f.store, "--code=" + f.code, "--handler=" + f.handler}
}

// noStore refuses a directory that was named and is not there.
func noStore(dir string) error {
	return usage("--store %s: there is no such directory; 'make build' makes bin/functions", dir)
}

// check is done outside, before anything is made.
func (f *labFlags) check() error {
	abs, err := filepath.Abs(f.store)
	if err != nil {
		return fmt.Errorf("--store %q: %w", f.store, err)
	}
	if info, err := os.Stat(abs); f.changed("store") && (err != nil || !info.IsDir()) {
		return noStore(f.store)
	}
	f.store = abs
	code, err := sandbox.Store{Dir: f.store}.Open(f.code)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &exitError{exitPrecondition, fmt.Errorf("no function code %q in %s; 'make build' puts the examples into bin/functions, --store and --code name others", f.code, f.store)}
	case errors.Is(err, sandbox.ErrKey):
		return usage("--code: %w", err)
	case err != nil:
		return &exitError{exitPrecondition, err}
	}
	defer code.Close() //nolint:errcheck // only read from
	err = sandbox.CheckArchive(code, code.Size, sandbox.ArchiveLimits{})
	if err == nil {
		err = sandbox.CheckBootstrap(code, code.Size, sandbox.ArchiveLimits{})
	}
	if errors.As(err, new(*sandbox.ArchiveError)) {
		return usage("--code %s: %w", f.code, err)
	} else if err != nil {
		return fmt.Errorf("--code %s: %w", f.code, err)
	}
	return nil
}

// build enters the realm and builds the two tenants' lab in it.
func (f *labFlags) build(ctx context.Context) (_ *lab.Lab, in *realm.Inside, took time.Duration, err error) {
	if in, err = realm.Enter(); err != nil {
		return nil, nil, 0, err
	}
	if err := doctor.Preflight(ctx, "redis-server"); err != nil {
		return nil, nil, 0, &exitError{exitPrecondition, err}
	}
	began := time.Now()
	l, err := lab.Build(ctx, lab.Config{Name: f.name, Network: lab.TwoTenants(whoamiArgv("{address}:80")), Internet: whoamiArgv("0.0.0.0:80"), Store: f.store})
	return l, in, time.Since(began), err
}
