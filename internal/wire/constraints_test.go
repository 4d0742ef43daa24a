package wire

import (
	"reflect"
	"strings"
	"testing"
)

type inner struct {
	SubnetIds []string `json:"SubnetIds,omitzero" length:"0,2" each_length:"0,1024" each_pattern:"subnet-[0-9a-z]*"`
	Size      *int32   `json:"Size,omitzero" required:"true" range:"512,10240"`
}

type constrained struct {
	Name      *string            `json:"Name,omitzero" required:"true" length:"1,12" pattern:"[a-zA-Z0-9-_]+"`
	Mode      *string            `json:"Mode,omitzero" enum:"Active,PassThrough"`
	Chips     []string           `json:"Chips,omitzero" length:"1,1" each_enum:"x86_64,arm64"`
	VpcConfig *inner             `json:"VpcConfig,omitzero"`
	Lists     []inner            `json:"Lists,omitzero"`
	Weights   map[string]float64 `json:"Weights,omitzero" key_length:"1,1024" key_pattern:"[0-9]+" each_range:"0.0,1.0"`
	Variables map[string]string  `json:"Variables,omitzero" sensitive:"true" key_pattern:"[a-zA-Z]([a-zA-Z0-9_])+"`
	Least     *int64             `json:"Least,omitzero" range:"0,"`
}

// TestViolations has the sentences that LocalStack recorded from Lambda: test_lambda_api.snapshot.json.
func TestViolations(t *testing.T) {
	p := planOf(reflect.TypeFor[constrained]())
	good := func(change func(*constrained)) constrained {
		c := constrained{Name: new("a-function")}
		change(&c)
		return c
	}
	const failed = "' failed to satisfy constraint: Member must "
	for want, in := range map[string]constrained{
		"": good(func(*constrained) {}),
		"1 validation error detected: Value null at 'name" + failed + "not be null":                                                                                                              good(func(c *constrained) { c.Name = nil }),
		"1 validation error detected: Value 'my function' at 'name" + failed + "satisfy regular expression pattern: [a-zA-Z0-9-_]+":                                                              good(func(c *constrained) { c.Name = new("my function") }),
		"1 validation error detected: Value 'good\n' at 'name" + failed + "satisfy regular expression pattern: [a-zA-Z0-9-_]+":                                                                   good(func(c *constrained) { c.Name = new("good\n") }),
		"1 validation error detected: Value 'aaaaaaaaaaaaa' at 'name" + failed + "have length less than or equal to 12":                                                                          good(func(c *constrained) { c.Name = new("aaaaaaaaaaaaa") }),
		"2 validation errors detected: Value '' at 'name" + failed + "have length greater than or equal to 1; Value '' at 'name" + failed + "satisfy regular expression pattern: [a-zA-Z0-9-_]+": good(func(c *constrained) { c.Name = new("") }),
		"1 validation error detected: Value 'Bogus' at 'mode" + failed + "satisfy enum value set: [Active, PassThrough]":                                                                         good(func(c *constrained) { c.Mode = new("Bogus") }),
		"1 validation error detected: Value '[X86_64]' at 'chips" + failed + "satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]":                good(func(c *constrained) { c.Chips = []string{"X86_64"} }),
		"1 validation error detected: Value '[x86_64, arm64]' at 'chips" + failed + "have length less than or equal to 1":                                                                        good(func(c *constrained) { c.Chips = []string{"x86_64", "arm64"} }),
		"1 validation error detected: Value '[bad-1]' at 'vpcConfig.subnetIds" + failed + "satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 0, Member must satisfy regular expression pattern: subnet-[0-9a-z]*, Member must not be null]": good(func(c *constrained) {
			c.VpcConfig = &inner{SubnetIds: []string{"bad-1"}, Size: new(int32(512))}
		}),
		"1 validation error detected: Value '100' at 'vpcConfig.size" + failed + "have value greater than or equal to 512":                                                                                                                                                                                 good(func(c *constrained) { c.VpcConfig = &inner{Size: new(int32(100))} }),
		"1 validation error detected: Value null at 'lists.2.member.size" + failed + "not be null":                                                                                                                                                                                                         good(func(c *constrained) { c.Lists = []inner{{Size: new(int32(512))}, {}} }),
		"1 validation error detected: Value '-1' at 'least" + failed + "have value greater than or equal to 0":                                                                                                                                                                                             good(func(c *constrained) { c.Least = new(int64(-1)) }),
		"1 validation error detected: Value '{2=2.0}' at 'weights' failed to satisfy constraint: Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]":                                      good(func(c *constrained) { c.Weights = map[string]float64{"2": 2} }),
		"1 validation error detected: Value '{$LATEST=0.5}' at 'weights' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]": good(func(c *constrained) { c.Weights = map[string]float64{"$LATEST": .5} }),
		"1 validation error detected: Value at 'variables' failed to satisfy constraint: Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]":                                                                                                      good(func(c *constrained) { c.Variables = map[string]string{"1a": "secret"} }),
	} {
		got := ""
		if list := p.violations(reflect.ValueOf(in), "", nil); len(list) > 0 {
			got = validationError(list)
		}
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	long := good(func(c *constrained) { c.Name = new(strings.Repeat("é", 1<<20)) })
	if got := validationError(p.violations(reflect.ValueOf(long), "", nil)); len(got) > 3*maxShown {
		t.Errorf("a value of %d bytes made a message of %d", 2<<20, len(got))
	}
}

func TestPatterns(t *testing.T) {
	for pattern, values := range map[string]map[string]bool{
		`(?!^[0-9]+$)([a-zA-Z0-9-_]+)`:       {"live": true, "1": false, "1a": true, "": false, "a b": false},
		`[0-9A-Za-z\.\-_]*(?<!\.)`:           {"bucket": true, "bucket.": false, "a.b": true},
		`((?!^\d+$)^[0-9a-zA-Z-_]+$)`:        {"live": true, "12": false, "1a": true},
		`[\u0009\u000A\u000D\u0020-\u00FF]+`: {"a b\n": true, "€": false},
		`([\p{L}\p{Z}\p{N}_.:/=+\-@]*)`:      {"": true, "Straße 1": true, "a\nb": false},
		`$|arn:(aws[a-zA-Z0-9-]*):(.*)`:      {"": true, "arn:aws:x": true, "x": false},
		`(\$LATEST(\.PUBLISHED)?|[0-9]+)`:    {"$LATEST": true, "7": true, "live": false},
		`x{,`:                                {"x{,": true},
	} {
		match, err := CompilePattern(pattern)
		if err != nil {
			t.Error(err)
			continue
		}
		for value, want := range values {
			if match(value) != want {
				t.Errorf("%s matches %q: %t", pattern, value, !want)
			}
		}
	}
	for _, pattern := range []string{`(?=a)b`, `(`, `a(?!b)c`} {
		if _, err := CompilePattern(pattern); err == nil {
			t.Errorf("%s was taken", pattern)
		}
	}
}
