package ec2

import (
	"errors"
	"strings"
	"testing"
)

type thing struct {
	id   string
	tags map[string]string
}

var thingKind = kind[thing]{
	of:         anInterface,
	id:         func(v thing) string { return v.id },
	tags:       func(v thing) map[string]string { return v.tags },
	attributes: attributes[thing]{"thing-id": one(func(v thing) string { return v.id }), "letters": func(v thing) []string { return strings.Split(v.id, "") }},
}

func TestDescribe(t *testing.T) {
	var all []thing
	for _, id := range []string{"eni-a", "eni-b", "eni-c", "eni-d", "eni-e", "eni-f", "eni-g"} {
		all = append(all, thing{id, map[string]string{"Name": strings.ToUpper(id)}})
	}
	all[3].tags = nil
	long := make([]string, maxFilterValues+1)
	for _, tt := range []struct {
		name  string
		query Query
		want  string // the letters of what is found, or a code
	}{
		{"all", Query{}, "abcdefg"},
		{"some", Query{IDs: []string{"eni-f", "eni-b"}}, "bf"},
		{"no list is no choice", Query{IDs: []string{}}, "abcdefg"},
		{"one that is not there", Query{IDs: []string{"eni-b", "eni-x"}}, "InvalidNetworkInterfaceID.NotFound"},
		{"a filter", Query{Filters: []Filter{{"thing-id", []string{"eni-a", "*-c"}}}}, "ac"},
		{"of several values", Query{Filters: []Filter{{"letters", []string{"g"}}}}, "g"},
		{"two filters", Query{Filters: []Filter{{"thing-id", []string{"*"}}, {"tag:Name", []string{"ENI-?"}}}}, "abcefg"},
		{"a tag's key", Query{Filters: []Filter{{"tag-key", []string{"N*"}}}}, "abcefg"},
		{"a filter and ids", Query{IDs: []string{"eni-a"}, Filters: []Filter{{"letters", []string{"b"}}}}, ""},
		{"an unknown filter", Query{Filters: []Filter{{"colour", []string{"red"}}}}, "InvalidParameterValue"},
		{"no values", Query{Filters: []Filter{{"thing-id", nil}}}, "InvalidParameterValue"},
		{"too many values", Query{Filters: []Filter{{"thing-id", long}}}, "FilterLimitExceeded"},
		{"too small a page", Query{MaxResults: 4}, "InvalidParameterValue"},
		{"a token of nobody's", Query{NextToken: "!"}, "InvalidParameterValue"},
		{"one that might be", Query{NextToken: "junk"}, "InvalidParameterValue"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			page, err := describe(thingKind, all, tt.query)
			got := letters(page.Items)
			if refusal := new(Error); errors.As(err, &refusal) {
				got = refusal.ErrorCode()
			}
			if got != tt.want {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func letters(list []thing) (s string) {
	for _, v := range list {
		s += strings.TrimPrefix(v.id, "eni-")
	}
	return s
}

// Pages go on where they were, whatever has gone meanwhile.
func TestPages(t *testing.T) {
	var all []thing
	for _, r := range "abcdefghijk" {
		all = append(all, thing{id: "eni-" + string(r)})
	}
	var pages []string
	for q := (Query{MaxResults: 5}); ; {
		page, err := describe(thingKind, all, q)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, letters(page.Items))
		if q.NextToken = page.NextToken; q.NextToken == "" {
			break
		}
		all = all[5:]
	}
	if got := strings.Join(pages, " "); got != "abcde fghij k" {
		t.Errorf("pages: %s", got)
	}
	page, _ := describe(thingKind, all[:1], Query{MaxResults: 5})
	if page.NextToken != "" {
		t.Error("the last page leads on")
	}
}
