package netlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// patience is how long await trusts the kernel's announcements before it looks again by itself: they can be lost.
const patience = 100 * time.Millisecond

// await returns when done says so. It looks first; then it looks again whenever the kernel announces a change of the
// group's kind in the namespace, and at the latest after every pause, when again is called before.
func (n *Node) await(ctx context.Context, group uint, pause time.Duration, done func() (bool, error), again func() error) error {
	if ok, err := done(); ok || err != nil {
		return err
	}
	var changes *nl.NetlinkSocket
	err := n.NS.Do(func() (err error) {
		changes, err = nl.Subscribe(unix.NETLINK_ROUTE, group)
		return err
	})
	if err != nil {
		return fmt.Errorf("watch %s: %w", n.Name, err)
	}
	defer changes.Close()
	limit := unix.NsecToTimeval(pause.Nanoseconds())
	if err := changes.SetReceiveTimeout(&limit); err != nil {
		return fmt.Errorf("watch %s: %w", n.Name, err)
	}
	for ctx.Err() == nil {
		if ok, err := done(); ok || err != nil {
			return err
		}
		if _, _, err := changes.Receive(); errors.Is(err, unix.EAGAIN) {
			if err := again(); err != nil {
				return err
			}
		}
	}
	return context.Cause(ctx)
}

// awaitUp returns when a link can send. A veth's first end that is set up gets its carrier with the second, and the
// kernel's link watch makes it ready some time after that; until then it drops what it is to send, without a word. An
// ARP reply lost so costs a second.
func (n *Node) awaitUp(ctx context.Context, index int) error {
	up := func() (bool, error) {
		l, err := n.Link.LinkByIndex(index)
		if err != nil {
			return false, fmt.Errorf("link %d of %s: %w", index, n.Name, err)
		}
		return l.Attrs().OperState == netlink.OperUp, nil
	}
	if err := n.await(ctx, unix.RTNLGRP_LINK, patience, up, func() error { return nil }); err != nil {
		return fmt.Errorf("wait for link %d of %s to be up: %w", index, n.Name, err)
	}
	return nil
}

// resolve asks for a neighbour's hardware address and returns when it is known.
func (n *Node) resolve(ctx context.Context, link int, neighbor netip.Addr) error {
	entry := func(state, flags int) *netlink.Neigh {
		return &netlink.Neigh{LinkIndex: link, IP: net.IP(neighbor.AsSlice()), Family: unix.AF_INET, State: state, Flags: flags}
	}
	ask := func() error {
		err := n.Link.NeighSet(entry(netlink.NUD_NONE, netlink.NTF_USE))
		if errors.Is(err, unix.ENOBUFS) { // the machine's one table holds 1,024 (gc_thresh3); those 5 s old make room
			err = nil
		}
		return err
	}
	again := func() error { // an entry that waits for its answer does not ask anew
		if err := n.Link.NeighDel(entry(0, 0)); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
		return ask()
	}
	known := func() (bool, error) {
		entries, err := n.Link.NeighList(link, unix.AF_INET)
		for _, e := range entries {
			if ip, _ := netip.AddrFromSlice(e.IP); ip.Unmap() == neighbor {
				return e.State&(netlink.NUD_REACHABLE|netlink.NUD_PERMANENT) != 0, nil
			}
		}
		return false, err
	}
	err := ask()
	if err == nil { // as a rule the answer comes within the request's own system call
		err = n.await(ctx, unix.RTNLGRP_NEIGH, 10*time.Millisecond, known, again)
	}
	if err != nil {
		return fmt.Errorf("%s asks for the hardware address of %s: %w", n.Name, neighbor, err)
	}
	return nil
}
