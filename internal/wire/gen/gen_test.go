package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGenerated compares the packages with what the models make of them.
func TestGenerated(t *testing.T) {
	for _, s := range services {
		t.Run(s.pkg, func(t *testing.T) {
			m, err := readModel(s)
			if err != nil {
				t.Fatal(err)
			}
			files, err := generate(m, s)
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join("..", s.pkg)
			for name, want := range files {
				if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s/%s is not what its model makes of it (%v): run go generate ./internal/wire", s.pkg, name, err)
				}
			}
			there, err := filepath.Glob(filepath.Join(dir, "*.go"))
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range there {
				if name := filepath.Base(path); files[name] == nil && !strings.HasSuffix(name, "_test.go") {
					t.Errorf("%s/%s comes from no model", s.pkg, name)
				}
			}
		})
	}
}

func TestNames(t *testing.T) {
	shapes := map[string]*shape{"S": {Type: "string"}, "L": {Type: "list", Member: ref{Shape: "S"}}, "Named": {Type: "list", Member: ref{Shape: "S", LocationName: "item"}}}
	for _, c := range []struct {
		protocol, member string
		m                ref
		query, xml       string
	}{
		{"ec2", "VpcId", ref{Shape: "S", LocationName: "vpcId"}, "VpcId", "vpcId"},
		{"ec2", "Filters", ref{Shape: "Named", LocationName: "Filter"}, "Filter", "Filter>item"},
		{"ec2", "Odd", ref{Shape: "S", LocationName: "odd", QueryName: "even"}, "even", "odd"},
		{"ec2", "plain", ref{Shape: "L"}, "Plain", "plain>member"},
		{"query", "Tags", ref{Shape: "L"}, "Tags.member", "Tags>member"},
		{"query", "tags", ref{Shape: "Named", LocationName: "T"}, "T.item", "T>item"},
		{"query", "name", ref{Shape: "S"}, "name", "name"},
	} {
		g := &generator{model: &model{Shapes: shapes}}
		g.Metadata.Protocol = c.protocol
		if query, xml := g.queryName(c.member, c.m), g.xmlName(c.member, c.m); query != c.query || xml != c.xml {
			t.Errorf("%s %s: %s, %s, want %s, %s", c.protocol, c.member, query, xml, c.query, c.xml)
		}
	}
}

func TestRefusals(t *testing.T) {
	for want, m := range map[string]*model{
		"no operation Do": {},
		"holds itself": {
			Operations: map[string]*operation{"Do": {Input: ref{Shape: "A"}}},
			Shapes:     map[string]*shape{"A": {Type: "structure", Members: map[string]ref{"B": {Shape: "B"}}}, "B": {Type: "list", Member: ref{Shape: "A"}}},
		},
		"is an operation and a structure": {
			Operations: map[string]*operation{"Do": {}}, Shapes: map[string]*shape{"Do": {Type: "structure"}},
		},
		"a map that is not": {
			Operations: map[string]*operation{"Do": {Input: ref{Shape: "A"}}},
			Shapes:     map[string]*shape{"A": {Type: "structure", Members: map[string]ref{"B": {Shape: "M"}}}, "M": {Type: "map", Key: ref{Shape: "A"}, Value: ref{Shape: "A"}}},
		},
	} {
		if _, err := generate(m, service{pkg: "x", operations: []string{"Do"}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
