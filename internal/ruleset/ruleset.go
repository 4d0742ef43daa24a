// Package ruleset holds iptables rules as data: those that a plan means and those that the kernel has, with what they
// have counted, and the difference between the two. It reads through go-iptables and never writes: a plan is committed
// whole, by iptables-restore, which the library does not do.
package ruleset

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Set is the chains of one or more tables.
type Set map[Name]Chain

// Name is a chain's: "filter" and "FORWARD".
type Name struct{ Table, Chain string }

// Chain is a list of rules, and what becomes of the packets that none of them decides.
type Chain struct {
	Policy string // "ACCEPT" or "DROP"; empty for a chain that is not the kernel's own
	Rules  []Rule // in order
	Count         // of packets that met the policy
}

// Rule is one rule of a chain.
type Rule struct {
	Text  string // what follows "-A CHAIN", as it was written or as iptables prints it
	Count        // of packets that matched
	key   string // equal for rules that do the same
}

// Count is how often something happened to packets.
type Count struct{ Packets, Bytes uint64 }

// Add returns the sum of two counts.
func (c Count) Add(other Count) Count {
	return Count{c.Packets + other.Packets, c.Bytes + other.Bytes}
}

// NewRule is a rule as a plan writes it, without "-A CHAIN".
func NewRule(text string) (Rule, error) {
	words, err := split(text)
	if err != nil {
		return Rule{}, fmt.Errorf("rule %q: %w", text, err)
	}
	return Rule{Text: text, key: keyOf(words)}, nil
}

// Same tells whether two rules do the same, however they are written.
func (r Rule) Same(other Rule) bool { return r.key == other.key }

// Value is what stands behind a flag of the rule, such as "--comment"; empty if it has none.
func (r Rule) Value(flag string) string {
	words, _ := split(r.Text) // has been split before
	for i, w := range words {
		if w.isFlag() && w.text == flag && i+1 < len(words) {
			return words[i+1].text
		}
	}
	return ""
}

// Counter returns what tells the count of a rule of the chain; asked again for the same rule, that of the next like it. A
// rule that is not there has counted nothing.
func (c Chain) Counter() func(Rule) Count {
	counts := map[string][]Count{}
	for _, r := range c.Rules {
		counts[r.key] = append(counts[r.key], r.Count)
	}
	return func(r Rule) (next Count) {
		if left := counts[r.key]; len(left) > 0 {
			next, counts[r.key] = left[0], left[1:]
		}
		return next
	}
}

// Parse reads what iptables-restore takes.
func Parse(text string) (Set, error) {
	s := Set{}
	table := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line == "COMMIT":
		case line[0] == '*':
			table = line[1:]
		case line[0] == ':':
			f := strings.Fields(line[1:])
			if len(f) < 2 {
				return nil, fmt.Errorf("table %s: line %q: want a chain and its policy", table, line)
			}
			s[Name{table, f[0]}] = Chain{Policy: strings.TrimPrefix(f[1], "-")}
		default:
			if err := s.add(table, line); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// add takes up a line of `iptables -S`: with -v, too.
func (s Set) add(table, line string) error {
	words, err := split(line)
	if err == nil && len(words) < 2 {
		err = fmt.Errorf("it is too short")
	}
	var count Count
	if err == nil {
		words, count, err = takeCount(words)
	}
	if err != nil {
		return fmt.Errorf("table %s: line %q: %w", table, line, err)
	}
	name := Name{table, words[1].text}
	switch c := s[name]; words[0].text {
	case "-P":
		if len(words) < 3 {
			return fmt.Errorf("table %s: line %q: want a chain and its policy", table, line)
		}
		s[name] = Chain{Policy: words[2].text, Count: count}
	case "-N":
		s[name] = c
	case "-A":
		c.Rules = append(c.Rules, Rule{Text: join(words[2:]), Count: count, key: keyOf(words[2:])})
		s[name] = c
	default:
		return fmt.Errorf("table %s: line %q is none of a chain, a policy or a rule", table, line)
	}
	return nil
}

// takeCount finds a line's counters, "-c PACKETS BYTES", and takes them out.
func takeCount(words []word) ([]word, Count, error) {
	at := slices.IndexFunc(words, func(w word) bool { return w == word{text: "-c"} })
	if at < 0 {
		return words, Count{}, nil
	}
	if at+2 >= len(words) {
		return nil, Count{}, fmt.Errorf("want two counters behind -c")
	}
	packets, err := strconv.ParseUint(words[at+1].text, 10, 64)
	bytes, err2 := strconv.ParseUint(words[at+2].text, 10, 64)
	return slices.Concat(words[:at], words[at+3:]), Count{packets, bytes}, cmp.Or(err, err2)
}

// Difference is one line of `iptables -S` by which the kernel's rules are not those that are meant.
type Difference struct {
	Table string
	Line  string // "-P CHAIN POLICY", "-N CHAIN" or "-A CHAIN RULE"
	Is    State
}

// State is in which way the kernel's rules differ.
type State string

// The states of a line.
const (
	Missing State = "missing" // it is meant, and the kernel does not have it
	Extra   State = "extra"   // the kernel has it, and nobody means it
	Moved   State = "moved"   // the kernel has it in another place of its chain, where it is met sooner or later than it should be
)

// Diff compares what is meant with what there is, in the tables that are meant. Counters do not matter.
func Diff(want, have Set) (list []Difference) {
	tables, names := map[string]bool{}, map[Name]bool{}
	for n := range want {
		tables[n.Table], names[n] = true, true
	}
	for n := range have {
		names[n] = tables[n.Table]
	}
	inOrder := slices.SortedFunc(maps.Keys(names), func(a, b Name) int {
		return cmp.Or(strings.Compare(a.Table, b.Table), strings.Compare(a.Chain, b.Chain))
	})
	for _, n := range inOrder {
		w, meant := want[n]
		h, there := have[n]
		if !names[n] || !meant && h.Policy == "ACCEPT" && len(h.Rules) == 0 { // one of the kernel's own that nobody uses
			continue
		}
		if !meant || !there || w.Policy != h.Policy {
			if meant {
				list = append(list, Difference{n.Table, w.head(n.Chain), Missing})
			}
			if there {
				list = append(list, Difference{n.Table, h.head(n.Chain), Extra})
			}
		}
		for _, d := range diffRules(w.Rules, h.Rules) {
			list = append(list, Difference{n.Table, "-A " + n.Chain + " " + d.rule.Text, d.is})
		}
	}
	return list
}

// head is the line that declares a chain.
func (c Chain) head(name string) string {
	if c.Policy == "" {
		return "-N " + name
	}
	return "-P " + name + " " + c.Policy
}

type ruleState struct {
	rule Rule
	is   State
}

// diffRules tells which rules are in one list only, and if the others are in another order, of the first that is.
func diffRules(want, have []Rule) (list []ruleState) {
	onlyIn := func(these, those []Rule, is State) (both []Rule) {
		left := map[string]int{}
		for _, r := range those {
			left[r.key]++
		}
		for _, r := range these {
			if left[r.key]--; left[r.key] >= 0 {
				both = append(both, r)
			} else {
				list = append(list, ruleState{r, is})
			}
		}
		return both
	}
	want, have = onlyIn(want, have, Missing), onlyIn(have, want, Extra)
	for i := range want { // the same rules, by now
		if !want[i].Same(have[i]) {
			return append(list, ruleState{have[i], Moved})
		}
	}
	return list
}
