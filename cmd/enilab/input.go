package main

import (
	"context"
	"io"
)

// readAll reads at most so many bytes of what may never end or never come, such as standard input and FIFOs, unless ctx ends
// before. The reader is given up then, as the program is.
func readAll(ctx context.Context, open func() (io.ReadCloser, error), most int64) ([]byte, error) {
	type result struct {
		b   []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		r, err := open() // of a FIFO it waits for who writes
		if err != nil {
			done <- result{nil, err}
			return
		}
		defer r.Close()
		b, err := io.ReadAll(io.LimitReader(r, most))
		done <- result{b, err}
	}()
	select {
	case r := <-done:
		return r.b, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
