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
		argv := r.Command(Interpreter{Path: "/usr/bin/x", Version: "24.1.0"}, 128, nil)
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

// Node.js gets the flags that AWS gives it, where it knows them.
func TestExperiments(t *testing.T) {
	for _, c := range []struct{ runtime, is, options, want string }{
		{"nodejs18.x", "20.19.2", "", ""},
		{"nodejs20.x", "20.19.2", "", "--no-experimental-require-module"},
		{"nodejs20.x", "20.11.0", "", ""},
		{"nodejs22.x", "18.20.4", "", ""},
		{"nodejs22.x", "21.1.0", "", ""},
		{"nodejs22.x", "22.3.0", "", "--no-experimental-detect-module --no-experimental-require-module"},
		{"nodejs22.x", "22.3.0", "--enable-source-maps --experimental-require-module", "--no-experimental-detect-module"},
		{"nodejs24.x", "24.0.0", "", ""},
	} {
		r, _ := Lookup(c.runtime)
		var got []string
		for _, a := range r.Command(Interpreter{Version: c.is}, 128, map[string]string{"NODE_OPTIONS": c.options}) {
			if strings.HasPrefix(a, "--no-") {
				got = append(got, a)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s on %s with %q: %v, want %s", c.runtime, c.is, c.options, got, c.want)
		}
	}
}
