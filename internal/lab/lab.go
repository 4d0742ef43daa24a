// Package lab puts a whole lab together: customers' networks, the underlay, workers, a Hyperplane node, the internet and
// the control planes over them.
package lab

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"

	"enilab/internal/events"
	"enilab/internal/lambda"
	"enilab/internal/realm"
	"enilab/internal/state"
	"enilab/internal/undo"
	"enilab/netlab"
	"enilab/sandbox"
)

// Config says what the lab is made of.
type Config struct {
	Name     string      // of the lab's control groups
	Network  netlab.Spec // customers that are there from the start
	Internet []string    // argument vector of the internet's HTTP server; nil: no internet
	Store    string      // the function store's directory
	Uploads  string      // directory for code that comes with requests; empty: the store's
	Workers  int         // hosts of environments; zero means one
	Account  string      // zero values of these: see lambda.Config
	Region   string
	Quotas   lambda.Quotas
	Model    lambda.Model
	Allowed  func(role string, actions ...string) error
	Role     func(arn string) error
	Identify func(role, function string) (lambda.Identity, error)
	Room     func() int64
	Events   *events.Bus
	Log      *slog.Logger

	// State keeps the lab beyond this process: what a former one has left in the kernel is adopted, and what this one
	// makes is pinned. nil: the lab ends with Close or with the process.
	State *state.DB
}

// Lab is a running lab.
type Lab struct {
	Network  *netlab.Lab
	Internet *netlab.Internet // nil: there is none
	Lambda   *lambda.Service
	Limits   error // why environments have no control groups; nil if they have
	Adopted  int   // so much of the infrastructure was found, and
	Built    int   // so much was made

	keep bool
	undo undo.Stack
}

// The user ids of labs' environments are above what systemd assigns (up to 1,879,048,191, https://systemd.io/UIDS-GIDS/)
// and below 2^31, beyond which some programs see negative numbers. Each lab has sandbox.UIDs of them.
const (
	firstUID  = 1_900_000_000
	uidRanges = (1<<31 - firstUID) / sandbox.UIDs // 236 labs at a time
)

// Build makes it all, or nothing. With a State, functions and ENIs are there once the caller has restored the control
// planes; what is pinned stays if Build fails.
func Build(ctx context.Context, c Config) (_ *Lab, err error) {
	lab := &Lab{keep: c.State != nil}
	defer func() {
		if err != nil && !lab.keep {
			err = errors.Join(err, lab.undo.Close())
		}
	}()

	if lab.Network, err = c.Network.Build(ctx); err != nil {
		return nil, err
	}
	lab.Network.Keep = lab.keep
	lab.undo.Push(lab.Network.Close)
	if c.Internet != nil {
		if err := lab.addInternet(ctx, c); err != nil {
			return nil, err
		}
	}
	hub, workers, err := lab.addUnderlay(ctx, max(c.Workers, 1))
	if err != nil {
		return nil, err
	}

	config := lambda.Config{
		Network: lab.Network, Internet: lab.Internet, Hyperplane: hub, Workers: workers,
		Store: sandbox.Store{Dir: c.Store}, Uploads: sandbox.Store{Dir: cmp.Or(c.Uploads, c.Store)},
		CodeDir: filepath.Join(realm.RunDir, "enilab", c.Name, "code"),
		Account: c.Account, Region: c.Region, Quotas: c.Quotas, Model: c.Model, Allowed: c.Allowed, RoleExists: c.Role, Identify: c.Identify,
		State: c.State, Room: c.Room, Events: c.Events, Log: c.Log,
	}
	config.Cgroups, lab.Limits = sandbox.NewCgroups(c.Name)
	if lab.Limits == nil {
		lab.undo.Push(config.Cgroups.Close)
	}
	if !realm.Rootless() {
		config.FirstUID = firstUID
		if lab.Limits == nil {
			if config.FirstUID, err = config.Cgroups.ClaimUIDs(firstUID, uidRanges); err != nil {
				return nil, err
			}
		}
	}
	lab.Lambda = lambda.New(config)
	lab.undo.Push(lab.Lambda.Close)
	return lab, nil
}

// Pin names the infrastructure's namespaces under /run/netns of the realm, for people who look inside, until unpin.
func (l *Lab) Pin() (names []string, unpin func() error, err error) {
	pins := new(undo.Stack)
	defer pins.CloseOn(&err)
	nodes := []*netlab.Node{l.Lambda.Hyperplane.Node}
	for _, w := range l.Lambda.Workers {
		nodes = append(nodes, w.Node)
	}
	for _, v := range l.Network.VPCs() {
		nodes = append(nodes, v.Node)
	}
	for _, e := range l.Lambda.HyperplaneENIs() {
		nodes = append(nodes, e.ENI.Node)
	}
	for _, n := range nodes {
		remove, err := n.NS.Pin(n.Name)
		if err != nil {
			return nil, nil, err
		}
		pins.Push(remove)
		names = append(names, n.Name)
	}
	slices.Sort(names)
	return names, pins.Close, nil
}

// Close ends the lab, visits everything, and may be called twice. A lab that is kept is not closed: it ends with its
// realm.
func (l *Lab) Close() error { return l.undo.Close() }
