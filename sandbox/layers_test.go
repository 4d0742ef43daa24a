package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"enilab/internal/nstest"
)

// testLayers puts archives into the store of a cache. Each is written as names and contents in turn.
func testLayers(t *testing.T, files ...[]string) (*CodeCache, Layers) {
	t.Helper()
	cache, store, _ := testCache(t)
	var l Layers
	for i, f := range files {
		var entries []zipEntry
		for ; len(f) > 0; f = f[2:] {
			entries = append(entries, zipEntry{name: f[0], body: f[1]})
		}
		code, err := store.Put(fmt.Sprintf("layer-%d.zip", i), bytes.NewReader(zipOf(t, entries...)), 0)
		if err != nil {
			t.Fatal(err)
		}
		l = append(l, code)
	}
	return cache, l
}

// Layers lie over each other in their order, and a directory of one may be a file of another.
func TestLayersAreMergedInOrder(t *testing.T) {
	nstest.NoLeaks(t)
	cache, l := testLayers(t,
		[]string{"lib/a", "1", "lib/b", "1", "bin/x/y", "1"},
		[]string{"lib/b", "2", "lib/c", "2", "bin/x", "2"},
		[]string{"lib/c", "3"})
	const dir, file = "drwxr-xr-x", "-rw-r--r-- "
	for range 2 {
		opt, _, err := cache.UnpackLayers(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		sameFiles(t, opt, map[string]string{"lib": dir, "lib/a": file + "1", "lib/b": file + "2", "lib/c": file + "3", "bin": dir, "bin/x": file + "2"})
		if left, err := os.ReadDir(filepath.Dir(opt)); err != nil || len(left) != 1 {
			t.Errorf("beside the directory is %v: %v", left, err)
		}
	}
	turned := Layers{l[2], l[1], l[0]}
	opt, done, err := cache.UnpackLayers(t.Context(), turned)
	if err != nil || !done {
		t.Fatal(done, err)
	}
	sameFiles(t, opt, map[string]string{"lib": dir, "lib/a": file + "1", "lib/b": file + "1", "lib/c": file + "2", "bin": dir, "bin/x": dir, "bin/x/y": file + "1"})
	if err := cache.Evict(turned.Code()); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(opt); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("evicted, and there: %v", err)
	}
}

// A layer that cannot be had leaves nothing, and the next try may succeed.
func TestLayersThatAreMissing(t *testing.T) {
	nstest.NoLeaks(t)
	cache, l := testLayers(t, []string{"a", "1"})
	missing := Layers{l[0], {Key: "missing.zip", Size: 1}}
	for range 2 {
		if _, _, err := cache.UnpackLayers(t.Context(), missing); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v", err)
		}
		if _, err := os.Lstat(cache.home(missing.Code().SHA256)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("left: %v", err)
		}
	}
}
