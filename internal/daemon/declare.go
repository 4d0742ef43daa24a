package daemon

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"enilab/internal/iam"
	"enilab/internal/lambda"
	"enilab/internal/topology"
	"enilab/netlab"
)

// The specs of the kinds: what is compared between what is and what should be. Lists that have no order are sorted.

type vpcSpec struct {
	CIDR netip.Prefix `json:"cidr"`
}

type subnetSpec struct {
	VPC  string       `json:"vpc"`
	CIDR netip.Prefix `json:"cidr"`
	AZ   string       `json:"az"`
}

type groupSpec struct {
	VPC         string   `json:"vpc"`
	Description string   `json:"description,omitempty"`
	Ingress     []string `json:"ingress"`
	Egress      []string `json:"egress"`

	rules     netlab.SecurityGroupSpec
	isDefault bool // its VPC's own
}

type roleSpec struct {
	Policies []string          `json:"policies"` // ARNs
	Inline   map[string]string `json:"inline,omitempty"`
	Trust    string            `json:"trust,omitempty"`               // who may assume it
	Boundary string            `json:"permissionsBoundary,omitempty"` // ARN

	path string
}

type resourceSpec struct {
	VPC            string     `json:"vpc"`
	Command        []string   `json:"command"`
	Subnet         string     `json:"subnet"`
	SecurityGroups []string   `json:"securityGroups"`
	Address        netip.Addr `json:"address"`
	Port           uint16     `json:"port,omitempty"`
	Check          []string   `json:"check,omitempty"`
	Interval       string     `json:"interval,omitempty"`

	Data map[string]string `json:"data,omitempty"` // of a Redis

	spec netlab.ResourceSpec
}

type layerSpec struct {
	Content string `json:"content"` // SHA-256 of the latest version's archive

	code code
}

type functionSpec struct {
	Code           string            `json:"code"`             // SHA-256
	Layers         []layerContent    `json:"layers,omitempty"` // in their order
	Handler        string            `json:"handler"`
	Runtime        string            `json:"runtime"`
	Role           string            `json:"role"`
	Memory         int               `json:"memory"`
	Timeout        string            `json:"timeout"`
	Environment    map[string]string `json:"environment,omitempty"`
	Subnets        []string          `json:"subnets"`
	SecurityGroups []string          `json:"securityGroups"`
	Mode           lambda.Mode       `json:"mode"`
	Concurrency    *int              `json:"concurrency,omitempty"` // reserved

	code       code
	layersSize int64 // bytes, unpacked
}

// layerContent is a version of a layer by what is in it: it has no number before it is published.
type layerContent struct {
	Layer   string
	Content string // SHA-256
}

// MarshalText writes it as people are shown it.
func (c layerContent) MarshalText() ([]byte, error) { return []byte(c.Layer + " " + c.Content), nil }

// objectsOf lists everything that a topology declares. codeOf finds code and layers; what it says is wrong with them has its
// place in the topology.
func objectsOf(t *topology.Topology, whoami []string, codeOf func(topology.Code) (code, error)) (list []object, _ error) {
	var errs topology.Errors
	add := func(kind, name string, spec any) { list = append(list, object{kind, name, spec}) }
	for i, v := range t.Network(whoami).VPCs {
		add("vpc", v.ID, vpcSpec{v.CIDR})
		for _, s := range v.Subnets {
			add("subnet", s.ID, subnetSpec{v.ID, s.CIDR, s.AZ})
		}
		for j, g := range v.SecurityGroups {
			add("security-group", g.ID, declareGroup(v.ID, t.VPCs[i].SecurityGroups[j].Description, g))
		}
		for j, r := range v.Resources {
			add("resource", v.ID+"/"+r.Name, declareResource(v.ID, r, t.VPCs[i].Resources[j].Data))
		}
	}
	for _, r := range t.Roles {
		spec := roleSpec{Policies: []string{}, Trust: trustOf(iam.LambdaTrust), path: "/"}
		for _, p := range r.Policies {
			spec.Policies = append(spec.Policies, managedPolicy+p)
		}
		slices.Sort(spec.Policies)
		for _, p := range r.Inline {
			if spec.Inline == nil {
				spec.Inline = map[string]string{}
			}
			spec.Inline[p.Name] = p.Document()
		}
		add("role", r.Name, spec)
	}
	layers := map[string]code{}
	for _, l := range t.Layers {
		found, err := codeOf(l.Code)
		if err != nil {
			errs = append(errs, t.ErrorAt("layers."+l.Name, "layer %s: %v", l.Name, err))
			continue
		}
		layers[l.Name] = found
		add("layer", l.Name, layerSpec{found.sha, found})
	}
	for _, f := range t.Functions {
		spec := functionSpec{
			Handler: f.Handler, Runtime: f.Runtime, Role: fmt.Sprintf("arn:aws:iam::%s:role/%s", t.Account, f.Role),
			Memory: f.Memory, Timeout: writtenTime(f.Timeout), Environment: f.Environment, Subnets: []string{}, SecurityGroups: []string{},
			Mode: lambda.Mode(f.Mode), Concurrency: f.Concurrency,
		}
		if f.VPC != nil {
			spec.Subnets, spec.SecurityGroups = sorted(f.VPC.Subnets), sorted(f.VPC.SecurityGroups)
		}
		var err error
		spec.code, err = codeOf(f.Code)
		bootstrap := spec.code.bootstrap
		for _, name := range f.Layers {
			l := layers[name]
			spec.Layers = append(spec.Layers, layerContent{name, l.sha})
			spec.layersSize += l.unpacked
			if l.bootstrap == nil {
				bootstrap = nil
			}
		}
		if err == nil && f.BringsRuntime() {
			err = bootstrap
		}
		if err != nil {
			errs = append(errs, t.ErrorAt("functions."+f.Name+".code", "function %s: code: %v", f.Name, err))
			continue
		}
		spec.Code = spec.code.sha
		add("function", f.Name, spec)
	}
	return list, errs.OrNil()
}

// managedPolicy is what the ARNs of the policies for Lambda begin with.
const managedPolicy = "arn:aws:iam::aws:policy/service-role/"

func declareGroup(vpc, description string, g netlab.SecurityGroupSpec) groupSpec {
	s := groupSpec{VPC: vpc, Description: cmp.Or(description, g.ID), Ingress: ruleTexts(g.Ingress), rules: g}
	if g.Egress == nil {
		g.Egress = []netlab.Rule{netlab.All}
	}
	s.Egress = ruleTexts(g.Egress)
	return s
}

// ruleTexts writes rules in the one way in which they can be compared.
func ruleTexts(rules []netlab.Rule) []string {
	texts := make([]string, 0, len(rules))
	for _, r := range rules {
		to := cmp.Or(r.ToPort, r.FromPort)
		from := r.FromPort
		if r.FromPort == 0 && r.ToPort == 0 && (r.Protocol == "tcp" || r.Protocol == "udp") {
			to = 65535
		}
		where := r.Group
		if where == "" {
			where = r.CIDR.String()
		}
		texts = append(texts, strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s", r.Protocol, r.ICMP, portText(r.Protocol, from, to), where)), " "))
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}

func portText(protocol string, from, to uint16) string {
	switch {
	case protocol != "tcp" && protocol != "udp":
		return ""
	case from == to:
		return fmt.Sprint(from)
	}
	return fmt.Sprintf("%d-%d", from, to)
}

func declareResource(vpc string, r netlab.ResourceSpec, data map[string]string) resourceSpec {
	return resourceSpec{
		VPC: vpc, Command: r.Command, Subnet: r.Subnet, SecurityGroups: sorted(r.SecurityGroups), Address: r.Address, Port: r.Port,
		Check: r.Check, Interval: writtenTime(r.Interval), Data: data, spec: r,
	}
}

func sorted(list []string) []string {
	s := append([]string{}, list...)
	slices.Sort(s)
	return s
}
