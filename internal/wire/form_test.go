package wire

import (
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

type rule struct {
	Port   *int32   `query:"Port"`
	Ranges []string `query:"IpRanges"`
}

type everything struct {
	Name   *string   `query:"Name" required:"true"`
	DryRun *bool     `query:"DryRun"`
	Size   *int64    `query:"Size"`
	Ratio  *float64  `query:"Ratio"`
	From   time.Time `query:"From"`
	Blob   []byte    `query:"Blob"`
	Rules  []rule    `query:"Rule"`
	One    *rule     `query:"One"`
	Keys   []string  `query:"Keys.member"`
}

func decodeForm(text string) (everything, error) {
	var v everything
	p := planOf(reflect.TypeFor[everything]())
	f, parameters, err := parseForm(text)
	if err != nil {
		return v, err
	}
	if name, unknown := p.unknownParameter(parameters); unknown {
		return v, fmt.Errorf("%q is unknown", name)
	}
	return v, f.decode(p, reflect.ValueOf(&v).Elem(), "")
}

func TestForm(t *testing.T) {
	for text, want := range map[string]everything{
		"":                               {},
		"Name=":                          {Name: new("")},
		"Name=a&Name=a":                  {Name: new("a")},
		"Name=a+b%26%C3%A4&&":            {Name: new("a b&ä")},
		"DryRun=true&Size=-9&Ratio=1e-3": {DryRun: new(true), Size: new(int64(-9)), Ratio: new(0.001)},
		"DryRun=False":                   {DryRun: new(false)},
		"From=2026-11-23T12:00:00Z&Blob=YQ%3D%3D":             {From: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Blob: []byte("a")},
		"Rule.1.Port=1&Rule.2.IpRanges.1=a":                   {Rules: []rule{{Port: new(int32(1))}, {Ranges: []string{"a"}}}},
		"Rule.10.Port=10&Rule.2.Port=2&Rule.999999999.Port=3": {Rules: []rule{{Port: new(int32(2))}, {Port: new(int32(10))}, {Port: new(int32(3))}}},
		"Rule=&One=": {Rules: []rule{}, One: &rule{}},
		"Keys=":      {Keys: []string{}}, // as botocore and aws-sdk-go-v2 write a list without elements
		"One.Port=0&One.IpRanges.1=a&One.IpRanges.2=": {One: &rule{Port: new(int32(0)), Ranges: []string{"a", ""}}},
		"Keys.member.1=a&Keys.member.2=b":             {Keys: []string{"a", "b"}},
	} {
		if got, err := decodeForm(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v, want %+v", text, got, err, want)
		}
	}
}

func TestBrokenForms(t *testing.T) {
	for text, want := range map[string]string{
		"DryRun=maybe":                          `DryRun: "maybe" is not a boolean`,
		"Size=1.5":                              `Size: "1.5" is not an integer of 64 bits`,
		"Rule.3.Port=1&Rule.7.Port=99999999999": `Rule.2.Port: "99999999999" is not an integer of 32 bits`,
		"Ratio=x":                               `Ratio: "x" is not a number`,
		"From=now":                              `From: "now" is not a time`,
		"Blob=%21":                              "Blob: a blob is not in base64",
		"Name=%zz":                              "not URL-encoded",
		"Name=a&Name=b":                         "Name is there twice",
		"Name=&Name=b":                          "Name is there twice",
		"Name=a&Unknown.1=x":                    `"Unknown.1" is unknown`,
		strings.Repeat("Rule.", maxDepth) + "x=1": "is unknown",
		strings.Repeat("a=b&", maxParameters+1):   "more than 10000 parameters",
	} {
		if _, err := decodeForm(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %s", text, err, want)
		}
	}
}

func TestMissing(t *testing.T) {
	type inner struct {
		Value *string `query:"Value" required:"true"`
	}
	type outer struct {
		One  *inner  `query:"One"`
		Many []inner `query:"Many"`
	}
	p := planOf(reflect.TypeFor[outer]())
	for _, c := range []struct {
		v    outer
		want string
	}{
		{outer{}, ""},
		{outer{One: &inner{}}, "One.Value"},
		{outer{One: &inner{new("")}, Many: []inner{{new("")}, {}}}, "Many.2.Value"},
	} {
		if got := p.missing(reflect.ValueOf(c.v)); got != c.want {
			t.Errorf("%+v: %q, want %q", c.v, got, c.want)
		}
	}
}

// FuzzForm holds: whatever is decoded comes back when it is written as a form and decoded again.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{
		"Name=a&DryRun=true&Size=1&Ratio=2&Blob=YQ==", "Rule.1.Port=1&Rule.2.IpRanges.1=a&One.Port=2", "Keys.member.1=a&Keys.member.3=", "a.b.c&=&%&Rule=",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := decodeForm(text)
		if err != nil {
			return
		}
		q := url.Values{}
		writeForm(q, "", reflect.ValueOf(v))
		again, err := decodeForm(q.Encode())
		if err != nil {
			t.Fatalf("%s: %v", q.Encode(), err)
		}
		second := url.Values{}
		writeForm(second, "", reflect.ValueOf(again))
		if second.Encode() != q.Encode() {
			t.Errorf("%s became %s", q.Encode(), second.Encode())
		}
	})
}

// writeForm writes a structure as a client does.
func writeForm(q url.Values, prefix string, v reflect.Value) {
	p := planOf(v.Type())
	for i := range p.members {
		m, field := &p.members[i], v.Field(i)
		if absent(field) {
			continue
		}
		writeMember(q, prefix+m.query, m, field)
	}
}

func writeMember(q url.Values, name string, m *member, v reflect.Value) {
	switch m.kind {
	case structKind:
		q.Set(name, "") // for a structure without members
		writeForm(q, name+".", reflect.Indirect(v))
	case listKind:
		q.Set(name, "") // for a list without elements
		for i := range v.Len() {
			writeMember(q, name+"."+strconv.Itoa(i+1), m.element, v.Index(i))
		}
	default:
		q.Set(name, formatScalar(m, v, time.RFC3339Nano))
	}
}
