package main

import (
	"context"
	"io"
	"os"
)

// patient does what may never end, unless ctx ends before: to open a FIFO, which waits for its other end, or to read what
// nobody writes. It is given up then, as the program is.
func patient[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := do()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// readAll reads at most so many bytes of what may never end or never come, such as standard input and FIFOs.
func readAll(ctx context.Context, open func() (io.ReadCloser, error), most int64) ([]byte, error) {
	return patient(ctx, func() ([]byte, error) {
		r, err := open()
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return io.ReadAll(io.LimitReader(r, most))
	})
}

// readFile is readAll of a file, which may be a FIFO; "-" is standard input.
func (s streams) readFile(ctx context.Context, name string, most int64) ([]byte, error) {
	return readAll(ctx, func() (io.ReadCloser, error) {
		if name == "-" {
			return io.NopCloser(s.in), nil
		}
		return os.Open(name)
	}, most)
}
