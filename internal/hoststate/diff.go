package hoststate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Change is one difference between two states.
type Change struct {
	Kind Kind   `json:"kind"`
	Name string `json:"name"`
	What string `json:"what"` // "appeared", "vanished" or "changed: mtu=1500 → mtu=1400"
}

// String is such as "link eth1 appeared".
func (c Change) String() string { return fmt.Sprintf("%s %s %s", c.Kind, c.Name, c.What) }

// Diff lists what changed, in the order of [Kinds] and then by name; nil means that nothing did. Only kinds that both
// states could look at are compared. Settings that a kernel module brought are not changes: [News] tells of them. Nor
// are the settings of a link that came or went: the link says it.
func Diff(before, after State) []Change {
	var changes []Change
	loaded := len(newModules(before, after)) > 0
	links := map[string]bool{} // those that came or went
	for _, k := range Kinds {
		old, seenBefore := before.things[k]
		now, seenAfter := after.things[k]
		if !seenBefore || !seenAfter {
			continue
		}
		for _, name := range names(old, now) {
			was, had := old[name]
			is, has := now[name]
			if k == Setting && (links[linkOf(name)] || !had && loaded) {
				continue
			}
			switch {
			case !had:
				changes = append(changes, Change{k, name, "appeared"})
			case !has:
				changes = append(changes, Change{k, name, "vanished"})
			case was != is:
				changes = append(changes, Change{k, name, "changed: " + delta(was, is)})
			}
			if k == Link && had != has {
				links[name] = true
			}
		}
	}
	return changes
}

// News tells what happened to the machine beside changes: kernel modules that were loaded, with the settings they brought.
func News(before, after State) []string {
	loaded := newModules(before, after)
	if len(loaded) == 0 {
		return nil
	}
	brought := 0
	for name := range after.things[Setting] {
		if _, had := before.things[Setting][name]; !had {
			brought++
		}
	}
	word := "settings"
	if brought == 1 {
		word = "setting"
	}
	return []string{fmt.Sprintf("kernel modules loaded, with %d %s of theirs: %s", brought, word, strings.Join(loaded, ", "))}
}

func newModules(before, after State) []string {
	loaded := maps.Clone(after.modules)
	maps.DeleteFunc(loaded, func(name string, _ bool) bool { return before.modules[name] })
	return slices.Sorted(maps.Keys(loaded))
}

func names(a, b map[string]string) []string {
	all := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(all)
	return slices.Compact(all)
}

// linkOf is the link whose setting name is, as in net/ipv4/conf/<link>/forwarding; "" if it is none's.
func linkOf(name string) string {
	part := strings.Split(name, "/")
	if len(part) == 5 && (part[2] == "conf" || part[2] == "neigh") {
		return part[3]
	}
	return ""
}

// delta shows only what differs: lines of a table, words of anything else.
func delta(was, is string) string {
	split := strings.Fields
	if strings.Contains(was+is, "\n") {
		split = func(s string) []string { return strings.Split(s, "\n") }
	}
	gone, come := without(split(was), split(is)), without(split(is), split(was))
	switch {
	case len(gone) == 0 && len(come) == 0:
		return "order"
	case len(gone) == 0:
		return "+ " + few(come)
	case len(come) == 0:
		return "- " + few(gone)
	}
	return few(gone) + " → " + few(come)
}

// few keeps a sentence short.
func few(parts []string) string {
	const enough = 4
	if more := len(parts) - enough; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(parts[:enough], "; "), more)
	}
	return strings.Join(parts, "; ")
}

// without returns the elements of a that b does not have, counting repetitions.
func without(a, b []string) []string {
	count := map[string]int{}
	for _, s := range b {
		count[s]++
	}
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool {
		count[s]--
		return count[s] >= 0
	})
}
