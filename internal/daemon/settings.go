package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"enilab/internal/state"
)

// DefaultRegion is that of a lab for which nobody named another: the one that AWS's own tools and examples fall back on.
// A lab keeps the Region that it was made with, so one of a former version stays in lab-1.
const DefaultRegion = "us-east-1"

// Difference says in which settings s differs from what a lab has; empty if in none. If one of them is fixed, the lab
// must go down before it can change, because the kernel's objects are made after it.
func (s Settings) Difference(has Settings) (difference string, fixed bool) {
	for _, f := range []struct {
		name string
		same bool
	}{
		{"region", s.Region == has.Region},
		{"account", s.Account == has.Account},
		{"workers", s.Workers == has.Workers},
		{"internet", s.Internet == has.Internet},
	} {
		if !f.same {
			return f.name, true
		}
	}
	return changes(has.written(), s.written()), false
}

// writtenSettings are those that can change, by the names and with the values by which topologies and flags give them.
type writtenSettings struct {
	Store      string   `json:"store"`
	SharedPool int      `json:"pool.shared"`
	LegacyPool int      `json:"pool.legacy"`
	Model      string   `json:"model"`
	TimeScale  float64  `json:"timeScale"`
	Access     Access   `json:"access,omitempty"`
	Hosts      []string `json:"host,omitempty"`
	Listen     string   `json:"listen"`

	Concurrency          int     `json:"quotas.concurrency,omitempty"`
	HyperplaneENIsPerVPC int     `json:"quotas.hyperplaneEnisPerVpc,omitempty"`
	InterfacesPerRegion  int     `json:"quotas.interfacesPerRegion,omitempty"`
	ConnectionsPerENI    int     `json:"quotas.connectionsPerEni,omitempty"`
	EC2CallsPerSecond    float64 `json:"quotas.ec2CallsPerSecond,omitempty"`
	EC2Burst             int     `json:"quotas.ec2Burst,omitempty"`
	MemoryPerInterface   int     `json:"quotas.memoryPerInterface,omitempty"`
	KeepInterfaces       string  `json:"quotas.keepInterfaces,omitempty"`
	Idle                 string  `json:"quotas.idle,omitempty"`
}

func (s Settings) written() writtenSettings {
	q := s.Quotas
	return writtenSettings{
		Store: s.Store, SharedPool: s.SharedPool, LegacyPool: s.LegacyPool, Access: s.Access, Hosts: s.Hosts, Listen: s.Listen,
		Model: map[bool]string{false: "none", true: "aws"}[s.Model.AWS], TimeScale: cmp.Or(s.Model.Scale, 1),
		Concurrency: q.Concurrency, HyperplaneENIsPerVPC: q.HyperplaneENIsPerVPC, InterfacesPerRegion: q.InterfacesPerRegion,
		ConnectionsPerENI: q.ConnectionsPerENI, EC2CallsPerSecond: q.EC2CallsPerSecond, EC2Burst: q.EC2Burst,
		MemoryPerInterface: q.MemoryPerInterface, KeepInterfaces: writtenTime(q.KeepInterfaces), Idle: writtenTime(q.Idle),
	}
}

// writtenTime is a time as topologies have it: 10m, not 10m0s. One that is left out is empty.
func writtenTime(d time.Duration) string {
	if d == 0 {
		return ""
	}
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// SettingName is what one of those that cannot change is called in a sentence.
func SettingName(setting string) string {
	switch setting {
	case "workers":
		return "number of workers"
	case "internet":
		return "setting of internet"
	}
	return setting
}

// Inherit fills what s leaves open with what a lab has, or with what a new one gets.
func (s Settings) Inherit(had Settings) Settings {
	if had.Access == "" && had.VerifySignatures != nil && *had.VerifySignatures {
		had.Access = ByKey
	}
	s.Region = cmp.Or(s.Region, had.Region, DefaultRegion)
	s.Access = cmp.Or(s.Access, had.Access, Owner)
	if s.Hosts == nil {
		s.Hosts = had.Hosts
	}
	s.VerifySignatures = nil
	return s
}

// loadSettings takes those that this daemon was started with, or those of the one before.
func (d *Daemon) loadSettings() error {
	table := state.TableOf[Settings](d.db, settingsTable)
	all, err := table.All()
	if err != nil {
		return err
	}
	kept, had := all[settingsKey]
	switch {
	case d.Config.Settings == nil && !had:
		return errors.New("it was started without settings, and its state has none")
	case d.Config.Settings == nil:
		d.settings = kept.Inherit(kept)
		return nil
	}
	d.settings = d.Config.Settings.Inherit(kept)
	if what, fixed := d.settings.Difference(kept); had && fixed {
		return fmt.Errorf("its state was made with another %s, which cannot change; 'enilab down --name %s' removes it, or give the former %[1]s",
			SettingName(what), d.Name)
	}
	return table.Put(settingsKey, d.settings)
}

// Where the state has them.
const (
	settingsTable = "settings"
	settingsKey   = "lab"
)

// noteWhatHappened tells from what is kept how the daemon before this one ended, if there was one.
func (d *Daemon) noteWhatHappened() error {
	table := state.TableOf[string](d.db, "life")
	before, err := table.All()
	if err != nil {
		return err
	}
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return fmt.Errorf("boot id: %w", err)
	}
	boot := strings.TrimSpace(string(id))
	switch {
	case before["boot"] == "":
		d.recovery.From = "nothing"
	case before["boot"] != boot:
		d.recovery.From = "reboot"
	case before["realm"] != d.Cgroups:
		d.recovery.From = "down"
	case before["ended"] == "well":
		d.recovery.From = "stopped"
	default:
		d.recovery.From = "killed"
	}
	return d.db.Update(func(tx *state.Tx) error {
		t := table.In(tx)
		return errors.Join(t.Put("boot", boot), t.Put("realm", d.Cgroups), t.Put("ended", ""))
	})
}

// endedWell is noted by a daemon that was told to end.
func (d *Daemon) endedWell() error { return state.TableOf[string](d.db, "life").Put("ended", "well") }
