package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"enilab/internal/daemon"
	"enilab/internal/labs"

	"github.com/spf13/cobra"
)

// envCommand gives AWS's clients the lab's address, Region and key.
func envCommand(s streams) *cobra.Command {
	f := oneLab{roots: s.env.roots}
	var format string
	cmd := &cobra.Command{
		Use: "env", Short: "Print the variables by which AWS's clients use a lab, with its key", Args: noArgs,
		Long: `Print the variables by which the AWS CLI, SDKs and tools built on them use a lab:

    eval "$(enilab env)"

What a shell may have that would lead elsewhere, or make the key another's (AWS_SESSION_TOKEN,
AWS_PROFILE), is unset.

The key is one that the lab takes from everybody, wherever they connect from. Its owner
does not need it: over loopback the lab takes any credentials from the owner and from root.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "shell" && format != "json" {
				return usage("--format %q: give one of [shell json]", format)
			}
			p, err := f.place()
			if err != nil {
				return err
			}
			list, err := variables(cmd.Context(), p)
			if err != nil {
				return err
			}
			if format == "json" {
				all := map[string]string{"schema": "enilab.env/v1"}
				for _, v := range list {
					all[v[0]] = v[1]
				}
				return printJSON(s.out, all)
			}
			fmt.Fprintln(s.out, "unset", strings.Join(inTheWay, " "))
			for _, v := range list {
				fmt.Fprintf(s.out, "export %s='%s'\n", v[0], v[1]) // none has a quote in it
			}
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&format, "format", "shell", "shell or json")
	return cmd
}

// inTheWay are variables of a shell that would have AWS's clients use the lab's key as another's, or another address: the token of a
// session, a profile, and what stands over AWS_ENDPOINT_URL, or forbids it.
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
var inTheWay = []string{
	"AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE",
	"AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL_EC2", "AWS_ENDPOINT_URL_IAM", "AWS_ENDPOINT_URL_STS",
	"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT",
}

// variables are names and values. boto3 knows one name of the Region, and other SDKs the other.
func variables(ctx context.Context, p labs.Place) (list [][2]string, err error) {
	var info daemon.Info
	err = ask(ctx, p, func(ctx context.Context, c *daemon.Client) (err error) { info, err = c.Info(ctx); return err })
	if err != nil {
		return nil, err
	}
	key, err := labs.ReadKey(p.KeyFile())
	if err != nil {
		return nil, fmt.Errorf("lab %s: %w", p.Name, err)
	}
	return [][2]string{
		{"AWS_ENDPOINT_URL", "http://" + reachable(info.Listen)},
		{"AWS_REGION", info.Settings.Region},
		{"AWS_DEFAULT_REGION", info.Settings.Region},
		{"AWS_ACCESS_KEY_ID", key.AccessKeyID},
		{"AWS_SECRET_ACCESS_KEY", key.SecretAccessKey},
	}, nil
}

// reachable is an address at which a server that listens on all addresses is reached from its own machine.
func reachable(listen string) string {
	at, err := netip.ParseAddrPort(listen)
	switch {
	case err == nil && at.Addr() == netip.IPv4Unspecified():
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port()).String()
	case err == nil && at.Addr() == netip.IPv6Unspecified():
		return netip.AddrPortFrom(netip.IPv6Loopback(), at.Port()).String()
	}
	return listen
}
