package lambda_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"enilab/internal/lambda"
	"enilab/internal/nstest"
)

// The examples in interpreted languages run in the sandbox as they are, cold and warm, in both modes, and reach what
// the one in Go reaches: with the bootstrap that they bring, and by managed runtimes.
func TestLanguages(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	for _, l := range []struct{ name, dir, interpreter, handler, runtime string }{
		{"node", "node", "/usr/bin/node", "index.handler", ""},
		{"node-managed", "node", "/usr/bin/node", "index.handler", "nodejs22.x"},
		{"python", "python", "/usr/bin/python3", "function.handler", ""},
		{"python-managed", "python", "/usr/bin/python3", "function.handler", "python3.13"},
		{"bash", "bash", "/bin/bash", "function.handler", ""},
	} {
		t.Run(l.name, func(t *testing.T) {
			if _, err := os.Stat(l.interpreter); err != nil {
				t.Skipf("the sandbox sees %s, and it is not there", l.interpreter)
			}
			files, err := filepath.Glob("../../examples/functions/" + l.dir + "/*")
			must(t, err)
			var entries []entry
			for _, f := range files {
				text, err := os.ReadFile(f)
				if err != nil {
					continue // what an interpreter has cached
				}
				mode := os.FileMode(0o644)
				if filepath.Base(f) == "bootstrap" {
					mode = 0o755
				}
				entries = append(entries, entry{filepath.Base(f), mode, string(text)})
			}
			for _, mode := range []lambda.Mode{lambda.LegacyInPlace, lambda.Shared} {
				f := b.create(t, lambda.CreateFunctionInput{
					FunctionName: l.name + "-" + string(mode), Runtime: l.runtime, ZipFile: zipOf(entries...), Handler: l.handler, Mode: mode, VpcConfig: vpcOf("blue"),
				})
				for want := 1; want <= 2; want++ {
					a, out := b.ask(t, f, everything)
					if a.Tenant != "blue" || a.Invocation != want || out.Timeline.Cold() != (want == 1) {
						t.Errorf("%s: invocation %d: %s", mode, want, out.Payload)
					}
					from, err := netip.ParseAddrPort(strings.TrimPrefix(a.Whoami, "blue ")) // the test's server says its name first
					if env := b.IdleEnvironments(lambda.FunctionRef{Name: f}); err != nil || len(env) != 1 || from.Addr() != env[0].Address {
						t.Errorf("%s: whoami saw %q; environments %v", mode, a.Whoami, env)
					}
				}
			}
		})
	}
}
