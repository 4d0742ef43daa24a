package netlab

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"enilab/internal/ruleset"
)

// groupSet is the number of one combination of security groups in use.
type groupSet struct {
	number uint32
	groups []string // sorted, without repetition
}

// out is the chain of what the set's interfaces send, in of what they are to receive.
func (s groupSet) out() string { return fmt.Sprintf("out-%d", s.number) }
func (s groupSet) in() string  { return fmt.Sprintf("in-%d", s.number) }

// groupSets numbers a VPC's combinations of security groups. A copy stays as it is while the original grows.
type groupSets struct {
	list []groupSet
	next uint32 // number of the next set
}

// find returns the number of a combination, which is canonical.
func (s *groupSets) find(groups []string) (number uint32, ok bool) {
	for _, set := range s.list {
		if slices.Equal(set.groups, groups) {
			return set.number, true
		}
	}
	return 0, false
}

// add numbers a combination that may have its number already. The next commit makes rules of it.
func (s *groupSets) add(groups []string) (number uint32) {
	number, ok := s.find(groups)
	if !ok {
		number = s.next
		s.next++
		s.list = append(s.list, groupSet{number, groups})
	}
	return number
}

// drop forgets the sets that have a group. Their numbers are not used again.
func (s *groupSets) drop(id string) {
	s.list = slices.DeleteFunc(slices.Clone(s.list), func(set groupSet) bool { return slices.Contains(set.groups, id) })
}

// adopt learns from a VPC's rules which number stands for which groups, and forgets sets with a group that is not known.
func (s *groupSets) adopt(rules ruleset.Set, known map[string]SecurityGroupSpec) {
	for _, r := range rules[ruleset.Name{Table: "filter", Chain: "FORWARD"}].Rules {
		chain, ok := strings.CutPrefix(r.Value("-g"), "out-")
		n, err := strconv.ParseUint(chain, 10, 32)
		if !ok || err != nil || n < firstGroupSet {
			continue
		}
		s.skip(uint32(n))
		groups := strings.Split(r.Value("--comment"), ",")
		if !slices.ContainsFunc(groups, func(id string) bool { _, ok := known[id]; return !ok }) {
			s.list = append(s.list, groupSet{uint32(n), groups})
		}
	}
}

// skip sees to it that a number is not given to another set.
func (s *groupSets) skip(number uint32) { s.next = max(s.next, number+1) }
