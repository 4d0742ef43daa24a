package netlab

import (
	"errors"
	"fmt"
	"io/fs"

	"enilab/internal/netns"

	"github.com/containernetworking/plugins/pkg/netlinksafe"
	"golang.org/x/sys/unix"
)

// Pin names the namespace under /run/netns, with which it outlives this process. What is pinned counts as complete: pin
// last. Close takes the name away.
func (n *Node) Pin() error {
	unpin, err := n.NS.Pin(n.Name)
	if err != nil {
		return fmt.Errorf("node %s: %w", n.Name, err)
	}
	n.unpin = unpin
	return nil
}

// OpenNode opens the namespace pinned under this name. One that is not there is fs.ErrNotExist.
func OpenNode(name string) (_ *Node, err error) {
	n := &Node{Name: name, unpin: func() error { return netns.Unpin(name) }}
	if n.NS, err = netns.OpenPin(name); err != nil {
		return nil, fmt.Errorf("node %s: %w", name, err)
	}
	if n.Link, err = netlinksafe.NewHandleAt(n.NS.Handle(), unix.NETLINK_ROUTE); err != nil {
		return nil, errors.Join(fmt.Errorf("node %s: netlink: %w", name, err), n.NS.Close())
	}
	err = n.NS.Do(func() (err error) {
		n.requests, err = dialRequests()
		return err
	})
	if err != nil {
		n.Link.Close()
		return nil, errors.Join(fmt.Errorf("node %s: %w", name, err), n.NS.Close())
	}
	return n, nil
}

// dial opens the sockets of a node that is being made, in the namespace of the calling thread, which is there already.
func (n *Node) dial() (err error) {
	if n.Link, err = netlinksafe.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	if n.requests, err = dialRequests(); err != nil {
		n.Link.Close()
	}
	return err
}

// Release lets go of the namespace as Close does and leaves its pin, with which it goes on.
func (n *Node) Release() error {
	n.unpin = nil
	return n.Close()
}

// EndPinned ends a namespace that was pinned under this name, with every process in it. It is for what nobody adopts. One
// that is not there is no error.
func EndPinned(name string) error {
	ns, err := netns.OpenPin(name)
	if errors.Is(err, fs.ErrNotExist) {
		return netns.Unpin(name)
	}
	if err != nil {
		return err
	}
	return errors.Join(endProcessesIn(ns), ns.Close(), netns.Unpin(name))
}

// endProcessesIn kills all processes in a network namespace and returns when they have ended.
func endProcessesIn(ns *netns.NS) error { return endProcesses("net", ns.Fd(), 0) }
