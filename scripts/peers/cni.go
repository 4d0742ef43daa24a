package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// cni is the plugins of the Container Network Interface, called through cnitool as a container engine calls them.
func cni(s setting) []peer {
	return []peer{cniAttacher(s, ptpPlugin).peer(), cniAttacher(s, bridgePlugin).peer()}
}

func cniAttacher(s setting, p cniPlugin) attacher {
	return attacher{
		name:     "cni-" + p.name,
		includes: "cnitool add: " + p.name + " with host-local and ipMasq",
		version:  func(context.Context) (string, error) { return p.prepare(s) },
		connect:  func(ctx context.Context, namespace string) error { return p.command(ctx, s, "add", namespace) },
		sever:    func(ctx context.Context, namespace string) error { return p.command(ctx, s, "del", namespace) },
	}
}

type cniPlugin struct{ name, configuration string }

var (
	ptpPlugin = cniPlugin{"ptp", `{
		"cniVersion": "1.0.0", "name": "ptp", "plugins": [{
			"type": "ptp", "ipMasq": true,
			"ipam": {"type": "host-local", "ranges": [[{"subnet": "10.81.0.0/16"}]], "routes": [{"dst": "0.0.0.0/0"}]}
		}]}`}
	bridgePlugin = cniPlugin{"bridge", `{
		"cniVersion": "1.0.0", "name": "bridge", "plugins": [{
			"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true,
			"ipam": {"type": "host-local", "ranges": [[{"subnet": "10.82.0.0/16"}]], "routes": [{"dst": "0.0.0.0/0"}]}
		}]}`}
)

// prepare writes the network's configuration and returns the plugin's version.
func (p cniPlugin) prepare(s setting) (string, error) {
	var versions string
	for _, program := range []string{p.name, "host-local", "cnitool"} {
		info, err := buildinfo.ReadFile(filepath.Join(s.plugins, program))
		if err != nil {
			return "", fmt.Errorf("--install builds it: %w", err)
		}
		switch program {
		case p.name:
			versions = "plugins " + info.Main.Version
		case "cnitool":
			versions += ", cnitool " + info.Main.Version
		}
	}
	dir := filepath.Join(s.work, "cni")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return versions, os.WriteFile(filepath.Join(dir, p.name+".conflist"), []byte(p.configuration), 0o644)
}

func (p cniPlugin) command(ctx context.Context, s setting, verb, namespace string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(s.plugins, "cnitool"), verb, p.name, "/run/netns/"+namespace)
	cmd.Env = append(os.Environ(), "CNI_PATH="+s.plugins, "NETCONFPATH="+filepath.Join(s.work, "cni"))
	return check(cmd)
}
