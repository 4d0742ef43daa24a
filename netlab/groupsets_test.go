package netlab

import (
	"fmt"
	"strings"
	"testing"

	"enilab/internal/ruleset"
)

// TestAdoptSets: the numbers of sets are read back from the rules, however iptables prints them; a number once used is not
// used again.
func TestAdoptSets(t *testing.T) {
	want := []groupSet{{16, []string{"sg-a"}}, {19, []string{"sg-0123456789abcdef0", "sg-b"}}}
	groups := map[string]SecurityGroupSpec{"sg-a": {ID: "sg-a", Ingress: []Rule{All}}, "sg-b": {ID: "sg-b"}, "sg-0123456789abcdef0": {ID: "sg-0123456789abcdef0"}}
	plan := planFilter(groups, append(want, groupSet{21, []string{"sg-gone"}})).text()
	printed := strings.ReplaceAll(plan, "sg-0123456789abcdef0,sg-b", `"sg-0123456789abcdef0,sg-b"`) // iptables quotes commas
	for _, text := range []string{plan, printed} {
		rules, err := ruleset.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		sets := groupSets{next: firstGroupSet}
		sets.adopt(rules, groups)
		if fmt.Sprint(sets.list) != fmt.Sprint(want) || sets.next != 22 {
			t.Errorf("%+v, want %v and 22", sets, want)
		}
	}
}

func TestGroupSets(t *testing.T) {
	s := groupSets{next: firstGroupSet}
	a, b := s.add([]string{"sg-a"}), s.add([]string{"sg-a", "sg-b"})
	before := s
	if s.add([]string{"sg-a"}) != a || s.add([]string{"sg-b"}) != b+1 || a != firstGroupSet || b != a+1 {
		t.Errorf("numbers %d, %d, %+v", a, b, s)
	}
	if _, ok := before.find([]string{"sg-b"}); ok || len(before.list) != 2 {
		t.Errorf("a copy has grown: %+v", before)
	}
	s.drop("sg-a")
	if len(s.list) != 1 || s.add([]string{"sg-a"}) != b+2 {
		t.Errorf("after a group was dropped: %+v", s)
	}
	if len(before.list) != 2 || before.list[0].groups[0] != "sg-a" {
		t.Errorf("a copy has shrunk: %+v", before)
	}
}
