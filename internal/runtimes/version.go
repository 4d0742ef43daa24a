package runtimes

import (
	"slices"
	"strconv"
	"strings"
)

// version is a program's, its most significant number first.
type version []int

// parseVersion finds the first version in what a program says of itself, such as "v20.11.1", "Python 3.11.2" or "openjdk
// 21 2023-09-19". It is empty if there is none.
func parseVersion(text string) (v version) {
	start := strings.IndexAny(text, "0123456789")
	if start < 0 {
		return nil
	}
	text = text[start:]
	if end := strings.IndexFunc(text, func(r rune) bool { return r != '.' && (r < '0' || r > '9') }); end >= 0 {
		text = text[:end]
	}
	for part := range strings.SplitSeq(text, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			break
		}
		v = append(v, n)
	}
	return v
}

func (v version) String() string {
	var parts []string
	for _, n := range v {
		parts = append(parts, strconv.Itoa(n))
	}
	return strings.Join(parts, ".")
}

// is tells whether v is a release of w: 3.11.2 is one of 3.11.
func (v version) is(w version) bool { return len(v) >= len(w) && slices.Equal(v[:len(w)], w) }

// nearer tells whether v is the better one to take the place of w than other is: the oldest of those that are newer than
// w, which mostly do what w does, else the newest of those that are older.
func (v version) nearer(other, w version) bool {
	newer, otherNewer := slices.Compare(v, w) >= 0, slices.Compare(other, w) >= 0
	if newer != otherNewer {
		return newer
	}
	order := slices.Compare(v, other)
	return order < 0 && newer || order > 0 && !newer
}
