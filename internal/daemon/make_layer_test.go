package daemon

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"enilab/internal/lambda"
)

// A topology's layers become versions of layers, and functions have those that have the content that it says.
func TestLayers(t *testing.T) {
	b := newBed(t, Settings{Internet: true})
	file := filepath.Join(b.dir, "deps", "python", "dep.py")
	write := func(text string) {
		t.Helper()
		must(t, os.MkdirAll(filepath.Dir(file), 0o755))
		must(t, os.WriteFile(file, []byte(text), 0o644))
	}
	up := func(text string, want ...string) {
		t.Helper()
		for _, dry := range []bool{true, false} {
			a := b.up(t.Context(), text, dry)
			for i, l := range a.lines {
				a.lines[i], _, _ = strings.Cut(l, ":")
			}
			if a.err != nil || len(a.failed) > 0 || !slices.Equal(a.lines, want) {
				t.Fatalf("dry %t: %v\n%s\nfailed: %v\nwant %v", dry, a.err, strings.Join(a.lines, "\n"), a.failed, want)
			}
		}
		b.wantAs(t, text)
	}
	layersOf := func(want ...string) {
		t.Helper()
		var got []string
		for _, c := range b.lab.Lambda.ListFunctions() {
			for _, l := range c.Layers {
				got = append(got, strings.TrimPrefix(l.ARN, "arn:aws:lambda:us-east-1:123456789012:layer:"))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("the function has %v, want %v", got, want)
		}
	}
	versionsOf := func(layer string, want ...int64) {
		t.Helper()
		var got []int64
		for _, v := range b.lab.Lambda.ListLayerVersions(layer) {
			got = append(got, v.Version)
		}
		if !slices.Equal(got, want) {
			t.Errorf("layer %s has %v, want %v", layer, got, want)
		}
	}
	write("x = 1")
	const text = "layers: {deps: ./deps, brings: b.zip}\nfunctions: {f: {code: ./code, role: r, layers: [brings, deps]}}\nroles: {r: {}}\n"
	must(t, os.MkdirAll(filepath.Join(b.dir, "code"), 0o755)) // without a bootstrap, which a layer brings
	must(t, os.WriteFile(filepath.Join(b.dir, "code", "data"), nil, 0o644))
	up(text, "create role r", "create layer deps", "create layer brings", "create function f")
	layersOf("brings:1", "deps:1")

	write("x = 2")
	if a := b.up(t.Context(), text, true); len(a.lines) != 2 || !strings.HasPrefix(a.lines[1], `change function f: layers ["brings `) {
		t.Errorf("a change reads: %v", a.lines)
	}
	up(text, "change layer deps", "change function f")
	layersOf("brings:1", "deps:2")
	versionsOf("deps", 2)

	up(strings.Replace(text, "[brings, deps]", "[deps, brings]", 1), "change function f")
	layersOf("deps:2", "brings:1")

	// What a customer publishes stays, and is not what the topology says.
	_, err := b.lab.Lambda.PublishLayerVersion(lambda.PublishLayerVersionInput{LayerName: "deps", StoreKey: "a.zip"})
	must(t, err)
	up(text, "change layer deps", "change function f")
	versionsOf("deps", 4, 3, 2) // 2 has the content of 4, and functions that have it would not change
	layersOf("brings:1", "deps:4")

	// A version that is deleted under a function is published again.
	must(t, b.lab.Lambda.DeleteLayerVersion("deps", 4))
	up(text, "change layer deps", "change function f")
	layersOf("brings:1", "deps:5")

	up("layers: {brings: b.zip}\nfunctions: {f: {code: a.zip, role: r}}\nroles: {r: {}}\n", "change function f", "delete layer deps")
	layersOf()
	versionsOf("deps", 3)
	must(t, b.lab.Lambda.DeleteLayerVersion("deps", 3))
	up("{}", "delete function f", "delete layer brings", "delete role r")
	if list := b.lab.Lambda.ListLayers(); len(list) != 0 {
		t.Errorf("left: %v", list)
	}

	// What cannot be is said before the first step, where it is.
	must(t, os.MkdirAll(filepath.Join(b.dir, "large"), 0o755))
	must(t, os.WriteFile(filepath.Join(b.dir, "large", "hole"), nil, 0o644))
	must(t, os.Truncate(filepath.Join(b.dir, "large", "hole"), 140<<20))
	for text, want := range map[string]string{
		"layers: {l: ./large, m: ./large}\nfunctions: {f: {code: a.zip, layers: [l, m]}}": "bed.lab.yml:2:38: function f: Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. The actual size is 293601294 bytes.",
		"layers: {l: text.zip}": "bed.lab.yml:1:10: layer l: ",
		"layers: {l: ./deps}\nfunctions: {f: {code: ./code, layers: [l]}}": "has no executable bootstrap",
	} {
		if a := b.up(t.Context(), text, false); a.err == nil || !strings.Contains(a.err.Error(), want) || len(a.lines) > 0 {
			t.Errorf("%s: %v %v, want %s", text, a.err, a.lines, want)
		}
	}
}
