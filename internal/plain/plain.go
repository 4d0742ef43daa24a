// Package plain shows text that others have written to people, without letting it do anything to their terminal: move the
// cursor, recolour or rename the window, answer in their name, turn the direction of writing.
package plain

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Line is text as one line: what cannot be seen is written as JSON and Go write it, \u001b, and what is no UTF-8 as \x9b.
func Line(s string) string { return string(escape(nil, []byte(s), "")) }

// Writer writes to a terminal. Lines and tabs stay what they are; all else that Line escapes is escaped.
type Writer struct {
	To io.Writer

	mu      sync.Mutex
	pending []byte // the beginning of a character
}

// Write takes all of p, and keeps back a character that p ends within. The error is that of To.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := append(w.pending, p...)
	cut := len(text) - unfinished(text)
	w.pending = append([]byte(nil), text[cut:]...)
	if _, err := w.To.Write(escape(nil, text[:cut], "\n\t")); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close writes what was kept back. It does not close To.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pending) == 0 {
		return nil
	}
	_, err := w.To.Write(escape(nil, w.pending, ""))
	w.pending = nil
	return err
}

// unfinished is how many bytes at the end may become a character with those that follow.
func unfinished(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if tail := b[len(b)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

// escape appends text to b, with all escaped that is not graphic (letters, marks, numbers, punctuation, symbols, spaces) nor kept.
func escape(b, text []byte, keep string) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && n == 1:
			b = fmt.Appendf(b, `\x%02x`, text[0])
		case unicode.IsGraphic(r), strings.ContainsRune(keep, r):
			b = append(b, text[:n]...)
		case r > 0xffff:
			b = fmt.Appendf(b, `\U%08x`, r)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
		text = text[n:]
	}
	return b
}
