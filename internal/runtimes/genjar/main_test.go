package main

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const home = ".."

func manifest(t *testing.T) (text string, all []byte) {
	t.Helper()
	all, err := os.ReadFile(filepath.Join(home, jar))
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(all), int64(len(all)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := z.Open("META-INF/MANIFEST.MF")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), all
}

// The jar was made of the sources that are here.
func TestJarIsCurrent(t *testing.T) {
	_, digest, err := find(home)
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := manifest(t); !strings.Contains(text, "Sources-SHA-256: "+digest+"\r\n") {
		t.Errorf("the sources have changed since: go generate ./internal/runtimes (they are %s)\n%s", digest, text)
	}
}

// To compile them again makes the same bytes.
func TestJarIsReproducible(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles Java")
	}
	if _, err := exec.LookPath("javac"); err != nil {
		t.Skip("there is no javac to compile the jar with: apt-get install default-jdk-headless")
	}
	have, err := compiler(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, want := manifest(t)
	if !strings.Contains(text, "Created-By: "+have+"\r\n") {
		t.Skipf("this machine has %s, and the jar is another's:\n%s", have, text)
	}
	got, err := build(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("compiled again, the jar has %d bytes instead of %d, or other ones: go generate ./internal/runtimes", len(got), len(want))
	}
}
