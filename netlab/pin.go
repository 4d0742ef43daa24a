package netlab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

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
	return errors.Join(endProcesses(ns), ns.Close(), netns.Unpin(name))
}

// endProcesses kills all processes in a namespace and returns when they have ended. It looks again until there are none,
// because they may start others meanwhile.
func endProcesses(ns *netns.NS) error {
	for range 100 {
		pids, err := processesIn(ns)
		if err != nil || len(pids) == 0 {
			return err
		}
		for _, pid := range pids {
			p, err := openProcess(pid)
			if errors.Is(err, unix.ESRCH) {
				continue
			}
			if err != nil {
				return err
			}
			if now, err := processesIn(ns); err == nil && slices.Contains(now, pid) { // the number could be a new one's by then
				_ = p.kill()
				p.wait()
			}
			p.file.Close()
		}
	}
	return errors.New("processes start faster than they can be ended")
}

// processesIn lists the processes whose main thread is in a namespace, without zombies and this one.
func processesIn(ns *netns.NS) (pids []int, err error) {
	var own unix.Stat_t
	if err := unix.Fstat(ns.Fd(), &own); err != nil {
		return nil, os.NewSyscallError("fstat", err)
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		var s unix.Stat_t // fails for a zombie, which is in no namespace, and for one that has gone
		if unix.Stat(filepath.Join("/proc", e.Name(), "ns/net"), &s) == nil && s.Ino == own.Ino && s.Dev == own.Dev {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
