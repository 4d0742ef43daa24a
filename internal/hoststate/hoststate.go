// Package hoststate looks at what the lab promises not to change: the network of the namespace it is called in, its
// settings and packet filters, and what a lab could leave on the machine. Take it before and after, and [Diff] the two.
package hoststate

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Kind is a kind of thing compared, in the singular, as it stands in sentences.
type Kind string

// What is compared. The last three are looked for by the lab's name only: others' come and go.
const (
	Link      Kind = "link"
	Address   Kind = "address"
	Route     Kind = "route"
	Rule      Kind = "rule"
	Queue     Kind = "queue"     // traffic control
	Neighbour Kind = "neighbour" // permanent ones: the others come and go
	Setting   Kind = "setting"   // below /proc/sys/net
	Table     Kind = "table"     // of nftables or iptables
	Mount     Kind = "mount"
	Namespace Kind = "namespace" // named, in /run/netns
	Cgroup    Kind = "enilab cgroup"
	File      Kind = "enilab file"
	Process   Kind = "enilab process"
)

// Kinds is every kind, in the order of reports.
var Kinds = [...]Kind{Link, Address, Route, Rule, Queue, Neighbour, Setting, Table, Mount, Namespace, Cgroup, File, Process}

func (k Kind) plural() string {
	switch k {
	case Address, Process:
		return string(k) + "es"
	}
	return string(k) + "s"
}

// State is what one look saw. Take makes it; the zero State has seen nothing.
type State struct {
	things  map[Kind]map[string]string // name → description; a kind that could not be read is absent
	modules map[string]bool            // kernel modules
	notes   []string
}

// Take looks at the network namespace of the calling thread, and at the machine. It changes nothing and takes about
// 40 ms. What cannot be read without rights is left out and named in [State.Notes].
func Take(ctx context.Context) (State, error) {
	s := State{things: map[Kind]map[string]string{}}
	for _, look := range []struct {
		at string
		fn func(context.Context, *State) error
	}{
		{"processes", processes}, // before any command is started here
		{"network", network},
		{"settings", settings},
		{"mounts", mounts},
		{"namespaces", namespaces},
		{"cgroups", cgroups},
		{"files", files},
		{"tables", tables},
		{"modules", modules}, // last: reading tables may load one
	} {
		if err := look.fn(ctx, &s); err != nil {
			return State{}, fmt.Errorf("host state: %s: %w", look.at, err)
		}
	}
	return s, nil
}

// saw records that a kind was looked at, even if there is none.
func (s *State) saw(kinds ...Kind) {
	for _, k := range kinds {
		if s.things[k] == nil {
			s.things[k] = map[string]string{}
		}
	}
}

// add records a thing; a second of the same name, such as a mount over a mount, gets a number.
func (s *State) add(k Kind, name, description string) {
	s.saw(k)
	unique := name
	for n := 2; ; n++ {
		if _, taken := s.things[k][unique]; !taken {
			break
		}
		unique = fmt.Sprintf("%s #%d", name, n)
	}
	s.things[k][unique] = description
}

// Count is how many things of a kind were seen.
type Count struct {
	Kind Kind `json:"kind"`
	N    int  `json:"n"`
}

// Counts lists the kinds that were looked at.
func (s State) Counts() []Count {
	var counts []Count
	for _, k := range Kinds {
		if things, seen := s.things[k]; seen {
			counts = append(counts, Count{k, len(things)})
		}
	}
	return counts
}

// Summary is for the sentence that tells what was compared: "2 links, 1 address, 1,012 settings".
func (s State) Summary() string {
	var parts []string
	for _, c := range s.Counts() {
		word := c.Kind.plural()
		if c.N == 1 {
			word = string(c.Kind)
		}
		parts = append(parts, thousands(c.N)+" "+word)
	}
	return strings.Join(parts, ", ")
}

// Notes tells what could not be looked at, and why.
func (s State) Notes() []string { return s.notes }

func (s *State) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

func thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
