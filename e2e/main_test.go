// Package e2e_test tests the whole program as people run it: the built binary, as root and as an ordinary user, on this
// machine. Set ENILAB_BIN to test a program that is built already, with its functions beside it; else the tests build
// their own.
package e2e_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"enilab/internal/nstest"

	"golang.org/x/sys/unix"
)

// enilab is the program under test, where everybody can read it.
var enilab string

func TestMain(m *testing.M) { os.Exit(testAll(m)) }

func testAll(m *testing.M) int {
	// What a program leaves running becomes this process's child, wherever it was in the tree.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: become the reaper of orphans:", err)
		return 1
	}
	dir, err := os.MkdirTemp("", "e2e-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = os.Chmod(dir, 0o755)
	}
	if err == nil {
		enilab = filepath.Join(dir, "enilab")
		err = provide(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	return m.Run()
}

// provide puts the program and the example function into dir.
func provide(dir string) error {
	functions := filepath.Join(dir, "functions")
	if err := os.Mkdir(functions, 0o755); err != nil {
		return err
	}
	code := filepath.Join(functions, "go.zip")
	if built := os.Getenv("ENILAB_BIN"); built != "" {
		if err := copyFile(enilab, built, 0o755); err != nil {
			return err
		}
		return copyFile(code, filepath.Join(filepath.Dir(built), "functions", "go.zip"), 0o644)
	}
	if err := goBuild(enilab, "./cmd/enilab", "CGO_ENABLED=0", "-ldflags", "-X main.version=e2e"); err != nil {
		return err
	}
	archive, err := nstest.ExampleZip("..")
	if err != nil {
		return err
	}
	return os.WriteFile(code, archive, 0o644)
}

func goBuild(output, pkg, env string, flags ...string) error {
	cmd := exec.Command("go", append(append([]string{"build", "-o", output}, flags...), pkg)...)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), env)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

func copyFile(to, from string, mode os.FileMode) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(target, source); err != nil {
		target.Close()
		return err
	}
	return target.Close()
}

// zeros stands for 10 GB of them as an entry's content.
var zeros = []byte("zeros")

// entry is a file in an archive.
type entry struct {
	name    string
	mode    os.FileMode
	content []byte
}

func writeZip(path string, entries ...entry) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	z := zip.NewWriter(f)
	for _, e := range entries {
		header := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		header.SetMode(e.mode)
		if bytes.Equal(e.content, zeros) {
			header.UncompressedSize64 = 10 << 30 // and less than nothing behind it
			if _, err := z.CreateRaw(header); err != nil {
				return err
			}
			continue
		}
		w, err := z.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := w.Write(e.content); err != nil {
			return err
		}
	}
	return z.Close()
}
