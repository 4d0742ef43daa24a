package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// checkOutput finds out, before minutes are spent, whether a file can be put at a path. It changes nothing.
func checkOutput(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return usage("--output %s: it is there, and not a file", path)
	}
	f, err := beside(path)
	if err == nil {
		err = errors.Join(f.Close(), os.Remove(f.Name()))
	}
	if err != nil {
		return &exitError{exitUsage, outputError(path, err)}
	}
	return nil
}

// outputError says why nothing can be put at a path that was asked for.
func outputError(path string, err error) error {
	return fmt.Errorf("--output %s: %w", path, reason(err))
}

// reason is what went wrong with a file, without the name that it had at that moment.
func reason(err error) error {
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		return at.Err
	}
	if link := (*os.LinkError)(nil); errors.As(err, &link) {
		return link.Err
	}
	return err
}

// beside makes a file in the directory of another, of a name that nobody has.
func beside(path string) (*os.File, error) {
	return os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
}

// replace writes a file beside its place and puts it there when it is whole.
func replace(name string, write func(io.Writer) error) (err error) {
	mode := os.FileMode(0o644)
	if old, err := os.Stat(name); err == nil {
		if !old.Mode().IsRegular() {
			return fmt.Errorf("write %s: it is there, and not a file", name)
		}
		mode = old.Mode().Perm()
	}
	f, err := beside(name)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, reason(err))
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	b := bufio.NewWriter(f)
	err = errors.Join(write(b), b.Flush(), f.Chmod(mode), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		err = fmt.Errorf("write %s: %w", name, reason(err))
	}
	return err
}

// outputFile is where a result goes. A file is opened before the work begins, which may take minutes, and left alone until
// there is something to write.
type outputFile struct {
	io.Writer
	name    string   // as the user gave it
	file    *os.File // nil: it goes to stdout
	created bool     // by this process, and empty
}

func (s streams) openOutput(ctx context.Context, path string) (*outputFile, error) {
	if path == "" {
		return &outputFile{Writer: s.out, name: "the result"}, nil
	}
	_, err := os.Lstat(path)
	absent := errors.Is(err, os.ErrNotExist)
	file, err := patient(ctx, func() (*os.File, error) { return os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644) })
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	if err != nil {
		return nil, &exitError{exitUsage, outputError(path, err)}
	}
	return &outputFile{Writer: file, name: path, file: file, created: absent}, nil
}

// replace writes over what the file had.
func (o *outputFile) replace(write func(io.Writer) error) error {
	if o.file != nil {
		if info, err := o.file.Stat(); err == nil && info.Mode().IsRegular() {
			if err := o.file.Truncate(0); err != nil {
				return fmt.Errorf("write %s: %w", o.name, reason(err))
			}
		}
	}
	o.created = false
	if err := write(o); err != nil {
		return fmt.Errorf("write %s: %w", o.name, reason(err))
	}
	return nil
}

// close leaves no file behind that has nothing in it.
func (o *outputFile) close() error {
	if o.file == nil {
		return nil
	}
	err := o.file.Close()
	if o.created {
		err = errors.Join(err, os.Remove(o.file.Name()))
	}
	return err
}
