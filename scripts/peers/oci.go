package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"enilab/internal/netns"
)

// ociRuntime is crun or runc.
type ociRuntime struct {
	program string
	setting setting
}

func newRuntime(s setting, program string) ociRuntime { return ociRuntime{program, s} }

// starter runs the bundle of a container of this name.
func (o ociRuntime) starter(name, includes string, fresh bool, network *attacher) starter {
	bundle := filepath.Join(o.setting.work, name)
	return starter{
		name: name, includes: includes, fresh: fresh, network: network,
		version: func(ctx context.Context) (string, error) {
			version, err := firstLine(ctx, o.program, "--version")
			if err == nil && network != nil {
				var of string
				of, err = network.version(ctx)
				version += " with " + of
			}
			if err != nil {
				return "", err
			}
			return version, o.prepare(ctx, bundle, name)
		},
		argv:    []string{o.program, "run", "--bundle", bundle, name},
		stop:    []string{o.program, "kill", name, "KILL"},
		unified: o.program == "crun",
	}
}

// prepare writes the bundle: what the runtime's own spec has, except for what is to run and where.
func (o ociRuntime) prepare(ctx context.Context, bundle, name string) error {
	if err := newRootfs(o.setting, filepath.Join(bundle, "rootfs")); err != nil {
		return err
	}
	config := filepath.Join(bundle, "config.json")
	if err := os.Remove(config); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	spec := exec.CommandContext(ctx, o.program, "spec")
	spec.Dir = bundle
	if err := check(spec); err != nil {
		return err
	}
	text, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	if text, err = adapt(text, name, o.setting.cgroup+"/"+name); err != nil {
		return err
	}
	return os.WriteFile(config, text, 0o644)
}

// object is a JSON object most of which stays as it is.
type object map[string]json.RawMessage

// part decodes one member into value.
func part[T any](o object, name string, value *T) error {
	if err := json.Unmarshal(o[name], value); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func set[T any](o object, name string, value T) (err error) {
	o[name], err = json.Marshal(value)
	return err
}

// adapt changes a runtime's configuration to run the function in the network namespace that is pinned under this name.
func adapt(config []byte, pin, cgroup string) ([]byte, error) {
	var spec, process, linux object
	var namespaces []namespace
	err := json.Unmarshal(config, &spec)
	if err == nil {
		err = errors.Join(part(spec, "process", &process), part(spec, "linux", &linux))
	}
	if err == nil {
		err = part(linux, "namespaces", &namespaces)
	}
	if err != nil {
		return nil, fmt.Errorf("runtime's configuration: %w", err)
	}
	for i := range namespaces {
		if namespaces[i].Type == "network" {
			namespaces[i].Path = netns.PinDir + "/" + pin
		}
	}
	err = errors.Join(
		set(process, "terminal", false),
		set(process, "args", []string{program}),
		set(process, "env", environment()),
		set(linux, "namespaces", namespaces),
		set(linux, "cgroupsPath", cgroup),
	)
	delete(linux, "resources") // a rule for devices, whose eBPF program not every machine may load; less work without it
	if err == nil {
		err = errors.Join(set(spec, "process", process), set(spec, "linux", linux))
	}
	if err != nil {
		return nil, err
	}
	return json.MarshalIndent(spec, "", "\t")
}

type namespace struct {
	Type string `json:"type"`
	Path string `json:"path,omitempty"`
}
