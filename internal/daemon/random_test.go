package daemon

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"enilab/internal/ec2"
	"enilab/internal/lambda"
	"enilab/internal/netns"
	"enilab/internal/nstest"

	"github.com/vishvananda/netlink"
)

var (
	rounds = flag.Int("rounds", 30, "how many random topologies are applied one after the other")
	from   = flag.Uint64("seed", 0, "of the random topologies; 0 takes any")
)

// Whatever comes after whatever, and whatever customers have made by the API meanwhile: a topology is either made, all of it,
// or refused, and then nothing has changed. A dry run has said which, word by word.
func TestRandomTopologies(t *testing.T) {
	if *from == 0 {
		*from = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed %d -rounds %d", *from, *rounds)
	b := newBed(t, Settings{Internet: true, Quotas: lambda.Quotas{Concurrency: 400, HyperplaneENIsPerVPC: 6}})
	r := rand.New(rand.NewPCG(*from, 0))
	made, refused, stuck := 0, 0, 0
	last := "nothing"
	for round := range *rounds {
		switch r.IntN(6) {
		case 0:
			b.customer(t, r)
		case 1, 2:
			b.takeBack(t)
		}
		text := randomTopology(r)
		if stuck == 5 { // by what cannot change; all of it can go
			b.takeBack(t)
			text = "vpcs: {}"
		}
		b.settle(t)
		before := b.snapshot(t)
		plan := b.up(t.Context(), text, true)
		if between := b.snapshot(t); between != before {
			t.Fatalf("round %d: a dry run has changed the lab:\n%s\n%s", round, text, difference(before, between))
		}
		if down := b.planDown(t, text); fmt.Sprint(down.err) != fmt.Sprint(plan.err) || !slices.Equal(down.lines, plan.lines) {
			t.Fatalf("round %d: of a lab that is down it says: %v\n%s\nof one that is up: %v\n%s\nof:\n%s", round, down.err, strings.Join(down.lines, "\n"), plan.err, strings.Join(plan.lines, "\n"), text)
		}
		did := b.up(t.Context(), text, false)
		if fmt.Sprint(plan.err) != fmt.Sprint(did.err) || !slices.Equal(plan.lines, did.lines) {
			t.Fatalf("round %d: said beforehand: %v\n%s\ndone: %v\n%s\nof:\n%s", round, plan.err, strings.Join(plan.lines, "\n"), did.err, strings.Join(did.lines, "\n"), text)
		}
		switch {
		case did.err != nil:
			refused++
			stuck++
			if !errors.As(did.err, new(usageError)) {
				t.Fatalf("round %d: %v\n%s", round, did.err, text)
			}
			if after := b.snapshot(t); after != before {
				t.Fatalf("round %d: refused (%v), and yet changed:\n%s\n%s", round, did.err, text, difference(before, after))
			}
		case len(did.failed) > 0:
			t.Fatalf("round %d: could not be made:\n%s\nof:\n%s\nafter:\n%s\nThere were:\n%s", round, strings.Join(did.failed, "\n"), text, last, before)
		default:
			made++
			stuck = 0
			last = text
			b.wantAs(t, text)
		}
	}
	t.Logf("%d made, %d refused", made, refused)
	if *rounds >= 30 && min(made, refused) < 5 {
		t.Error("the generator is off: there are not enough of each kind")
	}
	b.settle(t)
	b.leftNothing(t)
}

// planDown is what a dry run says of the lab if it is known by its state alone.
func (b *bed) planDown(t *testing.T, text string) (a applied) {
	t.Helper()
	r, err := Recall(Config{Name: "bed", DB: filepath.Join(b.dir, "state.db"), Whoami: b.Whoami})
	must(t, err)
	defer func() { must(t, r.Close()) }()
	changes, err := r.Plan(ApplyRequest{File: "bed.lab.yml", Dir: b.dir, Topology: []byte(text), Store: b.dir, DryRun: true})
	if failure := (*Failure)(nil); errors.As(err, &failure) && !failure.Usage {
		t.Fatal(err)
	}
	a.err = err
	for _, c := range changes {
		a.lines = append(a.lines, fmt.Sprintf("%s %s %s: %s", c.Action, c.Kind, c.Name, c.Detail))
	}
	return a
}

// wantAs checks that the lab is as a topology says, and that there is nothing to do any more.
func (b *bed) wantAs(t *testing.T, text string) {
	t.Helper()
	p, err := b.propose(ApplyRequest{File: "bed.lab.yml", Dir: b.dir, Topology: []byte(text), Store: b.dir})
	if err != nil {
		t.Fatalf("again: %v\n%s", err, text)
	}
	for _, s := range p.steps {
		t.Errorf("still to do: %s %s %s %s", s.Action, s.Kind, s.Name, s.Detail)
	}
	want := byKey(p.should)
	for key := range p.declared {
		if _, ok := want[key]; !ok {
			t.Errorf("declared, and not in the topology: %s", key)
		}
	}
	for _, c := range b.lab.Lambda.ListFunctions() {
		if _, ours := want["function "+c.FunctionName]; ours && (c.State != lambda.Active || c.LastUpdateStatus != lambda.UpdateSuccessful) {
			t.Errorf("function %s: %s %s, %s %s", c.FunctionName, c.State, c.StateReason, c.LastUpdateStatus, c.LastUpdateStatusReason)
		}
	}
	b.settle(t)
	b.leftNothing(t)
	if t.Failed() {
		t.Fatal(text)
	}
}

// leftNothing checks that the kernel has nothing that is in no record.
func (b *bed) leftNothing(t *testing.T) {
	t.Helper()
	b.recovery.Removed = nil
	must(t, b.sweep(t.Context()))
	if len(b.recovery.Removed) > 0 {
		t.Errorf("left over: %v", b.recovery.Removed)
	}
}

// settle waits until functions have no other ENIs than they need.
func (b *bed) settle(t *testing.T) {
	t.Helper()
	nstest.Eventually(t, time.Minute, func() error {
		needed := map[string]bool{}
		is, err := b.look()
		if err != nil {
			return err
		}
		for _, o := range is {
			for _, key := range sharedKeys(o) {
				needed[key] = true
			}
			if o.Kind != "function" {
				continue
			}
			versions, err := b.versions(o.Name)
			if err != nil {
				return err
			}
			for _, v := range versions {
				for _, key := range sharedKeys(object{"function", o.Name, functionSpec{Mode: v.Mode, Subnets: v.VpcConfig.SubnetIDs, SecurityGroups: v.VpcConfig.SecurityGroupIDs}}) {
					needed[key] = true
				}
			}
		}
		page, err := b.ec2.DescribeNetworkInterfaces(ec2.Query{})
		if err != nil {
			return err
		}
		for _, i := range page.Items {
			if key := keyOf(i); isHyperplane(i) && !needed[key] {
				return fmt.Errorf("the ENI %s of %q is there, and nobody needs it", i.NetworkInterfaceID, key)
			}
		}
		links := 0 // they go a little later than what they are of
		vpcs := b.lab.Network.VPCs()
		for id := range vpcs {
			list, err := vpcs[id].Node.Link.LinkList()
			if err != nil {
				return err
			}
			for _, l := range list {
				if strings.HasPrefix(l.Attrs().Name, "eni-") {
					links++
				}
			}
		}
		if links != len(page.Items) {
			return fmt.Errorf("%d links of %d interfaces", links, len(page.Items))
		}
		pins, err := netns.Pinned()
		if nodes := b.nodes(); err != nil || len(pins) != len(nodes) {
			return fmt.Errorf("%v: pinned are %v, of %v", err, pins, nodes)
		}
		return nil
	})
}

// snapshot is all that there is, as the control planes and the kernel tell.
func (b *bed) snapshot(t *testing.T) string {
	t.Helper()
	var all []any
	is, err := b.look()
	must(t, err)
	declared, err := b.declared.All()
	must(t, err)
	page, err := b.ec2.DescribeNetworkInterfaces(ec2.Query{})
	must(t, err)
	records, err := b.resources.records.All()
	must(t, err)
	pins, err := netns.Pinned()
	must(t, err)
	all = append(all, is, names(declared), page.Items, records, pins)
	vpcs := b.lab.Network.VPCs()
	for _, id := range names(vpcs) {
		links, err := vpcs[id].Node.Link.LinkList()
		must(t, err)
		for _, l := range links {
			a := l.Attrs()
			all = append(all, fmt.Sprint(id, a.Index, a.Name, a.Alias, a.Group, a.Flags))
			addresses, err := vpcs[id].Node.Link.AddrList(l, netlink.FAMILY_V4)
			must(t, err)
			for _, address := range addresses {
				all = append(all, address.String())
			}
		}
	}
	var lines []string
	for _, x := range all {
		if list := reflect.ValueOf(x); list.Kind() == reflect.Slice {
			for i := range list.Len() {
				lines = append(lines, line(t, list.Index(i).Interface()))
			}
			continue
		}
		lines = append(lines, line(t, x))
	}
	return strings.Join(lines, "\n")
}

func line(t *testing.T, x any) string {
	t.Helper()
	text, err := json.Marshal(x)
	must(t, err)
	return string(text)
}

// difference lists the lines that two snapshots do not share.
func difference(before, after string) string {
	a, b := strings.Split(before, "\n"), strings.Split(after, "\n")
	var d []string
	for _, l := range a {
		if !slices.Contains(b, l) {
			d = append(d, "- "+l)
		}
	}
	for _, l := range b {
		if !slices.Contains(a, l) {
			d = append(d, "+ "+l)
		}
	}
	return strings.Join(d, "\n")
}

// customer does something by the API that no topology knows of.
func (b *bed) customer(t *testing.T, r *rand.Rand) {
	t.Helper()
	subnets, err := b.subnets()
	must(t, err)
	groups, err := b.groups()
	must(t, err)
	if len(subnets) == 0 || len(groups) == 0 {
		return
	}
	subnet, group := pick(r, subnets...), pick(r, groups...)
	vpc := subnet.Spec.(subnetSpec).VPC
	function := lambda.CreateFunctionInput{
		FunctionName: pick(r, "api-1", "fn-1"), StoreKey: "a.zip", Role: "arn:aws:iam::123456789012:role/role-1", Runtime: "provided.al2023", Handler: "bootstrap",
		VpcConfig: lambda.VpcConfig{SubnetIDs: []string{subnet.Name}, SecurityGroupIDs: []string{group.Name}},
	}
	switch r.IntN(6) { // what is refused is no matter: it is as if nobody had asked
	case 0:
		_, _ = b.ec2.CreateNetworkInterface(t.Context(), ec2.CreateNetworkInterfaceInput{SubnetID: subnet.Name, Groups: []string{group.Name}})
	case 1:
		_, _ = b.ec2.CreateSubnet(ec2.CreateSubnetInput{VpcID: vpc, CidrBlock: pick(r, cidrs...)})
	case 2:
		_, _ = b.ec2.CreateSecurityGroup(t.Context(), ec2.CreateSecurityGroupInput{VpcID: vpc, GroupName: "api", Description: "api"})
	case 3:
		if _, err := b.lab.Lambda.CreateFunction(t.Context(), function); err == nil {
			_ = b.lab.Lambda.WaitFunctionActive(t.Context(), lambda.FunctionRef{Name: function.FunctionName})
			_ = b.lab.Lambda.PutFunctionConcurrency(function.FunctionName, r.IntN(100))
		}
	case 4:
		_, _ = b.lab.Lambda.PublishLayerVersion(lambda.PublishLayerVersionInput{LayerName: pick(r, "layer-1", "api-1"), StoreKey: pick(r, "a.zip", "b.zip")})
	case 5:
		_, _ = b.lab.Lambda.PublishVersion(t.Context(), lambda.PublishVersionInput{FunctionName: "fn-1"})
		_ = b.lab.Lambda.WaitFunctionActive(t.Context(), lambda.FunctionRef{Name: "fn-1", Qualifier: "1"})
	}
}

// takeBack removes what a customer has made.
func (b *bed) takeBack(t *testing.T) {
	t.Helper()
	is, err := b.look()
	must(t, err)
	declared, err := b.declared.All()
	must(t, err)
	for _, o := range is {
		if _, ours := declared[o.key()]; o.Kind == "function" && !ours {
			must(t, b.lab.Lambda.DeleteFunction(lambda.FunctionRef{Name: o.Name}))
		} else if o.Kind == "function" {
			_ = b.lab.Lambda.DeleteFunction(lambda.FunctionRef{Name: o.Name, Qualifier: "1"}) // if it was published
		}
	}
	page, err := b.ec2.DescribeNetworkInterfaces(ec2.Query{})
	must(t, err)
	for _, i := range page.Items {
		if i.Attachment == nil {
			must(t, b.ec2.DeleteNetworkInterface(i.NetworkInterfaceID))
		}
	}
	b.settle(t)
	for _, name := range []string{"layer-1", "layer-2", "api-1"} {
		for _, v := range b.lab.Lambda.ListLayerVersions(name) {
			if v.Description != ofTopology {
				must(t, b.lab.Lambda.DeleteLayerVersion(name, v.Version))
			}
		}
	}
	for _, o := range is {
		if _, ours := declared[o.key()]; ours {
			continue
		}
		switch s := o.Spec.(type) {
		case subnetSpec:
			must(t, b.ec2.DeleteSubnet(o.Name))
		case groupSpec:
			if !s.isDefault {
				must(t, b.ec2.DeleteSecurityGroup(t.Context(), o.Name))
			}
		}
	}
}

var cidrs = []string{"10.0.1.0/28", "10.0.2.0/28", "10.0.2.16/28", "10.0.3.0/24", "10.0.1.0/24"}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// randomTopology is about right, as a rule. Everything that it may say comes from a handful of values, so that one topology
// often wants what another had.
func randomTopology(r *rand.Rand) string {
	var y strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&y, format+"\n", args...) }
	wrong := r.IntN(3) == 0 // perhaps, in something
	rarely := func() bool { return wrong && r.IntN(10) == 0 }
	subnets, groups := map[string][]string{}, map[string][]string{} // VPC → ids
	homes := []string{"vpc-a", "vpc-b"}[:1+r.IntN(2)]
	line("vpcs:")
	used := map[string]bool{}
	for _, vpc := range homes {
		cidr := "10.0.0.0/16"
		if rarely() {
			cidr = "10.0.0.0/17"
		}
		line("  %s:\n    cidr: %s\n    subnets:", vpc, cidr)
		ids := []string{"subnet-1", "subnet-2", "subnet-3", "subnet-4", "subnet-5"}
		az := "a"
		if rarely() {
			az = "f"
		}
		line("      subnet-%s: {cidr: 10.0.9.0/24, az: %s}", vpc, DefaultRegion+az)
		for i, id := range ids {
			if vpc == "vpc-a" != (i < 3) && !rarely() || used[id] {
				continue
			}
			used[id] = true
			at, name := i, id
			switch r.IntN(8) {
			case 0, 1:
				continue
			case 2:
				name += "-too" // another name for the same range
			}
			if rarely() {
				at = r.IntN(len(cidrs))
			}
			subnets[vpc] = append(subnets[vpc], name)
			line("      %s: %s", name, cidrs[at])
		}
		subnets[vpc] = append(subnets[vpc], "subnet-"+vpc)
		line("    securityGroups:")
		own := []string{"sg-" + vpc}
		for _, id := range []string{"sg-1", "sg-2", "sg-3"} {
			if !used[id] && (vpc == "vpc-a" != rarely()) && r.IntN(3) > 0 {
				used[id], own = true, append(own, id)
			}
		}
		groups[vpc] = own
		for _, id := range own {
			description := ""
			if rarely() {
				description = "description: other, "
			}
			rules := []string{"tcp 80", "tcp 80", "icmp", "all from " + pick(r, own...), "tcp 6379 from " + pick(r, own...), "udp 53 from 10.0.0.0/8", "tcp 8000-8010 from " + pick(r, own...)}
			r.Shuffle(len(rules), func(i, j int) { rules[i], rules[j] = rules[j], rules[i] })
			for i, rule := range rules {
				if !strings.Contains(rule, "from") {
					rules[i] = rule + " from 0.0.0.0/0"
				}
			}
			line("      %s: {%singress: [%s]}", id, description, strings.Join(rules[:r.IntN(4)], ", "))
		}
		line("    resources:")
		for _, name := range []string{"r1", "r2", "r3"} {
			if r.IntN(3) == 0 {
				continue
			}
			subnet := pick(r, subnets[vpc]...)
			what := pick(r, `command: [sleep, "1000"]`, `command: [sleep, "1001"]`, "serve: whoami", `command: [sleep, "1000"], health: {command: [/bin/true]}`)
			if rarely() {
				what = "command: [no-such-program]"
			}
			address := ""
			if strings.HasPrefix(subnet, "subnet-vpc") && r.IntN(2) == 0 {
				address = ", address: " + pick(r, "10.0.9.4", "10.0.9.5", "10.0.9.6", "10.0.9.7", "10.0.9.20")
			}
			line("      %s: {%s, subnet: %s, securityGroups: [%s]%s}", name, what, subnet, pick(r, own...), address)
		}
		line("      last: {command: [sleep, \"1000\"], subnet: subnet-%s, securityGroups: [sg-%s]}", vpc, vpc)
	}
	line("roles:\n  role-1: {policies: [AWSLambdaVPCAccessExecutionRole]}")
	line("  role-2: {policies: [AWSLambdaBasicExecutionRole], inline: {more: {actions: [%s]}}}", pick(r, `"ec2:*"`, `"ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface"`, `"logs:CreateLogGroup"`))
	var layers []string
	line("layers:")
	for _, name := range []string{"layer-1", "layer-2"} {
		if r.IntN(3) > 0 {
			content := pick(r, "a.zip", "b.zip", "./b.zip")
			if rarely() {
				content = "text.zip"
			}
			layers = append(layers, name)
			line("  %s: %s", name, content)
		}
	}
	r.Shuffle(len(layers), func(i, j int) { layers[i], layers[j] = layers[j], layers[i] })
	line("functions:")
	for _, name := range []string{"fn-1", "fn-2", "fn-3", "fn-4"} {
		if r.IntN(4) == 0 {
			continue
		}
		vpc := pick(r, homes...)
		list := []string{pick(r, subnets[vpc]...)}
		if other := pick(r, subnets[vpc]...); other != list[0] {
			list = append(list, other)
		}
		code := pick(r, "a.zip", "a.zip", "b.zip")
		more := ""
		if rarely() {
			code = pick(r, "text.zip", "none.zip")
		}
		if r.IntN(4) > 0 {
			more += fmt.Sprintf(", vpc: {subnets: [%s], securityGroups: [%s]}", strings.Join(list, ", "), pick(r, groups[vpc]...))
		}
		if r.IntN(3) == 0 {
			more += fmt.Sprintf(", concurrency: %d", pick(r, 0, 50, 100, 150))
		}
		if rarely() {
			more += ", environment: {AWS_REGION: x}"
		}
		if n := r.IntN(3); n <= len(layers) {
			more += fmt.Sprintf(", layers: [%s]", strings.Join(layers[:n], ", "))
		}
		line("  %s: {code: %s, role: %s, mode: %s, memory: %d%s}", name, code, pick(r, "role-1", "role-1", "role-1", "role-2"), pick(r, "shared", "shared", "legacy", "legacy-inplace"), pick(r, 128, 256), more)
	}
	return y.String()
}
