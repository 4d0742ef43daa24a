package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"enilab/internal/events"
	"enilab/netlab"
)

// Finding is one thing of an object that is in the kernel otherwise than the lab's state says.
type Finding struct {
	Object string `json:"object"` // "vpc", "resource", "eni" or "node": the Hyperplane node, a worker, the internet
	Name   string `json:"name"`
	netlab.Drift
}

// CheckRequest asks whether the kernel is as the lab's state says.
type CheckRequest struct {
	Mend bool `json:"mend,omitempty"` // and to make it so
}

// CheckReport is what came of it.
type CheckReport struct {
	Schema  string    `json:"schema"`  // "enilab.check/v1"
	Checked int       `json:"checked"` // objects
	Found   []Finding `json:"found"`
	Mended  bool      `json:"mended"` // all that was found
}

// checkable is one object with what can be compared of it.
type checkable struct {
	kind, name string
	check      func(context.Context) ([]netlab.Drift, error)
	mend       func(context.Context) ([]netlab.Drift, error)
}

// checkables are all objects of which the lab knows what the kernel should have. Links come first: what is in a VPC hangs
// on them.
func (d *Daemon) checkables() (list []checkable) {
	owned := func(kind, name string, i *netlab.Interface, owner *netlab.Node) {
		list = append(list, checkable{
			kind, name, func(context.Context) ([]netlab.Drift, error) { return i.Check(owner) }, func(ctx context.Context) ([]netlab.Drift, error) { return i.Mend(ctx, owner) },
		})
	}
	for _, r := range d.lab.Network.Resources() {
		owned("resource", r.VPC+"/"+r.Name, r.Interface, r.Node)
		list = append(list, checkable{"resource", r.VPC + "/" + r.Name, r.Check, r.Mend})
	}
	for _, h := range d.lab.Lambda.HyperplaneENIs() {
		if h.Interface != nil { // the provider's own has none in a VPC
			owned("eni", h.ENI.Node.Name, h.Interface, h.ENI.Node)
		}
		list = append(list, checkable{"eni", h.ENI.Node.Name, h.ENI.Check, h.ENI.Mend})
	}
	vpcs := d.lab.Network.VPCs()
	for _, id := range names(vpcs) {
		list = append(list, checkable{"vpc", id, vpcs[id].Check, vpcs[id].Mend})
	}
	shared := func(n *netlab.Node, own netlab.Belongings) {
		list = append(list, checkable{
			"node", n.Name, func(ctx context.Context) ([]netlab.Drift, error) { return n.Strangers(ctx, own, false) },
			func(ctx context.Context) ([]netlab.Drift, error) { return n.Strangers(ctx, own, true) },
		})
	}
	if hub := d.lab.Lambda.Hyperplane; hub != nil {
		shared(hub.Node, netlab.UnderlayBelongings())
	}
	for _, w := range d.lab.Lambda.Workers {
		shared(w.Node, netlab.UnderlayBelongings())
	}
	if d.lab.Internet != nil {
		shared(d.lab.Internet.Node, netlab.InternetBelongings())
	}
	return list
}

// find compares everything once. An object that goes meanwhile has nothing to be found.
func (d *Daemon) find(ctx context.Context) (found []Finding, objects int, err error) {
	seen := map[string]bool{}
	for _, c := range d.checkables() {
		drift, checkErr := c.check(ctx)
		if checkErr != nil && d.exists(c) {
			err = errors.Join(err, checkErr)
		}
		for _, one := range drift {
			found = append(found, Finding{c.kind, c.name, one})
		}
		seen[c.kind+" "+c.name] = true
	}
	return found, len(seen), err
}

func (d *Daemon) exists(c checkable) bool {
	return slices.ContainsFunc(d.checkables(), func(other checkable) bool { return other.kind == c.kind && other.name == c.name })
}

// check compares the kernel with what the lab has made. What is being made or ended just now looks like drift; so what
// counts is what is found twice.
func (d *Daemon) check(ctx context.Context, mend bool) (CheckReport, error) {
	d.checking.Lock()
	defer d.checking.Unlock()
	report := CheckReport{Schema: "enilab.check/v1", Found: []Finding{}}
	first, objects, err := d.find(ctx)
	report.Checked = objects
	if err != nil || len(first) == 0 {
		return report, err
	}
	second, _, err := d.find(ctx)
	for _, f := range first {
		if slices.Contains(second, f) {
			report.Found = append(report.Found, f)
		}
	}
	if err != nil || !mend || len(report.Found) == 0 {
		return report, err
	}
	for _, c := range d.checkables() {
		if slices.ContainsFunc(report.Found, func(f Finding) bool { return f.Object == c.kind && f.Name == c.name }) {
			_, mendErr := c.mend(ctx)
			err = errors.Join(err, mendErr)
		}
	}
	left, _, leftErr := d.find(ctx)
	if err = errors.Join(err, leftErr); err != nil {
		return report, err
	}
	for _, f := range report.Found {
		if slices.Contains(left, f) {
			return report, fmt.Errorf("%s %s: %s %s: %s: it cannot be mended while the lab is up; 'enilab down' and 'enilab up' build it anew from the state", f.Object, f.Name, f.Kind, f.Is, f.What)
		}
	}
	report.Mended = true
	d.tellMended(report.Found)
	return report, nil
}

// tellMended says what was not as it should be, and is again: an event for each object, and a line of the log.
func (d *Daemon) tellMended(found []Finding) {
	for len(found) > 0 {
		f := found[0]
		var of []Finding
		of, found = partition(found, func(other Finding) bool { return other.Object == f.Object && other.Name == f.Name })
		reason := f.Kind + " " + f.Is + ": " + f.What
		e := events.Event{Type: events.DriftMended, Reason: reason, State: "mended", Detail: map[string]string{"count": strconv.Itoa(len(of))}}
		switch f.Object {
		case "vpc":
			e.VPC = f.Name
		case "eni":
			e.ENI = f.Name
		default:
			e.Name = f.Name
		}
		d.events.Publish(e)
		d.Log.Warn("the kernel was not as the lab's state says; mended", f.Object, f.Name, "differences", len(of), "first", reason)
	}
}

func partition(list []Finding, is func(Finding) bool) (yes, no []Finding) {
	for _, f := range list {
		if is(f) {
			yes = append(yes, f)
		} else {
			no = append(no, f)
		}
	}
	return yes, no
}

// noteDrift gathers what the adoption of networks and ENIs has found and mended, and compares the ends of their interfaces.
func (d *Daemon) noteDrift(ctx context.Context) (err error) {
	note := func(kind, name string, drift []netlab.Drift) {
		for _, one := range drift {
			d.recovery.Mended = append(d.recovery.Mended, Finding{kind, name, one})
		}
	}
	end := func(kind, name string, i *netlab.Interface, owner *netlab.Node) {
		drift, mendErr := i.Mend(ctx, owner)
		note(kind, name, drift)
		err = errors.Join(err, mendErr)
	}
	vpcs := d.lab.Network.VPCs()
	for _, id := range names(vpcs) {
		note("vpc", id, vpcs[id].Drift)
	}
	for _, r := range d.lab.Network.Resources() {
		end("resource", r.VPC+"/"+r.Name, r.Interface, r.Node)
	}
	for _, h := range d.lab.Lambda.HyperplaneENIs() {
		note("eni", h.ENI.Node.Name, h.ENI.Drift)
		if h.Interface != nil {
			end("eni", h.ENI.Node.Name, h.Interface, h.ENI.Node)
		}
	}
	d.tellMended(d.recovery.Mended)
	return err
}

func (d *Daemon) serveCheck(w http.ResponseWriter, r *http.Request) error {
	var in CheckRequest
	if err := read(w, r, &in); err != nil {
		return err
	}
	report, err := d.check(r.Context(), in.Mend)
	if err != nil {
		return err
	}
	return answer(w, report)
}
