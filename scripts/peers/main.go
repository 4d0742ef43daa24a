// Command peers does the same work with enilab and with what people would use instead, interleaved, and prints what it
// saw. scripts/bench-peers.sh builds it and runs it in namespaces that end with it: it changes what network, mounts and
// control groups it finds, and cleans up after a run only so that the next one finds the same.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case ctx.Err() != nil:
		os.Exit(130)
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, "bench-peers:", err)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench-peers:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage")

// setting is what the peers find: paths are absolute, but for the control group's, which is below each hierarchy's mount.
type setting struct {
	enilab    string // program
	store     string // function store with go.zip
	bootstrap string // the same function's program
	plugins   string // directory of cnitool and CNI plugins
	work      string // directory for bundles and the like; it should be in memory
	cgroup    string
}

func run(ctx context.Context, args []string, out, said io.Writer) (err error) {
	var s setting
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	runs := flags.Int("runs", 30, "`times` that each peer does its work")
	only := flags.String("only", "", "`NAME,…` of the peers to measure; enilab always is")
	format := flags.String("format", "table", "table, markdown or json")
	quiet := flags.Bool("quiet", false, "no progress")
	flags.StringVar(&s.enilab, "enilab", "bin/enilab", "enilab's `program`")
	flags.StringVar(&s.store, "store", "bin/functions", "`directory` of the function store")
	flags.StringVar(&s.bootstrap, "bootstrap", "bin/functions/go/bootstrap", "the function's `program`")
	flags.StringVar(&s.plugins, "plugins", "bin/peers", "`directory` of cnitool and CNI plugins")
	flags.StringVar(&s.work, "work", os.TempDir(), "`directory` for bundles")
	flags.StringVar(&s.cgroup, "cgroup", "/bench-peers", "control `group` of the containers")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	write, ok := formats[*format]
	if !ok || *runs < 1 || flags.NArg() > 0 {
		return fmt.Errorf("%w: --format is table, markdown or json, --runs at least 1, and there are no other arguments: %q", errUsage, args)
	}
	for _, path := range []*string{&s.enilab, &s.store, &s.bootstrap, &s.plugins, &s.work} {
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	peers, err := choose(all(s), *only)
	if err != nil {
		return err
	}
	c, err := newCustomer(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()

	b := bench{runs: *runs, said: said, quiet: *quiet}
	report, err := b.measure(ctx, c, peers)
	if err != nil {
		return err
	}
	return write(out, report)
}

// all is every peer, in the order of the table. enilab comes first: the others are compared with it.
func all(s setting) []peer {
	return slices.Concat([]peer{enilab(s)}, iproute(), cni(s), []peer{mininet()}, containers(s))
}

// choose leaves out what was not asked for.
func choose(peers []peer, only string) (chosen []peer, err error) {
	if only == "" {
		return peers, nil
	}
	wanted := strings.Split(only, ",")
	var names []string
	for _, p := range peers {
		names = append(names, p.name)
		if p.name == enilabName || slices.Contains(wanted, p.name) {
			chosen = append(chosen, p)
		}
	}
	for _, name := range wanted {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("%w: --only %s: there is no such peer; there are %s", errUsage, name, strings.Join(names, ", "))
		}
	}
	return chosen, nil
}
