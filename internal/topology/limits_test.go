package topology

import (
	"fmt"
	"strings"
	"testing"
)

// What makes the parser or the checks work in the square of a file's length is refused, or done once.
func TestHostileFiles(t *testing.T) {
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	const first = "functions:\n  f: &f {code: a.zip}\n"
	for name, c := range map[string]struct {
		text string
		want string // in the error; empty: it is a topology
	}{
		"as many functions as may be": {first + many(maxKeys-1, "  f%d: *f\n"), ""},
		"one more":                    {first + many(maxKeys, "  f%d: *f\n"), fmt.Sprintf("x.lab.yml:%d:8: a mapping has more than 5000 keys", maxKeys+2)},
		"20,000 aliases":              {first + many(20_000, "  f%d: *f\n"), "a mapping has more than 5000 keys"},
		"in brackets":                 {"functions: {" + many(8000, "f%d: {code: a.zip}, ") + "}", "a mapping has more than 5000 keys"},
		"variables":                   {"functions:\n  f:\n    code: a.zip\n    environment:\n" + many(20_000, "      AB%d: x\n"), "a mapping has more than 5000 keys"},
		"a list of mappings":          {"vpcs: {vpc-a: {cidr: 10.0.0.0/16, securityGroups: {sg-a: {}}}}\nroles:\n  r:\n    inline:\n      p:\n        Statement:\n" + many(6000, "        - Effect: Allow\n          Action: a:b%d\n          Resource: '*'\n"), ""},
		"roles that are none":         {"functions:\n" + many(4000, "  f%d: {code: a.zip, role: role-that-is-none}\n"), "more problems from here on"},
		"subnets of one range":        {"vpcs:\n  vpc-a:\n    cidr: 10.0.0.0/16\n    subnets:\n" + many(4000, "      subnet-%d: 10.0.1.0/24\n"), "more problems from here on"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("x.lab.yml", []byte(c.text))
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%.300v, want %q", err, c.want)
			}
		})
	}
}

func TestKnownNamesAreSoughtWhileAnybodySeesThem(t *testing.T) {
	c := newChecker(new(Topology), make(Errors, maxErrors+1))
	if c.near("x", func() []string { t.Error("sought once more"); return nil }) != "" {
		t.Error("it suggests something")
	}
	c.errs = nil
	if got := c.near("sg-ap", func() []string { return []string{"sg-app"} }); got != `; did you mean "sg-app"?` {
		t.Errorf("%q", got)
	}
}
