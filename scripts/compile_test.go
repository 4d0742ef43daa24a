package scripts_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"enilab/internal/nstest"
)

// compiling is a go that has so many packages to compile, and has called them all pkg.
const compiling = `
note "go $* CGO_ENABLED=$CGO_ENABLED"
case $1 in list | build) i=0; while [ $i -lt "$STALE" ]; do echo "pkg/$i"; i=$((i + 1)); done ;; esac
if [ -n "$BROKEN" ] && [ "$1" = build ]; then echo './main.go:3:1: syntax error: unexpected name' >&2; exit 1; fi`

func TestCompile(t *testing.T) {
	const first = "build: bin/x\n"
	slow := []string{
		first, "build: bin/x: up to 150 packages to compile, as the first time; it takes a minute or two",
		"build: bin/x: 1 of at most 150 packages compiled\n", "build: bin/x: 100 of at most 150 packages compiled\n",
	}
	for name, c := range map[string]struct {
		stale int
		code  int
		want  []string
	}{
		"the first time":  {150, 0, slow},
		"a change":        {2, 0, []string{first, "build: bin/x: 1 of at most 2 packages compiled\n"}},
		"nothing changed": {0, 0, []string{first}},
		"a mistake":       {1, 1, []string{first, "./main.go:3:1: syntax error: unexpected name\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.fake("go", compiling)
			m.set(fmt.Sprintf("STALE=%d", c.stale))
			if c.code != 0 {
				m.set("BROKEN=1")
			}
			o := m.run("compile.sh", "-ldflags", "-X main.version=1", "-o", "bin/x", "./cmd/x")
			o.want(t, c.code, c.want...)
			if told := strings.Contains(o.said, "minute"); told != (c.stale >= 100) {
				t.Errorf("%d packages: %s", c.stale, o.said)
			}
			if c.stale == 0 && o.said != first {
				t.Errorf("said %q", o.said)
			}
			o.did(t, "user: go list -e -deps -trimpath -ldflags -X main.version=1 -f ",
				"user: go build -v -trimpath -ldflags -X main.version=1 -o bin/x ./cmd/x CGO_ENABLED=0\n")
		})
	}
}

// What Go itself says of its cache is understood: all is to be compiled while that is empty, and nothing after a build.
func TestCompileKnowsCache(t *testing.T) {
	if nstest.NeedRoot(t); nstest.Rootless() {
		t.Skip("an ordinary user's cache is empty here")
	}
	goes, err := exec.LookPath("go")
	if err != nil {
		t.Skip(err)
	}
	program := filepath.Join(t.TempDir(), "echo")
	compile := func(pkg, path string, env ...string) string {
		t.Helper()
		// To root git tells nothing of a user's checkout.
		cmd := exec.Command("scripts/compile.sh", "-buildvcs=false", "-o", program, pkg)
		cmd.Dir = ".."
		cmd.Env = append(append(os.Environ(), "PATH="+path), env...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	const small, large = "./examples/functions/echo", "./cmd/enilab"
	compile(small, os.Getenv("PATH"))
	if got, want := compile(small, os.Getenv("PATH")), "build: "+program+"\n"; got != want {
		t.Errorf("after a build: %q, want %q", got, want)
	}
	// One that compiles nothing, and knows what there would be to compile.
	dir := t.TempDir()
	lazy := "#!/bin/sh\nif [ \"$1\" != build ]; then exec " + goes + " \"$@\"; fi\n"
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte(lazy), 0o755); err != nil {
		t.Fatal(err)
	}
	got := compile(large, dir+":"+os.Getenv("PATH"), "GOCACHE="+t.TempDir())
	if !strings.Contains(got, "packages to compile, as the first time") {
		t.Errorf("with an empty cache: %s", got)
	}
}

// Nothing is compiled twice for want of the same settings: whatever the Makefile builds or runs of Go's is without cgo and with
// -trimpath, as compile.sh has it.
func TestMakeCompilesOnce(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip(err)
	}
	cmd := exec.Command("make", "--dry-run", "--always-make", "build")
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		switch {
		case strings.Contains(line, "scripts/compile.sh "):
			seen++
		case strings.Contains(line, "go run ") || strings.Contains(line, "go build "):
			seen++
			if !strings.Contains(line, "CGO_ENABLED=0 go ") || !strings.Contains(line, " -trimpath ") {
				t.Errorf("%s", line)
			}
		}
	}
	if seen < 5 {
		t.Errorf("%d commands found in\n%s", seen, out)
	}
}
