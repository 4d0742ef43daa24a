package wire

import (
	"encoding/json"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestUnknownParameters(t *testing.T) {
	p := planOf(reflect.TypeFor[everything]())
	for text, want := range map[string]string{
		"Name=a&Rule.1.Port=1&Rule.12.IpRanges.3=a&One.Port=1&Keys.member.1=a":     "",
		"Action=A&Version=2016-11-15&Name=a":                                       "",
		"Name=a&Name=a":                                                            "", // as in a query and the body
		"Rule=&One=&Keys=&Keys.member=":                                            "", // there, with nothing in them
		"X-Amz-Signature=x&x-amz-user-agent=x&AWSAccessKeyId=x&SignatureVersion=2": "",
		"Name=a&Colour=red&Size=1":                                                 "Colour",
		"name=a":                                                                   "name",
		"Named=a":                                                                  "Named",
		"Rules.1.Port=1":                                                           "Rules.1.Port",
		"Rule.1.Colour=1":                                                          "Rule.1.Colour",
		"Rule.1.IpRanges.1.Colour=1":                                               "Rule.1.IpRanges.1.Colour",
		"Rule.1=tcp":                                                               "Rule.1",
		"Rule=tcp":                                                                 "Rule",
		"Rule.x.Port=1":                                                            "Rule.x.Port",
		"Rule.01.Port=1":                                                           "Rule.01.Port",
		"Rule.-1.Port=1":                                                           "Rule.-1.Port",
		"Rule.Port=1":                                                              "Rule.Port",
		"Name.Deeper=x":                                                            "Name.Deeper",
		"Name.=x":                                                                  "Name.",
		"One.Colour=":                                                              "One.Colour",
		"Keys.1=a":                                                                 "Keys.1",
		"Keys=a":                                                                   "Keys",
		"Keys.Member.1=a":                                                          "Keys.Member.1",
		"X-Amz-=":                                                                  "X-Amz-",
		strings.Repeat("Rule.", 20) + "x=1":                                        strings.Repeat("Rule.", 20) + "x",
	} {
		_, parameters, err := parseForm(text)
		if got, found := p.unknownParameter(parameters); got != want || found != (want != "") || err != nil {
			t.Errorf("%s: %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"=", "=x"} {
		_, parameters, err := parseForm(text)
		if name, found := p.unknownParameter(parameters); name != "" || !found || err != nil {
			t.Errorf("%s: %q, %v, %v", text, name, found, err)
		}
	}
	if _, _, err := parseForm("Name=a&Size=1", "Name=b"); err == nil || !strings.Contains(err.Error(), "Name is there twice") {
		t.Errorf("Name=a&Name=b: %v", err)
	}
}

func TestUnknownMembers(t *testing.T) {
	p := planOf(reflect.TypeFor[constrained]())
	for body, want := range map[string]memberError{
		``:     {},
		`null`: {},
		`{}`:   {},
		` { "Name" : "a\"}\\" , "N\u0061me2" : 1 } `:                                        {path: "Name2"},
		`{"N\u0061me":"a","Least":-1,"Weights":{"1":0.5},"Chips":["a","b"],"Mode":null}`:    {},
		`{"Name":"a","Lists":[{"Size":1},null,{"SubnetIds":["}"]}],"VpcConfig":{"Size":1}}`: {},
		`{"Foo":null}`:                                          {path: "Foo"},
		`{"Foo":[{"a":[1,2,{}]}]}`:                              {path: "Foo"},
		`{"":1}`:                                                {path: ""},
		`{"name":"a"}`:                                          {path: "name"},
		`{"Name":"a","name":"b"}`:                               {path: "name"},
		`{"Name":"a","naMe":null}`:                              {path: "naMe"},
		`{"VpcConfig":{"Foo":1}}`:                               {path: "VpcConfig.Foo"},
		`{"VpcConfig":{"size":1}}`:                              {path: "VpcConfig.size"},
		`{"Lists":[{"Size":1},{"Foo":1}]}`:                      {path: "Lists.2.Foo"},
		`{"Name":"a","Name":"a"}`:                               {path: "Name", twice: true},
		`{"Name":"a","N\u0061me":"b"}`:                          {path: "Name", twice: true},
		`{"VpcConfig":{"Size":1,"Size":2}}`:                     {path: "VpcConfig.Size", twice: true},
		`{"VpcConfig":{"Size":1},"VpcConfig":{"SubnetIds":[]}}`: {path: "VpcConfig", twice: true},
		`{"VpcConfig":{"Size":1},"vpcconfig":null}`:             {path: "vpcconfig"},
		`{"Lists":[{"Size":1},{"Size":2}],"Lists":[]}`:          {path: "Lists", twice: true},
		`{"Lists":[{"Size":1}],"Lists":null}`:                   {path: "Lists", twice: true},
		`{"Variables":{"A":"{","B":"}","a":""}}`:                {},
		`{"Variables":{"A":"1","B":"2","A":"1"}}`:               {path: "Variables.A", twice: true},
		`{"Variables":{"A":"1"},"variables":null}`:              {path: "variables"},
	} {
		var in constrained
		if err := json.Unmarshal([]byte(body), &in); err != nil && body != "" {
			t.Fatalf("%s: %v", body, err)
		}
		got := memberError{}
		bad := p.unknownMember(reflect.ValueOf(&in).Elem(), []byte(body))
		if bad != nil {
			got = *bad
		}
		if got != want || (bad != nil) != (want != memberError{} || body == `{"":1}`) {
			t.Errorf("%s: %+v, want %+v", body, bad, want)
		}
	}
}

// FuzzUnknownMembers holds: whatever has been decoded, the walk through it ends, and finds what a decoder that knows no
// members' names finds.
func FuzzUnknownMembers(f *testing.F) {
	for _, seed := range []string{
		`{"Name":"a","Lists":[{"Size":1},null,{"SubnetIds":["}"]}],"VpcConfig":{"Size":1}}`, `{"Variables":{"A":"1","B":"2"},"Foo":{}}`,
		`{"VpcConfig":{"Size":1},"vpcconfig":null}`,
		`{"Lists":[{"Size":1}],"Lists":[]}`, `{"Name":"\\\"","Weights":{"1":-0.5e1}}`, ` { } `,
	} {
		f.Add(seed)
	}
	known := []string{"Name", "Mode", "Chips", "VpcConfig", "Lists", "Weights", "Variables", "Least"}
	p := planOf(reflect.TypeFor[constrained]())
	f.Fuzz(func(t *testing.T, body string) {
		var in constrained
		if json.Unmarshal([]byte(body), &in) != nil {
			return
		}
		bad := p.unknownMember(reflect.ValueOf(&in).Elem(), []byte(body))
		var names map[string]json.RawMessage
		if err := json.Unmarshal([]byte(body), &names); err != nil {
			t.Fatal(err)
		}
		for name := range names {
			if bad == nil && !slices.Contains(known, name) {
				t.Errorf("%s: %q was not found among %q", body, name, slices.Collect(maps.Keys(names)))
			}
		}
	})
}

func TestUnknownQuery(t *testing.T) {
	type in struct {
		Marker *string `location:"querystring Marker"`
		Name   *string `location:"uri Name"`
	}
	r := &route{Spec: Spec{URI: "/layers/{Name}?find=LayerVersion"}, in: planOf(reflect.TypeFor[in]())}
	for text, want := range map[string]string{
		"": "", "Marker=a": "", "find=LayerVersion&Marker=a&X-Amz-Date=x": "", "marker=a": "marker",
		"Name=a": "Name", "Z=1&Marker=&Foo=": "Foo",
	} {
		q, err := url.ParseQuery(text)
		if got, found := r.unknownQuery(q); got != want || found != (want != "") || err != nil {
			t.Errorf("%s: %q, %v, want %q", text, got, err, want)
		}
	}
}
