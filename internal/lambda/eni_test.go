package lambda_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"enilab/internal/events"
	"enilab/internal/lambda"
	"enilab/internal/netns"
	"enilab/internal/nstest"
	"enilab/sandbox"
)

// fresh invokes a function in an environment of its own.
func (b *bed) fresh(t testing.TB, function string, e event) (answer, lambda.InvokeOutput) {
	t.Helper()
	payload, err := json.Marshal(e)
	must(t, err)
	out, err := b.Invoke(t.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: function}, Payload: payload, Fresh: true})
	must(t, err)
	return parse(t, out), out
}

// One ENI serves all functions of a subnet and security-group set, however many come at once, and nobody waits for the
// ENI of others.
func TestOneENIForManyFunctions(t *testing.T) {
	nstest.NoLeaks(t)
	bus := new(events.Bus)
	seen := bus.Subscribe(t.Context(), 1000)
	b := newBed(t, func(c *lambda.Config) { c.Events = bus })
	const functions = 40
	code := goFunction(t)
	var wg sync.WaitGroup
	for i := range functions {
		wg.Go(func() {
			name := fmt.Sprint("f-", i)
			if _, err := b.CreateFunction(t.Context(), lambda.CreateFunctionInput{FunctionName: name, ZipFile: code, VpcConfig: vpcOf("blue")}); err != nil {
				t.Error(err)
				return
			}
			if err := b.WaitFunctionActive(within(t, 20*time.Second), lambda.FunctionRef{Name: name}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	enis := b.HyperplaneENIs()
	if len(enis) != 1 || enis[0].Users != functions {
		t.Fatalf("%d ENIs, want one for all: %+v", len(enis), enis)
	}
	i, id := enis[0].Interface, enis[0].ENI.Node.Name
	if i.ID != id || i.Type != "lambda" || !strings.HasPrefix(i.Attachment.ID, "ela-attach-") || len(i.Attachment.ID) != len("ela-attach-")+17 ||
		i.Attachment.InstanceOwner != "amazon-aws" || i.Attachment.DeviceIndex != 1 {
		t.Errorf("the namespace %s has the interface %+v", id, i)
	}
	for i := range functions {
		must(t, b.DeleteFunction(lambda.FunctionRef{Name: fmt.Sprint("f-", i)}))
	}
	must(t, b.Settle())
	if left := b.HyperplaneENIs(); len(left) != 0 {
		t.Errorf("%d ENIs without a function", len(left))
	}
	var life []string
	for len(seen) > 0 {
		if e := <-seen; e.ENI == id {
			life = append(life, string(e.Type)+" "+e.State)
		}
	}
	if want := []string{"eni.created pending", "eni.state in-use", "eni.deleted "}; !slices.Equal(life, want) {
		t.Errorf("events %q, want %q", life, want)
	}
}

// When an ENI's connections pass its capacity there is a second, and new environments use it; when the load has gone it
// goes too.
func TestSecondENIAtCapacity(t *testing.T) {
	nstest.NoLeaks(t)
	const capacity = 10
	b := newBed(t, func(c *lambda.Config) { c.Quotas.ConnectionsPerENI = capacity })
	b.create(t, lambda.CreateFunctionInput{FunctionName: "f", VpcConfig: vpcOf("blue")})
	first, _ := b.ask(t, "f", everything)
	old := b.HyperplaneENIs()[0].ENI
	if old.Rules.Capacity != capacity {
		t.Errorf("the ENI's capacity is %d", old.Rules.Capacity)
	}
	for range capacity { // two connections each, which are closed, and remembered for a while: they are nobody's
		b.ask(t, "f", everything)
	}
	must(t, old.Node.NS.Set(netns.Sysctl{Key: "net/netfilter/nf_conntrack_udp_timeout", Value: "3600"})) // on a slow machine, too
	datagram := event{"do": "udp:" + server.String() + ":9", "timeout": 10}
	for range 3 { // by which it is seen that the lab has looked
		b.ask(t, "f", datagram)
	}
	nstest.Eventually(t, 10*time.Second, func() error {
		list := b.HyperplaneENIs()
		tracked, err := old.Connections()
		if err == nil && (tracked < 2*capacity || list[0].Connections != 3 || len(list) != 1) {
			err = fmt.Errorf("%d tracked, %d that count, %d ENIs", tracked, list[0].Connections, len(list))
		}
		return err
	})
	for range capacity { // of UDP the kernel cannot tell which are over
		b.ask(t, "f", datagram)
	}
	nstest.Eventually(t, 10*time.Second, func() error {
		if list := b.HyperplaneENIs(); len(list) != 2 {
			return fmt.Errorf("%d ENIs with %d connections on the first", len(list), list[0].Connections)
		}
		return nil
	})
	if n := len(b.interfaces("blue", lambda.Shared)); n != 2 {
		t.Errorf("the VPC has %d", n)
	}
	second, out := b.fresh(t, "f", everything)
	if second.Whoami == "" || strings.HasPrefix(second.Whoami, "blue "+old.Address.String()+":") {
		t.Errorf("a new environment reaches the server as %s, by the full ENI", second.Whoami)
	}
	infos := b.IdleEnvironments(lambda.FunctionRef{Name: "f"})
	if len(infos) != 2 || infos[0].ENI == infos[1].ENI || infos[0].ENI != old.Node.Name || infos[1].ID != out.Environment {
		t.Errorf("environments %+v", infos)
	}
	if !strings.HasPrefix(first.Whoami, "blue "+old.Address.String()+":") {
		t.Errorf("the first environment reached the server as %s", first.Whoami)
	}
	b.RetireIdle("f")
	nstest.Eventually(t, 10*time.Second, func() error {
		if list := b.HyperplaneENIs(); len(list) != 1 {
			return fmt.Errorf("%d ENIs without a connection", len(list))
		}
		return nil
	})
	b.ask(t, "f", everything) // by the one that is left
	must(t, b.DeleteFunction(lambda.FunctionRef{Name: "f"}))
	must(t, b.Settle())
	if _, used, _, _ := b.network.VPC("vpc-blue").Subnet(subnet); used != 0 {
		t.Errorf("%d addresses are in use", used)
	}
}

// Shared mode meets the quota of ENIs when a function is created or changed, and says so in the function's state.
func TestHyperplaneQuota(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t, func(c *lambda.Config) { c.Quotas.HyperplaneENIsPerVPC = 1 })
	b.create(t, lambda.CreateFunctionInput{FunctionName: "one", VpcConfig: vpcOf("blue")})
	b.create(t, lambda.CreateFunctionInput{FunctionName: "same", VpcConfig: vpcOf("blue")})
	b.create(t, lambda.CreateFunctionInput{FunctionName: "green", VpcConfig: vpcOf("green")}) // the quota is a VPC's
	_, err := b.CreateFunction(t.Context(), lambda.CreateFunctionInput{FunctionName: "two", VpcConfig: vpcOf("blue", "sg-other"), ZipFile: goFunction(t)})
	must(t, err)
	if err := b.WaitFunctionActive(within(t, 10*time.Second), lambda.FunctionRef{Name: "two"}); err == nil || !strings.Contains(err.Error(), "the quota is 1") {
		t.Errorf("beyond the quota: %v", err)
	}
	if c, _ := b.GetFunctionConfiguration(lambda.FunctionRef{Name: "two"}); c.State != lambda.Failed || c.StateReasonCode != lambda.ReasonENILimitExceeded {
		t.Errorf("two is %s, %s: %s", c.State, c.StateReasonCode, c.StateReason)
	}
	must(t, b.DeleteFunction(lambda.FunctionRef{Name: "one"}))
	must(t, b.DeleteFunction(lambda.FunctionRef{Name: "same"}))
	must(t, b.Settle())
	b.create(t, lambda.CreateFunctionInput{FunctionName: "three", VpcConfig: vpcOf("blue", "sg-other")}) // there is room again
}

// A role that may not make interfaces: shared mode refuses the function, legacy mode its environments.
func TestRoleWithoutPermission(t *testing.T) {
	nstest.NoLeaks(t)
	const poor, rich = "arn:aws:iam::123456789012:role/poor", "arn:aws:iam::123456789012:role/rich"
	denied := errors.New("no policy allows it")
	b := newBed(t, func(c *lambda.Config) {
		c.Allowed = func(role string, actions ...string) error {
			if role == poor && slices.Contains(actions, "ec2:DeleteNetworkInterface") {
				return denied
			}
			return nil
		}
	})
	in := lambda.CreateFunctionInput{FunctionName: "shared", VpcConfig: vpcOf("blue"), ZipFile: goFunction(t), Role: poor}
	_, err := b.CreateFunction(t.Context(), in)
	refused(t, err, lambda.InvalidParameterValue, 400, "The provided execution role does not have permissions to call DeleteNetworkInterface on EC2")
	b.create(t, lambda.CreateFunctionInput{FunctionName: "no-vpc", Role: poor})
	b.create(t, lambda.CreateFunctionInput{FunctionName: "rich", VpcConfig: vpcOf("blue"), Role: rich})
	b.create(t, lambda.CreateFunctionInput{FunctionName: "legacy", VpcConfig: vpcOf("blue"), Role: poor, Mode: lambda.Legacy})
	_, err = b.try(t, "legacy", nil)
	refused(t, err, lambda.EC2AccessDenied, 502, "permissions")
	must(t, b.Settle())
	if n := len(b.interfaces("blue", lambda.Legacy)); n != 0 {
		t.Errorf("the refused environment left %d interfaces", n)
	}
}

// With the model a Hyperplane ENI takes its time to be made, and outlives its last function for a while: who comes in
// that time takes it back.
func TestModelledENI(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t, func(c *lambda.Config) { c.Model = lambda.Model{AWS: true, Scale: 300} }) // 90 s are 0.3 s, 20 min are 4 s
	began := time.Now()
	b.create(t, lambda.CreateFunctionInput{FunctionName: "f", VpcConfig: vpcOf("blue")})
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("active after %v", took)
	}
	id := b.HyperplaneENIs()[0].ENI.Node.Name
	b.create(t, lambda.CreateFunctionInput{FunctionName: "g", VpcConfig: vpcOf("blue")}) // takes the ENI that is there
	_, out := b.ask(t, "g", everything)
	checkTimeline(t, out.Timeline) // all measured: at invoke nothing is modelled in shared mode
	for _, f := range []string{"f", "g"} {
		must(t, b.DeleteFunction(lambda.FunctionRef{Name: f}))
	}
	must(t, b.Settle())
	if list := b.HyperplaneENIs(); len(list) != 1 || list[0].Users != 0 {
		t.Fatalf("after the last function: %+v, want the ENI to wait", list)
	}
	b.create(t, lambda.CreateFunctionInput{FunctionName: "h", VpcConfig: vpcOf("blue")})
	if list := b.HyperplaneENIs(); len(list) != 1 || list[0].ENI.Node.Name != id || list[0].Users != 1 {
		t.Errorf("%+v, want %s taken back", list, id)
	}
	must(t, b.DeleteFunction(lambda.FunctionRef{Name: "h"}))
	must(t, b.Settle())
	must(t, b.ReclaimInterfaces("vpc-green"))
	if len(b.HyperplaneENIs()) != 1 {
		t.Error("who wants green back has taken blue's")
	}
	nstest.Eventually(t, 10*time.Second, func() error {
		if n := len(b.HyperplaneENIs()); n != 0 {
			return fmt.Errorf("%d ENIs are left", n)
		}
		if _, used, _, _ := b.network.VPC("vpc-blue").Subnet(subnet); used != 0 { // it is off the list before it is gone
			return fmt.Errorf("%d addresses are in use", used)
		}
		return nil
	})
}

// The same 20 environments in a /28: legacy has no address for the 12th, and says so on Invoke; shared serves all with
// one interface.
func TestSmallSubnetBurst(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	small := vpcOf("green")
	small.SubnetIDs = []string{smallSubnet}
	const environments = 20
	for _, c := range []struct {
		mode       lambda.Mode
		served     int
		interfaces int
	}{{lambda.Legacy, 11, 11}, {lambda.Shared, environments, 1}} {
		name := string(c.mode)
		b.create(t, lambda.CreateFunctionInput{FunctionName: name, VpcConfig: small, Mode: c.mode})
		must(t, b.Pool(c.mode).Fill(t.Context(), environments))
		var mu sync.Mutex
		var wg sync.WaitGroup
		served := 0
		for range environments {
			wg.Go(func() {
				out, err := b.Invoke(t.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: name}, Fresh: true})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					refused(t, err, lambda.SubnetIPAddressLimit, 502, "no available IP addresses", smallSubnet)
				} else if parse(t, out); true {
					served++
				}
			})
		}
		wg.Wait()
		if n := len(b.interfaces("green", c.mode)); served != c.served || n != c.interfaces {
			t.Errorf("%s: %d of %d served with %d interfaces, want %d with %d", name, served, environments, n, c.served, c.interfaces)
		}
		must(t, b.DeleteFunction(lambda.FunctionRef{Name: name}))
		must(t, b.Settle())
	}
}

// Environments of one function live on several workers, and each ENI finds them all.
func TestWorkersInTurn(t *testing.T) {
	nstest.NoLeaks(t)
	var config lambda.Config
	b := newBed(t, func(c *lambda.Config) { config = *c })
	must(t, b.Close())
	node := b.node(t, "worker-2")
	vtep, err := b.underlay.Connect(t.Context(), node)
	must(t, err)
	config.Workers = append(config.Workers, &sandbox.Worker{Node: node, VTEP: vtep, Tunnels: config.Workers[0].Tunnels})
	b.Service = lambda.New(config)
	b.undo.Push(b.Close)
	b.create(t, lambda.CreateFunctionInput{FunctionName: "f", VpcConfig: vpcOf("blue")})
	const environments = 6
	must(t, b.Pool(lambda.Shared).Fill(t.Context(), environments))
	for range environments {
		if a, _ := b.fresh(t, "f", everything); a.Tenant != "blue" {
			t.Errorf("%+v", a)
		}
	}
	byWorker := map[string]int{}
	for _, w := range b.WorkersOf("f") {
		byWorker[w]++
	}
	if len(byWorker) != 2 || byWorker["worker"] != environments/2 {
		t.Errorf("environments by worker: %v", byWorker)
	}
	for range 2 * environments { // warm, on both
		b.ask(t, "f", everything)
	}
}
