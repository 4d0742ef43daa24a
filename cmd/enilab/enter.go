package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"enilab/internal/daemon"
	"enilab/internal/netns"
	"enilab/internal/realm"

	"github.com/spf13/cobra"
)

func execCommand(s streams) *cobra.Command {
	f := oneLab{roots: s.env.roots}
	cmd := &cobra.Command{
		Use: "exec NODE -- COMMAND [ARG…]", Short: "Run a command inside a node's network namespace",
		Long: `Run a command in the network namespace of a node: a VPC, a resource (VPC/NAME), an ENI, an
execution environment (FUNCTION/N), "hyperplane", "worker" or "internet". 'enilab
inspect nodes' lists them. The exit code is the command's.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 || cmd.ArgsLenAtDash() != 1 {
				return usage("exec takes a node, --, and a command; see '%s --help'", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return s.enter(cmd.Context(), &f, args[0], args[1:]) },
	}
	f.add(cmd)
	return cmd
}

func shellCommand(s streams) *cobra.Command {
	f := oneLab{roots: s.env.roots}
	cmd := &cobra.Command{
		Use: "shell NODE", Short: "Open a shell inside a node's network namespace", Args: exactly("a node"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.enter(cmd.Context(), &f, args[0], []string{s.env.shell})
		},
	}
	f.add(cmd)
	return cmd
}

// enter becomes the command, inside the realm and the node's namespace: with this process's terminal, signals and exit
// code, without anybody in between. util-linux's nsenter, which Debian cannot be without, does the entering.
func (s streams) enter(ctx context.Context, f *oneLab, name string, argv []string) error {
	p, err := f.place()
	if err != nil {
		return err
	}
	_, keeper, _, err := status(ctx, p)
	if err != nil {
		return err
	}
	if keeper == nil {
		return fmt.Errorf("lab %s is down; 'enilab up' builds it again", p.Name)
	}
	var node daemon.Node
	err = f.ask(ctx, func(ctx context.Context, c *daemon.Client) (err error) { node, err = c.Node(ctx, name); return err })
	if errors.Is(err, daemon.ErrDown) && pinned(keeper, name) {
		node, err = daemon.Node{Name: name, Pin: pinOf(name)}, nil
	}
	if err != nil {
		return err
	}
	path, err := exec.LookPath("nsenter")
	if err != nil {
		return &exitError{exitPrecondition, fmt.Errorf("%w; install Debian's util-linux", err)}
	}
	outer := []string{path, "--target=" + strconv.Itoa(keeper.PID()), "--mount", "--pid", "--ipc", "--uts", "--net"}
	if !realm.Privileged() {
		outer = append(outer, "--user", "--preserve-credentials")
	}
	net := "--net=" + filepath.Join(netns.PinDir, node.Pin)
	if node.Pin == "" {
		net = fmt.Sprintf("--net=/proc/%d/ns/net", node.PID)
	}
	// Who ends this process, which becomes the outer nsenter, ends the command, too: that is its child.
	full := append(append(outer, "--", "setpriv", "--pdeathsig=TERM", "--", path, net, "--"), argv...)
	env := append(slices.Clone(s.env.all), "ENILAB_NODE="+node.Name, "PS1="+strings.ReplaceAll(node.Name, `\`, "")+` \$ `)
	if err := syscall.Exec(path, full, env); err != nil {
		return errors.Join(fmt.Errorf("nsenter: %w", err))
	}
	return nil
}

// pinned tells whether a node has a pin, which outlives the daemon.
func pinned(keeper *realm.Keeper, name string) bool {
	info, err := os.Stat(filepath.Join("/proc", strconv.Itoa(keeper.PID()), "root", netns.PinDir, pinOf(name)))
	return err == nil && info.Mode().IsRegular()
}

// pinOf is a VPC's own name, and a resource's VPC/NAME with a dot.
func pinOf(name string) string { return strings.ReplaceAll(name, "/", ".") }
