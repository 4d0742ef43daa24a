package lambda_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"enilab/internal/lambda"
	"enilab/internal/nstest"
	"enilab/sandbox"
)

// attachSteps are the steps of a timeline's attach phase.
func attachSteps(tl *sandbox.Timeline) (steps []string) {
	for _, s := range tl.Spans {
		if s.Name == string(sandbox.PhaseAttach) {
			steps = names(&sandbox.Timeline{Spans: s.Steps})
		}
	}
	return steps
}

func TestLegacyInterfaceDescribesItself(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	b.create(t, lambda.CreateFunctionInput{FunctionName: "f", VpcConfig: vpcOf("blue"), Mode: lambda.Legacy})
	b.invoke(t, "f", nil)
	list := b.interfaces("blue", lambda.Legacy)
	if len(list) != 1 || list[0].Type != "interface" || !strings.HasPrefix(list[0].Attachment.ID, "eni-attach-") ||
		list[0].Attachment.InstanceOwner != "aws-lambda" || list[0].Attachment.DeviceIndex != 1 {
		t.Errorf("%+v", list)
	}
}

// An interface that is kept serves the next environment, of whatever function has the same subnet and groups: the same
// id and address, a process of its own, and next to nothing to do.
func TestLegacyReuse(t *testing.T) {
	nstest.NoLeaks(t)
	const keep = 2 * time.Second
	b := newBed(t, func(c *lambda.Config) { c.Quotas.KeepInterfaces = keep })
	for _, f := range []string{"f", "g"} {
		b.create(t, lambda.CreateFunctionInput{FunctionName: f, VpcConfig: vpcOf("blue"), Mode: lambda.Legacy})
	}
	b.create(t, lambda.CreateFunctionInput{FunctionName: "other", VpcConfig: vpcOf("blue", "sg-other"), Mode: lambda.Legacy})
	first, cold := b.ask(t, "f", everything)
	was := b.IdleEnvironments(lambda.FunctionRef{Name: "f"})[0]
	b.RetireIdle("f")
	must(t, b.Settle())
	vpc := b.network.VPC("vpc-blue")
	if _, used, _, _ := vpc.Subnet(subnet); used != 1 || len(b.interfaces("blue", lambda.Legacy)) != 1 {
		t.Fatalf("%d addresses are in use; the interface counts while it is kept", used)
	}
	if _, out := b.ask(t, "other", everything); slices.Contains(attachSteps(out.Timeline), "reuse") {
		t.Error("an environment with other security groups took it")
	}
	second, out := b.ask(t, "g", everything)
	now := b.IdleEnvironments(lambda.FunctionRef{Name: "g"})[0]
	if now.ENI != was.ENI || now.Address != was.Address || !strings.HasPrefix(second.Whoami, "blue "+was.Address.String()+":") {
		t.Errorf("first %+v, then %+v, seen as %s", was, now, second.Whoami)
	}
	if first.Instance == second.Instance || second.Invocation != 1 {
		t.Errorf("%+v after %+v: want a process of its own", second, first)
	}
	if got := attachSteps(out.Timeline); len(got) != 0 && !slices.Equal(got, []string{"reuse"}) {
		t.Errorf("steps %v", got)
	}
	a, z := cold.Timeline.Took(sandbox.PhaseAttach), out.Timeline.Took(sandbox.PhaseAttach)
	t.Logf("attach %v, reused %v", a, z)
	if z > a/3 {
		t.Errorf("attach took %v with a kept interface, %v without", z, a)
	}

	for range 3 { // over and over
		b.RetireIdle("g")
		must(t, b.Settle())
		b.ask(t, "g", everything)
		if e := b.IdleEnvironments(lambda.FunctionRef{Name: "g"})[0]; e.ENI != was.ENI {
			t.Errorf("then %+v", e)
		}
	}
	b.RetireIdle("g")
	b.RetireIdle("other")
	must(t, b.Settle())
	nstest.Eventually(t, keep+5*time.Second, func() error {
		if _, used, _, _ := vpc.Subnet(subnet); used != 0 {
			return fmt.Errorf("%d addresses are in use: kept interfaces do not expire", used)
		}
		return nil
	})
	b.invoke(t, "f", nil) // what is kept when the lab ends, ends with it
	b.RetireIdle("f")
	must(t, b.Settle())
	must(t, b.ReclaimInterfaces("vpc-blue"))
	if _, used, _, _ := vpc.Subnet(subnet); used != 0 {
		t.Errorf("%d addresses are in use in a VPC that is wanted back", used)
	}
	b.invoke(t, "f", nil)
}

// Environments whose memory fits together share an interface: one namespace, one address, a process and a Runtime API
// each.
func TestLegacyShareByMemory(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t, func(c *lambda.Config) { c.Quotas.MemoryPerInterface = 400 })
	b.create(t, lambda.CreateFunctionInput{FunctionName: "f", VpcConfig: vpcOf("blue"), Mode: lambda.Legacy, MemorySize: 128})    // 3 each
	b.create(t, lambda.CreateFunctionInput{FunctionName: "big", VpcConfig: vpcOf("blue"), Mode: lambda.Legacy, MemorySize: 1024}) // alone
	burst := func(function string, n int) (answers []answer) {
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				a, _ := b.fresh(t, function, everything)
				mu.Lock()
				answers = append(answers, a)
				mu.Unlock()
			})
		}
		wg.Wait()
		return answers
	}
	instances := map[string]bool{}
	for _, a := range burst("f", 7) {
		instances[a.Instance] = true
		if a.Tenant != "blue" || a.Invocation != 1 {
			t.Errorf("%+v", a)
		}
	}
	if len(instances) != 7 {
		t.Errorf("%d processes served 7 events", len(instances))
	}
	perENI := map[string]int{}
	for _, e := range b.IdleEnvironments(lambda.FunctionRef{Name: "f"}) {
		perENI[e.ENI]++
	}
	if len(perENI) != 3 || len(b.interfaces("blue", lambda.Legacy)) != 3 {
		t.Errorf("7 environments have the interfaces %v, want 3, 3, 1", perENI)
	}
	burst("big", 2)
	if n := len(b.interfaces("blue", lambda.Legacy)); n != 5 {
		t.Errorf("%d interfaces with two large environments, want 5", n)
	}
	for range 3 { // warm: each answers for itself
		for _, a := range []answer{first(b.ask(t, "f", everything))} {
			if a.Invocation < 2 {
				t.Errorf("%+v", a)
			}
		}
	}
	b.RetireIdle("f")
	b.RetireIdle("big")
	must(t, b.Settle())
	if _, used, _, _ := b.network.VPC("vpc-blue").Subnet(subnet); used != 0 {
		t.Errorf("%d addresses are in use", used)
	}
}

func first[A, B any](a A, _ B) A { return a }

// A lodger is what a new environment becomes while another one is there: the first to come may be the first to go.
func TestLegacyLodgersOutliveTheFirst(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t, func(c *lambda.Config) { c.Quotas.MemoryPerInterface = 3072 })
	b.create(t, lambda.CreateFunctionInput{FunctionName: "f", VpcConfig: vpcOf("blue"), Mode: lambda.LegacyInPlace})
	one, _ := b.fresh(t, "f", everything)
	two, out := b.fresh(t, "f", event{"do": "env"})
	if got := two.Outcome.Env["AWS_LAMBDA_RUNTIME_API"]; got != "127.0.0.2:9001" {
		t.Errorf("the second's Runtime API is at %s", got)
	}
	if s := attachSteps(out.Timeline); len(s) != 0 && !slices.Equal(s, []string{"join"}) {
		t.Errorf("steps %v", s)
	}
	for _, e := range b.Idle("f") { // the first ends
		if e.ID != out.Environment {
			must(t, syscall.Kill(e.PID, syscall.SIGKILL))
		}
	}
	nstest.Eventually(t, 5*time.Second, func() error {
		if n := len(b.IdleEnvironments(lambda.FunctionRef{Name: "f"})); n > 2 {
			return fmt.Errorf("%d environments", n)
		}
		return nil
	})
	for range 3 {
		a, _ := b.ask(t, "f", everything)
		if a.Tenant != "blue" || a.Instance == one.Instance {
			t.Errorf("after the first's end: %+v", a)
		}
	}
	b.fresh(t, "f", everything)
	if n := len(b.interfaces("blue", lambda.LegacyInPlace)); n != 1 {
		t.Errorf("%d interfaces", n)
	}
}

// Quotas that legacy mode meets on Invoke.
func TestLegacyQuotas(t *testing.T) {
	nstest.NoLeaks(t)
	for name, c := range map[string]struct {
		quotas lambda.Quotas
		code   lambda.Code
		words  []string
	}{
		"interfaces": {lambda.Quotas{InterfacesPerRegion: 2}, lambda.ENILimitReached, []string{"limit for network interfaces", "the quota of the Region is 2"}},
		"calls":      {lambda.Quotas{EC2CallsPerSecond: 0.01, EC2Burst: 2}, lambda.EC2Throttled, []string{"throttled", "CreateNetworkInterface"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, func(config *lambda.Config) { config.Quotas = c.quotas })
			b.create(t, lambda.CreateFunctionInput{FunctionName: "f", VpcConfig: vpcOf("blue"), Mode: lambda.Legacy})
			for range 2 {
				b.fresh(t, "f", everything)
			}
			_, err := b.Invoke(t.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: "f"}, Fresh: true})
			refused(t, err, c.code, 502, c.words...)
			must(t, b.Settle())
			if n := len(b.interfaces("blue", lambda.Legacy)); n != 2 {
				t.Errorf("%d interfaces after a refusal", n)
			}
			b.invoke(t, "f", nil) // those that are there serve
			if name != "interfaces" {
				return
			}
			b.RetireIdle("f")
			must(t, b.Settle())
			b.fresh(t, "f", everything) // there is room again
		})
	}
}

// What the model adds is a span of its own, and no part of any measured figure.
func TestModelledAttach(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t, func(c *lambda.Config) { c.Model = lambda.Model{AWS: true, Scale: 10} }) // 10 s are 1 s
	b.create(t, lambda.CreateFunctionInput{FunctionName: "f", VpcConfig: vpcOf("blue"), Mode: lambda.Legacy})
	began := time.Now()
	_, out := b.ask(t, "f", everything)
	took := time.Since(began)
	tl := out.Timeline
	at := slices.IndexFunc(tl.Spans, func(s sandbox.Span) bool { return s.Name == "model.eni-attach" })
	if at < 0 || tl.Spans[at].Kind != sandbox.Modelled || tl.Spans[at].Took < time.Second || tl.Modelled() != tl.Spans[at].Took {
		t.Fatalf("spans %+v", tl.Spans)
	}
	if got := attachSteps(tl); !slices.Equal(got, []string{"reserve", "create", "move", "configure", "publish", "up"}) {
		t.Errorf("steps %v", got)
	}
	if tl.Total+tl.Modelled() > took || tl.Total > took-time.Second || tl.Took(sandbox.PhaseAttach) > tl.Total || tl.Ready() > tl.Total {
		t.Errorf("%v measured and %v modelled, attach %v, in %v", tl.Total, tl.Modelled(), tl.Took(sandbox.PhaseAttach), took)
	}
	tl.Spans = slices.Delete(tl.Spans, at, at+1)
	checkTimeline(t, tl)
}

// A subnet or a group that has gone since the function was made: nobody notices before an environment needs it.
func TestLegacyNetworkIsGone(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	vpc := vpcOf("blue")
	vpc.SubnetIDs = []string{"subnet-blue"}
	b.create(t, lambda.CreateFunctionInput{FunctionName: "subnet", VpcConfig: vpc, Mode: lambda.Legacy})
	b.create(t, lambda.CreateFunctionInput{FunctionName: "kept", VpcConfig: vpcOf("blue"), Mode: lambda.Legacy})
	must(t, b.network.VPC("vpc-blue").RemoveSubnet("subnet-blue"))
	_, err := b.try(t, "subnet", nil)
	refused(t, err, lambda.InvalidSubnetID, 502, "subnet-blue")
	b.invoke(t, "kept", nil)
	must(t, b.Settle())
}
