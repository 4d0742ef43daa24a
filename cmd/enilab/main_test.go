package main

import (
	"context"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"enilab/internal/labs"
	"enilab/internal/realm"

	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write testdata/help anew")

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == realm.Arg {
		panic("a verb has started a realm: that is for package e2e, whose program is not this test")
	}
	if len(os.Args) > 1 && os.Args[1] == silentArg {
		serveNobody()
	}
	os.Exit(m.Run())
}

// caller calls verbs in process, as a user who has no lab until a test makes one.
type caller struct {
	context.Context
	stdin    string
	env      environment
	terminal bool // out and err are terminals
	full     bool // out is, as a device may be
}

func newCaller(t *testing.T) *caller {
	home := t.TempDir()
	getenv := func(name string) string { return map[string]string{"ENILAB_HOME": home}[name] }
	return &caller{Context: t.Context(), env: environment{roots: labs.RootsOf(os.Getuid(), getenv), functions: "/opt/enilab/functions", shell: "/bin/sh"}}
}

// result is what a verb has answered.
type result struct {
	code           int
	stdout, stderr string
}

func (c *caller) call(args ...string) result {
	var out, err strings.Builder
	s := streams{in: strings.NewReader(c.stdin), out: &out, err: &err, outTerminal: c.terminal, terminal: c.terminal, env: c.env}
	if c.full {
		s.out = fullDevice{}
	}
	code := run(c, args, s)
	return result{code, out.String(), err.String()}
}

// fullDevice takes nothing, as /dev/full.
type fullDevice struct{}

func (fullDevice) Write([]byte) (int, error) {
	return 0, &fs.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC}
}

// wantLoss calls a verb that answers on stdout once more where that is full: it fails and says why, once. With a code of its own the
// verb fails as it did.
func (c *caller) wantLoss(t *testing.T, code int, args ...string) {
	t.Helper()
	c.full = true
	r := c.call(args...)
	if code == 0 {
		code = 1
	}
	if n := strings.Count(r.stderr, syscall.ENOSPC.Error()); r.code != code && r.code != 1 || n != 1 || strings.Contains(r.stderr, "exit code") {
		t.Errorf("on a full device: exit code %d, and it says so %d times: %s", r.code, n, r.stderr)
	}
}

// want checks the exit code, and that the streams hold certain words.
func (r result) want(t *testing.T, code int, stdout, stderr []string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, not %d", r.code, code)
	}
	for _, word := range stdout {
		if !strings.Contains(r.stdout, word) {
			t.Errorf("stdout lacks %q", word)
		}
	}
	for _, word := range stderr {
		if !strings.Contains(r.stderr, word) {
			t.Errorf("stderr lacks %q", word)
		}
	}
	if t.Failed() {
		t.Fatalf("stdout: %s\nstderr: %s", r.stdout, r.stderr)
	}
}

// wantLine is want for refusals: one line on stderr, nothing on stdout.
func (r result) wantLine(t *testing.T, code int, words ...string) {
	t.Helper()
	if r.stdout != "" || strings.Count(r.stderr, "\n") != 1 || !strings.HasPrefix(r.stderr, "enilab: ") {
		t.Errorf("a refusal is one line")
	}
	r.want(t, code, nil, words)
}

// verbs are the program's commands by their words, such as "completion bash"; the empty one is the program itself.
func verbs() map[string]*cobra.Command {
	all := map[string]*cobra.Command{}
	var add func(*cobra.Command)
	add = func(c *cobra.Command) {
		all[strings.TrimSpace(strings.TrimPrefix(c.CommandPath(), "enilab"))] = c
		for _, child := range c.Commands() {
			add(child)
		}
	}
	add(rootCommand(streams{}))
	return all
}

// write puts a file into a directory and returns its path.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
