package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"

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
	return changes(has, s), false
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
		return fmt.Errorf("its state was made with another %s, which cannot change; 'enilab down --name %s' removes it, or give the former %s", what, d.Name, what)
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
