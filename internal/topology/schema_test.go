package topology

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"enilab/netlab"
)

const labs = "../../examples/labs/"

func TestSchemaIsCurrent(t *testing.T) { golden(t, labs+"lab.schema.json", Schema()) }

// What is said of a check's time is what is done.
func TestSchemaTellsHowLongAChecksAnswerMayTake(t *testing.T) {
	of := func(field string) string {
		f, _ := reflect.TypeFor[Health]().FieldByName(field)
		return f.Tag.Get("doc")
	}
	for _, field := range []string{"Command", "Interval"} {
		if want := fmt.Sprintf("%.0f s", netlab.HealthyWithin.Seconds()); !strings.Contains(of(field), want) {
			t.Errorf("%s: %q does not say %s", field, of(field), want)
		}
	}
}

// The examples are right, and the code that they name is what 'make build' makes.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob(labs + "*" + Suffix)
	must(t, err)
	if len(files) < 6 {
		t.Fatalf("only %d examples", len(files))
	}
	for _, file := range files {
		top, err := load(file)
		must(t, err)
		if top.Name+Suffix != filepath.Base(file) {
			t.Errorf("%s is called %s", file, top.Name)
		}
		made := map[string]bool{"go.zip": true, "nodejs.zip": true, "python.zip": true, "bash.zip": true}
		stored := false
		for _, f := range top.Functions {
			stored = stored || f.Code.Path == ""
			if _, err := os.Stat(f.Code.Path); !made[f.Code.Key] && err != nil {
				t.Errorf("%s: %s: there is no code %+v", file, f.Name, f.Code)
			}
		}
		if stored && top.Store != filepath.Clean("../../bin/functions") {
			t.Errorf("%s: store %s", file, top.Store)
		}
	}
}

// The schema takes what Parse takes, as another program sees it.
func TestSchemaValidates(t *testing.T) {
	const script = `
import json, sys
try:
    import jsonschema, yaml
except ImportError:
    sys.exit(77)
schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
class Loader(yaml.SafeLoader): pass
Loader.yaml_implicit_resolvers = {k: [r for r in v if r[0] != "tag:yaml.org,2002:timestamp"] for k, v in yaml.SafeLoader.yaml_implicit_resolvers.items()}
for file in sys.argv[3:]:
    found = list(validator.iter_errors(yaml.load(open(file), Loader)))
    if (len(found) == 0) != (sys.argv[2] == "good"):
        print(file, [e.message for e in found] or "the schema finds nothing")
        sys.exit(1)
`
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/whole.lab.yml", []byte(whole), 0o600))
	good, err := filepath.Glob(labs + "*" + Suffix)
	must(t, err)
	for name, files := range map[string][]string{
		"good": append(good, dir+"/whole.lab.yml"),
		"bad":  {"testdata/names.lab.yml", "testdata/types.lab.yml", "testdata/references.lab.yml"},
	} {
		cmd := exec.CommandContext(t.Context(), "python3", append([]string{"-c", script, labs + "lab.schema.json", name}, files...)...)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() == 77 {
			t.Skip("python3-jsonschema or python3-yaml is missing")
		}
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
