package main

import (
	"context"
	_ "embed"
	"os/exec"
	"strings"
)

var (
	//go:embed attach.sh
	attachScript string
	//go:embed attach-host.batch
	hostBatch string
	//go:embed attach-inside.batch
	insideBatch string
)

// iproute is iproute2, used as in most tutorials and as cleverly as it can be.
func iproute() []peer {
	version := func(ctx context.Context) (string, error) { return firstLine(ctx, "ip", "-V") }
	script := attacher{
		name:     "ip-script",
		includes: "sh and 7 ip processes: veth, move, addresses, up, default route",
		version:  version,
		connect: func(ctx context.Context, namespace string) error {
			return command(ctx, "sh", "-euc", attachScript, "attach.sh", namespace)
		},
		sever: func(ctx context.Context, _ string) error { return command(ctx, "ip", "link", "del", "script0") },
	}
	batch := attacher{
		name:     "ip-batch",
		includes: "2 ip processes, one for each side; the veth is made in place, not moved",
		version:  version,
		connect: func(ctx context.Context, namespace string) error {
			host := exec.CommandContext(ctx, "ip", "-batch", "-")
			host.Stdin = strings.NewReader(strings.ReplaceAll(hostBatch, "NAMESPACE", namespace))
			if err := check(host); err != nil {
				return err
			}
			inside := exec.CommandContext(ctx, "ip", "-n", namespace, "-batch", "-")
			inside.Stdin = strings.NewReader(insideBatch)
			return check(inside)
		},
		sever: func(ctx context.Context, _ string) error { return command(ctx, "ip", "link", "del", "batch0") },
	}
	return []peer{script.peer(), batch.peer()}
}
