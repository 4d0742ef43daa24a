// Package testlab is for tests that make what outlives a process: control groups. It names them as a lab names its own, by who
// made them, and removes those of tests that were killed.
package testlab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"enilab/internal/nstest"
	"enilab/internal/realm"
	"enilab/sandbox"
)

// Name is that of a lab of the test's own, for its control groups. The word in it has letters and digits, and tells labs of one
// test program apart. What tests have left whose process is dead is removed first: labs do that, too, and so does 'enilab gc'.
func Name(tb testing.TB, word string) string {
	tb.Helper()
	removeLabs(tb)
	lab, err := realm.ThisLab(word)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := realm.ParseLab(lab.String()); err != nil {
		tb.Fatal(err)
	}
	return lab.String()
}

func removeLabs(tb testing.TB) {
	if os.Geteuid() != 0 || nstest.Rootless() {
		return
	}
	names, _ := sandbox.CgroupLabs() // without control groups none is left
	for _, name := range names {
		if lab, err := realm.ParseLab(name); err == nil && lab.Dead() {
			if err := sandbox.RemoveCgroups(name); err != nil {
				tb.Logf("what a killed test or lab has left: %v", err)
			}
		}
	}
}

// memoryGroups begins the names of groups that limit a test's own processes. No lab removes them.
const memoryGroups = "enilab-test-"

// MemoryGroup makes a control group of so many bytes of memory for processes of the test's, named as [Name] says, and removes
// it when the test ends. A machine without the controller skips the test.
func MemoryGroup(tb testing.TB, word string, bytes int) (dir string) {
	tb.Helper()
	nstest.NeedRoot(tb)
	lab, err := realm.ThisLab(word)
	if err != nil {
		tb.Fatal(err)
	}
	for _, limit := range []string{"/sys/fs/cgroup/memory/GROUP/memory.limit_in_bytes", "/sys/fs/cgroup/GROUP/memory.max"} {
		file := strings.Replace(limit, "GROUP", memoryGroups+lab.String(), 1)
		dir := filepath.Dir(file)
		removeGroups(tb, filepath.Dir(dir))
		if os.Mkdir(dir, 0o755) != nil {
			continue // not this machine's version
		}
		tb.Cleanup(func() {
			if err := os.Remove(dir); err != nil {
				tb.Error(err)
			}
		})
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err != nil {
			continue // the root does not hand memory on
		}
		_, err = fmt.Fprint(f, bytes)
		if err := errors.Join(err, f.Close()); err != nil {
			tb.Fatal(err)
		}
		return dir
	}
	tb.Skip("no control groups limit memory here")
	return ""
}

// removeGroups removes memory groups of tests that were killed. One with processes in it stays until these have ended.
func removeGroups(tb testing.TB, in string) {
	left, _ := filepath.Glob(filepath.Join(in, memoryGroups+"*")) // the pattern is well formed
	for _, dir := range left {
		lab, err := realm.ParseLab(strings.TrimPrefix(filepath.Base(dir), memoryGroups))
		if err != nil || !lab.Dead() {
			continue
		}
		if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			tb.Logf("what a killed test has left: %v", err)
		}
	}
}
