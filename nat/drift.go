package nat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"enilab/internal/netns"
	"enilab/netlab"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Check compares what the kernel has of the ENI with what it should have: its rules, its tunnel and the way to the slots, and what
// [netlab.Node.Strangers] tells of. What its eth0 should be, the interface knows. It changes nothing, and runs iptables.
func (e *ENI) Check(ctx context.Context) ([]netlab.Drift, error) {
	rules, err := e.ruleDrift()
	if err != nil {
		return nil, fmt.Errorf("eni %s: check: %w", e.Node.Name, err)
	}
	tunnel, err := e.tunnelDrift()
	if err != nil {
		return nil, fmt.Errorf("eni %s: check: %w", e.Node.Name, err)
	}
	strangers, err := e.strangers(ctx, false)
	if err != nil {
		return nil, fmt.Errorf("eni %s: check: %w", e.Node.Name, err)
	}
	return slices.Concat(rules, tunnel, strangers), nil
}

func (e *ENI) strangers(ctx context.Context, mend bool) ([]netlab.Drift, error) {
	eth0, err := e.Node.Link.LinkByName(uplink)
	if err != nil && !errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil, fmt.Errorf("link %s: %w", uplink, err)
	}
	conntrack := netns.Sysctl{Key: "net/netfilter/nf_conntrack_tcp_timeout_established", Value: idle}
	return e.Node.Strangers(ctx, netlab.Belongings{Tables: tables, Settings: append(settings(), conntrack), Owns: func(w netlab.Way) bool {
		return w.Table == unix.RT_TABLE_MAIN && (w.Link == e.tun && w.To == LambdaVPC || err == nil && w.Link == eth0.Attrs().Index)
	}}, mend)
}

// Mend is Check, and makes what it tells of as it should be, but for a tunnel that is missing: slots are bound to it.
func (e *ENI) Mend(ctx context.Context) ([]netlab.Drift, error) {
	rules, err := e.mendRules(ctx)
	if err != nil {
		return nil, fmt.Errorf("eni %s: mend: %w", e.Node.Name, err)
	}
	found, err := e.tunnelDrift()
	if err == nil && len(found) > 0 && found[0] != e.noTunnel() {
		err = e.Node.Link.LinkSetUp(&netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: e.tun}})
		if err == nil {
			err = e.addRoute()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("eni %s: mend: %w", e.Node.Name, err)
	}
	strangers, err := e.strangers(ctx, true)
	if err != nil {
		return nil, fmt.Errorf("eni %s: mend: %w", e.Node.Name, err)
	}
	return slices.Concat(rules, found, strangers), nil
}

func (e *ENI) noTunnel() netlab.Drift {
	return netlab.Drift{Kind: "link", What: fmt.Sprintf("%s, the tunnel with VNI %d", tunnel, e.VNI), Is: "missing"}
}

// tunnelDrift compares tun0 and the way to the slots.
func (e *ENI) tunnelDrift() (list []netlab.Drift, err error) {
	link, err := e.Node.Link.LinkByIndex(e.tun)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return []netlab.Drift{e.noTunnel()}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("link %s: %w", tunnel, err)
	}
	if link.Attrs().Flags&net.FlagUp == 0 {
		list = append(list, netlab.Drift{Kind: "link", What: tunnel + " is down, want up", Is: "changed"})
	}
	routes, err := e.Node.Link.RouteListFiltered(unix.AF_INET, &netlink.Route{Dst: netlab.IPNet(LambdaVPC)}, netlink.RT_FILTER_DST)
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	for _, r := range routes {
		if r.LinkIndex == e.tun {
			return list, nil
		}
	}
	return append(list, netlab.Drift{Kind: "route", What: fmt.Sprintf("%s over %s", LambdaVPC, tunnel), Is: "missing"}), nil
}
