package daemon

import (
	"reflect"
	"strings"
	"testing"

	"enilab/internal/lambda"
	"enilab/internal/topology"
)

// A topology may name the runtimes that the control plane has, and no others.
func TestTopologyKnowsTheRuntimes(t *testing.T) {
	field, ok := reflect.TypeFor[topology.Function]().FieldByName("Runtime")
	if got, want := field.Tag.Get("enum"), strings.Join(lambda.Runtimes(), ","); !ok || got != want {
		t.Errorf("a topology's runtimes are %s\nwant %s", got, want)
	}
}
