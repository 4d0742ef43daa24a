// Package report_test looks at the report as people do: the built program writes it, and a browser shows it. Set
// ENILAB_BIN to test a program that is built already; else the tests build their own.
package report_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var (
	enilab  string // the program under test
	samples string // directory of files of figures, measured nowhere
)

func TestMain(m *testing.M) { os.Exit(testAll(m)) }

func testAll(m *testing.M) int {
	dir, err := os.MkdirTemp("", "e2e-report-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e/report:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	if enilab = os.Getenv("ENILAB_BIN"); enilab == "" {
		enilab = filepath.Join(dir, "enilab")
		cmd := exec.Command("go", "build", "-o", enilab, "enilab/cmd/enilab")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "e2e/report: build: %v\n%s", err, out)
			return 1
		}
	}
	if samples, err = filepath.Abs("../../internal/report/testdata"); err != nil {
		fmt.Fprintln(os.Stderr, "e2e/report:", err)
		return 1
	}
	return m.Run()
}

// result is how a run of the program ended.
type result struct {
	code           int
	stdout, stderr string
}

// report runs `enilab report` in a directory.
func report(t *testing.T, dir, stdin string, args ...string) result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), enilab, append([]string{"report"}, args...)...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// sample is the path of a file of figures.
func sample(name string) string { return filepath.Join(samples, name) }

// pageOf writes the report of files and returns its path.
func pageOf(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i, f := range files {
		files[i] = sample(f)
	}
	if r := report(t, dir, "", append(files, "-o", "report.html")...); r.code != 0 || r.stdout+r.stderr != "" {
		t.Fatalf("exit code %d: %s%s", r.code, r.stdout, r.stderr)
	}
	return filepath.Join(dir, "report.html")
}
