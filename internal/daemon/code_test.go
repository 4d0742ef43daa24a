package daemon

import (
	"archive/zip"
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
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
	if err := os.Rename(filepath.Join(dir, "bootstrap"), filepath.Join(dir, "app.py")); err != nil {
		t.Fatal(err)
	}
	if other, err := (&codes{}).of(topology.Code{Path: dir}); err != nil || other.bootstrap == nil || first.bootstrap != nil || other.unpacked != int64(len("#!/bin/sh\n"+"other")) {
		t.Errorf("without a bootstrap: %+v, %v", other, err)
	}
	write("tool", "#!/bin/sh\n", 0o755)
	if err := os.Symlink("../tool", filepath.Join(dir, "lib", "link")); err != nil {
		t.Fatal(err)
	}
	linked, err := (&codes{}).of(topology.Code{Path: dir})
	if err != nil {
		t.Fatal(err)
	}
	if z, err = zip.NewReader(bytes.NewReader(linked.zip), int64(len(linked.zip))); err != nil || len(z.File) != 4 || z.File[1].Name != "lib/link" || z.File[1].Mode() != 0o755 {
		t.Errorf("with a link the archive has %v: %v", z.File, err)
	}
	for _, target := range []string{"/etc/passwd", "../outside", ".", "nothing"} {
		link := filepath.Join(dir, "bad")
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		if _, err := (&codes{}).of(topology.Code{Path: dir}); err == nil || !strings.Contains(err.Error(), link) {
			t.Errorf("a link to %s: %v", target, err)
		}
		if err := os.Remove(link); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := (&codes{}).of(topology.Code{Path: dir}); err == nil || !strings.Contains(err.Error(), "no plain file") {
		t.Errorf("a socket: %v", err)
	}
}

func TestSettingsThatNeedANewLab(t *testing.T) {
	a := Settings{Region: "us-east-1", Workers: 1, SharedPool: 8}
	b := a
	if d, fixed := b.Difference(a); d != "" || fixed {
		t.Errorf("the same: %q %t", d, fixed)
	}
	b.SharedPool = 9
	if d, fixed := b.Difference(a); d != "pool.shared 8 → 9" || fixed {
		t.Errorf("another pool: %q %t", d, fixed)
	}
	b.Workers = 2
	if d, fixed := b.Difference(a); d != "workers" || !fixed {
		t.Errorf("other workers: %q %t", d, fixed)
	}
}

// Code that is too large is refused by the quota that it exceeds, and is looked at once, however many functions have it.
func TestCodeOverItsQuota(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large.zip")
	for path, size := range map[string]int64{large: 50<<20 + 1, filepath.Join(dir, "code", "bootstrap"): 250<<20 + 1} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil { // a hole: it takes no room
			t.Fatal(err)
		}
	}
	var c codes
	for path, want := range map[string]string{large: "52428800 bytes that Lambda takes of zipped code", filepath.Join(dir, "code"): "262144000 bytes that Lambda takes of unzipped code"} {
		f := topology.Code{Path: path}
		_, err := c.of(f)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if _, again := c.of(f); !errors.Is(again, err) {
			t.Errorf("looked at again: %v", again)
		}
	}
}
