package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestReadingEndsWithItsContext: of input that never ends, and of a FIFO that nobody writes to.
func TestReadingEndsWithItsContext(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func() (io.ReadCloser, error){
		"standard input": func() (io.ReadCloser, error) { return io.NopCloser(read), nil },
		"FIFO":           func() (io.ReadCloser, error) { return os.Open(fifo) },
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errInterrupted)
		if b, err := readAll(ctx, open, 10); !errors.Is(err, errInterrupted) {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if w, err := os.OpenFile(fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil { // lets go of who waits to open it
		w.Close()
	}
	interrupted, cancel := context.WithCancelCause(t.Context())
	cancel(errInterrupted)
	if _, err := (streams{}).openOutput(interrupted, fifo); !errors.Is(err, errInterrupted) {
		t.Errorf("a FIFO as output: %v", err)
	}
	if r, err := os.OpenFile(fifo, os.O_RDONLY|syscall.O_NONBLOCK, 0); err == nil {
		r.Close()
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := readAll(t.Context(), func() (io.ReadCloser, error) { return os.Open(file) }, 4); err != nil || string(b) != "0123" {
		t.Errorf("file: %q, %v", b, err)
	}
	if _, err := readAll(t.Context(), func() (io.ReadCloser, error) { return os.Open(file + "x") }, 4); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
