package daemon

import (
	"fmt"
	"strings"
	"testing"
)

// thing is a spec with one field.
type thing struct {
	Size int    `json:"size"`
	Of   string `json:"of,omitempty"`
}

func things(names ...string) (list []object) {
	for _, n := range names {
		kind, name, _ := strings.Cut(n, " ")
		list = append(list, object{kind, name, thing{Size: 1}})
	}
	return list
}

func said(steps []step) string {
	var lines []string
	for _, s := range steps {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", s.Action, s.Kind, s.Name, s.Detail)))
	}
	return strings.Join(lines, "\n")
}

func TestPlan(t *testing.T) {
	bigger := things("function f")
	bigger[0].Spec = thing{Size: 2, Of: "x"}
	for name, c := range map[string]struct {
		is, should []object
		declared   []string
		want       string
	}{
		"nothing to do": {things("vpc a"), things("vpc a"), []string{"vpc a"}, ""},
		"from nothing, in the order of need": {
			nil, things("function f", "resource a/r", "vpc a", "role x", "security-group g", "subnet s"), nil,
			"create vpc a\ncreate subnet s\ncreate security-group g\ncreate role x\ncreate resource a/r\ncreate function f",
		},
		"changed": {things("function f"), bigger, nil, "change function f of none → x, size 1 → 2"},
		"no longer declared, users first": {
			things("vpc a", "subnet s", "function f", "function g"), things("vpc a", "function g"),
			[]string{"vpc a", "subnet s", "function f", "function g"},
			"delete function f\ndelete subnet s",
		},
		"what was never declared stays": {things("vpc api", "function api"), nil, []string{"vpc other"}, ""},
		"to nothing, in the reverse order": {
			things("vpc a", "subnet s", "security-group g", "role x", "resource r"), nil,
			[]string{"vpc a", "subnet s", "security-group g", "role x", "resource r"},
			"delete resource r\ndelete role x\ndelete security-group g\ndelete subnet s\ndelete vpc a",
		},
		"a new one comes before an old one of another kind goes": {
			things("vpc a", "subnet old"), things("vpc a", "subnet new", "function f"),
			[]string{"subnet old"},
			"create subnet new\ncreate function f\ndelete subnet old",
		},
	} {
		t.Run(name, func(t *testing.T) {
			declared := map[string]declaration{}
			for _, d := range c.declared {
				declared[d] = declaration{}
			}
			if got := said(plan(c.is, c.should, declared)); got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}
