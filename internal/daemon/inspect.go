package daemon

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"enilab/internal/ec2"
	"enilab/nat"
	"enilab/sandbox"
)

// Table is what `inspect` shows of one kind.
type Table struct {
	Schema  string           `json:"schema"` // "enilab.inspect/v1"
	What    string           `json:"what"`
	Columns []string         `json:"columns"` // of the table for people, in order; rows may have more
	Rows    []map[string]any `json:"rows"`
}

// Tables are what can be inspected, besides Rules.
var Tables = []string{"functions", "enis", "envs", "slots", "vpcs", "resources", "nodes"}

// Rules is the table of what the kernel has counted for each rule of VPCs and ENIs.
const Rules = "rules"

func newTable(what string) Table {
	return Table{Schema: "enilab.inspect/v1", What: what, Rows: []map[string]any{}}
}

func (d *Daemon) inspect(what string) (Table, bool) {
	t := newTable(what)
	fill, ok := map[string]func(*Table){
		"functions": d.inspectFunctions, "enis": d.inspectENIs, "envs": d.inspectEnvironments, "slots": d.inspectSlots,
		"vpcs": d.inspectVPCs, "resources": d.inspectResources, "nodes": d.inspectNodes,
	}[what]
	if ok {
		fill(&t)
	}
	return t, ok
}

func (t *Table) add(row map[string]any) { t.Rows = append(t.Rows, row) }

func (d *Daemon) inspectFunctions(t *Table) {
	t.Columns = []string{"function", "mode", "state", "update", "vpc", "subnets", "memory", "envs", "cause"}
	count := map[string]int{}
	for _, e := range d.lab.Lambda.Environments() {
		count[e.Function]++
	}
	for _, c := range d.lab.Lambda.ListFunctions() {
		layers := []string{}
		for _, l := range c.Layers {
			layers = append(layers, l.ARN)
		}
		t.add(map[string]any{
			"function": c.FunctionName, "arn": c.FunctionARN, "mode": c.Mode, "state": c.State, "reason": c.StateReasonCode, "cause": c.Cause,
			"update": c.LastUpdateStatus, "vpc": c.VpcConfig.VpcID, "subnets": c.VpcConfig.SubnetIDs, "securityGroups": c.VpcConfig.SecurityGroupIDs,
			"memory": c.MemorySize, "timeout": c.Timeout.String(), "role": c.Role, "codeSha256": c.CodeSha256, "layers": layers, "envs": count[c.FunctionName],
		})
	}
}

// inspectENIs shows the interfaces that the kernel has, whoever made them.
func (d *Daemon) inspectENIs(t *Table) {
	t.Columns = []string{"eni", "type", "vpc", "subnet", "address", "securityGroups", "description", "users", "connections", "refused"}
	type shared struct {
		users int
		nat.Usage
	}
	hyperplane := map[string]shared{}
	for _, h := range d.lab.Lambda.HyperplaneENIs() {
		if h.Interface == nil {
			continue
		}
		usage, _ := h.ENI.Usage() // it may be going just now
		hyperplane[h.Interface.ID] = shared{h.Users, usage}
	}
	servers := map[string]bool{} // have a table of their own
	for _, r := range d.lab.Network.Resources() {
		servers[r.Interface.ID] = true
	}
	description := map[string]string{} // as it is now: EC2 may have changed it since the interface was made
	if page, err := d.ec2.DescribeNetworkInterfaces(ec2.Query{}); err == nil {
		for _, i := range page.Items {
			description[i.NetworkInterfaceID] = i.Description
		}
	}
	vpcs := d.lab.Network.VPCs()
	for _, id := range names(vpcs) {
		for _, i := range vpcs[id].Interfaces() {
			if servers[i.ID] {
				continue
			}
			said, ok := description[i.ID]
			if !ok { // it has come meanwhile
				said = i.Description
			}
			row := map[string]any{
				"eni": i.ID, "type": i.Type, "vpc": id, "subnet": i.Subnet.ID, "address": i.Address, "mac": i.MAC.String(),
				"securityGroups": i.Groups(), "description": said, "attachment": i.Attachment.ID,
			}
			if h, ok := hyperplane[i.ID]; ok {
				row["users"], row["connections"], row["closed"], row["capacity"] = h.users, h.Connections, h.Closed, h.Capacity
				row["refused"], row["refusedTCP"], row["refusedUDP"] = h.Refused.Total(), h.Refused.TCP, h.Refused.UDP // packets above its capacity
			}
			t.add(row)
		}
	}
}

func (d *Daemon) inspectEnvironments(t *Table) {
	t.Columns = []string{"env", "version", "state", "eni", "address", "slot", "age", "cold start"}
	for _, e := range d.lab.Lambda.Environments() {
		row := map[string]any{
			"env": e.ID, "function": e.Function, "version": e.Version, "state": e.State, "eni": e.ENI, "node": e.Node, "pid": e.PID,
			"started": e.Started, "lastUsed": e.LastUsed, "age": time.Since(e.Started).Round(time.Second).String(),
		}
		if e.Slot.IsValid() {
			row["slot"] = e.Slot
		}
		if e.Address.IsValid() {
			row["address"] = e.Address
		}
		var total time.Duration
		for _, s := range e.Timeline {
			if s.Kind == sandbox.Measured {
				total += s.Took
			}
		}
		row["cold start"] = total.Round(time.Microsecond).String()
		t.add(row)
	}
}

func (d *Daemon) inspectSlots(t *Table) {
	t.Columns = []string{"kind", "ready", "used"}
	for _, p := range d.lab.Lambda.Pools() {
		t.add(map[string]any{"kind": p.Kind, "ready": p.Ready, "used": p.Used})
	}
}

func (d *Daemon) inspectVPCs(t *Table) {
	t.Columns = []string{"vpc", "cidr", "subnet", "range", "az", "free", "of"}
	vpcs := d.lab.Network.VPCs()
	for _, id := range names(vpcs) {
		v := vpcs[id]
		subnets := v.Subnets()
		if len(subnets) == 0 {
			t.add(map[string]any{"vpc": id, "cidr": v.CIDR})
		}
		for _, s := range subnets {
			_, used, capacity, _ := v.Subnet(s.ID)
			t.add(map[string]any{"vpc": id, "cidr": v.CIDR, "subnet": s.ID, "range": s.CIDR, "az": s.AZ, "used": used, "free": capacity - used, "of": capacity})
		}
	}
}

func (d *Daemon) inspectResources(t *Table) {
	t.Columns = []string{"resource", "subnet", "address", "health", "pid inside", "restarts", "command"}
	for _, r := range d.lab.Network.Resources() {
		row := map[string]any{
			"resource": r.VPC + "/" + r.Name, "subnet": r.Spec.Subnet, "address": r.Interface.Address, "eni": r.Interface.ID, "command": strings.Join(r.Spec.Command, " "),
		}
		if p := r.Process(); p != nil {
			row["pid"], row["pid inside"] = p.Pid(), p.Pid()
		}
		row["health"], row["restarts"] = d.resources.health(r.VPC + "/" + r.Name)
		t.add(row)
	}
}

func (d *Daemon) inspectNodes(t *Table) {
	t.Columns = []string{"node", "kind", "pin", "pid inside"}
	for _, n := range append(d.nodes(), d.environmentNodes()...) {
		row := map[string]any{"node": n.Name, "kind": n.Kind}
		if n.Pin != "" {
			row["pin"] = n.Pin
		}
		if n.PID != 0 {
			row["pid"], row["pid inside"] = n.PID, n.PID
		}
		t.add(row)
	}
}

// environmentNodes are the namespaces of environments, which no pin names: a process of theirs does.
func (d *Daemon) environmentNodes() (list []Node) {
	for _, e := range d.lab.Lambda.Environments() {
		if e.PID != 0 {
			list = append(list, Node{Name: e.ID, Kind: "environment", PID: e.PID})
		}
	}
	return list
}

// node finds a node by its name; a resource also by the name that it has in its VPC, if no other has it.
func (d *Daemon) node(name string) (Node, error) {
	all := append(d.nodes(), d.environmentNodes()...)
	var found []Node
	for _, n := range all {
		_, short, _ := strings.Cut(n.Name, "/")
		switch {
		case n.Name == name:
			return n, nil
		case n.Kind == "resource" && short == name:
			found = append(found, n)
		}
	}
	var list []string
	for _, n := range all {
		list = append(list, n.Name)
	}
	slices.Sort(list)
	switch len(found) {
	case 0:
		return Node{}, &Failure{fmt.Sprintf("there is no node %q; there are %s", name, strings.Join(list, ", ")), true}
	case 1:
		return found[0], nil
	}
	return Node{}, &Failure{fmt.Sprintf("several resources are called %q: say %s or %s", name, found[0].Name, found[1].Name), true}
}

// spans are a timeline as verbs print it.
func spans(t *sandbox.Timeline) (list []Span) {
	for _, s := range t.Spans {
		list = append(list, Span{Name: s.Name, Kind: string(s.Kind), Took: s.Took.Microseconds()})
		for _, step := range s.Steps {
			list = append(list, Span{Name: step.Name, Kind: string(step.Kind), Took: step.Took.Microseconds(), Of: s.Name})
		}
	}
	return list
}
