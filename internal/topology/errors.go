package topology

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one thing that is wrong with a file, and where.
type Error struct {
	File         string
	Line, Column int    // from 1
	Path         string // of the value, such as vpcs.vpc-blue.cidr; empty for the file as a whole
	Message      string
}

// Error has the form that compilers use.
func (e Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
}

// Errors is everything that is wrong, in the order of the file.
type Errors []Error

// Error gives each its line.
func (e Errors) Error() string {
	var b strings.Builder
	for i, err := range e {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(err.Error())
	}
	return b.String()
}

// maxErrors keeps what a file that is no topology at all has to say readable.
const maxErrors = 100

// orNil sorts, drops what was said twice, and is a nil error if nothing is left.
func (e Errors) orNil() error {
	if len(e) == 0 {
		return nil
	}
	slices.SortStableFunc(e, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	e = slices.Compact(e)
	if more := len(e) - maxErrors; more > 0 {
		last := e[maxErrors]
		last.Path, last.Message = "", fmt.Sprintf("and %d more problems from here on", more)
		e = append(e[:maxErrors:maxErrors], last)
	}
	return e
}

// position is a place in a file, from 1.
type position struct{ line, column int }

// suggest is the end of a message about a name that does not exist: the one that was probably meant, or all there are.
func suggest(name string, known []string) string {
	best, distance := "", 1+max(1, len(name)/3)
	for _, k := range known {
		if d := edits(strings.ToLower(name), strings.ToLower(k), distance); d < distance {
			best, distance = k, d
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("; did you mean %q?", best)
	case len(known) == 0:
		return "; there is none"
	case len(known) > 12:
		return fmt.Sprintf("; there are %s and %d more", strings.Join(known[:10], ", "), len(known)-10)
	case len(known) == 1:
		return "; there is " + known[0]
	}
	return "; there are " + strings.Join(known, ", ")
}

// edits counts the letters to add, drop, change or swap with the next to make b of a; limit and more are all the same.
func edits(a, b string, limit int) int {
	if len(a) > 64 || len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	var before []int // the row above the last
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			change := last[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return min(last[len(b)], limit)
}
