package runtimes

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
)

// Every file that a command names is among the files, and every name says its language's version.
func TestRuntimes(t *testing.T) {
	names := Names()
	if slices.Sort(names); len(slices.Compact(names)) != len(all) {
		t.Errorf("a name is there twice: %v", names)
	}
	for _, r := range all {
		if v := parseVersion(strings.TrimSuffix(r.Name, ".x")); v.String() != r.version.String() {
			t.Errorf("%s has version %v", r.Name, r.version)
		}
		if slices.Compare(r.version, r.language.least) < 0 {
			t.Errorf("%s is older than what the lab's part runs on", r.Name)
		}
		argv := r.Command(Interpreter{Path: "/usr/bin/x"}, 128)
		if argv[0] != "/usr/bin/x" {
			t.Errorf("%s starts with %s", r.Name, argv[0])
		}
		for _, a := range argv[1:] {
			if at := strings.Index(a, Dir+"/"); at >= 0 {
				if _, err := fs.Stat(Files(), a[at+len(Dir)+1:]); err != nil {
					t.Errorf("%s: %v", r.Name, err)
				}
			}
		}
	}
	if _, ok := Lookup("provided.al2023"); ok {
		t.Error("provided.al2023 is no managed runtime")
	}
}
