package aws_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"enilab/internal/nstest"
)

const examples = "../../examples/labs"

// Every example comes up, has what it declares, and its functions answer.
func TestExampleLabs(t *testing.T) {
	t.Parallel()
	files := try(filepath.Glob(filepath.Join(examples, "*.lab.yml")))(t)
	if len(files) < 5 {
		t.Fatalf("only %d examples: %v", len(files), files)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".lab.yml"), func(t *testing.T) {
			l := &lab{t: t, home: filepath.Join(t.TempDir(), "home"), name: "lab", file: file}
			nstest.NeedRoot(t)
			if out, err := l.run("validate", file); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			t.Cleanup(l.down)
			l.up()
			for _, r := range l.inspect("resources") {
				if r["health"] != "ok" {
					t.Errorf("resource %v: %v", r["resource"], r["health"])
				}
			}
			for _, f := range l.inspect("functions") {
				name := f["function"].(string)
				if _, err := exec.LookPath("node"); err != nil && name == "in-node" {
					t.Logf("%s is not invoked: %v", name, err)
					continue
				}
				nstest.Eventually(t, 20*time.Second, func() error { // an idle one has to be woken first
					_, err := l.run("invoke", name)
					return err
				})
			}
			if out := try(l.run("up", "--name", l.name, "-t", l.file))(t); !strings.Contains(string(out), "as the topology says") {
				t.Errorf("up again changes something:\n%s", out)
			}
		})
	}
}

// A broken topology is refused with its place, before anything is made.
func TestBrokenTopology(t *testing.T) {
	nstest.NeedRoot(t)
	dir := t.TempDir()
	l := &lab{t: t, home: filepath.Join(dir, "home"), name: "lab"}
	for name, c := range map[string]struct{ text, want string }{
		"unknown key": {"name: lab\nvpc: {}\n", "broken.lab.yml:2:1: "},
		"suggestion":  {"name: lab\nvpcss: {}\n", `did you mean "vpcs"?`},
		"wrong type":  {"name: lab\nworkers: many\n", "broken.lab.yml:2:10: "},
		"no code":     {"name: lab\nfunctions:\n  f: {code: ./nothing}\n", "broken.lab.yml:3:"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, "broken.lab.yml")
			if err := os.WriteFile(file, []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			for _, verb := range [][]string{{"validate", file}, {"up", "-t", file, "--listen", "127.0.0.1:0"}} {
				_, err := l.run(verb...)
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "exit status 2") {
					t.Errorf("%v: %v, want %q and exit code 2", verb, err, c.want)
				}
			}
			if _, err := os.Stat(l.home); err == nil {
				t.Error("something was made")
			}
		})
	}
}
