package nstest

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// BuildExample puts an example function that is written in Go, "go" or "echo", into dir, as bootstrap. Top is the way to the module's top. Where it
// cannot be built, because an ordinary user in a namespace without a network may have no modules, what `make build` made
// serves.
func BuildExample(top, name, dir string) error {
	file, err := filepath.Abs(filepath.Join(dir, "bootstrap"))
	if err != nil {
		return err
	}
	build := exec.CommandContext(context.Background(), "go", "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", file, "./examples/functions/"+name)
	build.Dir, build.Env = top, append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if err == nil {
		return nil
	}
	made, readErr := os.ReadFile(filepath.Join(top, "bin/functions", name, "bootstrap"))
	if readErr != nil {
		return fmt.Errorf("build the example %s: %w\n%s", name, err, out)
	}
	return os.WriteFile(file, made, 0o755)
}

// ExampleZip is the example function in Go as an archive. It is not compressed: that takes seconds under the race
// detector.
func ExampleZip(top string) (_ []byte, err error) {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := BuildExample(top, "go", dir); err != nil {
		return nil, err
	}
	program, err := os.Open(filepath.Join(dir, "bootstrap"))
	if err != nil {
		return nil, err
	}
	defer program.Close()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	h := &zip.FileHeader{Name: "bootstrap", Method: zip.Store}
	h.SetMode(0o755)
	f, err := w.CreateHeader(h)
	if err == nil {
		_, err = io.Copy(f, program)
	}
	err = errors.Join(err, w.Close()) // before Bytes: it writes the directory
	return b.Bytes(), err
}
