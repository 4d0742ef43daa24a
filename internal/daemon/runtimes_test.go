package daemon

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"enilab/internal/lambda"
	"enilab/internal/runtimes"
	"enilab/internal/topology"
)

// A topology may name the runtimes that the control plane has, and no others.
func TestTopologyKnowsTheRuntimes(t *testing.T) {
	field, ok := reflect.TypeFor[topology.Function]().FieldByName("Runtime")
	if got, want := field.Tag.Get("enum"), strings.Join(lambda.Runtimes(), ","); !ok || got != want {
		t.Errorf("a topology's runtimes are %s\nwant %s", got, want)
	}
}

// What this machine cannot run is refused where it is declared, before the first step.
func TestPlanKnowsInterpreters(t *testing.T) {
	top, err := topology.Parse("x.lab.yml", []byte(`functions:
  a: {code: a.zip}
  b: {code: b.zip, runtime: python3.13, handler: app.handler}
`))
	if err != nil {
		t.Fatal(err)
	}
	should, err := objectsOf(top, nil, func(topology.Code) (code, error) { return code{sha: "sum"}, nil })
	if err != nil {
		t.Fatal(err)
	}
	steps := plan(nil, should, nil)
	root := t.TempDir()
	refused := func() string {
		if err := objections(top, nil, should, nil, steps, circumstances{settings: Settings{Internet: true}, machine: runtimes.NewMachine(root)}); err != nil {
			return err.Error()
		}
		return ""
	}
	if got, want := refused(), "x.lab.yml:3:29: function b: python3.13 needs Python, and this machine has none"; !strings.HasPrefix(got, want) || strings.Contains(got, "\n") {
		t.Errorf("%s\nwant %s", got, want)
	}
	if err := os.MkdirAll(filepath.Join(root, "usr/bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "usr/bin/python3"), []byte("#!/bin/sh\necho Python 3.11.2\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := refused(); got != "" {
		t.Errorf("with Python: %s", got)
	}
}
