// Package arch holds the direction of imports that ARCHITECTURE.md draws.
package arch

import (
	"errors"
	"go/build"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "enilab"

// mayImport lists, for each part of the module, the other parts it may import. A part is a directory with all below it.
var mayImport = map[string][]string{
	"internal/netns":     {},
	"internal/undo":      {},
	"internal/program":   {},
	"internal/spelling":  {},
	"internal/wildcard":  {},
	"internal/nstest":    {"internal/netns"},
	"internal/testlab":   {"internal/nstest", "internal/realm", "sandbox"},
	"internal/ruleset":   {},
	"internal/confine":   {},
	"netlab":             {"internal/confine", "internal/ruleset", "internal/netns", "internal/program", "internal/undo"},
	"nat":                {"netlab", "internal/ruleset", "internal/netns", "internal/undo"},
	"internal/runtimes":  {},
	"sandbox":            {"internal/confine", "internal/runtimes", "internal/sockdiag", "netlab", "internal/netns", "internal/program", "internal/undo"},
	"internal/events":    {},
	"internal/labs":      {},
	"internal/state":     {},
	"internal/topology":  {"netlab", "internal/spelling"},
	"internal/wire":      {},
	"internal/memory":    {},
	"internal/plain":     {},
	"internal/paging":    {},
	"internal/sockdiag":  {},
	"internal/iam":       {"internal/events", "internal/state", "internal/wildcard"},
	"internal/ec2":       {"internal/paging", "internal/events", "internal/state", "internal/wildcard", "netlab"},
	"internal/lambda":    {"internal/spelling", "internal/events", "internal/state", "internal/runtimes", "nat", "sandbox", "netlab", "internal/netns", "internal/undo"},
	"internal/api":       {"internal/wire", "internal/paging", "internal/iam", "internal/ec2", "internal/lambda", "internal/events", "sandbox", "netlab"},
	"internal/realm":     {"internal/program", "internal/netns"},
	"internal/hoststate": {"internal/netns"},
	"internal/doctor":    {"internal/netns", "internal/program", "internal/runtimes", "netlab"},
	"internal/lab":       {"internal/ec2", "internal/iam", "internal/events", "internal/state", "internal/lambda", "internal/realm", "nat", "sandbox", "netlab", "internal/netns", "internal/undo"},
	"internal/compare":   {"internal/lambda", "internal/lab", "nat", "sandbox", "netlab"},
	"internal/rollout":   {"internal/spelling", "internal/lambda", "internal/lab", "nat", "sandbox", "netlab"},
	"internal/bench": {
		"internal/compare", "internal/demo", "internal/api", "internal/wire", "internal/ec2", "internal/iam", "internal/events", "internal/lab", "internal/lambda",
		"internal/realm", "nat", "sandbox", "netlab", "internal/netns", "internal/undo",
	},
	"internal/report": {"internal/bench", "internal/compare", "internal/rollout"}, // the shapes that it shows
	"internal/daemon": {
		"internal/api", "internal/wire", "internal/sockdiag", "internal/memory", "internal/topology", "internal/lab", "internal/realm", "internal/ec2", "internal/iam", "internal/lambda", "internal/runtimes",
		"internal/spelling",
		"internal/events", "internal/state", "nat", "sandbox", "netlab", "internal/netns", "internal/undo",
	},
	"internal/demo": {"internal/spelling", "internal/compare", "internal/lab", "internal/lambda", "nat", "sandbox", "netlab"},
	"cmd/enilab": {
		"internal/daemon", "internal/labs", "internal/topology", "internal/events", "internal/state",
		"internal/demo", "internal/compare", "internal/bench", "internal/rollout", "internal/report", "internal/lab", "internal/lambda", "internal/realm", "internal/hoststate", "internal/doctor",
		"internal/spelling", "internal/plain", "internal/sockdiag", "internal/program", "nat", "sandbox", "netlab", "internal/netns", "internal/undo",
	},
	"examples":      {}, // what a customer writes knows nothing of the lab
	"internal/arch": {},
	"e2e":           {},                           // it knows the built program alone
	"scripts":       {"internal/netns", "netlab"}, // what measures peers makes customers' networks of its own
}

// testsMayImport lists what tests need besides, and nstest and testlab.
var testsMayImport = map[string][]string{
	"internal/ruleset": {"internal/netns"},
	"examples":         {"sandbox", "netlab", "internal/netns"}, // they run the functions in it
	"internal/api":     {"nat"},                                 // its test bed has a Hyperplane node
	"e2e":              {"internal/netns"},
}

func TestImportsPointOneWay(t *testing.T) {
	const root = "../.."
	checked := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin") {
			return fs.SkipDir
		}
		pkg, err := build.ImportDir(path, 0)
		if noGo := (*build.NoGoError)(nil); errors.As(err, &noGo) {
			return nil
		} else if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		checked++
		check(t, dir, pkg.Imports, nil)
		check(t, dir, slices.Concat(pkg.TestImports, pkg.XTestImports), append(testsMayImport[partOf(dir)], "internal/nstest", "internal/testlab"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked < len(mayImport)/2 {
		t.Errorf("found %d packages: looked in the wrong place?", checked)
	}
}

// check reports each import of dir that the table and besides do not allow.
func check(t *testing.T, dir string, imports, besides []string) {
	t.Helper()
	from := partOf(dir)
	if from == "" {
		t.Errorf("%s is in no part: add it to the table here, and to ARCHITECTURE.md", dir)
		return
	}
	for _, path := range imports {
		target, ours := strings.CutPrefix(path, module+"/")
		if !ours {
			continue
		}
		to := partOf(target)
		if to != from && !slices.Contains(mayImport[from], to) && !slices.Contains(besides, to) {
			t.Errorf("%s must not import %s", dir, path)
		}
	}
}

func partOf(dir string) string {
	for part := range mayImport {
		if dir == part || strings.HasPrefix(dir, part+"/") {
			return part
		}
	}
	return ""
}

// TestTableHasNoCycle keeps the table itself pointing one way.
func TestTableHasNoCycle(t *testing.T) {
	var visit func(part string, path []string)
	visit = func(part string, path []string) {
		if slices.Contains(path, part) {
			t.Fatalf("cycle: %s", strings.Join(append(path, part), " → "))
		}
		for _, next := range mayImport[part] {
			visit(next, append(slices.Clone(path), part))
		}
	}
	for part := range mayImport {
		visit(part, nil)
	}
}
