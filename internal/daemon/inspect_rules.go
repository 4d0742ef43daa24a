package daemon

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"enilab/internal/lambda"
	"enilab/internal/spelling"
	"enilab/netlab"
)

// inspectRules shows what the kernel has counted for each rule of VPCs and Hyperplane ENIs: of those that are named, or of
// all. Of another interface it shows the rules of its security groups. It runs iptables for each.
func (d *Daemon) inspectRules(of []string) (Table, error) {
	t := newTable("rules")
	t.Columns = []string{"of", "rule", "direction", "protocol", "ports", "peer", "action", "packets", "bytes"}
	vpcs := d.lab.Network.VPCs()
	shared := map[string]lambda.HyperplaneENI{}
	for _, h := range d.lab.Lambda.HyperplaneENIs() {
		shared[h.ENI.Node.Name] = h
	}
	if len(of) == 0 {
		of = append(names(vpcs), names(shared)...)
	}
	for _, name := range of {
		vpc, isVPC := vpcs[name]
		eni, isShared := shared[name]
		var err error
		switch {
		case isVPC:
			err = t.addVPCRules(vpc, nil)
		case isShared:
			err = t.addENIRules(eni)
		default:
			var known []string
			for _, id := range names(vpcs) {
				for _, i := range vpcs[id].Interfaces() {
					known = append(known, i.ID)
					if i.ID == name {
						vpc, isVPC = vpcs[id], true
						err = t.addVPCRules(vpc, i.Groups())
					}
				}
			}
			if !isVPC {
				text := fmt.Sprintf("there is no VPC and no ENI %q", name)
				if near := spelling.Nearest(name, slices.Concat(names(vpcs), names(shared), known)); near != "" {
					text += fmt.Sprintf("; did you mean %q?", near)
				} else if len(vpcs) > 0 {
					text += fmt.Sprintf("; the VPCs are %s, and 'enilab inspect enis' shows the ENIs", strings.Join(names(vpcs), ", "))
				}
				return t, &Failure{text, true}
			}
		}
		if err != nil {
			return t, err
		}
	}
	return t, nil
}

// addVPCRules adds the rules of a VPC, or with groups those that an interface with just these has.
func (t *Table) addVPCRules(v *netlab.VPC, groups []string) error {
	counts, err := v.RuleCounts()
	if err != nil {
		return err
	}
	for _, c := range counts {
		if groups != nil && !slices.Equal(c.Groups, groups) && (c.What != "" || !slices.Contains(groups, c.Groups[0])) {
			continue
		}
		row := map[string]any{"of": v.ID, "vpc": v.ID, "action": action(c.Allows), "packets": c.Packets, "bytes": c.Bytes}
		if len(c.Groups) > 0 {
			row["groups"] = c.Groups
			row["direction"] = map[bool]string{true: "out", false: "in"}[c.Egress]
		}
		if c.What != "" {
			row["rule"] = c.What
			if len(c.Groups) > 0 {
				row["rule"] = strings.Join(c.Groups, ",") + ": " + string(c.What)
			}
		} else {
			row["rule"] = c.Groups[0]
			row["protocol"], row["ports"] = protocolText(c.Rule), portsText(c.Rule)
			row["peer"] = cmp.Or(c.Rule.Group, c.Rule.CIDR.String())
		}
		t.add(row)
	}
	return nil
}

func (t *Table) addENIRules(h lambda.HyperplaneENI) error {
	counts, err := h.ENI.RuleCounts()
	if err != nil {
		return err
	}
	for _, c := range counts {
		row := map[string]any{"of": h.ENI.Node.Name, "eni": h.ENI.Node.Name, "rule": c.What, "action": action(c.Allows), "packets": c.Packets, "bytes": c.Bytes}
		if h.VPC != "" {
			row["vpc"] = h.VPC
		}
		if c.Protocol != "" {
			row["protocol"] = c.Protocol
		}
		t.add(row)
	}
	return nil
}

func action(allows bool) string {
	if allows {
		return "allow"
	}
	return "drop"
}

func protocolText(r netlab.Rule) string {
	if r.Protocol == "-1" {
		return "all"
	}
	return r.Protocol
}

// portsText is a rule's ports, or of ICMP its type and code; empty if it has none.
func portsText(r netlab.Rule) string {
	switch {
	case r.ICMP != "":
		return "type " + r.ICMP
	case r.Protocol != "tcp" && r.Protocol != "udp":
		return ""
	case r.FromPort == 0 && r.ToPort == 0:
		return "all"
	case r.ToPort == 0 || r.ToPort == r.FromPort:
		return fmt.Sprint(r.FromPort)
	}
	return fmt.Sprintf("%d-%d", r.FromPort, r.ToPort)
}
