// Package daemon serves one lab that stays up: the AWS API on one socket, the lab's own verbs on another. It may be
// killed at any moment; the next one finds in the state file what should be, in the realm what still is, and makes the
// one out of the other.
package daemon

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"enilab/internal/api"
	"enilab/internal/ec2"
	"enilab/internal/events"
	"enilab/internal/iam"
	"enilab/internal/lab"
	"enilab/internal/sockdiag"
	"enilab/internal/state"
	"enilab/internal/undo"
	"enilab/internal/wire"
)

// Config is what a daemon is started with.
type Config struct {
	Name     string
	Cgroups  string // name of the lab's control groups
	Version  string
	DB       string    // the state file
	Uploads  string    // directory for code that comes with requests
	Settings *Settings // nil: those of the state file
	API      net.Listener
	Sockets  *sockdiag.Owners // tells whose a connection to API is; nil: nobody's
	Owners   []uint32         // the user ids that may use API over loopback without the key
	Key      Credentials      // of everybody else
	Control  net.Listener
	Whoami   []string // argument vector of the HTTP service that topologies may name
	Internet []string // argument vector of the internet's server
	Log      *slog.Logger
}

// Daemon is one lab, served.
type Daemon struct {
	Config
	settings  Settings
	since     time.Time
	recovery  Recovery
	db        *state.DB
	events    *events.Bus
	lab       *lab.Lab
	ec2       *ec2.Service
	iam       *iam.Service
	inside    *api.Inside // the API as functions find it
	resources *resources
	declared  *state.Table[declaration] // what topologies have declared and is theirs to remove, by kind and name

	recalled *recalled          // what there will be of a lab that is down, and was not started; nil: it was
	life     context.Context    // ends when the daemon is told to
	leave    context.CancelFunc // tells it
	checking sync.Mutex         // one check at a time
	applying sync.Mutex         // one topology at a time
	undo     undo.Stack
}

// Serve makes the lab what its state says and serves it until ctx ends. The lab itself stays: its namespaces and servers
// are there for the next daemon. Only the end of the realm ends them.
func Serve(ctx context.Context, c Config) (err error) {
	debug.SetGCPercent(gcPercent)
	limitHeap(c.Log)
	d := &Daemon{Config: c, since: time.Now(), events: new(events.Bus)}
	ctx, leave := context.WithCancelCause(ctx)
	d.life, d.leave = ctx, func() { leave(errEnds) }
	defer d.leave()
	defer func() { err = errors.Join(err, d.undo.Close()) }()
	d.undo.Push(func() error { return ignoreClosed(c.API.Close()) })
	d.undo.Push(func() error { return ignoreClosed(c.Control.Close()) })
	if err := d.start(ctx); err != nil {
		return fmt.Errorf("lab %s: %w", c.Name, err)
	}
	front := api.New(d.api())
	control := &http.Server{Handler: d.control(wire.As(wire.Caller{Access: wire.Free}, front)), ReadHeaderTimeout: 5 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	failed := make(chan error, 2)
	go func() { failed <- front.Serve(c.API, d.caller) }()
	go func() { failed <- control.Serve(c.Control) }()
	c.Log.Info("serving", "lab", c.Name, "listen", d.settings.Listen, "recovery", d.recovery)
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	// Those who wait for an answer get it, for a while.
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastAnswers)
	defer cancel()
	_ = front.Shutdown(patience) // what is not answered by then is cut off
	_ = control.Close()
	d.applying.Lock() // what is being applied needs the state, and all else that ends next
	defer d.applying.Unlock()
	if err != nil {
		return err
	}
	return d.endedWell()
}

// api is who answers AWS's clients. URLs of code are signed with what comes of the lab's key, so that the next daemon knows them.
func (d *Daemon) api() api.Config {
	key := hmac.New(sha256.New, []byte(d.Key.SecretAccessKey))
	key.Write([]byte("downloads"))
	return api.Config{
		DownloadKey: key.Sum(nil),
		Lambda:      d.lab.Lambda, EC2: d.ec2, IAM: d.iam, Account: d.settings.Account, Region: d.settings.Region, Hosts: d.settings.Hosts, Log: d.Log, Memory: requestMemory,
	}
}

// gcPercent lets the heap grow to several times what lives in it, a few megabytes, before it is collected: with Go's 100
// the collector runs ten times a second under load, on processors that functions want.
const gcPercent = 400

// lastAnswers is how long a daemon that ends waits for invocations under way.
const lastAnswers = 2 * time.Second

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// start opens the state and makes the kernel what it says.
func (d *Daemon) start(ctx context.Context) (err error) {
	began := time.Now()
	if d.db, err = state.Open(d.DB); err != nil {
		return err
	}
	d.undo.Push(d.db.Close)
	if err := d.loadSettings(); err != nil {
		return err
	}
	if err := d.noteWhatHappened(); err != nil {
		return err
	}
	d.declared = state.TableOf[declaration](d.db, "declared")
	if err := d.recover(ctx); err != nil {
		return err
	}
	d.recovery.Took = time.Since(began)
	d.events.Publish(events.Event{Type: events.LabRecovered, Name: d.Name, State: d.recovery.From})
	return nil
}
