package daemon

import (
	"net/netip"
	"slices"
	"testing"

	"enilab/internal/topology"
	"enilab/netlab"
)

const declaring = `
name: lab
vpcs:
  vpc-blue:
    cidr: 10.0.0.0/16
    subnets: {subnet-blue: 10.0.1.0/24}
    securityGroups:
      sg-app: {}
      sg-data: {ingress: [tcp 6379 from sg-app], egress: []}
    resources:
      redis: {serve: redis, data: {tenant: blue}, subnet: subnet-blue, securityGroups: [sg-data]}
roles:
  mine: {inline: {more: {actions: ["ec2:*"]}}}
layers: {deps: deps.zip, more: more.zip}
functions:
  f: {code: go.zip, role: mine, layers: [more, deps], vpc: {subnets: [subnet-blue], securityGroups: [sg-app]}}
  g: {code: go.zip}
`

func TestDeclareListsAllThatATopologyHas(t *testing.T) {
	top, err := topology.Parse("test.lab.yml", []byte(declaring))
	if err != nil {
		t.Fatal(err)
	}
	list, err := objectsOf(top, []string{"whoami"}, func(c topology.Code) (code, error) { return code{sha: "sum of " + c.Key}, nil })
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]object{}
	for _, o := range list {
		found[o.key()] = o
	}
	for _, key := range []string{
		"vpc vpc-blue", "subnet subnet-blue", "security-group sg-app", "security-group sg-data", "resource vpc-blue/redis",
		"role mine", "role lab-execution-role", "layer deps", "layer more", "function f", "function g",
	} {
		if _, ok := found[key]; !ok {
			t.Errorf("no %s among %v", key, names(found))
		}
	}
	if len(found) != 11 {
		t.Errorf("%d objects: %v", len(found), names(found))
	}
	if g := found["security-group sg-data"].Spec.(groupSpec); len(g.Egress) != 0 || len(g.Ingress) != 1 || g.Ingress[0] != "tcp 6379 sg-app" {
		t.Errorf("sg-data: %+v", g)
	}
	if g := found["security-group sg-app"].Spec.(groupSpec); len(g.Egress) != 1 || g.Egress[0] != "-1 0.0.0.0/0" {
		t.Errorf("sg-app: %+v", g)
	}
	f := found["function f"].Spec.(functionSpec)
	if f.Role != "arn:aws:iam::123456789012:role/mine" || f.Code != "sum of go.zip" || f.Timeout != "3s" || f.Mode != "shared" {
		t.Errorf("f: %+v", f)
	}
	if want := []layerContent{{"more", "sum of more.zip"}, {"deps", "sum of deps.zip"}}; !slices.Equal(f.Layers, want) {
		t.Errorf("layers of f: %v", f.Layers)
	}
	if needs := needsOf(found["function f"]); !slices.Contains(needs, "layer more") || !slices.Contains(needs, "layer deps") {
		t.Errorf("f needs %v", needs)
	}
	for _, o := range list { // nothing differs from itself, by whatever way it is compared
		if d := changes(o.Spec, o.Spec); d != "" {
			t.Errorf("%s differs from itself: %s", o.key(), d)
		}
	}
}

func TestRulesHaveOneText(t *testing.T) {
	all := netip.MustParsePrefix("0.0.0.0/0")
	for want, rules := range map[string][]netlab.Rule{
		"tcp 80 0.0.0.0/0":   {{Protocol: "tcp", FromPort: 80, CIDR: all}, {Protocol: "tcp", FromPort: 80, ToPort: 80, CIDR: all}},
		"udp 0-65535 sg-a":   {{Protocol: "udp", Group: "sg-a"}, {Protocol: "udp", ToPort: 65535, Group: "sg-a"}},
		"tcp 8000-8010 sg-a": {{Protocol: "tcp", FromPort: 8000, ToPort: 8010, Group: "sg-a"}},
		"-1 0.0.0.0/0":       {{Protocol: "-1", CIDR: all}},
		"icmp 10.0.0.0/8":    {{Protocol: "icmp", CIDR: netip.MustParsePrefix("10.0.0.0/8")}},
	} {
		if got := ruleTexts(rules); len(got) != 1 || got[0] != want {
			t.Errorf("%v are %q, want %q once", rules, got, want)
		}
	}
}
