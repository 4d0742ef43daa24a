package daemon

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// object is one thing that a topology declares, or that is: its kind, its name, and what is to be compared, as data.
type object struct {
	Kind string
	Name string
	Spec any // a struct of the kind's; its JSON decides whether two are the same
}

func (o object) key() string { return o.Kind + " " + o.Name }

// kinds are in the order in which they need each other.
var kinds = []string{"vpc", "subnet", "security-group", "role", "layer", "resource", "function"}

// users are the kinds that use the others and that nothing uses.
var users = []string{"resource", "function"}

// step is a change with what it takes to make it.
type step struct {
	Change
	from, to *object  // what is, and what should be
	row      int      // steps of one row are of one kind and may be made at once, after those of the rows before
	wave     int      // and after those of earlier waves of their row
	after    []string // keys of objects whose own steps, if they have any, must have succeeded for this one to be tried
}

func (s step) key() string { return s.Kind + " " + s.Name }

// plan tells what it takes to come from what is to what should be. What was declared before and is no more, goes; what
// was never declared, such as what the API made, stays. First go the users of what may go later, and subnets whose range
// a new one takes, then everything comes or changes in the order of need, then the rest goes in the reverse order.
func plan(is, should []object, declared map[string]declaration) (steps []step) {
	have, want, used := byKey(is), byKey(should), usersIn(is)
	going := func(o object) bool {
		_, ours := declared[o.key()]
		_, stays := want[o.key()]
		return ours && !stays
	}
	row := 0
	remove := func(which func(object) bool, kinds ...string) {
		for _, kind := range kinds {
			row++
			for _, o := range is {
				if o.Kind == kind && going(o) && which(o) {
					steps = append(steps, step{Change: Change{Action: Delete, Kind: kind, Name: o.Name}, from: &o, row: row, after: keysOf(used[o.key()])})
				}
			}
		}
	}
	early := func(o object) bool {
		return len(successorsOf(o, should, have)) > 0 &&
			!slices.ContainsFunc(used[o.key()], func(u object) bool { return !going(u) || !slices.Contains(users, u.Kind) })
	}
	others := slices.DeleteFunc(slices.Clone(kinds), func(k string) bool { return slices.Contains(users, k) })
	slices.Reverse(others)

	remove(func(object) bool { return true }, users...)
	remove(early, "subnet")
	for _, kind := range kinds {
		row++
		for wave, exact := range []bool{true, false} { // who asks for an address gets it before it is given to another
			for _, o := range should {
				if o.Kind != kind || exact != asksForAddress(o) {
					continue
				}
				s := step{Change: Change{Action: Create, Kind: kind, Name: o.Name}, to: &o, row: row, wave: wave, after: needsOf(o)}
				old, ok := have[o.key()]
				if ok {
					s.Action, s.from, s.Detail = Update, &old, changes(old.Spec, o.Spec)
				} else {
					s.after = append(s.after, predecessorsOf(o, is, want)...)
				}
				if !ok || s.Detail != "" {
					steps = append(steps, s)
				}
			}
		}
	}
	remove(func(o object) bool { return !early(o) }, others...)
	return steps
}

func byKey(list []object) map[string]object {
	m := make(map[string]object, len(list))
	for _, o := range list {
		m[o.key()] = o
	}
	return m
}

// successorsOf are the new subnets that take addresses of one that is to go.
func successorsOf(old object, should []object, have map[string]object) (keys []string) {
	for _, o := range should {
		if overlap(old, o) {
			if _, is := have[o.key()]; !is {
				keys = append(keys, o.key())
			}
		}
	}
	return keys
}

// predecessorsOf are the subnets that are to go and have addresses of a new one.
func predecessorsOf(o object, is []object, want map[string]object) (keys []string) {
	for _, old := range is {
		if overlap(old, o) {
			if _, stays := want[old.key()]; !stays {
				keys = append(keys, old.key())
			}
		}
	}
	return keys
}

// overlap tells whether two objects are different subnets of one VPC that share addresses.
func overlap(a, b object) bool {
	one, ok := a.Spec.(subnetSpec)
	other, both := b.Spec.(subnetSpec)
	return ok && both && a.Name != b.Name && one.VPC == other.VPC && one.CIDR.Overlaps(other.CIDR)
}

func asksForAddress(o object) bool {
	r, ok := o.Spec.(resourceSpec)
	return ok && r.Address.IsValid()
}

// usersIn are those in a list that need an object, by its key.
func usersIn(list []object) map[string][]object {
	users := map[string][]object{}
	for _, u := range list {
		for _, key := range slices.Compact(slices.Sorted(slices.Values(needsOf(u)))) {
			users[key] = append(users[key], u)
		}
	}
	return users
}

func keysOf(list []object) (keys []string) {
	for _, o := range list {
		keys = append(keys, o.key())
	}
	return keys
}

// changes names the fields that differ, with both values; empty if none does.
func changes(from, to any) string {
	return strings.Join(differences("", fields(from), fields(to)), ", ")
}

// differences names fields within fields as environment.NAME.
func differences(in string, a, b map[string]any) (parts []string) {
	names := slices.Sorted(maps.Keys(a))
	for name := range b {
		if _, ok := a[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		was, nested := a[name].(map[string]any)
		is, both := b[name].(map[string]any)
		switch {
		case reflect.DeepEqual(a[name], b[name]):
		case nested && both:
			parts = append(parts, differences(in+name+".", was, is)...)
		default:
			parts = append(parts, fmt.Sprintf("%s %s → %s", in+name, short(a[name]), short(b[name])))
		}
	}
	return parts
}

// fields are a spec as its JSON has it.
func fields(spec any) (m map[string]any) {
	b, err := json.Marshal(spec)
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		panic(err) // specs are plain data
	}
	return m
}

// short is a value as one reads it in a line.
func short(v any) string {
	if v == nil {
		return "none"
	}
	if s, ok := v.(string); ok {
		return s
	}
	b, _ := json.Marshal(v) // it came from JSON
	return beginning(string(b))
}

// beginning is as much of a text as has room in a line beside others.
func beginning(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most-3], "") + "…"
}
