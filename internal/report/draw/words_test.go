package draw

import (
	"strings"
	"testing"
)

func TestFit(t *testing.T) {
	long := "tenant-blue/1 waits for its interface – 12 µs"
	for width := 0.0; width < 320; width += 7 {
		got := Fit(long, width, 12, false)
		if w := TextWidth(got, 12, false); w > width && got != "" {
			t.Errorf("%q is %v wide, more than %v", got, w, width)
		}
		if got != long && got != "" && !strings.HasSuffix(got, "…") {
			t.Errorf("%q does not show that it is cut off", got)
		}
	}
	if got := Fit(long, 1000, 12, false); got != long {
		t.Errorf("cut off for nothing: %q", got)
	}
}

func TestWrap(t *testing.T) {
	text := "Connecting takes 27.1\u00a0ms of 35.2\u00a0ms in legacy mode, supercalifragilisticexpialidocious"
	lines := Wrap(text, 110, 12, false)
	for _, l := range lines {
		if TextWidth(l, 12, false) > 110 {
			t.Errorf("%q is too wide", l)
		}
	}
	if joined := strings.Join(lines, " "); !strings.HasPrefix(joined, "Connecting takes 27.1\u00a0ms of 35.2\u00a0ms in legacy mode,") {
		t.Errorf("got %q", lines)
	}
	if got := Wrap("  ", 100, 12, false); got != nil {
		t.Errorf("got %q of nothing", got)
	}
}

func TestTextWidth(t *testing.T) {
	if a, b := TextWidth("attach", 12, false), TextWidth("attach", 24, false); a <= 0 || b != 2*a {
		t.Errorf("%v and %v", a, b)
	}
	if TextWidth("attach", 12, true) <= TextWidth("attach", 12, false) {
		t.Error("bold is not wider")
	}
}

func TestClean(t *testing.T) {
	if got := Clean("a\x1b[2Jb\u202ec\nd\u00a0µ→"); got != "a\uFFFD[2Jb\uFFFDc\uFFFDd\u00a0µ→" {
		t.Errorf("got %q", got)
	}
}
