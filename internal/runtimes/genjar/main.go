// Genjar compiles the lab's runtime for Java, which stands beside its sources since not every machine has a compiler. go
// generate runs it in internal/runtimes. The same sources and compiler make the same bytes.
package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	sources = "java"
	jar     = "files/enilab-runtime.jar"
	release = "11" // the oldest Java that runs it
)

func main() {
	b, err := build(context.Background(), ".")
	if err == nil {
		err = os.WriteFile(jar, b, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "genjar:", err)
		os.Exit(1)
	}
}

// build compiles the sources below dir.
func build(ctx context.Context, dir string) ([]byte, error) {
	files, digest, err := find(dir)
	if err != nil {
		return nil, err
	}
	classes, err := os.MkdirTemp("", "enilab-genjar-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(classes) //nolint:errcheck // what is left of it is in the directory for that
	args := append([]string{"--release", release, "-g:source,lines", "-Xlint:all", "-Werror", "-d", classes}, files...)
	cmd := exec.CommandContext(ctx, "javac", args...)
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("javac: %w\n%s", err, said)
	}
	compiler, err := compiler(ctx)
	if err != nil {
		return nil, err
	}
	return pack(classes, fmt.Sprintf("Manifest-Version: 1.0\r\nCreated-By: %s\r\nSources-SHA-256: %s\r\n\r\n", compiler, digest))
}

// compiler is javac with its version, such as "javac 17".
func compiler(ctx context.Context) (string, error) {
	said, err := exec.CommandContext(ctx, "javac", "-version").Output()
	if err != nil {
		return "", fmt.Errorf("javac -version: %w", err)
	}
	major, _, _ := strings.Cut(strings.TrimSpace(string(said)), ".")
	return major, nil
}

// find lists the sources below dir, and makes a digest of their names and text.
func find(dir string) (files []string, digest string, err error) {
	hash := sha256.New()
	err = filepath.WalkDir(filepath.Join(dir, sources), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files = append(files, path)
		fmt.Fprintf(hash, "%s %d\n%s", name, len(text), text)
		return nil
	})
	return files, hex.EncodeToString(hash.Sum(nil)), err
}

// pack makes a jar of what lies below dir. It is not compressed: how well that is done differs between versions of Go.
func pack(dir, manifest string) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	add := func(name string, data []byte) error {
		entry, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)})
		if err == nil {
			_, err = entry.Write(data)
		}
		return err
	}
	if err := add("META-INF/MANIFEST.MF", []byte(manifest)); err != nil {
		return nil, err
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return add(name, data)
	})
	if err == nil {
		err = w.Close()
	}
	return b.Bytes(), err
}
