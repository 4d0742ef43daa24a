package lambda

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"enilab/internal/events"
	"enilab/internal/runtimes"
	"enilab/internal/state"
	"enilab/internal/undo"
	"enilab/nat"
	"enilab/netlab"
	"enilab/sandbox"
)

// Config is what the control plane works with. It owns none of it.
type Config struct {
	Network    *netlab.Lab      // customers' VPCs
	Internet   *netlab.Internet // the way out of functions without a VPC; nil: they have none
	Hyperplane *nat.Node
	Workers    []*sandbox.Worker     // environments take them in turn; at least one
	Store      sandbox.Store         // code that people put there; it is only read
	Uploads    sandbox.Store         // code that comes with requests; without a directory it goes into Store
	CodeDir    string                // where the worker unpacks code
	Limits     sandbox.ArchiveLimits // zero means Lambda's
	Cgroups    *sandbox.Cgroups      // nil: environments have no control groups
	FirstUID   uint32                // environments run as the sandbox.UIDs user ids from this one on; zero: as the lab's own
	Account    string                // zero means "123456789012"
	Region     string                // empty means "us-east-1"
	InitTime   time.Duration         // for a runtime to ask for its first event; zero means 10 s, as on AWS
	KeepIdle   time.Duration         // how long an environment waits for its next event; zero means 10 min, negative for ever
	Quotas     Quotas
	Model      Model
	State      *state.DB    // what the functions and ENIs are, for the next start; nil: nothing is kept
	Room       func() int64 // bytes that asynchronous events that wait may take at the moment, up to 128 MiB; nil means these
	Events     *events.Bus  // nil: nobody is told
	Log        *slog.Logger // nil means none

	// SocketShare is what the lab's sockets may hold, in bytes: when they hold three quarters of it, environments end. Zero means
	// the lab's share of the machine (sandbox.SocketShare).
	SocketShare int64

	// Allowed tells whether an execution role may do some actions, such as "ec2:CreateNetworkInterface"; the error says
	// what it lacks. nil: every role may do everything.
	Allowed func(role string, actions ...string) error

	// Identify makes an environment's credentials, of its function's execution role. nil: environments have none, and no
	// endpoint.
	Identify func(role, function string) (Identity, error)

	// RoleExists tells whether there is an execution role that Lambda may assume. nil: there is every role.
	RoleExists func(arn string) error
}

// initTime is how long Lambda's init phase may take.
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
const initTime = 10 * time.Second

// keepIdle is the lab's own: AWS does not say how long it keeps environments.
const keepIdle = 10 * time.Minute

// Service is the control plane. All methods are safe for concurrent use.
type Service struct {
	Config
	store   *source // of Config.Store
	uploads *source // of Config.Uploads; store itself if that is not given
	shared  *sharedENIs
	legacy  *legacyENIs
	undo    undo.Stack

	parking      *sandbox.Parking
	tunnels      *sandbox.Pool // slots for shared mode
	bare         *sandbox.Pool // slots for legacy mode
	interpreters *runtimes.Machine
	starts       queue // environments that are being attached and spawned: as many as there are processors

	open  context.Context // ends with Close, and with it what goes on
	shut  context.CancelCauseFunc
	calls *tally         // invocations, and calls that change functions
	work  *tally         // what goes on behind the calls: states that settle, environments that end
	watch sync.WaitGroup // of idle functions, and of sockets
	warns sync.Mutex     // guards left
	left  error          // what tearing down environments met

	records *state.Table[functionRecord]
	asyncs  *state.Table[asyncEvent]

	layers       layers
	layerRecords *state.Table[layerRecord]

	queued  atomic.Int64 // bytes of asynchronous events that wait
	load    concurrency
	sockets socketWatch

	mu        sync.Mutex // guards all below
	functions map[string]*function
	closed    bool
}

// New starts a control plane without functions.
func New(c Config) *Service {
	c.Account = cmp.Or(c.Account, "123456789012")
	c.Region = cmp.Or(c.Region, "us-east-1")
	c.InitTime = cmp.Or(c.InitTime, initTime)
	c.KeepIdle = cmp.Or(c.KeepIdle, keepIdle)
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	s := &Service{Config: c, calls: newTally(), work: newTally(), functions: map[string]*function{}, interpreters: runtimes.NewMachine("/")}
	s.open, s.shut = context.WithCancelCause(context.Background())
	s.records = state.TableOf[functionRecord](c.State, "functions")
	s.asyncs = state.TableOf[asyncEvent](c.State, "events")
	s.layers.byName = map[string]*layerRecord{}
	s.layerRecords = state.TableOf[layerRecord](c.State, "layers")
	s.load.limit = c.Quotas.concurrency()
	s.store = newSource(c.Store, c.CodeDir, c.Limits)
	s.undo.Push(s.store.cache.Close)
	s.uploads = s.store
	if c.Uploads.Dir != "" {
		s.uploads = newSource(c.Uploads, c.CodeDir+"-uploads", c.Limits)
		s.undo.Push(s.uploads.cache.Close)
	}
	s.shared = newSharedENIs(s)
	s.undo.Push(s.shared.close)
	s.legacy = newLegacyENIs(s)
	s.undo.Push(s.legacy.close)
	bounds := limits(defaultMemory, defaultStorage)
	share, alone, err := sandbox.SocketShare()
	if err != nil {
		s.Log.Warn("what sockets hold is not bounded", "error", err)
	}
	bounds.Sockets = alone
	// Where the kernel has a limit, before all connections of the lab meet that.
	s.sockets.share = cmp.Or(c.SocketShare, share) / 4 * 3
	s.parking = &sandbox.Parking{FirstUID: c.FirstUID, Cgroups: c.Cgroups, Limits: bounds, Endpoint: c.Identify != nil}
	s.undo.Push(s.parking.Close)
	s.tunnels = sandbox.NewPool(s.parking.Slots(sandbox.InTurn(c.Workers)))
	s.undo.Push(s.tunnels.Close)
	s.bare = sandbox.NewPool(s.parking.Slots(sandbox.NewBareSlot))
	s.undo.Push(s.bare.Close)
	s.starts = make(queue, runtime.GOMAXPROCS(0))
	s.watch.Go(s.watchIdle)
	s.watch.Go(s.watchSockets)
	return s
}

// Pool is where environments of a mode take their slots from.
func (s *Service) Pool(m Mode) *sandbox.Pool {
	if m == Shared {
		return s.tunnels
	}
	return s.bare
}

// Settle returns when everything that goes on behind the calls is done: states have settled and retired environments
// are gone. It reports what tearing down met since the last time.
func (s *Service) Settle() error {
	s.work.wait()
	s.warns.Lock()
	defer s.warns.Unlock()
	err := s.left
	s.left = nil
	return err
}

// background does work that no caller waits for.
func (s *Service) background(what string, work func() error) {
	s.work.begin()
	go func() {
		defer s.work.end()
		if err := work(); err != nil {
			s.Log.Warn(what, "error", err)
			s.warns.Lock()
			s.left = errors.Join(s.left, fmt.Errorf("%s: %w", what, err))
			s.warns.Unlock()
		}
	}()
}

// errClosed is what calls meet once the control plane ends.
var errClosed = errors.New("the lab is closed")

// control admits a call that changes something, until done. Close waits for it.
func (s *Service) control() (done func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, refuse(ServiceException, "%w", errClosed)
	}
	s.calls.begin()
	return s.calls.end, nil
}

// call admits an invocation, until done. Its context ends with the control plane's.
func (s *Service) call(ctx context.Context) (_ context.Context, done func(), err error) {
	end, err := s.control()
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.open, func() { cancel(errClosed) })
	return ctx, func() { stop(); cancel(nil); end() }, nil
}

// Close ends all environments, busy ones too, and functions, and gives back what they held. With a State the records
// stay, and the uploads that they name: another control plane can restore what they say.
func (s *Service) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.uploads.keep.Store(s.State != nil) // before changes that are under way give up: the records name their code
	s.shut(errClosed)
	s.calls.wait()
	s.watch.Wait()
	s.mu.Lock()
	functions := slices.Collect(maps.Values(s.functions))
	clear(s.functions)
	s.mu.Unlock()
	for _, f := range functions {
		s.background("delete function "+f.name, func() error { return s.dismantle(f) })
	}
	return errors.Join(s.Settle(), s.closeLayers(), s.undo.Close())
}
