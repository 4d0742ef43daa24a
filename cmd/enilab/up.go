package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"enilab/internal/daemon"
	"enilab/internal/labs"
	"enilab/internal/realm"
	"enilab/internal/spelling"
	"enilab/internal/topology"

	"github.com/spf13/cobra"
)

type upFlags struct {
	topologyFlag
	roots      labs.Roots
	name       string
	listen     string
	store      string
	model      string
	timeScale  float64
	verify     bool
	open       bool
	hosts      []string
	dryRun     bool
	foreground bool
	debug      bool
	changed    func(flag string) bool
}

func upCommand(s streams) *cobra.Command {
	f := upFlags{roots: s.env.roots}
	cmd := &cobra.Command{
		Use: "up", Aliases: []string{"deploy"}, Short: "Build the lab of a topology and serve it until 'enilab down'", Args: noArgs,
		Long: `Build the lab that a *.lab.yml topology declares, and serve the AWS API for it until
'enilab down'. Without a topology the lab is empty: fill it with the AWS CLI or an SDK.
On a running lab, make it as the topology says and print what that changes; what 'enilab
check' finds in its namespaces that is not the lab's is taken away. After the
daemon was killed, or the machine restarted, bring the same lab back. A topology that
happens to lie in the working directory, and is another lab's, is refused for a lab that
--name names and that is there: give it with -t if it is meant.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.changed = cmd.Flags().Changed
			return s.up(cmd.Context(), &f)
		},
	}
	f.topologyFlag.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.name, "name", "", "the lab's name (default: the topology's)")
	flags.StringVar(&f.region, "region", "", "the lab's Region, if the topology names none (default "+daemon.DefaultRegion+", or the one that the lab has)")
	flags.StringVar(&f.listen, "listen", "127.0.0.1:4566", "address of the AWS API, in the host's network; port 0 takes any")
	flags.StringVar(&f.store, "store", s.env.functions, "directory of the function store, if the topology names none")
	flags.StringVar(&f.model, "model", "none", "aws: apply the delays of AWS's control plane, as modelled spans")
	flags.Float64Var(&f.timeScale, "time-scale", 1, "how many times faster than on AWS the modelled delays pass")
	flags.BoolVar(&f.open, "open", false, "let everybody who reaches the AWS API use it, with any credentials")
	flags.BoolVar(&f.verify, "verify-signatures", false, "have the lab's owner, too, sign with the lab's key ('enilab env')")
	flags.StringSliceVar(&f.hosts, "host", nil, "name by which clients call the AWS API, besides localhost and addresses")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print what would change, and change nothing")
	flags.BoolVar(&f.foreground, "foreground", false, "stay, print the daemon's log, and take the lab down when interrupted, unless it was up before")
	flags.BoolVar(&f.debug, "debug", false, "have the daemon log more")
	return cmd
}

func (s streams) up(ctx context.Context, f *upFlags) (err error) {
	d, err := f.load(ctx, s.in)
	if errors.Is(err, topology.ErrSeveral) && f.path == "" && f.isThere() { // it needs none to be brought back
		fmt.Fprintf(s.err, "Note: none of the topologies here is taken; give one with -t to make lab %s what it says.\n", f.name)
		d, err = nil, nil
	}
	if err != nil {
		return err
	}
	address, err := f.check(d)
	if err != nil {
		return err
	}
	place, err := f.place(d)
	if err != nil {
		return err
	}
	if err := f.meant(d, place); err != nil {
		return err
	}
	if d != nil {
		if d.Store == "" {
			d.Store = f.store
		}
		if err := d.CheckFiles(); err != nil {
			return &exitError{exitUsage, err}
		}
	}
	if err := outsideRun(d, place); err != nil {
		return err
	}
	if !place.Exists() {
		plan, err := f.planFromNothing(d)
		if err == nil && f.dryRun {
			err = (&starter{address: address}).tryAddress()
		}
		if err != nil {
			return err
		}
		if f.dryRun {
			return s.sayLines(plan, nil)
		}
	}
	lock, err := place.Lock("up")
	if err != nil {
		return err
	}
	unlock := func() {
		if lock != nil {
			err = errors.Join(err, lock.Unlock())
			lock = nil
		}
	}
	defer unlock()
	fresh := !place.Exists()
	daemons := starter{streams: s, declared: d, flags: f, place: place, address: address, chosen: f.changed("listen"), fresh: fresh, owners: s.env.owners, dryRun: f.dryRun, debug: f.debug}
	if _, err := os.Stat(place.DB()); d != nil || err != nil { // else those that the lab has
		settings, err := f.settings(d)
		if err != nil {
			return err
		}
		daemons.settings = &settings
	}
	if d != nil {
		daemons.consent = func(client *daemon.Client, settings daemon.Settings) error {
			request := d.request(true)
			request.Settings = &settings
			return told(client.Apply(ctx, request, func(daemon.Applied) {}))
		}
	}
	started, err := daemons.ensure(ctx)
	if down := (*notServed)(nil); errors.As(err, &down) {
		return s.sayLines(daemons.dryRunDown(down.state))
	}
	if err != nil {
		return err
	}
	defer func() { // interrupted: a lab that was not there before is not there afterwards
		if lock != nil && ctx.Err() != nil && fresh {
			err = errors.Join(errInterrupted, s.end(context.WithoutCancel(ctx), place, false))
		}
	}()
	client := daemon.NewClient(place.Name, place.Socket())
	defer client.Close()
	mended, mendErr := s.mend(ctx, client, f.dryRun)
	if err := s.apply(ctx, client, d, daemons.settings, f.dryRun, mended || daemons.changed); err != nil || mendErr != nil {
		if ctx.Err() != nil && d != nil && !f.dryRun && !fresh {
			fmt.Fprintln(s.err, "Note: what the lab has begun it carries through; 'enilab up' waits for that.")
		}
		return errors.Join(mendErr, err)
	}
	info, err := client.Info(ctx)
	if err != nil {
		return err
	}
	s.saySummary(info, started)
	if f.foreground {
		unlock()
		return errors.Join(s.follow(ctx, place, fresh), err)
	}
	return nil
}

// isThere tells whether the flags name a lab that is there.
func (f *upFlags) isThere() bool {
	if f.name == "" {
		return false
	}
	p, err := f.roots.Of(f.name)
	return err == nil && p.Exists()
}

// place is the lab that is meant: without a name and a topology the one that there is, or a new one.
func (f *upFlags) place(d *declared) (labs.Place, error) {
	if d == nil && f.name == "" {
		all, err := f.roots.All()
		if err != nil || len(all) == 1 {
			return append(all, labs.Place{})[0], err
		}
		if len(all) > 1 {
			return (&oneLab{roots: f.roots}).place()
		}
	}
	p, err := f.roots.Of(d.labName(f.name))
	if errors.As(err, new(*labs.NameError)) {
		if d != nil && f.name == "" && d.Name == "" {
			return p, usage("%w; the lab is called after %s: give it another name: there, or with --name", err, d.file)
		}
		return p, usage("%w", err)
	}
	return p, err
}

// meant refuses to make a lab that is there into another whose topology happens to lie in the working directory: whoever says the lab's
// name alone, as to bring it back, may know nothing of the file, and all that it does not declare would go.
func (f *upFlags) meant(d *declared, place labs.Place) error {
	if d == nil || f.path != "" || f.name == "" || !place.Exists() || d.labName("") == f.name {
		return nil
	}
	return usage("lab %s is there, and the topology here, %s, is lab %s's; give -t %[2]s to make %[1]s what it says, or to bring %[1]s back as it is, run 'cd / && enilab up --name %[1]s'",
		f.name, d.file, d.labName(""))
}

// check looks at the flags alone, and beside the topology.
func (f *upFlags) check(d *declared) (address netip.AddrPort, err error) {
	if address, err = netip.ParseAddrPort(f.listen); err != nil {
		return address, usage("--listen %q: give an address and a port, such as 127.0.0.1:4566", f.listen)
	}
	if f.changed("region") {
		if !topology.IsRegion(f.region) {
			return address, usage("--region %q: a Region is named like us-east-1 or eu-central-1", f.region)
		}
		if d != nil && d.NamesRegion() && d.Region != f.region {
			return address, usage("--region %s: %s says region: %s", f.region, d.file, d.Region)
		}
	}
	if f.model != "none" && f.model != "aws" {
		return address, usage("--model %q: give one of [none aws]", f.model)
	}
	if !(f.timeScale >= 0.1 && f.timeScale <= 1e6) { // NaN is neither
		return address, usage("--time-scale %v: give 0.1 to 1000000", f.timeScale)
	}
	if f.open && f.verify {
		return address, usage("--open asks nobody for the lab's key, and --verify-signatures everybody: give one of them")
	}
	for _, name := range f.hosts {
		if !isHostName(name) {
			return address, usage("--host %q: give a host name, such as host.docker.internal", name)
		}
	}
	if f.dryRun && f.foreground {
		return address, usage("--dry-run changes nothing, and --foreground stays: give one of them")
	}
	return address, nil
}

// planFromNothing says what building a lab anew would make, and refuses what it could not.
func (f *upFlags) planFromNothing(d *declared) (lines []string, err error) {
	if d == nil {
		_, err := f.settings(nil)
		return []string{"would make an empty lab"}, err
	}
	settings, err := f.settings(d)
	if err != nil {
		return nil, err
	}
	changes, err := daemon.FromNothing(d.request(true), settings)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	for _, c := range changes {
		lines = append(lines, changeLine(c, true))
	}
	return lines, nil
}

func (s streams) sayLines(lines []string, err error) error {
	for _, line := range lines {
		fmt.Fprintln(s.out, line)
	}
	return err
}

// What is said when a topology changes nothing, or nothing more than has been said.
const (
	asItSays   = "The lab is as the topology says."
	butForThat = "But for that the lab is as the topology says."
)

// request asks for the lab to be as the topology says.
func (d *declared) request(dryRun bool) daemon.ApplyRequest {
	return daemon.ApplyRequest{File: d.file, Dir: d.dir, Topology: d.text, Store: d.Store, DryRun: dryRun}
}

// apply has the daemon make the lab what the topology says. In a dry run the settings, if there are any, are those that the lab
// would have. If something has been told already, which was mended or changed, the lab was not as the topology says.
func (s streams) apply(ctx context.Context, client *daemon.Client, d *declared, settings *daemon.Settings, dryRun, before bool) error {
	if d == nil {
		return nil
	}
	n := 0
	var failed []string
	request := d.request(dryRun)
	request.Settings = settings
	err := client.Apply(ctx, request, func(a daemon.Applied) {
		n++
		if a.Error != "" {
			failed = append(failed, fmt.Sprintf("%s %s %s: %s", a.Change.Action, a.Change.Kind, a.Change.Name, a.Error))
			return
		}
		fmt.Fprintln(s.out, changeLine(*a.Change, dryRun))
	})
	if err != nil {
		return told(err)
	}
	if len(failed) > 0 {
		were, them := "were", "them"
		if len(failed) == 1 {
			were, them = "was", "it"
		}
		return fmt.Errorf("%d of %s %s not made; 'enilab up' tries %s again:\n  %s",
			len(failed), spelling.Counted(n, "change"), were, them, strings.Join(failed, "\n  "))
	}
	switch {
	case n > 0:
	case before:
		fmt.Fprintln(s.out, butForThat)
	default:
		fmt.Fprintln(s.out, asItSays)
	}
	return nil
}

func changeLine(c daemon.Change, dryRun bool) string {
	verb := map[daemon.Action]string{daemon.Create: "created", daemon.Update: "changed", daemon.Delete: "deleted"}[c.Action]
	if dryRun {
		verb = "would " + string(c.Action)
	}
	line := fmt.Sprintf("%s %s %s", verb, c.Kind, c.Name)
	if c.Detail != "" {
		line += ": " + c.Detail
	}
	return line
}

// saySummary tells what there is now and how to use it.
func (s streams) saySummary(info daemon.Info, started bool) {
	if r := info.Recovery; started && r != nil {
		if r.From != "nothing" {
			fmt.Fprintf(s.out, "Recovered (%s): %d adopted, %d built anew, %s ended, %s removed, in %s.\n", r.From,
				r.Adopted, r.Built, spelling.Counted(r.Ended, "process"), spelling.Counted(len(r.Removed), "left-over"),
				r.Took.Round(time.Millisecond))
		}
		s.sayMended("mended", r.Mended)
		for _, note := range r.Notes {
			fmt.Fprintf(s.err, "Note: %s\n", strings.ReplaceAll(note, "\n", "; "))
		}
	}
	fmt.Fprintf(s.out, "Lab %s is up: %s, %s, %s. AWS API: http://%s (region %s, %s).\n", info.Name,
		spelling.Counted(info.Counts["vpcs"], "VPC"), spelling.Counted(info.Counts["resources"], "resource"),
		spelling.Counted(info.Counts["functions"], "function"), info.Listen, info.Settings.Region, accessText(info))
	at, err := netip.ParseAddrPort(info.Listen)
	beyond := err == nil && !at.Addr().IsLoopback()
	switch {
	case info.Settings.Access == daemon.Open && beyond:
		fmt.Fprintf(s.err, "Note: it listens on %s and is open: whoever reaches that address can run code in this lab and read what its functions know.\n", info.Listen)
	case info.Settings.Access == daemon.Open:
		fmt.Fprintln(s.err, "Note: it is open: every user of this machine can run code in this lab and read what its functions know.")
	case beyond:
		fmt.Fprintf(s.err, "Note: it listens on %s, not on loopback alone: requests from elsewhere must be signed with the lab's key ('enilab env').\n", info.Listen)
	}
}

// accessText says which credentials the AWS API takes, for one who is the lab's owner.
func accessText(info daemon.Info) string {
	if info.Settings.Access == daemon.ByKey {
		return "the lab's key: enilab env"
	}
	return "any credentials"
}

// isHostName tells whether a name can be a host's (RFC 1123).
func isHostName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		odd := func(r rune) bool {
			return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_')
		}
		if label == "" || len(label) > 63 || strings.IndexFunc(label, odd) >= 0 {
			return false
		}
	}
	return true
}

// outsideRun refuses directories that the lab cannot see, because it has a /run of its own.
func outsideRun(d *declared, place labs.Place) error {
	dirs := map[string]string{"the lab's state": place.State}
	if d != nil {
		dirs["the topology"], dirs["the function store"] = d.dir, d.Store
	}
	for what, dir := range dirs {
		path, err := filepath.Abs(dir)
		if err != nil {
			return err
		}
		if path == realm.RunDir || strings.HasPrefix(path, realm.RunDir+"/") {
			return usage("%s is in %s, and a lab has a %s of its own; use another directory (ENILAB_HOME is for the state)", what, path, realm.RunDir)
		}
	}
	return nil
}
