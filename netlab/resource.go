package netlab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"enilab/internal/netns"
	"enilab/internal/undo"

	"golang.org/x/sys/unix"
)

// Resource is a customer's server, running.
type Resource struct {
	Name      string
	VPC       string // id
	Spec      ResourceSpec
	Node      *Node
	Interface *Interface

	undo undo.Stack

	turn    sync.Mutex // held while the server is started or ended
	closed  bool       // guarded by turn
	mu      sync.Mutex // guards process
	process *Process   // nil: none any more
}

// ResourceState is what a new control plane has to know of a resource to adopt it, besides its spec.
type ResourceState struct {
	Interface  string // id
	Attachment string // id
	Address    netip.Addr
	ProcessState
}

// readyWithin bounds how long a server may take until it accepts connections. One that ends is not waited for, so this is for a
// slow machine, and a server that takes its time.
const readyWithin = time.Minute

// AddResource builds a server's namespace and interface, starts its process and returns when it serves.
func (v *VPC) AddResource(ctx context.Context, s ResourceSpec) (_ *Resource, err error) {
	r := &Resource{Name: s.Name, VPC: v.ID, Spec: s}
	defer r.undo.CloseOn(&err)
	settings, err := BufferLimits()
	if err != nil {
		return nil, fmt.Errorf("resource %s: %w", s.Name, err)
	}
	if r.Node, err = NewNode(v.nodeName(s), append(settings, anyPort)...); err != nil {
		return nil, err
	}
	r.undo.Push(r.Node.Close)
	r.Interface, err = v.Connect(ctx, r.Node, InterfaceSpec{
		Description: r.description(), Subnet: s.Subnet, SecurityGroups: s.SecurityGroups, Address: s.Address,
		Attachment: Attachment{ID: NewID("eni-attach-")},
	})
	if err != nil {
		return nil, fmt.Errorf("resource %s: %w", s.Name, err)
	}
	r.undo.Push(func() error { r.Interface.Forget(); return nil }) // the link ends with the namespace
	if v.keep {
		// Before there is a process, so that there is none that a new owner cannot find.
		if err := r.Node.Pin(); err != nil {
			return nil, fmt.Errorf("resource %s: %w", s.Name, err)
		}
	}
	r.undo.Push(r.closeServer)
	if err := r.startServer(ctx); err != nil {
		return nil, fmt.Errorf("resource %s: %w", s.Name, err)
	}
	return r, nil
}

// nodeName is what a resource's namespace is called: like nothing else, because no id has a dot.
func (v *VPC) nodeName(s ResourceSpec) string { return v.ID + "." + s.Name }

// Check tells what [Node.Strangers] does of the server's namespace; what its eth0 should be, the interface knows.
func (r *Resource) Check(ctx context.Context) ([]Drift, error) { return r.strangers(ctx, false) }

// Mend is Check, and takes that away.
func (r *Resource) Mend(ctx context.Context) ([]Drift, error) { return r.strangers(ctx, true) }

func (r *Resource) strangers(ctx context.Context, mend bool) ([]Drift, error) {
	return r.Node.Strangers(ctx, Belongings{
		Settings: []netns.Sysctl{anyPort}, Owns: func(w Way) bool { return w.Table == unix.RT_TABLE_MAIN && w.Link != 0 && w.Link == r.Interface.owner },
	}, mend)
}

func (r *Resource) description() string { return "resource " + r.Name }

// startServer returns when the server serves, and ends it if it does not.
func (r *Resource) startServer(ctx context.Context) error {
	p, err := startProcess(ctx, r.Node, r.argv(r.Spec.Command))
	if err != nil {
		return err
	}
	if r.Spec.Port != 0 {
		ctx, cancel := context.WithTimeout(ctx, readyWithin)
		defer cancel()
		if err := p.waitPort(ctx, r.Node, r.port()); err != nil {
			return errors.Join(err, p.Close())
		}
	}
	r.setProcess(p)
	return nil
}

func (r *Resource) argv(template []string) []string {
	argv := make([]string, len(template))
	for i, arg := range template {
		argv[i] = strings.ReplaceAll(arg, "{address}", r.Interface.Address.String())
	}
	return argv
}

func (r *Resource) port() netip.AddrPort { return netip.AddrPortFrom(r.Interface.Address, r.Spec.Port) }

// Process is the server; nil if it was closed, or ended and could not be started again.
func (r *Resource) Process() *Process {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.process
}

func (r *Resource) setProcess(p *Process) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.process = p
}

// closeServer ends the server for good.
func (r *Resource) closeServer() error {
	r.turn.Lock()
	defer r.turn.Unlock()
	r.closed = true
	return r.endServer()
}

// endServer ends the server and all that came of it. Callers hold turn.
func (r *Resource) endServer() error {
	p := r.Process()
	if p == nil {
		return nil
	}
	r.setProcess(nil)
	return p.Close()
}

// State is what has to be kept for [Lab.AdoptResource].
func (r *Resource) State() ResourceState {
	s := ResourceState{Interface: r.Interface.ID, Attachment: r.Interface.Attachment.ID, Address: r.Interface.Address}
	if p := r.Process(); p != nil {
		s.ProcessState = p.State()
	}
	return s
}

// Close ends the server, its interface and its namespace.
func (r *Resource) Close() error { return r.undo.Close() }
