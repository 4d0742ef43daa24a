package topology

import (
	"slices"

	"enilab/netlab"
)

// Ports of the servers that the lab knows.
const (
	WhoamiPort = 80
	RedisPort  = 6379
)

// Network describes the customers' networks. Whoami is the argument vector of the server behind "serve: whoami", in which
// "{address}" stands for its address; it has to serve [WhoamiPort].
func (t *Topology) Network(whoami []string) netlab.Spec {
	var spec netlab.Spec
	for _, v := range t.VPCs {
		spec.VPCs = append(spec.VPCs, v.spec(whoami))
	}
	return spec
}

func (v VPC) spec(whoami []string) netlab.VPCSpec {
	spec := netlab.VPCSpec{ID: v.ID, CIDR: v.CIDR}
	for _, s := range v.Subnets {
		spec.Subnets = append(spec.Subnets, netlab.SubnetSpec{ID: s.ID, CIDR: s.CIDR, AZ: s.AZ})
	}
	for _, g := range v.SecurityGroups {
		spec.SecurityGroups = append(spec.SecurityGroups, netlab.SecurityGroupSpec{ID: g.ID, Ingress: rules(g.Ingress), Egress: rules(g.Egress)})
	}
	for _, r := range v.Resources {
		spec.Resources = append(spec.Resources, r.spec(whoami))
	}
	return spec
}

// rules keeps the difference between none (nil) and nothing allowed.
func rules(rs []Rule) []netlab.Rule {
	if rs == nil {
		return nil
	}
	list := make([]netlab.Rule, len(rs))
	for i, r := range rs {
		list[i] = netlab.Rule{Protocol: r.Protocol, FromPort: r.Ports.From, ToPort: r.Ports.To, CIDR: r.CIDR, Group: r.Group}
		if r.Protocol == "all" {
			list[i].Protocol = netlab.All.Protocol
		}
	}
	return list
}

func (r Resource) spec(whoami []string) netlab.ResourceSpec {
	spec := netlab.ResourceSpec{Name: r.Name, Subnet: r.Subnet, SecurityGroups: r.SecurityGroups, Address: r.Address, Command: r.Command}
	if h := r.Health; h != nil {
		spec.Port, spec.Check, spec.Interval = h.Port, h.Command, h.Interval
	}
	switch r.Serve {
	case "whoami":
		spec.Command, spec.Port = slices.Clone(whoami), WhoamiPort
	case "redis":
		spec.Command, spec.Port = netlab.RedisCommand(RedisPort), RedisPort
	}
	return spec
}

// ServesRedis tells whether a server is what `serve: redis` makes: open to all who reach it, and empty when it starts.
func ServesRedis(spec netlab.ResourceSpec) bool {
	return slices.Equal(spec.Command, netlab.RedisCommand(RedisPort))
}
