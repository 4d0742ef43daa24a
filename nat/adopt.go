package nat

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"enilab/netlab"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// AdoptENI takes over an ENI that was pinned under the config's name by a control plane that has died. Its connections go
// on. Its rules are set again if those in force are others; then the limit counts from zero. One that is not there is fs.ErrNotExist; one that cannot be
// adopted stays, for [netlab.EndPinned].
func (n *Node) AdoptENI(ctx context.Context, c ENIConfig) (_ *ENI, err error) {
	e := &ENI{vtep: n.VTEP}
	if e.Node, err = netlab.OpenNode(c.Name); err != nil {
		return nil, fmt.Errorf("eni %s: adopt: %w", c.Name, err)
	}
	if err := e.adopt(ctx, n, c); err != nil {
		return nil, fmt.Errorf("eni %s: adopt: %w", c.Name, errors.Join(err, e.undo.Close(), e.Node.Release()))
	}
	e.undo.Push(e.Node.Close)
	return e, nil
}

func (e *ENI) adopt(ctx context.Context, n *Node, c ENIConfig) (err error) {
	if err := e.findTunnel(); err != nil {
		return err
	}
	n.keepVNI(e.VNI)
	if e.Address, err = c.Uplink(ctx, e.Node); err != nil {
		return err
	}
	own, err := e.Node.Addresses(uplink)
	if err != nil {
		return err
	}
	if len(own) != 1 || own[0] != e.Address {
		return fmt.Errorf("%s has %v, its uplink says %s", uplink, own, e.Address)
	}
	e.Rules = e.rulesOf(c)
	if e.Drift, err = e.mendRules(ctx); err != nil {
		return err
	}
	return e.track()
}

// mendRules sets the rules again unless those in force are the same, which then go on counting. It tells what was not.
func (e *ENI) mendRules(ctx context.Context) ([]netlab.Drift, error) {
	found, err := e.ruleDrift()
	if err == nil && len(found) > 0 {
		err = e.Node.Apply(ctx, e.Rules.Plan())
	}
	return found, err
}

func (e *ENI) ruleDrift() ([]netlab.Drift, error) {
	have, err := e.Node.Rules(tables...)
	if err != nil {
		return nil, err
	}
	return netlab.RuleDrift(e.Rules.Plan(), have)
}

// findTunnel learns from tun0 what the ENI's network is.
func (e *ENI) findTunnel() error {
	link, err := e.Node.Link.LinkByName(tunnel)
	if err != nil {
		return fmt.Errorf("%s: %w", tunnel, err)
	}
	t, ok := link.(*netlink.Vxlan)
	if !ok {
		return fmt.Errorf("%s is a %s, want a tunnel", tunnel, link.Type())
	}
	if local, _ := netip.AddrFromSlice(t.SrcAddr.To4()); local != e.vtep || VNI(t.VxlanId) < firstENI {
		return fmt.Errorf("%s has the endpoint %s and VNI %d, want %s and an ENI's", tunnel, local, t.VxlanId, e.vtep)
	}
	e.tun, e.VNI = t.Index, VNI(t.VxlanId)
	return nil
}

// Flush ends all bindings and connections of the ENI: after a control plane has died, when no slot is left.
func (e *ENI) Flush() error {
	var requests [][]byte
	for _, family := range []int{unix.AF_BRIDGE, unix.AF_INET} {
		entries, err := e.Node.Link.NeighList(e.tun, family)
		if err != nil {
			return fmt.Errorf("eni %s: flush: list entries: %w", e.Node.Name, err)
		}
		for _, n := range entries {
			to, ok := netip.AddrFromSlice(n.IP)
			if !ok || n.State&netlink.NUD_PERMANENT == 0 { // the kernel's own
				continue
			}
			entry := netlab.Entry{Link: e.tun, MAC: n.HardwareAddr, To: to.Unmap(), Forwarding: family == unix.AF_BRIDGE, VNI: uint32(n.VNI)}
			requests = append(requests, entry.Remove())
		}
	}
	var errs []error
	for _, q := range requests {
		if err := e.Node.Request(q); err != nil && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, err)
		}
	}
	if err := e.conns.ConntrackTableFlush(netlink.ConntrackTable); err != nil { // all are slots': nobody else is on that side
		errs = append(errs, fmt.Errorf("connections: %w", err))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("eni %s: flush: %w", e.Node.Name, err)
	}
	return nil
}
