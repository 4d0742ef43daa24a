package nat

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"enilab/netlab"

	"golang.org/x/sys/unix"
)

// Tunnel is a slot's end: what an ENI has to know of it.
type Tunnel struct {
	Address netip.Addr       // in the Lambda VPC
	MAC     net.HardwareAddr // of the tunnel device
	VNI     VNI              // the slot's own, fixed when it was made
	Worker  netip.Addr       // tunnel endpoint of the slot's worker
	Device  int              // index of the tunnel device in the slot
	Slot    *netlab.Node
}

// Bind connects a slot to the ENI: the whole of what shared mode does when a function starts. It creates no device,
// no rule and no namespace.
func (e *ENI) Bind(t Tunnel) error {
	if err := e.Forward(t); err != nil {
		return err
	}
	return e.Return(t)
}

// Forward is the first step: the slot's frames for its router go to the Hyperplane node under the ENI's VNI. It replaces
// an entry of a former binding.
func (e *ENI) Forward(t Tunnel) error {
	if err := t.Slot.Request(e.forward(t).Set()); err != nil {
		return fmt.Errorf("bind %s to %s: slot's forwarding entry: %w", t.Address, e.Node.Name, err)
	}
	return nil
}

// Return is the second step: the ENI's frames for the slot go to the slot's worker under the slot's VNI, and it knows
// the slot's hardware address and never asks for it.
func (e *ENI) Return(t Tunnel) error {
	if err := e.forgetNow(t.Address); err != nil {
		return fmt.Errorf("bind %s to %s: its former connections: %w", t.Address, e.Node.Name, err)
	}
	if err := e.Node.Request(e.back(t).Set(), e.neighbor(t).Set()); err != nil {
		return fmt.Errorf("bind %s to %s: ENI's forwarding and neighbour entries: %w", t.Address, e.Node.Name, err)
	}
	return nil
}

// Unbind takes the three entries away, which cuts the slot's connections through the ENI; their records and ports are
// given back a little later. It visits everything; what is gone already is no error.
func (e *ENI) Unbind(t Tunnel) error {
	var errs []error
	step := func(what string, err error) {
		if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENODEV) {
			errs = append(errs, fmt.Errorf("unbind %s from %s: %s: %w", t.Address, e.Node.Name, what, err))
		}
	}
	step("slot's forwarding entry", t.Slot.Request(e.forward(t).Remove()))
	step("ENI's forwarding entry", e.Node.Request(e.back(t).Remove()))
	step("ENI's neighbour entry", e.Node.Request(e.neighbor(t).Remove()))
	e.forgetSoon(t.Address)
	return errors.Join(errs...)
}

func (e *ENI) forward(t Tunnel) netlab.Entry {
	return netlab.Entry{Link: t.Device, Forwarding: true, MAC: ENIMAC, To: e.vtep, VNI: uint32(e.VNI)}
}

func (e *ENI) back(t Tunnel) netlab.Entry {
	return netlab.Entry{Link: e.tun, Forwarding: true, MAC: t.MAC, To: t.Worker, VNI: uint32(t.VNI)}
}

func (e *ENI) neighbor(t Tunnel) netlab.Entry {
	return netlab.Entry{Link: e.tun, MAC: t.MAC, To: t.Address}
}
