package topology

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// checker holds a decoded topology against itself: what refers to what, and what netlab says of the networks.
type checker struct {
	*Topology
	errs   Errors
	failed map[string]bool // paths

	subnets, groups map[string]string // id → VPC
	roles, layers   map[string]bool
}

// near is what a name that leads nowhere was probably meant to be, or what there is instead, which is looked for in as many
// messages as anybody sees.
func (c *checker) near(name string, known func() []string) string {
	if len(c.errs) > maxErrors {
		return ""
	}
	return suggest(name, known())
}

// pathOf names a value inside.
func pathOf(keys ...string) string { return strings.Join(keys, ".") }

// fail notes a problem at the value of that path.
func (c *checker) fail(path, format string, args ...any) {
	c.errs = append(c.errs, c.ErrorAt(path, format, args...))
	c.note(path)
}

// note remembers that there is a problem with the value of a path, and so with all that it is in.
func (c *checker) note(path string) {
	for path != "" && !c.failed[path] {
		c.failed[path] = true
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
}

// hasFailed tells whether there is a problem with the value of a path already, or with what is in it.
func (c *checker) hasFailed(path string) bool { return c.failed[path] }

func newChecker(t *Topology, found Errors) *checker {
	c := &checker{Topology: t, errs: found, failed: map[string]bool{}}
	for _, e := range found {
		c.note(e.Path)
	}
	return c
}

func (c *checker) check() {
	c.subnets, c.groups = map[string]string{}, map[string]string{}
	for _, v := range c.VPCs {
		for _, s := range v.Subnets {
			c.unique(c.subnets, "subnet", s.ID, v.ID, pathOf("vpcs", v.ID, "subnets", s.ID))
			if at := pathOf("vpcs", v.ID, "subnets", s.ID, "az"); s.AZ != "" && !slices.Contains(Zones(c.Region), s.AZ) {
				c.fail(at, "az: the availability zones of %s are %[1]sa to %[1]sf, not %q", c.Region, s.AZ)
			}
		}
		for _, g := range v.SecurityGroups {
			c.unique(c.groups, "security group", g.ID, v.ID, pathOf("vpcs", v.ID, "securityGroups", g.ID))
		}
	}
	for _, v := range c.VPCs {
		for _, g := range v.SecurityGroups {
			at := pathOf("vpcs", v.ID, "securityGroups", g.ID)
			c.rules(v, g.Ingress, "from", at+".ingress")
			c.rules(v, g.Egress, "to", at+".egress")
		}
		for _, r := range v.Resources {
			c.resource(v, r, pathOf("vpcs", v.ID, "resources", r.Name))
		}
	}
	c.roles = map[string]bool{DefaultRole: true, "": true}
	for _, r := range c.Roles {
		c.roles[r.Name] = true
		for _, p := range r.Inline {
			if at := pathOf("roles", r.Name, "inline", p.Name); (len(p.Actions) > 0) == (len(p.Statement) > 0) && !c.hasFailed(at) {
				c.fail(at, "give either actions or a Statement")
			}
			for i, s := range p.Statement {
				at := fmt.Sprintf("%s.Statement[%d]", pathOf("roles", r.Name, "inline", p.Name), i)
				if (len(s.Action) > 0) == (len(s.NotAction) > 0) && !c.hasFailed(at) {
					c.fail(at, "a statement has either an Action or a NotAction")
				}
				if (len(s.Resource) > 0) == (len(s.NotResource) > 0) && !c.hasFailed(at) {
					c.fail(at, "a statement has either a Resource or a NotResource")
				}
			}
		}
	}
	c.layers = map[string]bool{}
	for _, l := range c.Layers {
		c.layers[l.Name] = true
	}
	for _, f := range c.Functions {
		c.function(f, pathOf("functions", f.Name))
	}
	c.network()
}

func (c *checker) unique(in map[string]string, kind, id, vpc, path string) {
	if other, ok := in[id]; ok && other != vpc {
		c.fail(path, "there is a %s %q in %s already; its id is unique in the whole lab", kind, id, other)
		return
	}
	in[id] = vpc
}

// Zones are the availability zones of a Region. AWS's have two to six.
func Zones(region string) (zones []string) {
	for letter := 'a'; letter <= 'f'; letter++ {
		zones = append(zones, region+string(letter))
	}
	return zones
}

// refer checks a reference to a subnet or group of a VPC.
func (c *checker) refer(in map[string]string, kind, id, vpc, path string) bool {
	switch home, ok := in[id]; {
	case c.hasFailed(path):
		return false
	case !ok:
		known := func() (known []string) {
			for k, v := range in {
				if v == vpc || vpc == "" {
					known = append(known, k)
				}
			}
			slices.Sort(known)
			return known
		}
		where := "in this lab"
		if vpc != "" {
			where = "in " + vpc
		}
		c.fail(path, "no %s %s %s%s", kind, clip(id), where, c.near(id, known))
		return false
	case home != vpc && vpc != "":
		c.fail(path, "the %s %s is in %s, not in %s", kind, id, home, vpc)
		return false
	}
	return true
}

func (c *checker) rules(v VPC, rules []Rule, word, path string) {
	for i, r := range rules {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case c.hasFailed(at):
			continue
		case r.word != "" && r.word != word:
			c.fail(at, "a rule here says %q, not %q", word, r.word)
		case r.CIDR.IsValid() == (r.Group != ""):
			c.fail(at, "give either a cidr or a group")
		case r.Ports != Ports{} && (r.Protocol == "icmp" || r.Protocol == "all"):
			c.fail(at, "protocol %s has no ports", r.Protocol)
		case r.Group != "":
			group := at
			if _, ok := c.where[at+".group"]; ok {
				group += ".group"
			}
			c.refer(c.groups, "security group", r.Group, v.ID, group)
		}
	}
}

func (c *checker) resource(v VPC, r Resource, at string) {
	if r.Subnet != "" {
		c.refer(c.subnets, "subnet", r.Subnet, v.ID, at+".subnet")
	}
	for i, id := range r.SecurityGroups {
		c.refer(c.groups, "security group", id, v.ID, fmt.Sprintf("%s.securityGroups[%d]", at, i))
	}
	switch {
	case c.hasFailed(at + ".serve"), c.hasFailed(at + ".command"):
	case (r.Serve != "") == (len(r.Command) > 0):
		c.fail(at+".command", "give either serve (whoami, redis) or a command")
	case r.Data != nil && r.Serve != "redis":
		c.fail(at+".data", "data is for serve: redis")
	case r.Health != nil && r.Serve != "":
		c.fail(at+".health", "health is for a command; the lab knows how to ask %s", r.Serve)
	}
	if h := r.Health; h != nil && (h.Port != 0) == (len(h.Command) > 0) && !c.hasFailed(at+".health") {
		c.fail(at+".health", "give either a port or a command")
	}
}

func (c *checker) function(f Function, at string) {
	if !c.roles[f.Role] && !c.hasFailed(at+".role") {
		c.fail(at+".role", "no role %s%s", clip(f.Role), c.near(f.Role, func() (known []string) {
			for _, r := range c.Roles {
				known = append(known, r.Name)
			}
			return known
		}))
	}
	if !f.BringsRuntime() && f.Handler == "bootstrap" && !c.hasFailed(at+".runtime") {
		c.fail(at+".runtime", "with %s a function needs a handler: what of its code is to be called, such as index.handler", f.Runtime)
	}
	for i, name := range f.Layers {
		at := fmt.Sprintf("%s.layers[%d]", at, i)
		switch {
		case c.hasFailed(at):
		case !c.layers[name]:
			c.fail(at, "no layer %s%s", clip(name), c.near(name, func() []string { return slices.Sorted(maps.Keys(c.layers)) }))
		case slices.Contains(f.Layers[:i], name):
			c.fail(at, "layer %s is there already: a function has a layer once", name)
		}
	}
	if f.VPC == nil {
		return
	}
	vpc := "" // that of the first subnet, to which all else belongs
	for i, id := range f.VPC.Subnets {
		if c.refer(c.subnets, "subnet", id, vpc, fmt.Sprintf("%s.vpc.subnets[%d]", at, i)) && vpc == "" {
			vpc = c.subnets[id]
		}
	}
	for i, id := range f.VPC.SecurityGroups {
		c.refer(c.groups, "security group", id, vpc, fmt.Sprintf("%s.vpc.securityGroups[%d]", at, i))
	}
}
