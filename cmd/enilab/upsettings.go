package main

import (
	"os"
	"path/filepath"

	"enilab/internal/daemon"
	"enilab/internal/lambda"
	"enilab/internal/topology"
)

// overlay puts what the flags say over settings.
func (f *upFlags) overlay(to *daemon.Settings) error {
	if f.changed("region") {
		to.Region = f.region
	}
	if f.changed("model") {
		to.Model.AWS = f.model == "aws"
	}
	if f.changed("time-scale") {
		to.Model.Scale = f.timeScale
	}
	switch {
	case f.open:
		to.Access = daemon.Open
	case f.verify:
		to.Access = daemon.ByKey
	case f.changed("open"), f.changed("verify-signatures"): // false
		to.Access = daemon.Owner
	}
	if f.changed("host") {
		to.Hosts = append([]string{}, f.hosts...)
	}
	if f.changed("listen") {
		to.Listen = f.listen
	}
	if f.changed("store") {
		store, err := filepath.Abs(f.store)
		if err != nil {
			return err
		}
		if info, err := os.Stat(store); err != nil || !info.IsDir() {
			return noStore(f.store)
		}
		to.Store = store
	}
	return nil
}

// settings are those of a topology; without one, those of an empty lab.
func (f *upFlags) settings(d *declared) (daemon.Settings, error) {
	if d == nil {
		empty, err := topology.Parse("empty", nil)
		if err != nil {
			return daemon.Settings{}, err
		}
		d = &declared{Topology: empty}
		d.Store = f.store
	}
	region := "" // the lab's, if it has one already
	if d.NamesRegion() {
		region = d.Region
	}
	store, err := filepath.Abs(d.Store)
	if err != nil {
		return daemon.Settings{}, err
	}
	q := d.Quotas
	settings := daemon.Settings{
		Region: region, Account: d.Account, Workers: d.Workers, Internet: d.Internet, Store: store,
		SharedPool: d.Pool.Shared, LegacyPool: d.Pool.Legacy, Listen: f.listen,
		Model: lambda.Model{AWS: d.Model == "aws", Scale: d.TimeScale},
		Quotas: lambda.Quotas{
			Concurrency: q.Concurrency, HyperplaneENIsPerVPC: q.HyperplaneENIsPerVPC, InterfacesPerRegion: q.InterfacesPerRegion,
			ConnectionsPerENI: q.ConnectionsPerENI, EC2CallsPerSecond: q.EC2CallsPerSecond, EC2Burst: q.EC2Burst,
			MemoryPerInterface: q.MemoryPerInterface, KeepInterfaces: q.KeepInterfaces, Idle: q.Idle,
		},
	}
	return settings, f.overlay(&settings)
}
