package lambda_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"enilab/internal/events"
	"enilab/internal/lambda"
	"enilab/internal/nstest"
	"enilab/internal/state"
	"enilab/netlab"
)

// A control plane that takes another's place finds its Hyperplane ENIs: those that are there as they are, those that are
// gone built anew with the same id and address, and those that no function came to use ended.
func TestAdoptENIs(t *testing.T) {
	nstest.NoLeaks(t)
	db, err := state.Open(filepath.Join(t.TempDir(), "state"))
	must(t, err)
	defer db.Close()
	var config lambda.Config
	b := newBed(t, func(c *lambda.Config) { c.State = db; config = *c })
	unused := vpcOf("blue")
	unused.SubnetIDs = []string{"subnet-blue"}
	functions := map[string]lambda.VpcConfig{"alive": vpcOf("blue"), "gone": vpcOf("green"), "unused": unused, "no-vpc": {}}
	for name, vpc := range functions {
		b.create(t, lambda.CreateFunctionInput{FunctionName: name, VpcConfig: vpc})
	}
	type identity struct{ vpc, id, address, attachment string }
	list := func(s *lambda.Service) (ids []identity) {
		for _, e := range s.HyperplaneENIs() {
			i := identity{vpc: e.VPC, id: e.ENI.Node.Name, address: e.ENI.Address.String()}
			if e.Interface != nil {
				i.attachment = e.Interface.Attachment.ID
			}
			ids = append(ids, i)
		}
		return ids
	}
	before := list(b.Service)
	if len(before) != 4 {
		t.Fatalf("%d ENIs, want 4", len(before))
	}
	b.LoseENIs()
	for _, e := range before {
		if e.vpc == "vpc-green" {
			must(t, netlab.EndPinned(e.id))
		}
	}

	bus := new(events.Bus)
	seen := bus.Subscribe(t.Context(), 100)
	config.Events = bus
	next := lambda.New(config)
	b.undo.Push(next.Close)
	must(t, next.AdoptENIs(t.Context()))
	if after := list(next); !slices.Equal(after, before) {
		t.Errorf("before %+v\nafter  %+v", before, after)
	}
	happened := map[events.Type]int{}
	for len(seen) > 0 {
		happened[(<-seen).Type]++
	}
	if happened[events.ENIAdopted] != 3 || happened[events.ENICreated] != 1 {
		t.Errorf("events %v, want three adopted and one made", happened)
	}
	for name, vpc := range functions {
		if name == "unused" {
			continue
		}
		_, err := next.CreateFunction(t.Context(), lambda.CreateFunctionInput{FunctionName: name + "-2", ZipFile: goFunction(t), Runtime: "provided.al2023", Handler: "bootstrap", Timeout: 20 * time.Second, VpcConfig: vpc})
		must(t, err)
		must(t, next.WaitFunctionActive(within(t, 10*time.Second), lambda.FunctionRef{Name: name + "-2"}))
	}
	must(t, next.DropUnusedENIs(t.Context()))
	if after := list(next); len(after) != 3 || slices.ContainsFunc(after, func(i identity) bool { return !slices.Contains(before, i) }) {
		t.Errorf("used by functions: %+v", after)
	}
	second := &bed{Service: next, network: b.network}
	for _, name := range []string{"alive", "gone"} {
		vpc := functions[name].VpcID[len("vpc-"):]
		if a, _ := second.ask(t, name+"-2", everything); a.Tenant != vpc {
			t.Errorf("%s: %+v", name, a)
		}
	}
	second.invoke(t, "no-vpc-2", nil)
	// A new ENI's network is none of theirs.
	second.create(t, lambda.CreateFunctionInput{FunctionName: "late", VpcConfig: vpcOf("blue", "sg-other")})
	vnis := map[string]bool{}
	for _, e := range next.HyperplaneENIs() {
		vnis[fmt.Sprint(e.ENI.VNI)] = true
	}
	if len(vnis) != 4 {
		t.Errorf("networks %v of 4 ENIs", vnis)
	}
}
