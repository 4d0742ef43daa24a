package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"enilab/internal/ec2"
	"enilab/internal/events"
	"enilab/internal/lab"
	"enilab/internal/lambda"
	"enilab/internal/state"
	"enilab/internal/topology"
	"enilab/netlab"
	"enilab/sandbox"
)

// recalled are the interfaces of a lab that is down, as they will be once it is up again.
type recalled struct {
	interfaces []ec2.NetworkInterface
	servers    map[string]string // interface id → VPC/NAME
}

// Recalled is a lab that is down, known from its state alone: nothing of it is started, nothing is changed.
type Recalled struct {
	daemon *Daemon
	dir    string // of a copy of the state
}

// Recall reads the state that c names. It refuses settings that a daemon would refuse. Close it.
func Recall(c Config) (_ *Recalled, err error) {
	c.Log = slog.New(slog.DiscardHandler)
	r := &Recalled{daemon: &Daemon{Config: c, events: new(events.Bus)}}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("lab %s: %w", c.Name, err), r.Close())
		}
	}()
	if r.dir, err = os.MkdirTemp("", "enilab-recall-"); err != nil {
		return nil, err
	}
	d := r.daemon
	if d.db, err = state.OpenCopy(c.DB, r.dir); err != nil {
		return nil, err
	}
	if err := d.loadSettings(); err != nil {
		return nil, err
	}
	d.declared = state.TableOf[declaration](d.db, "declared")
	if err := d.restoreRoles(context.Background()); err != nil {
		return nil, err
	}
	network := netlab.NewLab() // without VPCs
	d.ec2 = ec2.New(ec2.Config{
		Network: network, State: d.db, Events: d.events, Account: d.settings.Account, Region: d.settings.Region, AZs: topology.Zones(d.settings.Region),
	})
	alone, err := d.ec2.Recall()
	if err != nil {
		return nil, err
	}
	d.resources = newResources(network, d.db, d.events, c.Log)
	d.lab = &lab.Lab{Network: network, Lambda: lambda.New(lambda.Config{
		Network: network, Store: sandbox.Store{Dir: d.settings.Store}, Uploads: sandbox.Store{Dir: filepath.Join(r.dir, "uploads")}, CodeDir: filepath.Join(r.dir, "code"),
		Account: d.settings.Account, Region: d.settings.Region, Quotas: d.settings.Quotas, Model: d.settings.Model, State: d.db, Events: d.events, Log: c.Log,
	})}
	if err := d.lab.Lambda.Recall(); err != nil {
		return nil, err
	}
	d.recalled, err = d.recallInterfaces(alone)
	return r, err
}

// RecordedSettings are those of the state of a lab that is down; it changes nothing. A state that is not there, or that no daemon has
// begun with, has none.
func RecordedSettings(db string) (s Settings, ok bool, err error) {
	if _, err := os.Stat(db); errors.Is(err, fs.ErrNotExist) {
		return s, false, nil
	}
	dir, err := os.MkdirTemp("", "enilab-recall-")
	if err != nil {
		return s, false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d, err := state.OpenCopy(db, dir)
	if err != nil {
		return s, false, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	all, err := state.TableOf[Settings](d, settingsTable).All()
	s, ok = all[settingsKey]
	return s, ok, err
}

// Close forgets it.
func (r *Recalled) Close() (err error) {
	if l := r.daemon.lab; l != nil {
		err = l.Lambda.Close()
	}
	if r.daemon.db != nil {
		err = errors.Join(err, r.daemon.db.Close())
	}
	return errors.Join(err, os.RemoveAll(r.dir))
}

// Settings are those that it has.
func (r *Recalled) Settings() Settings { return r.daemon.settings }

// Plan lists what a topology changes in the lab once it is up, or refuses it as the lab would: then the error is a [Failure].
func (r *Recalled) Plan(in ApplyRequest) (changes []Change, err error) {
	p, err := r.daemon.propose(in)
	if err != nil {
		return nil, &Failure{err.Error(), errors.As(err, new(usageError))}
	}
	for _, s := range p.steps {
		changes = append(changes, s.Change)
	}
	return changes, nil
}

// recallInterfaces puts together what the control planes and servers have recorded. Legacy interfaces end with their daemon.
func (d *Daemon) recallInterfaces(alone []netlab.InterfaceSpec) (*recalled, error) {
	r := &recalled{servers: map[string]string{}}
	page, err := d.ec2.DescribeSubnets(ec2.Query{})
	if err != nil {
		return nil, err
	}
	home := map[string]string{}
	for _, s := range page.Items {
		home[s.SubnetID] = s.VpcID
	}
	add := func(s netlab.InterfaceSpec, attached bool) {
		i := ec2.NetworkInterface{NetworkInterfaceID: s.ID, SubnetID: s.Subnet, VpcID: home[s.Subnet], Description: s.Description, PrivateIPAddress: s.Address}
		for _, g := range s.SecurityGroups {
			i.Groups = append(i.Groups, ec2.GroupIdentifier{GroupID: g})
		}
		if attached {
			i.Attachment = new(ec2.NetworkInterfaceAttachment)
		}
		r.interfaces = append(r.interfaces, i)
	}
	for _, s := range alone {
		add(s, false)
	}
	enis, err := d.lab.Lambda.RecordedENIs()
	if err != nil {
		return nil, err
	}
	for _, s := range enis {
		if s.Subnet != "" {
			add(s, true)
		}
	}
	records, err := d.resources.records.All()
	if err != nil {
		return nil, err
	}
	for _, key := range names(records) {
		record := records[key]
		s := netlab.InterfaceSpec{ID: "eni of " + key, Subnet: record.Spec.Subnet, SecurityGroups: record.Spec.SecurityGroups, Address: record.Spec.Address}
		if record.State != nil {
			s.ID, s.Address = record.State.Interface, record.State.Address
		}
		if s.Address.IsValid() { // else it has never been there, and takes the next one that is free
			add(s, true)
			r.servers[s.ID] = key
		}
	}
	return r, nil
}
