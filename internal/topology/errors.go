package topology

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"enilab/internal/spelling"
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

// OrNil sorts, drops what was said twice, and is a nil error if nothing is left.
func (e Errors) OrNil() error {
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

// ErrorAt is a problem with the value of a path, such as functions.f.code, or with what it would be in if it was left out.
// It is for who finds a problem that the file alone does not tell.
func (t *Topology) ErrorAt(path, format string, args ...any) Error {
	at, ok := t.where[path]
	for p := path; !ok && p != ""; {
		p = p[:max(strings.LastIndexAny(p, ".["), 0)]
		at, ok = t.where[p]
	}
	if !ok {
		at = position{1, 1}
	}
	return Error{t.file, at.line, at.column, path, fmt.Sprintf(format, args...)}
}

// position is a place in a file, from 1.
type position struct{ line, column int }

// suggest is the end of a message about a name that does not exist: the one that was probably meant, or all there are.
func suggest(name string, known []string) string {
	switch best := spelling.Nearest(name, known); {
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
