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
var kinds = []string{"vpc", "subnet", "security-group", "role", "resource", "function"}

// users are the kinds that use the others and that nothing uses.
var users = []string{"resource", "function"}

// step is a change with what it takes to make it.
type step struct {
	Change
	from, to *object // what is, and what should be
}

// plan tells what it takes to come from what is to what should be. What was declared before and is no more, goes; what
// was never declared, such as what the API made, stays. First go the users of what may go later, then everything comes
// or changes in the order of need, then the rest goes in the reverse order.
func plan(is, should []object, declared map[string]declaration) (steps []step) {
	have := map[string]object{}
	for _, o := range is {
		have[o.key()] = o
	}
	want := map[string]bool{}
	for _, o := range should {
		want[o.key()] = true
	}
	remove := func(kinds ...string) {
		for _, kind := range kinds {
			for _, o := range is {
				if _, ours := declared[o.key()]; ours && o.Kind == kind && !want[o.key()] {
					steps = append(steps, step{Change{Action: Delete, Kind: kind, Name: o.Name}, &o, nil})
				}
			}
		}
	}
	others := slices.DeleteFunc(slices.Clone(kinds), func(k string) bool { return slices.Contains(users, k) })
	slices.Reverse(others)

	remove(users...)
	for _, kind := range kinds {
		for _, o := range should {
			if o.Kind != kind {
				continue
			}
			old, ok := have[o.key()]
			if !ok {
				steps = append(steps, step{Change{Action: Create, Kind: kind, Name: o.Name}, nil, &o})
			} else if detail := changes(old.Spec, o.Spec); detail != "" {
				steps = append(steps, step{Change{Action: Update, Kind: kind, Name: o.Name, Detail: detail}, &old, &o})
			}
		}
	}
	remove(others...)
	return steps
}

// changes names the fields that differ, with both values; empty if none does.
func changes(from, to any) string {
	a, b := fields(from), fields(to)
	names := slices.Sorted(maps.Keys(a))
	for name := range b {
		if _, ok := a[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var parts []string
	for _, name := range names {
		if !reflect.DeepEqual(a[name], b[name]) {
			parts = append(parts, fmt.Sprintf("%s %s → %s", name, short(a[name]), short(b[name])))
		}
	}
	return strings.Join(parts, ", ")
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
	const most = 60
	if s := string(b); len(s) <= most {
		return s
	}
	return string(b[:most-3]) + "…"
}
