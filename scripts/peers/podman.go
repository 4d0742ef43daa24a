package main

import (
	"context"
	"path/filepath"

	"enilab/internal/netns"
)

// podman runs the function from a directory: no image is fetched or unpacked. All it keeps is in the work directory.
func podman(s setting) starter {
	const name = "podman"
	dir := filepath.Join(s.work, name)
	argv := func(words ...string) []string {
		return append([]string{
			name, "--root", dir + "/root", "--runroot", dir + "/runroot", "--tmpdir", dir + "/tmp",
			"--cgroup-manager", "cgroupfs", "--events-backend", "none", "--storage-driver", "vfs",
		}, words...)
	}
	run := argv("run", "--rm", "--name", name, "--log-driver", "none", "--cgroup-parent", s.cgroup, "--network", "ns:"+netns.PinDir+"/"+name)
	for _, variable := range environment() {
		run = append(run, "--env", variable)
	}
	return starter{
		name:     name,
		includes: "no network: podman run --rootfs in a namespace that is there, with crun and without a log",
		version: func(ctx context.Context) (string, error) {
			version, err := firstLine(ctx, name, "--version")
			if err != nil {
				return "", err
			}
			return version, newRootfs(s, dir+"/rootfs")
		},
		argv: append(run, "--rootfs", dir+"/rootfs", program),
		stop: argv("kill", name),
	}
}
