package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"

	"enilab/internal/realm"
	"enilab/internal/state"
	"enilab/nat"
	"enilab/netlab"
	"enilab/sandbox"
)

// What is neither a customer's nor a function's: the Hyperplane node, the workers, the underlay between them, and the
// internet. In a lab that is kept each of them is pinned once it is complete, and found again by its name.

// count tells what a former process has left from what it has not.
func (l *Lab) count(found bool) {
	if found {
		l.Adopted++
	} else {
		l.Built++
	}
}

// addUnderlay makes or finds the Hyperplane node and the workers.
func (l *Lab) addUnderlay(ctx context.Context, workers int) (*nat.Node, []*sandbox.Worker, error) {
	hub, found, err := l.node("hyperplane")
	if err != nil {
		return nil, nil, err
	}
	var underlay *netlab.Underlay
	if found {
		underlay, err = netlab.OpenUnderlay(hub)
	} else if underlay, err = netlab.NewUnderlay(hub); err == nil {
		err = l.pin(hub)
	}
	if err != nil {
		return nil, nil, err
	}
	var list []*sandbox.Worker
	for i := range workers {
		name := "worker"
		if i > 0 {
			name = fmt.Sprintf("worker-%d", i+1)
		}
		node, found, err := l.node(name)
		if err != nil {
			return nil, nil, err
		}
		var vtep netip.Addr
		if found {
			vtep, err = underlay.Adopt(node)
		} else if vtep, err = underlay.Connect(ctx, node); err == nil {
			err = l.pin(node)
		}
		if err != nil {
			return nil, nil, err
		}
		list = append(list, NewWorker(node, vtep))
	}
	return nat.NewNode(hub, underlay.HubVTEP), list, nil
}

// NewWorker agrees with the Hyperplane side on what tunnels have in common.
func NewWorker(n *netlab.Node, vtep netip.Addr) *sandbox.Worker {
	return &sandbox.Worker{Node: n, VTEP: vtep, Tunnels: sandbox.TunnelConfig{Network: nat.LambdaVPC, RouterMAC: nat.ENIMAC, Port: nat.TunnelPort}}
}

// node finds a pinned namespace, or makes one.
func (l *Lab) node(name string) (n *netlab.Node, found bool, err error) {
	if l.keep {
		n, err = netlab.OpenNode(name)
		found = err == nil
	}
	if !l.keep || errors.Is(err, fs.ErrNotExist) {
		n, err = netlab.NewNode(name)
	}
	if err != nil {
		return nil, false, err
	}
	l.count(found)
	l.undo.Push(n.Close)
	return n, found, nil
}

func (l *Lab) pin(n *netlab.Node) error {
	if !l.keep {
		return nil
	}
	return n.Pin()
}

// addInternet makes or finds what is outside. Its server is found by what is kept of it.
func (l *Lab) addInternet(ctx context.Context, c Config) (err error) {
	records := state.TableOf[netlab.ProcessState](c.State, internetTable)
	if l.keep {
		all, err := records.All()
		if err != nil {
			return err
		}
		l.Internet, err = netlab.AdoptInternet(ctx, c.Internet, all["server"])
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	l.count(l.Internet != nil)
	if l.Internet == nil {
		if l.Internet, err = netlab.NewInternet(ctx, c.Internet); err != nil {
			return err
		}
		if err := l.pin(l.Internet.Node); err != nil {
			return errors.Join(err, l.Internet.Close())
		}
	}
	l.undo.Push(l.Internet.Close)
	return records.Put("server", l.Internet.State())
}

const internetTable = "internet"

// InternetProcesses lists the internet's server, as a former process has left it.
func InternetProcesses(db *state.DB) (list []realm.Kept, err error) {
	all, err := state.TableOf[netlab.ProcessState](db, internetTable).All()
	for _, s := range all {
		list = append(list, realm.Kept{PID: s.PID, Start: s.Start})
	}
	return list, err
}
