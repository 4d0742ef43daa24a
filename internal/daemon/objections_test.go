package daemon

import (
	"net/netip"
	"strings"
	"testing"

	"enilab/internal/ec2"
	"enilab/internal/lambda"
	"enilab/internal/runtimes"
	"enilab/internal/topology"
)

// A lab that is as this topology says, and what customers have made in it, meets other topologies.
const before = `vpcs:
  vpc-a:
    cidr: 10.0.0.0/16
    subnets: {subnet-a: 10.0.1.0/28, subnet-b: 10.0.2.0/28}
    securityGroups: {sg-a: {}, sg-b: {ingress: [tcp 80 from sg-a]}}
    resources:
      one: {command: [sleep, "9"], subnet: subnet-a, securityGroups: [sg-a]}
      two: {command: [sleep, "9"], subnet: subnet-a, securityGroups: [sg-a], address: 10.0.1.8}
roles: {role-a: {policies: [AWSLambdaVPCAccessExecutionRole]}}
functions:
  f: {code: a.zip, role: role-a, vpc: {subnets: [subnet-a], securityGroups: [sg-a]}, concurrency: 100}
`

func declaredBy(t *testing.T, text string) (*topology.Topology, []object) {
	t.Helper()
	top, err := topology.Parse("x.lab.yml", []byte(text))
	must(t, err)
	list, err := objectsOf(top, nil, func(topology.Code) (code, error) { return code{sha: "sum"}, nil })
	must(t, err)
	return top, list
}

func TestObjections(t *testing.T) {
	for name, c := range map[string]struct {
		change  []string // texts of the topology before and what takes their place
		objects []object // of customers
		more    func(*circumstances)
		want    string
	}{
		"nothing to do":  {},
		"all of it goes": {change: []string{before, "vpcs: {}"}},
		"a VPC's range": {change: []string{"cidr: 10.0.0.0/16", "cidr: 10.0.0.0/17"}, want: `
x.lab.yml:2:3: vpc vpc-a: cidr 10.0.0.0/16 → 10.0.0.0/17: a vpc cannot change; give the new one another name, and the old one goes`},
		"a renamed VPC": {change: []string{"  vpc-a:", "  vpc-b:"}, want: `
x.lab.yml:4:15: subnet subnet-a: vpc vpc-a → vpc-b: a subnet cannot change; give the new one another name, and the old one goes
x.lab.yml:4:38: subnet subnet-b: vpc vpc-a → vpc-b: a subnet cannot change; give the new one another name, and the old one goes
x.lab.yml:5:22: security group sg-a: vpc vpc-a → vpc-b: a security group cannot change; give the new one another name, and the old one goes
x.lab.yml:5:32: security group sg-b: vpc vpc-a → vpc-b: a security group cannot change; give the new one another name, and the old one goes`},
		"a renamed VPC, and all in it": {change: []string{"vpc-a", "vpc-z", "subnet-", "subnet-z", "sg-", "sg-z"}},
		"a group's description, with its rules": {change: []string{"sg-b: {ingress: [tcp 80 from sg-a]}", "sg-b: {description: other}"}, want: `
x.lab.yml:5:32: security group sg-b: description sg-b → other: a security group cannot change; give the new one another name, and the old one goes`},
		"a renamed subnet that is in use": {change: []string{"subnet-a", "subnet-z"}, want: `
x.lab.yml:4:15: subnet subnet-z: 10.0.1.0/28 overlaps 10.0.1.0/28 of subnet subnet-a, which goes only when nothing uses it any more; take resource vpc-a/one, resource vpc-a/two, function f out first, or give the new one another range`},
		"a renamed subnet that is not": {change: []string{"subnet-b", "subnet-z"}},
		"a group that a customer's function uses": {
			change:  []string{", sg-b: {ingress: [tcp 80 from sg-a]}", ""},
			objects: []object{{"function", "theirs", functionSpec{Subnets: []string{"subnet-a"}, SecurityGroups: []string{"sg-b"}}}},
			want: `
x.lab.yml:5:5: security group sg-b cannot go: function theirs, which no topology declares, uses it; delete that first, or keep the security group sg-b`,
		},
		"a group that a customer's group names": {
			change:  []string{", sg-b: {ingress: [tcp 80 from sg-a]}", ""},
			objects: []object{{"security-group", "sg-0", groupSpec{VPC: "vpc-a", Ingress: []string{"tcp 80 sg-b"}}}},
			want: `
x.lab.yml:5:5: security group sg-b cannot go: security group sg-0, which no topology declares, uses it; delete that first, or keep the security group sg-b`,
		},
		"a VPC that a customer's subnet is in": {
			change:  []string{before, "vpcs: {}"},
			objects: []object{{"subnet", "subnet-0", subnetSpec{VPC: "vpc-a", CIDR: netip.MustParsePrefix("10.0.3.0/24")}}, {"security-group", "sg-0", groupSpec{VPC: "vpc-a", isDefault: true}}},
			want: `
x.lab.yml:1:1: vpc vpc-a cannot go: subnet subnet-0, which no topology declares, is in it; delete that first, or keep the vpc vpc-a`,
		},
		"a range that a customer's subnet has": {
			change:  []string{"subnet-b: 10.0.2.0/28", "subnet-b: 10.0.2.0/28, subnet-c: 10.0.3.0/24"},
			objects: []object{{"subnet", "subnet-0", subnetSpec{VPC: "vpc-a", CIDR: netip.MustParsePrefix("10.0.3.128/28")}}},
			want: `
x.lab.yml:4:61: subnet subnet-c: 10.0.3.0/24 overlaps 10.0.3.128/28 of subnet subnet-0, which no topology declares, and which stays`,
		},
		"a subnet that a version and an interface use": {
			change: []string{", subnet-b: 10.0.2.0/28", ""},
			more: func(c *circumstances) {
				c.versions["f"] = []lambda.FunctionConfiguration{{Version: "1", VpcConfig: lambda.VpcConfig{SubnetIDs: []string{"subnet-b"}}}}
				c.interfaces = append(c.interfaces, ec2.NetworkInterface{NetworkInterfaceID: "eni-0", SubnetID: "subnet-b", VpcID: "vpc-a"})
			},
			want: `
x.lab.yml:4:5: subnet subnet-b cannot go: version 1 of function f uses it; delete that first, or keep the subnet subnet-b
x.lab.yml:4:5: subnet subnet-b cannot go: network interface eni-0, which no topology declares, uses it; delete that first, or keep the subnet subnet-b`,
		},
		"an address that another took, having asked for none": {change: []string{"10.0.1.8", "10.0.1.4"}, want: `
x.lab.yml:8:87: resource vpc-a/two: address 10.0.1.4 is taken by resource vpc-a/one`},
		"an address of a function's": {change: []string{"10.0.1.8", "10.0.1.5"}, want: `
x.lab.yml:8:87: resource vpc-a/two: address 10.0.1.5 is taken by network interface eni-f (AWS Lambda VPC ENI-f)`},
		"an address that is given up": {change: []string{", address: 10.0.1.8", "", `{command: [sleep, "9"], subnet: subnet-a, securityGroups: [sg-a]}`, `{command: [sleep, "9"], subnet: subnet-b, securityGroups: [sg-a], address: 10.0.2.8}`}},
		"no address for a server, and none for an ENI": {
			change: []string{"    resources:\n", "    resources:\n      three: {command: [sleep, \"9\"], subnet: subnet-a, securityGroups: [sg-a]}\n", "securityGroups: [sg-a]}, concurrency", "securityGroups: [sg-b]}, concurrency"},
			more: func(c *circumstances) {
				for n := byte(6); n < 15; n++ { // 4, 5 and 8 are taken already
					c.interfaces = append(c.interfaces, ec2.NetworkInterface{SubnetID: "subnet-a", VpcID: "vpc-a", PrivateIPAddress: netip.AddrFrom4([4]byte{10, 0, 1, n}), Attachment: new(ec2.NetworkInterfaceAttachment)})
				}
			},
			want: `
x.lab.yml:7:46: resource vpc-a/three: subnet subnet-a has no address left: its 11 are taken, or needed by others
x.lab.yml:12:34: function f: subnet subnet-a has no address left for its Hyperplane ENI: its 11 are taken, or needed by others`,
		},
		"more ENIs than a VPC may have": {
			change: []string{"securityGroups: [sg-a]}, concurrency", "securityGroups: [sg-b]}, concurrency"},
			more:   func(c *circumstances) { c.settings.Quotas.HyperplaneENIsPerVPC = 1 },
			want: `
x.lab.yml:11:34: function f: vpc-a would have more than 1 Hyperplane ENIs, its quota (hyperplaneEnisPerVpc), those included that end when functions have others`,
		},
		"a program that is not there": {change: []string{`one: {command: [sleep, "9"]`, `one: {command: [no-such-program]`}, want: `
x.lab.yml:7:22: resource vpc-a/one: this machine has no program "no-such-program"; install it, or give an absolute path`},
		"a role that may not, for a function that stays as it is": {change: []string{"{policies: [AWSLambdaVPCAccessExecutionRole]}", "{}"}},
		"a role that may not, for one that changes": {change: []string{"{policies: [AWSLambdaVPCAccessExecutionRole]}", "{}", "a.zip,", "a.zip, memory: 256,"}, want: `
x.lab.yml:11:39: function f: The provided execution role does not have permissions to call CreateNetworkInterface on EC2`},
		"a role of a topology's name that the API has made under a path": {
			change:  []string{"role-a: {policies", "role-b: {policies", "role: role-a", "role: role-b"},
			objects: []object{{"role", "role-b", roleSpec{path: "/team/"}}},
			want: `
x.lab.yml:9:9: role role-b: there is one that the API has made with the path /team/, and a topology's has none; delete it by the API, and 'enilab up' makes it anew, or give the topology's another name`,
		},
		"a reserved variable": {change: []string{"a.zip,", "a.zip, environment: {AWS_REGION: x},"}, want: `
x.lab.yml:11:46: function f: InvalidParameterValueException: Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: AWS_REGION`},
		"no VPC where there is no internet": {change: []string{"vpc: {subnets: [subnet-a], securityGroups: [sg-a]}, ", ""}, more: func(c *circumstances) { c.settings.Internet = false }, want: `
x.lab.yml:11:3: function f: it has no VPC, and this lab has no internet, and so no network for it; give it a vpc, or the lab internet: true`},
		"more concurrency than can be reserved": {
			change:  []string{"concurrency: 100", "concurrency: 500"},
			objects: []object{{"function", "theirs", functionSpec{Concurrency: new(int)}}, {"function", "greedy", functionSpec{Concurrency: func() *int { n := 401; return &n }()}}},
			want: `
x.lab.yml:11:99: function f: with its 500 functions reserve 901 together; the account's concurrency leaves 900 to reserve`,
		},
		"a policy that is none": {change: []string{"{policies: [AWSLambdaVPCAccessExecutionRole]}", `{policies: [AWSLambdaVPCAccessExecutionRole], inline: {p: {Statement: [{Effect: Allow, Action: "no action", Resource: "*"}]}}}`}, want: `
x.lab.yml:9:9: role role-a: MalformedPolicyDocument: `},
	} {
		t.Run(name, func(t *testing.T) {
			_, is := declaredBy(t, before)
			declared := map[string]declaration{}
			for _, o := range is {
				declared[o.key()] = declaration{}
			}
			is = append(is, c.objects...)
			own := func(id, subnet, address, description string) ec2.NetworkInterface {
				return ec2.NetworkInterface{
					NetworkInterfaceID: id, SubnetID: subnet, VpcID: "vpc-a", PrivateIPAddress: netip.MustParseAddr(address), Description: description,
					Groups: []ec2.GroupIdentifier{{GroupID: "sg-a"}}, Attachment: new(ec2.NetworkInterfaceAttachment),
				}
			}
			given := circumstances{
				machine:  runtimes.NewMachine("/"),
				settings: Settings{Internet: true, Region: DefaultRegion, Account: "123456789012"}, versions: map[string][]lambda.FunctionConfiguration{},
				interfaces: []ec2.NetworkInterface{own("eni-1", "subnet-a", "10.0.1.4", "resource one"), own("eni-f", "subnet-a", "10.0.1.5", "AWS Lambda VPC ENI-f"), own("eni-2", "subnet-a", "10.0.1.8", "resource two")},
				servers:    map[string]string{"eni-1": "vpc-a/one", "eni-2": "vpc-a/two"},
			}
			if c.more != nil {
				c.more(&given)
			}
			top, should := declaredBy(t, strings.NewReplacer(c.change...).Replace(before))
			got := ""
			if err := objections(top, is, should, declared, plan(is, should, declared), given); err != nil {
				got = err.Error()
			}
			if want := strings.TrimPrefix(c.want, "\n"); got != want && (want == "" || !strings.HasSuffix(want, ": ") || !strings.HasPrefix(got, want)) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}
