package daemon

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"reflect"
	"slices"
	"strings"

	"enilab/internal/ec2"
	"enilab/internal/iam"
	"enilab/internal/lambda"
	"enilab/internal/runtimes"
	"enilab/internal/topology"
	"enilab/netlab"
	"enilab/sandbox"
)

// circumstances are what a plan has to reckon with besides the objects themselves.
type circumstances struct {
	settings   Settings
	whoami     []string // the argument vector of the lab's own server
	interfaces []ec2.NetworkInterface
	servers    map[string]string                         // interface id → VPC/NAME of the server that has it
	versions   map[string][]lambda.FunctionConfiguration // of functions, the published ones
	machine    *runtimes.Machine                         // where interpreters and programs are; nil: it is not asked
}

// objector finds in a plan, before its first step, what the control planes would refuse when it came to that: each with its
// place in the topology. Where it cannot know whether they would, because ENIs come and go behind everybody's back, it
// objects: nothing is made that might have to stop half-way.
type objector struct {
	circumstances
	topology *topology.Topology
	is       map[string]object   // all that there are, by key
	users    map[string][]object // of those, by the key of what they need
	steps    []step
	should   []object
	want     map[string]object // the same by key
	final    []object          // all that there is after the plan, ordered by need
	declared map[string]declaration
	errs     topology.Errors
}

// objections is nil if everything can be made, as far as anybody can know.
func objections(t *topology.Topology, is, should []object, declared map[string]declaration, steps []step, c circumstances) error {
	o := &objector{circumstances: c, topology: t, is: byKey(is), users: usersIn(is), steps: steps, should: should, want: byKey(should), final: slices.Clone(should), declared: declared}
	for _, old := range is {
		_, ours := declared[old.key()]
		if _, stays := o.want[old.key()]; !stays && !ours {
			o.final = append(o.final, old)
		}
	}
	later := usersIn(o.final)
	for _, s := range steps {
		switch {
		case s.Action == Delete:
			o.departure(s, later[s.key()])
		case s.Action == Update:
			o.fixed(s)
		}
	}
	o.ranges()
	o.addresses()
	o.interfacesPerVPC()
	o.programs()
	o.functions(o.roles())
	o.concurrency()
	return o.errs.OrNil()
}

func (o *objector) object(at, format string, args ...any) {
	o.errs = append(o.errs, o.topology.ErrorAt(at, format, args...))
}

// pathTo is where an object is declared or, if it is no more, what it was in.
func pathTo(x object) string {
	switch s := x.Spec.(type) {
	case vpcSpec:
		return "vpcs." + x.Name
	case subnetSpec:
		return "vpcs." + s.VPC + ".subnets." + x.Name
	case groupSpec:
		return "vpcs." + s.VPC + ".securityGroups." + x.Name
	case resourceSpec:
		return "vpcs." + s.VPC + ".resources." + strings.TrimPrefix(x.Name, s.VPC+"/")
	case roleSpec:
		return "roles." + x.Name
	case layerSpec:
		return "layers." + x.Name
	}
	return "functions." + x.Name
}

// title is what an object is called, and whose it is if it is no topology's.
func (o *objector) title(x object) string {
	s := strings.ReplaceAll(x.Kind, "-", " ") + " " + x.Name
	_, ours := o.declared[x.key()]
	if _, wanted := o.want[x.key()]; ours || wanted {
		return s
	}
	return s + ", which no topology declares,"
}

// departure objects to the end of what is needed by something that stays.
func (o *objector) departure(s step, users []object) {
	if s.Kind != "vpc" && s.Kind != "subnet" && s.Kind != "security-group" {
		return
	}
	object := func(who, does string) {
		o.object(pathTo(*s.from), "%s cannot go: %s %s it; delete that first, or keep the %[1]s", s.title(), who, does)
	}
	does := map[bool]string{true: "is in", false: "uses"}[s.Kind == "vpc"]
	for _, u := range users {
		object(o.title(u), does)
	}
	for _, u := range o.final {
		if u.Kind != "function" {
			continue
		}
		for _, v := range o.versions[u.Name] {
			if s.Kind == "subnet" && slices.Contains(v.VpcConfig.SubnetIDs, s.Name) || s.Kind == "security-group" && slices.Contains(v.VpcConfig.SecurityGroupIDs, s.Name) {
				object(fmt.Sprintf("version %s of function %s", v.Version, u.Name), does)
			}
		}
	}
	for _, i := range o.interfaces {
		in := s.Kind == "subnet" && i.SubnetID == s.Name || s.Kind == "security-group" && slices.ContainsFunc(i.Groups, func(g ec2.GroupIdentifier) bool { return g.GroupID == s.Name })
		if i.Attachment == nil && in { // the others belong to servers and functions
			object("network interface "+i.NetworkInterfaceID+", which no topology declares,", "uses")
		}
	}
}

func (s step) title() string { return strings.ReplaceAll(s.Kind, "-", " ") + " " + s.Name }

// fixed objects to changes of what cannot change.
func (o *objector) fixed(s step) {
	switch old := s.from.Spec.(type) {
	case vpcSpec, subnetSpec:
	case groupSpec:
		if now := s.to.Spec.(groupSpec); old.VPC == now.VPC && old.Description == now.Description {
			return
		}
		old.Ingress, old.Egress = s.to.Spec.(groupSpec).Ingress, s.to.Spec.(groupSpec).Egress // those can
		o.object(pathTo(*s.to), "%s: %v", s.title(), cannotChange(object{s.Kind, s.Name, old}, *s.to))
		return
	default:
		return
	}
	o.object(pathTo(*s.to), "%s: %v", s.title(), cannotChange(*s.from, *s.to))
}

// ranges objects to new subnets that share addresses with one that stays, or that cannot go in time.
func (o *objector) ranges() {
	gone := map[string]bool{}
	for _, s := range o.steps {
		switch {
		case s.Action == Delete:
			gone[s.key()] = true
		case s.Action == Create && s.Kind == "subnet":
			for _, key := range names(o.is) {
				old := o.is[key]
				if gone[key] || !overlap(old, *s.to) {
					continue
				}
				why := "which no topology declares, and which stays"
				if slices.ContainsFunc(o.steps, func(s step) bool { return s.Action == Delete && s.key() == key }) {
					why = "which goes only when nothing uses it any more; take " + strings.Join(keysOf(o.users[key]), ", ") + " out first, or give the new one another range"
				}
				o.object(pathTo(*s.to)+".cidr", "%s: %s overlaps %s of subnet %s, %s", s.title(), s.to.Spec.(subnetSpec).CIDR, old.Spec.(subnetSpec).CIDR, old.Name, why)
			}
		}
	}
}

// sharedKeys are the subnet and security-group sets that a function needs Hyperplane ENIs of.
func sharedKeys(x object) (keys []string) {
	f, ok := x.Spec.(functionSpec)
	if !ok || f.Mode != lambda.Shared {
		return nil
	}
	for _, subnet := range f.Subnets {
		keys = append(keys, subnet+" "+strings.Join(slices.Compact(sorted(f.SecurityGroups)), " "))
	}
	return slices.Compact(slices.Sorted(slices.Values(keys)))
}

// haveShared are those that there are ENIs of.
func (o *objector) haveShared() map[string]bool {
	have := map[string]bool{}
	for _, i := range o.interfaces {
		if isHyperplane(i) {
			have[keyOf(i)] = true
		}
	}
	return have
}

func isHyperplane(i ec2.NetworkInterface) bool {
	return lambda.IsOf(lambda.Shared, i.Description) && i.Attachment != nil
}

func keyOf(i ec2.NetworkInterface) string {
	var groups []string
	for _, g := range i.Groups {
		groups = append(groups, g.GroupID)
	}
	return i.SubnetID + " " + strings.Join(slices.Compact(sorted(groups)), " ")
}

// newShared are the ENIs that the plan's functions will have made, and the function that is the first to need each.
func (o *objector) newShared() (keys []string, first map[string]object) {
	have, first := o.haveShared(), map[string]object{}
	for _, s := range o.steps {
		if s.Kind != "function" || s.Action == Delete {
			continue
		}
		for _, key := range sharedKeys(*s.to) {
			if _, known := first[key]; !known && !have[key] {
				keys, first[key] = append(keys, key), *s.to
			}
		}
	}
	return keys, first
}

// addresses objects to servers and functions that a subnet has no address for. All interfaces of functions count as staying:
// those that end do so behind everybody's back.
func (o *objector) addresses() {
	leaving := map[place]string{} // servers' present places, given up before others are taken
	kept := map[string]bool{}     // keys of servers that stay as they are
	for _, x := range o.should {
		kept[x.key()] = x.Kind == "resource"
	}
	for _, s := range o.steps {
		if s.Kind == "resource" {
			delete(kept, s.key())
		}
	}
	books := map[string]*netlab.Allocator{}
	for _, x := range o.should {
		s, ok := x.Spec.(subnetSpec)
		if old, is := o.is[x.key()]; ok && (!is || changes(old.Spec, s) == "") { // else there is an objection already
			books[x.Name] = netlab.NewAllocator(s.CIDR)
		}
	}
	holders := map[place]string{}
	for _, i := range o.interfaces {
		book, at := books[i.SubnetID], place{i.SubnetID, i.PrivateIPAddress}
		who := o.servers[i.NetworkInterfaceID]
		if _, is := o.is["subnet "+i.SubnetID]; !is || book == nil {
			continue
		}
		if who != "" && !kept["resource "+who] {
			leaving[at] = who
			continue
		}
		if book.TakeExact(i.PrivateIPAddress) == nil {
			holders[at] = holder(i, who)
		}
	}
	byServer := map[string]place{}
	for at, who := range leaving {
		byServer[who] = at
	}
	var any []object
	for _, s := range o.steps {
		if s.Kind != "resource" || s.Action == Delete {
			continue
		}
		r := s.to.Spec.(resourceSpec)
		address := r.Address
		if was, ok := byServer[s.Name]; !address.IsValid() && ok && was.subnet == r.Subnet {
			address = was.Addr // it keeps it
		}
		book := books[r.Subnet]
		if book == nil {
			continue
		}
		if !address.IsValid() {
			any = append(any, *s.to)
			continue
		}
		if err := book.TakeExact(address); err != nil {
			o.object(pathTo(*s.to)+".address", "%s: address %s is taken by %s", s.title(), address, cmp.Or(holders[place{r.Subnet, address}], "another"))
			continue
		}
		holders[place{r.Subnet, address}] = "resource " + s.Name
	}
	for _, x := range any {
		if r := x.Spec.(resourceSpec); !take(books[r.Subnet]) {
			o.object(pathTo(x)+".subnet", "resource %s: subnet %s has no address left: its %d are taken, or needed by others", x.Name, r.Subnet, books[r.Subnet].Capacity())
		}
	}
	keys, first := o.newShared()
	for _, key := range keys {
		subnet, _, _ := strings.Cut(key, " ")
		if book := books[subnet]; book != nil && !take(book) {
			x := first[key]
			o.object(pathTo(x)+".vpc", "function %s: subnet %s has no address left for its Hyperplane ENI: its %d are taken, or needed by others", x.Name, subnet, book.Capacity())
		}
	}
}

// holder is who has an interface.
func holder(i ec2.NetworkInterface, server string) string {
	if server != "" {
		return "resource " + server
	}
	return fmt.Sprintf("network interface %s (%s)", i.NetworkInterfaceID, cmp.Or(i.Description, "which no topology declares"))
}

func take(book *netlab.Allocator) bool {
	_, ok := book.Take()
	return ok
}

// interfacesPerVPC objects to more Hyperplane ENIs than a VPC may have. Those that the plan leaves without a use are there
// until their functions have others.
func (o *objector) interfacesPerVPC() {
	count := map[string]int{}
	for _, i := range o.interfaces {
		if isHyperplane(i) {
			count[i.VpcID]++
		}
	}
	home := map[string]string{}
	for _, x := range o.should {
		if s, ok := x.Spec.(subnetSpec); ok {
			home[x.Name] = s.VPC
		}
	}
	quota := o.settings.Quotas.HyperplaneENIs()
	keys, first := o.newShared()
	for _, key := range keys {
		subnet, _, _ := strings.Cut(key, " ")
		vpc := home[subnet]
		if count[vpc]++; count[vpc] > quota {
			x := first[key]
			o.object(pathTo(x)+".vpc", "function %s: %s would have more than %d Hyperplane ENIs, its quota (hyperplaneEnisPerVpc), those included that end when functions have others", x.Name, vpc, quota)
		}
	}
}

// programs objects to servers whose programs this machine does not have.
func (o *objector) programs() {
	if o.machine == nil {
		return
	}
	for _, s := range o.steps {
		r, ok := toSpec[resourceSpec](s)
		if !ok {
			continue
		}
		for field, argv := range map[string][]string{"command": r.Command, "health.command": r.Check} {
			if len(argv) == 0 || slices.Equal(argv, o.whoami) {
				continue
			}
			if _, err := exec.LookPath(argv[0]); err != nil {
				way := "install it, or give an absolute path"
				if argv[0] == "redis-server" {
					way = "install Debian's redis-server"
				}
				o.object(pathTo(*s.to)+"."+field, "%s: this machine has no program %q; %s", s.title(), argv[0], way)
			}
		}
	}
}

func toSpec[T any](s step) (spec T, ok bool) {
	if s.to == nil {
		return spec, false
	}
	spec, ok = s.to.Spec.(T)
	return spec, ok
}

// roles makes the roles in an IAM of nobody's, which objects to what the lab's would, and can tell what they will allow.
func (o *objector) roles() *iam.Service {
	scratch := iam.New(iam.Config{Account: o.settings.Account, Region: o.settings.Region})
	for _, x := range o.should {
		if x.Kind != "role" {
			continue
		}
		if old, ok := o.is[x.key()]; ok && old.Spec.(roleSpec).path != x.Spec.(roleSpec).path {
			way := "delete it by the API, and 'enilab up' makes it anew, or give the topology's another name"
			o.object(pathTo(x), "role %s: there is one that the API has made with the path %s, and a topology's has none; %s",
				x.Name, old.Spec.(roleSpec).path, way)
		}
		if err := makeRole(scratch, x); err != nil {
			o.object(pathTo(x), "role %s: %v", x.Name, err)
		}
	}
	return scratch
}

// functions objects to functions that Lambda would refuse.
func (o *objector) functions(roles *iam.Service) {
	for _, s := range o.steps {
		f, ok := toSpec[functionSpec](s)
		if !ok {
			continue
		}
		at := pathTo(*s.to)
		object := func(field, format string, args ...any) {
			o.object(at+field, "%s: %s", s.title(), fmt.Sprintf(format, args...))
		}
		in, err := createInput(*s.to)
		if err == nil && o.variables(f, object) {
			continue
		}
		if err == nil {
			err = in.Check()
		}
		if err != nil {
			object("", "%v", err)
			continue
		}
		if size := f.code.unpacked + f.layersSize; size > sandbox.DefaultUnzipped {
			object(".layers", "Function code combined with layers exceeds the maximum allowed size of %d bytes. The actual size is %d bytes.", sandbox.DefaultUnzipped, size)
		}
		if r, managed := runtimes.Lookup(f.Runtime); managed && o.machine != nil {
			if _, err := o.machine.Find(context.Background(), r); err != nil {
				object(".runtime", "%v", err)
			}
		}
		if len(f.Subnets) == 0 && !o.settings.Internet {
			object(".vpc", "it has no VPC, and this lab has no internet, and so no network for it; give it a vpc, or the lab internet: true")
		}
		if f.Mode != lambda.Shared || len(f.Subnets) == 0 {
			continue
		}
		if action, err := lambda.Lacks(f.Role, roles.Allowed); err != nil {
			object(".role", "The provided execution role does not have permissions to call %s on EC2", action)
		}
	}
}

// variables objects to those that a function cannot have, each where it is.
func (*objector) variables(f functionSpec, object func(field, format string, args ...any)) (found bool) {
	for _, name := range names(f.Environment) {
		if err := lambda.CheckVariable(name, f.Environment[name]); err != nil {
			object(".environment."+name, "%v", err)
			found = true
		}
	}
	if lambda.CheckVariables(f.Environment) != nil { // in AWS's words with all of them
		object(".environment", "its variables are too long together: Lambda takes 4 KB of them, as JSON")
		found = true
	}
	return found
}

// concurrency objects to reservations that leave too little to the functions without one.
func (o *objector) concurrency() {
	total, limit := 0, o.settings.Quotas.Reservable()
	for _, x := range o.final {
		if f, ok := x.Spec.(functionSpec); ok && f.Concurrency != nil {
			total += *f.Concurrency
		}
	}
	if total <= limit {
		return
	}
	for _, s := range o.steps {
		f, ok := toSpec[functionSpec](s)
		if !ok || f.Concurrency == nil || *f.Concurrency == 0 || s.from != nil && reflect.DeepEqual(s.from.Spec.(functionSpec).Concurrency, f.Concurrency) {
			continue
		}
		o.object(pathTo(*s.to)+".concurrency", "%s: with its %d functions reserve %d together; the account's concurrency leaves %d to reserve", s.title(), *f.Concurrency, total, limit)
	}
}

// place is an address in a subnet.
type place struct {
	subnet string
	netip.Addr
}
