// Package demo tells the story of legacy and shared networking over a running lab, in plain words and with the figures
// of the moment.
package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"enilab/internal/compare"
	"enilab/internal/lab"
	"enilab/internal/lambda"
	"enilab/internal/spelling"
	"enilab/sandbox"
)

// Story is one telling.
type Story struct {
	Lab          *lab.Lab
	Built        time.Duration // how long the lab took to build
	Environments int           // of each tenant's function, at once
	Runs, Burst  int           // of the comparison
	Code         string        // key of the function's code in the store
	Handler      string        // of that code
	Out          io.Writer
	Enter        string        // the command that takes people into the lab's mount namespace
	Pause        *bufio.Reader // nil: no pauses; else every chapter waits for a line
}

// payload is the event of all invocations: what to ask, and where.
var payload, _ = json.Marshal(map[string]string{ // strings: it cannot fail
	"redis": lab.RedisAddress.String(), "whoami": "http://" + lab.WhoamiAddress.Addr().String() + "/", "key": lab.TenantKey,
})

// Payload is the event that the demonstration's functions get.
func Payload() []byte { return slices.Clone(payload) }

// answer is what the function returns.
type answer struct {
	Tenant string `json:"tenant"`
	Whoami string `json:"whoami"`
}

func (s *Story) say(format string, args ...any) { fmt.Fprintf(s.Out, format+"\n", args...) }

// Tell runs the demonstration and returns when it is told. What it claims it checks: a tenant that got another's data is
// an error.
func (s *Story) Tell(ctx context.Context) error {
	for _, chapter := range []func(context.Context) error{s.tenants, s.legacy, s.shared, s.translation, s.comparison} {
		if err := chapter(ctx); err != nil {
			return err
		}
		if err := s.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// wait lets people look around.
func (s *Story) wait(ctx context.Context) (err error) {
	if s.Pause == nil {
		s.say("")
		return nil
	}
	pins, unpin, err := s.Lab.Pin()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unpin()) }()
	s.say("\n  Look inside from another terminal, then press Enter to go on:")
	s.say("    %s ip netns exec NAME ip addr", s.Enter)
	s.say("  NAME is one of %s.", strings.Join(pins, ", "))
	line := make(chan error, 1)
	go func() {
		_, err := s.Pause.ReadString('\n')
		line <- err
	}()
	select {
	case err := <-line:
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func function(tenant string) string { return "tenant-" + tenant }

func (s *Story) tenants(ctx context.Context) error {
	s.say("Two tenants, one address plan")
	s.say("  vpc-blue and vpc-green both use 10.0.0.0/16. Each has a Redis at %s, with the tenant's", lab.RedisAddress)
	s.say("  name in it, and a service at %s that answers who it sees calling.", lab.WhoamiAddress)
	if err := s.Lab.SeedTenants(ctx); err != nil {
		return err
	}
	s.say("  Built in %s: %d network namespaces as VPCs, %d real servers, a worker and a Hyperplane node.", span(s.Built), len(lab.Tenants), 2*len(lab.Tenants))
	if s.Lab.Limits != nil {
		s.say("  Environments run without limits of memory and processor time: %v.", s.Lab.Limits)
	}
	return nil
}

func (s *Story) legacy(ctx context.Context) error {
	s.say("Legacy, until 2019: a network interface for every execution environment")
	for _, t := range lab.Tenants {
		_, err := s.Lab.Lambda.CreateFunction(ctx, lambda.CreateFunctionInput{
			FunctionName: function(t), StoreKey: s.Code, Runtime: "provided.al2023", Handler: s.Handler, Mode: lambda.Legacy, Timeout: 10 * time.Second,
			VpcConfig: lambda.VpcConfig{SubnetIDs: []string{lab.AppSubnet(t)}, SecurityGroupIDs: []string{"sg-app"}},
		})
		if err != nil {
			return err
		}
		if err := s.Lab.Lambda.WaitFunctionActive(ctx, lambda.FunctionRef{Name: function(t)}); err != nil {
			return err
		}
	}
	if err := s.Lab.Lambda.Pool(lambda.Legacy).Fill(ctx, s.Environments*len(lab.Tenants)); err != nil {
		return err
	}
	s.say("  All at once. The very first ones also fetch and unpack the function's code.")
	return s.coldStarts(ctx, lambda.Legacy)
}

func (s *Story) shared(ctx context.Context) error {
	s.say("Shared, since 2019: one Hyperplane ENI, made when the function is configured")
	mode := lambda.Shared
	for _, t := range lab.Tenants {
		began := time.Now()
		if _, err := s.Lab.Lambda.UpdateFunctionConfiguration(ctx, lambda.UpdateFunctionConfigurationInput{FunctionName: function(t), Mode: &mode}); err != nil {
			return err
		}
		if err := s.Lab.Lambda.WaitFunctionActive(ctx, lambda.FunctionRef{Name: function(t)}); err != nil {
			return err
		}
		s.say("  %s: its Hyperplane ENI was ready %s after the update. No invocation waited for it.", function(t), span(time.Since(began)))
	}
	if err := s.Lab.Lambda.Settle(); err != nil { // the legacy environments end
		return err
	}
	began := time.Now()
	if err := s.Lab.Lambda.Pool(lambda.Shared).Fill(ctx, s.Environments*len(lab.Tenants)); err != nil {
		return err
	}
	slots := spelling.Counted(s.Lab.Lambda.Pool(lambda.Shared).Ready(), "slot")
	s.say("  %s, each with its tunnel, made ahead of time in %s.", slots, span(time.Since(began)))
	return s.coldStarts(ctx, lambda.Shared)
}

// coldStarts starts environments of both tenants and shows what each saw.
func (s *Story) coldStarts(ctx context.Context, mode lambda.Mode) error {
	for _, t := range lab.Tenants {
		outs, err := s.invokeAtOnce(ctx, function(t))
		if err != nil {
			return err
		}
		envs := map[string]lambda.EnvironmentInfo{}
		for _, e := range s.Lab.Lambda.IdleEnvironments(lambda.FunctionRef{Name: function(t)}) {
			envs[e.ID] = e
		}
		w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "    environment\tinterface\tits address\twhoami saw\tRedis says\tattach\tcold start")
		enis, addresses := map[string]bool{}, map[netip.Addr]bool{}
		for _, o := range outs {
			var a answer
			if err := json.Unmarshal(o.Payload, &a); err != nil {
				return fmt.Errorf("%s answered %q: %w", o.Environment, o.Payload, err)
			}
			e := envs[o.Environment]
			enis[e.ENI], addresses[e.Address] = true, true
			fmt.Fprintf(w, "    %s\t%s\t%s\t%s\t%s\t%s\t%s\n", o.Environment, e.ENI, e.Address, a.Whoami, a.Tenant, span(o.Timeline.Took(sandbox.PhaseAttach)), span(o.Timeline.Total))
			if a.Tenant != t {
				return fmt.Errorf("%s read %q from its tenant's Redis, want %q: the tenants are not apart", o.Environment, a.Tenant, t)
			}
			if from, err := netip.ParseAddrPort(a.Whoami); err != nil || from.Addr() != e.Address {
				return fmt.Errorf("whoami saw %s as %q, want its interface's address %s", o.Environment, a.Whoami, e.Address)
			}
		}
		if err := w.Flush(); err != nil {
			return err
		}
		s.say("  %s: %s, %s.", spelling.Counted(len(outs), "environment"), spelling.Counted(len(enis), "ENI"),
			spelling.Counted(len(addresses), "subnet address"))
	}
	if err := s.Lab.Lambda.Pool(mode).Fill(ctx, 1); err != nil {
		return err
	}
	out, err := s.Lab.Lambda.Invoke(ctx, lambda.InvokeInput{Function: lambda.FunctionRef{Name: function(lab.Tenants[0])}, Payload: payload, Fresh: true})
	if err != nil {
		return err
	}
	s.say("  One more, alone, phase by phase (all measured):")
	return writeWaterfall(s.Out, out.Timeline)
}

// invokeAtOnce makes as many cold starts as the story wants, at the same time.
func (s *Story) invokeAtOnce(ctx context.Context, name string) ([]lambda.InvokeOutput, error) {
	outs := make([]lambda.InvokeOutput, s.Environments)
	errs := make([]error, s.Environments)
	var wg sync.WaitGroup
	for i := range outs {
		wg.Go(func() {
			outs[i], errs[i] = s.Lab.Lambda.Invoke(ctx, lambda.InvokeInput{Function: lambda.FunctionRef{Name: name}, Payload: payload, Fresh: true})
		})
	}
	wg.Wait()
	for i, err := range errs {
		if err == nil && outs[i].FunctionError != "" {
			err = fmt.Errorf("%s failed: %s", name, outs[i].Payload)
		}
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(outs, func(a, b lambda.InvokeOutput) int { return strings.Compare(a.Environment, b.Environment) })
	return outs, nil
}

// translation shows the NAT's own table.
func (s *Story) translation(context.Context) error {
	s.say("The translation, as the kernel's connection tracking in each ENI's namespace has it")
	for _, e := range s.Lab.Lambda.HyperplaneENIs() {
		flows, err := e.ENI.Flows()
		if err != nil {
			return err
		}
		usage, err := e.ENI.Usage()
		if err != nil {
			return err
		}
		s.say("  %s in %s: %d of %d connections, %d ports for each target", e.Interface.ID, e.VPC, usage.Connections, usage.Capacity, usage.Ports)
		w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "    the function's own\t\tthe ENI's\t\ttarget\t")
		for _, f := range flows {
			fmt.Fprintf(w, "    %s\t→\t%s\t→\t%s\t%s\n", f.Source, f.ENI, f.Target, strings.ToLower(f.State))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Story) comparison(ctx context.Context) error {
	s.say("Side by side: medians of %d cold starts each, interleaved, then %d at once", s.Runs, s.Burst)
	for _, t := range lab.Tenants {
		if err := s.Lab.Lambda.DeleteFunction(lambda.FunctionRef{Name: function(t)}); err != nil {
			return err
		}
	}
	if err := s.Lab.Lambda.Settle(); err != nil {
		return err
	}
	variants, err := compare.Run(ctx, Target(s.Lab, s.Code, s.Handler), compare.Options{Runs: s.Runs, Burst: s.Burst})
	if err != nil {
		return err
	}
	var table strings.Builder
	if err := compare.WriteTable(&table, variants); err != nil {
		return err
	}
	for line := range strings.Lines(table.String()) {
		s.say("  %s", strings.TrimSuffix(line, "\n"))
	}
	return nil
}

// Target is the demonstration's function in the first tenant's VPC, as something to measure.
func Target(l *lab.Lab, code, handler string) compare.Target {
	tenant := lab.Tenants[0]
	vpc := l.Network.VPC("vpc-" + tenant)
	return compare.Target{
		Lambda:  l.Lambda,
		Payload: payload,
		Create: lambda.CreateFunctionInput{
			StoreKey: code, Runtime: "provided.al2023", Handler: handler, Timeout: 30 * time.Second,
			VpcConfig: lambda.VpcConfig{SubnetIDs: []string{lab.AppSubnet(tenant)}, SecurityGroupIDs: []string{"sg-app"}},
		},
		Used: func(mode lambda.Mode) (enis, addresses int) {
			used := map[netip.Addr]bool{}
			for _, i := range vpc.Interfaces() {
				if i.Subnet.ID == lab.AppSubnet(tenant) && lambda.IsOf(mode, i.Description) {
					enis++
					used[i.Address] = true
				}
			}
			return enis, len(used)
		},
	}
}
