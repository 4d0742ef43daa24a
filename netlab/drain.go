package netlab

import (
	"context"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Drain returns when the kernel has ended the namespaces that were let go of before. It does so behind everybody's back,
// in order and in batches, while it holds locks that new devices wait for; what is measured meanwhile is measured too
// long. A namespace of Drain's own, let go of last, tells when its turn has come.
func Drain(ctx context.Context) (err error) {
	observer, err := NewNode("drain")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, observer.Close()) }()
	last, err := NewNode("last")
	if err != nil {
		return err
	}
	err = wire(ctx, observer, "last", 0, last, "last", mtu)
	var link netlink.Link
	if err == nil {
		link, err = observer.Link.LinkByName("last")
	}
	if err = errors.Join(err, last.Close()); err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	return observer.awaitGone(ctx, link.Attrs().Index)
}

func (n *Node) awaitGone(ctx context.Context, index int) error {
	gone := func() (bool, error) {
		_, err := n.Link.LinkByIndex(index)
		if errors.As(err, new(netlink.LinkNotFoundError)) {
			return true, nil
		}
		return false, err
	}
	if err := n.await(ctx, unix.RTNLGRP_LINK, patience, gone, func() error { return nil }); err != nil {
		return fmt.Errorf("wait for link %d of %s to go: %w", index, n.Name, err)
	}
	return nil
}
