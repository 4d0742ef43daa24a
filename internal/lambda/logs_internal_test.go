package lambda

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func texts(l *functionLog, from int) (list []string) {
	lines, _, _ := l.after(from)
	for _, line := range lines {
		list = append(list, line.Text)
	}
	return list
}

func TestOutputBecomesLines(t *testing.T) {
	long := strings.Repeat("x", maxLogLine)
	for name, c := range map[string]struct {
		writes []string
		want   []string
	}{
		"a line":           {[]string{"one\n"}, []string{"one"}},
		"lines":            {[]string{"one\n\ntwo\n"}, []string{"one", "", "two"}},
		"a line in parts":  {[]string{"o", "n", "e\ntw", "o\n"}, []string{"one", "two"}},
		"unfinished":       {[]string{"one\ntwo"}, []string{"one", "two"}}, // by flush
		"a long line":      {[]string{long + "yz\n"}, []string{long, "yz"}},
		"just long enough": {[]string{long[1:], "x\nshort\n"}, []string{long, "short"}},
	} {
		l := &environmentLog{to: newFunctionLog(), environment: "f/1"}
		for _, w := range c.writes {
			if n, err := l.Write([]byte(w)); n != len(w) || err != nil {
				t.Errorf("%s: wrote %d, %v", name, n, err)
			}
		}
		l.flush()
		if got := texts(l.to, 0); !slices.Equal(got, c.want) {
			t.Errorf("%s: lines %.80q, want %.80q", name, got, c.want)
		}
	}
}

// The log is bounded, and a reader that comes late learns how much it has missed.
func TestLogIsBounded(t *testing.T) {
	l := newFunctionLog()
	const n = 100_000
	for i := range n {
		l.add(time.Now(), "f/1", fmt.Append(nil, i))
	}
	lines, lost, more := l.after(0)
	if more != nil || len(lines)+lost != n || lines[len(lines)-1].Text != fmt.Sprint(n-1) || lines[0].Text != fmt.Sprint(lost) {
		t.Errorf("%d lines from %q to %q, %d lost", len(lines), lines[0].Text, lines[len(lines)-1].Text, lost)
	}
	if l.size > maxLog || len(lines) < maxLog/2/lineCost/2 || cap(l.lines) > 4*maxLog/lineCost {
		t.Errorf("%d bytes, %d lines, room for %d", l.size, len(lines), cap(l.lines))
	}
	if _, _, more := l.after(n); more == nil {
		t.Error("nothing to wait for")
	}
}
