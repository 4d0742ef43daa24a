package daemon

import (
	"slices"
	"strings"
)

// needsOf lists the keys of the objects that an object needs to be there.
func needsOf(o object) (keys []string) {
	add := func(kind string, names ...string) {
		for _, n := range names {
			keys = append(keys, kind+" "+n)
		}
	}
	switch s := o.Spec.(type) {
	case subnetSpec:
		add("vpc", s.VPC)
	case groupSpec:
		if !s.isDefault { // that goes with its VPC
			add("vpc", s.VPC)
		}
		for _, rule := range slices.Concat(s.Ingress, s.Egress) {
			if group := rule[strings.LastIndexByte(rule, ' ')+1:]; strings.HasPrefix(group, "sg-") && group != o.Name {
				add("security-group", group)
			}
		}
	case resourceSpec:
		add("vpc", s.VPC)
		add("subnet", s.Subnet)
		add("security-group", s.SecurityGroups...)
	case functionSpec:
		for _, l := range s.Layers {
			add("layer", l.Layer)
		}
		add("role", s.Role[strings.LastIndexByte(s.Role, '/')+1:])
		add("subnet", s.Subnets...)
		add("security-group", s.SecurityGroups...)
	}
	return keys
}
