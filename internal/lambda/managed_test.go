package lambda_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"enilab/internal/lambda"
	"enilab/internal/nstest"
	"enilab/internal/runtimes"
)

// behaviour is what a managed runtime does with a function.
type behaviour struct {
	name    string
	runtime string // other than the test's; empty: the test's
	handler string // empty: the language's usual one
	files   map[string]string
	code    []byte // in place of files
	layers  []string
	env     map[string]string
	memory  int                                         // MB; zero: 512
	event   string                                      // empty: {}
	payload string                                      // what the caller gets; with kind, what the payload must say
	kind    string                                      // the error's type, if the function fails
	failed  bool                                        // it fails without a type
	log     []string                                    // patterns that the log must have, in this order
	rest    func(t *testing.T, b *bed, function string) // what else is to be seen
}

// interpreted tells whether this machine runs a runtime, and by what.
func interpreted(t *testing.T, runtime string) runtimes.Interpreter {
	t.Helper()
	r, ok := runtimes.Lookup(runtime)
	if !ok {
		t.Fatalf("no runtime %s", runtime)
	}
	i, err := runtimes.NewMachine("/").Find(t.Context(), r)
	if err != nil {
		t.Skip(err)
	}
	return i
}

// managedBed is a lab in which an interpreter may take its time.
func managedBed(t *testing.T) *bed {
	nstest.NoLeaks(t)
	return newBed(t, func(c *lambda.Config) { c.InitTime = 5 * time.Minute })
}

// printed is the log of a function.
func (b *bed) printed(t *testing.T, function string) string {
	t.Helper()
	lines, err := b.Logs(t.Context(), function, false)
	must(t, err)
	var text strings.Builder
	for line := range lines {
		text.WriteString(line.Text + "\n")
	}
	return text.String()
}

// behave looks at one after another, as many at once as there are processors: each starts an interpreter. They end with
// the test, not with this call.
func (b *bed) behave(t *testing.T, runtime, handler string, list []behaviour) {
	for n, c := range list {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in := lambda.CreateFunctionInput{
				FunctionName: fmt.Sprintf("f%d", n), Runtime: cmp.Or(c.runtime, runtime), Handler: cmp.Or(c.handler, handler), Environment: c.env, Layers: c.layers, MemorySize: cmp.Or(c.memory, 512),
				Timeout: 60 * time.Second,
			}
			var entries []entry
			for name, text := range c.files {
				mode := os.FileMode(0o644)
				if strings.HasPrefix(text, "#!") {
					mode = 0o755
				}
				entries = append(entries, entry{name, mode, text})
			}
			if in.ZipFile = c.code; c.code == nil {
				in.ZipFile = zipOf(entries...)
			}
			f := b.create(t, in)
			out, err := b.Invoke(t.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: f}, Payload: []byte(cmp.Or(c.event, "{}")), LogTail: true})
			must(t, err)
			log := b.printed(t, f)
			if c.kind == "" && !c.failed {
				if out.FunctionError != "" || string(out.Payload) != c.payload {
					t.Errorf("%s%s\nwant %s\n%s", out.FunctionError, out.Payload, c.payload, log)
				}
			} else {
				var e struct {
					ErrorType string
				}
				if err := json.Unmarshal(out.Payload, &e); err != nil || out.FunctionError != "Unhandled" || e.ErrorType != c.kind {
					t.Errorf("%s %s: %v, want %s", out.FunctionError, out.Payload, err, c.kind)
				}
				if ok, err := regexp.Match("(?s)^"+c.payload+"$", out.Payload); err != nil || !ok {
					t.Errorf("payload %s\nwant    %s (%v)", out.Payload, c.payload, err)
				}
			}
			rest := log
			for _, p := range c.log {
				at := regexp.MustCompile("(?m)" + p).FindStringIndex(rest)
				if at == nil {
					t.Fatalf("no %q in what is left of the log:\n%s\nof:\n%s", p, rest, log)
				}
				rest = rest[at[1]:]
			}
			if c.rest != nil {
				c.rest(t, b, f)
			}
		})
	}
}

// What is not an interpreter's: how it is started, and what people are told.
func TestManagedRuntime(t *testing.T) {
	i := interpreted(t, "nodejs22.x")
	b := managedBed(t)
	layer := b.publish(t, "modules", entry{"nodejs/node_modules/dep/index.js", 0o644, "module.exports = 'of the layer'"})
	b.behave(t, "nodejs22.x", "index.handler", []behaviour{
		{
			name:    "no bootstrap is needed, and the interpreter is named",
			files:   map[string]string{"index.js": "exports.handler = async (e) => e"},
			event:   `{"a":[1,"ü"]}`,
			payload: `{"a":[1,"ü"]}`,
			log:     []string{`^INIT_START Runtime Version: ` + regexp.QuoteMeta(i.Tag) + `\tRuntime Version ARN: arn:aws:lambda:[a-z0-9-]+::runtime:`, `^` + regexp.QuoteMeta(i.Note) + `$`, `^START RequestId`},
		},
		{
			name: "variables",
			files: map[string]string{"index.js": `
				const e = process.env;
				exports.handler = async () => [e.AWS_EXECUTION_ENV, e.LAMBDA_RUNTIME_DIR, e.LAMBDA_TASK_ROOT, e._HANDLER, e.NODE_PATH, process.cwd(), process.argv[1]]`},
			payload: `["AWS_Lambda_nodejs22.x","/var/runtime","/var/task","index.handler","/opt/nodejs/node22/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task","/var/task","/var/runtime/index.mjs"]`,
		},
		{
			name: "the function's own variables come first",
			files: map[string]string{
				"index.js":      "exports.handler = async () => [require('mine'), globalThis.before, process.env.NODE_PATH]",
				"lib/mine.js":   "module.exports = 'mine'",
				"lib/before.js": "globalThis.before = 'before'",
			},
			env:     map[string]string{"NODE_PATH": "/var/task/lib", "NODE_OPTIONS": "--require=/var/task/lib/before.js"},
			payload: `["mine","before","/var/task/lib"]`,
		},
		{
			name: "a wrapper starts the runtime",
			files: map[string]string{
				"index.js": "exports.handler = async () => [process.env.WRAPPED, process.execArgv.at(-1)]",
				"wrapper":  "#!/bin/sh\nexport WRAPPED=\"$1 ${1##*/}\"\ninterpreter=$1; shift\nexec \"$interpreter\" --title=mine \"$@\"\n",
			},
			env:     map[string]string{"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrapper"},
			payload: fmt.Sprintf(`["%s %s","--max-old-space-size=460"]`, i.Path, filepath.Base(i.Path)),
		},
		{
			name:    "a wrapper that is not there",
			files:   map[string]string{"index.js": "exports.handler = async () => 1"},
			env:     map[string]string{"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"},
			kind:    "Runtime.InvalidEntrypoint",
			payload: `.*/opt/wrapper.*no such file.*`,
		},
		{
			name:    "modules of a layer",
			layers:  []string{layer.ARN},
			files:   map[string]string{"index.js": "exports.handler = async () => require('dep')"},
			payload: `"of the layer"`,
		},
		{
			name:    "the runtime's files cannot be changed",
			files:   map[string]string{"index.js": "exports.handler = async () => require('fs').writeFileSync('/var/runtime/index.mjs', 'x')"},
			kind:    "Error",
			payload: `.*"errorMessage":"EROFS: read-only file system, open '/var/runtime/index.mjs'".*`,
		},
	})
	_, err := b.CreateFunction(t.Context(), lambda.CreateFunctionInput{FunctionName: "ruby", Runtime: "ruby3.4", ZipFile: zipOf(entry{"app.rb", 0o644, "x"})})
	refused(t, err, lambda.InvalidParameterValue, 400, "ruby3.4", "nodejs22.x", "python3.13", "bootstrap")
}
