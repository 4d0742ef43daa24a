package daemon

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"enilab/internal/topology"
)

func TestADirectoryIsTheSameArchiveEveryTime(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("bootstrap", "#!/bin/sh\n", 0o755)
	write("lib/more", "data", 0o644)
	first, err := (&codes{}).of(topology.Code{Path: dir})
	if err != nil {
		t.Fatal(err)
	}
	write("lib/more", "data", 0o644) // a newer file with the same content
	again, err := (&codes{}).of(topology.Code{Path: dir})
	if err != nil || again.sha != first.sha || !bytes.Equal(again.zip, first.zip) {
		t.Errorf("%s, then %s: %v", first.sha, again.sha, err)
	}
	z, err := zip.NewReader(bytes.NewReader(first.zip), int64(len(first.zip)))
	if err != nil || len(z.File) != 2 || z.File[0].Name != "bootstrap" || z.File[0].Mode() != 0o755 || z.File[1].Name != "lib/more" {
		t.Errorf("the archive has %v: %v", z.File, err)
	}
	write("lib/more", "other", 0o644)
	if other, err := (&codes{}).of(topology.Code{Path: dir}); err != nil || other.sha == first.sha {
		t.Errorf("other content has the same hash: %v", err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := (&codes{}).of(topology.Code{Path: dir}); err == nil {
		t.Error("a link passed")
	}
}

func TestSettingsThatNeedANewLab(t *testing.T) {
	a := Settings{Region: "us-east-1", Workers: 1, SharedPool: 8}
	b := a
	if d, fixed := b.Difference(a); d != "" || fixed {
		t.Errorf("the same: %q %t", d, fixed)
	}
	b.SharedPool = 9
	if d, fixed := b.Difference(a); d != "sharedPool 8 → 9" || fixed {
		t.Errorf("another pool: %q %t", d, fixed)
	}
	b.Workers = 2
	if d, fixed := b.Difference(a); d != "workers" || !fixed {
		t.Errorf("other workers: %q %t", d, fixed)
	}
}
