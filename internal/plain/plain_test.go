package plain

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestEscapes(t *testing.T) {
	for _, c := range []struct{ in, line, terminal string }{
		{"plain text, ünïcödé, 日本語, µs → ✓ e\u0301\u00a0", "", ""},
		{"a\tb\nc", `a\u0009b\u000ac`, "a\tb\nc"},
		{"\x1b[2J\x1b]0;title\x07", `\u001b[2J\u001b]0;title\u0007`, `\u001b[2J\u001b]0;title\u0007`},
		{"over\rwritten\b\x00\x7f", `over\u000dwritten\u0008\u0000\u007f`, `over\u000dwritten\u0008\u0000\u007f`},
		{"\u009b31m \x9b31m", `\u009b31m \x9b31m`, `\u009b31m \x9b31m`}, // C1, as UTF-8 and as a byte
		{"a\u202eb\u2066c\u200bd\u2028e\ufefff\U000e0041", `a\u202eb\u2066c\u200bd\u2028e\ufefff\U000e0041`, `a\u202eb\u2066c\u200bd\u2028e\ufefff\U000e0041`},
		{"\ufffd is a character", "", ""},
		{"broken \xe2\x82", `broken \xe2\x82`, `broken \xe2\x82`},
	} {
		if c.line == "" {
			c.line, c.terminal = c.in, c.in
		}
		if got := Line(c.in); got != c.line {
			t.Errorf("line %q: %s, want %s", c.in, got, c.line)
		}
		if got := terminal(t, c.in, len(c.in)); got != c.terminal {
			t.Errorf("terminal %q: %q, want %q", c.in, got, c.terminal)
		}
	}
}

// terminal is what a terminal gets of a text that is written in pieces.
func terminal(t testing.TB, s string, size int) string {
	t.Helper()
	var b strings.Builder
	w := &Writer{To: &b}
	for rest := []byte(s); len(rest) > 0; {
		n, err := w.Write(rest[:min(size, len(rest))])
		if err != nil || n == 0 {
			t.Fatal(n, err)
		}
		rest = rest[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space") }

func TestWriterTellsErrors(t *testing.T) {
	w := &Writer{To: full{}}
	if n, err := w.Write([]byte("a")); n != 0 || err == nil {
		t.Errorf("%d, %v", n, err)
	}
}

// Nothing that does something to a terminal passes, however the text comes; what does nothing is left alone.
func FuzzNoControlPasses(f *testing.F) {
	f.Add([]byte("a\x1b[31m\u009b\x9b\xe2\x80"), 1)
	f.Add([]byte("\xf0\x9f\x98\x80\u202e\r\n\t"), 3)
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		if size < 1 {
			size = 1
		}
		got := terminal(t, string(text), size)
		if whole := terminal(t, string(text), max(len(text), 1)); whole != got {
			t.Errorf("in pieces of %d: %q, as one: %q", size, got, whole)
		}
		for _, c := range []struct{ s, keep string }{{got, "\n\t"}, {Line(string(text)), ""}} {
			if !utf8.ValidString(c.s) {
				t.Errorf("%q is no UTF-8", c.s)
			}
			for _, r := range c.s {
				if !unicode.IsGraphic(r) && !strings.ContainsRune(c.keep, r) {
					t.Errorf("%q has %U", c.s, r)
				}
			}
		}
		if again := terminal(t, got, 7); again != got {
			t.Errorf("%q becomes %q", got, again)
		}
		if bytes.IndexFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) || r == utf8.RuneError }) < 0 && Line(string(text)) != string(text) {
			t.Errorf("%q is changed", text)
		}
	})
}
