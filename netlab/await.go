package netlab

import (
	"context"
	"errors"
	"fmt"
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
// kernel's link watch makes it ready some time after that; until then it drops what it is to send, without a word.
func (n *Node) awaitUp(ctx context.Context, index int) error {
	up := func() (bool, error) {
		answer, err := n.ask(getLink(index)) // since Linux 6.9 this has the link watch see to it first
		if err != nil {
			return false, fmt.Errorf("link %d of %s: %w", index, n.Name, err)
		}
		state, err := operState(answer)
		return state == netlink.OperUp, err
	}
	if err := n.await(ctx, unix.RTNLGRP_LINK, patience, up, func() error { return nil }); err != nil {
		return fmt.Errorf("wait for link %d of %s to be up: %w", index, n.Name, err)
	}
	return nil
}
