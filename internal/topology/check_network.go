package topology

import (
	"fmt"
	"strings"
)

// network asks netlab what it thinks of the networks, and puts each of its messages where it belongs. What the topology's
// own checks have said of a value, netlab need not repeat.
func (c *checker) network() {
	err := c.Network([]string{"whoami"}).Validate()
	if err == nil {
		return
	}
	places := c.places()
	for message := range strings.Lines(err.Error()) {
		message = strings.TrimSuffix(message, "\n")
		path := ""
		for { // "vpc "a": subnet "b": problem": the names lead there
			head, rest, ok := strings.Cut(message, ": ")
			next, known := places[path+"\x00"+head]
			if !ok || !known {
				break
			}
			path, message = next, rest
		}
		isRule := strings.HasSuffix(path, "]")
		if at := c.fieldOf(path, message); !c.hasFailed(at) && !(isRule && c.hasFailed(path)) {
			c.fail(at, "%s", message)
		}
	}
}

// places maps a path and how netlab calls something in it to that thing's path.
func (c *checker) places() map[string]string {
	places := map[string]string{}
	for _, v := range c.VPCs {
		vpc := pathOf("vpcs", v.ID)
		places[fmt.Sprintf("\x00vpc %q", v.ID)] = vpc
		for _, s := range v.Subnets {
			places[fmt.Sprintf("%s\x00subnet %q", vpc, s.ID)] = pathOf(vpc, "subnets", s.ID)
		}
		for _, g := range v.SecurityGroups {
			group := pathOf(vpc, "securityGroups", g.ID)
			places[fmt.Sprintf("%s\x00security group %q", vpc, g.ID)] = group
			for i := range g.Ingress {
				places[fmt.Sprintf("%s\x00ingress rule %d", group, i+1)] = fmt.Sprintf("%s.ingress[%d]", group, i)
			}
			for i := range g.Egress {
				places[fmt.Sprintf("%s\x00egress rule %d", group, i+1)] = fmt.Sprintf("%s.egress[%d]", group, i)
			}
		}
		for _, r := range v.Resources {
			places[fmt.Sprintf("%s\x00resource %q", vpc, r.Name)] = pathOf(vpc, "resources", r.Name)
		}
	}
	return places
}

// fieldOf finds the key that a message of netlab is about, by its words. Without one it is about the whole.
func (c *checker) fieldOf(path, message string) string {
	for _, about := range []struct{ words, field string }{
		{"has this name already", ""},
		{"a name has", ""},
		{"address left", "subnet"},
		{"address ", "address"},
		{"no subnet ", "subnet"},
		{"security group", "securityGroups"},
		{"command", "command"},
		{"CIDR", "cidr"},
		{"overlaps", "cidr"},
		{"is not inside", "cidr"},
	} {
		if strings.Contains(message, about.words) {
			if about.field == "" {
				return path
			}
			return pathOf(path, about.field)
		}
	}
	return path
}
