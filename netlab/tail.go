package netlab

import "strings"

// tail keeps the last tailSize bytes of what is written to it.
type tail struct{ kept []byte }

func (t *tail) Write(b []byte) (int, error) {
	t.kept = append(t.kept, b[max(0, len(b)-tailSize):]...)
	t.kept = append(t.kept[:0], t.kept[max(0, len(t.kept)-tailSize):]...)
	return len(b), nil
}

func (t *tail) String() string { return strings.TrimSpace(string(t.kept)) }
