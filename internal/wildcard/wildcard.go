// Package wildcard matches texts with AWS's patterns, in which * stands for any text and ? for any character: those of IAM's
// policies and those of EC2's filters.
package wildcard

import "slices"

// Pattern is what a text is matched with: characters, and what stands for several.
type Pattern []rune

const (
	anyText rune = -1 - iota
	anyCharacter
)

// Compile reads a pattern, in which every other character stands for itself.
func Compile(pattern string) (p Pattern) {
	for _, r := range pattern {
		p = append(p, special(r))
	}
	return p
}

// CompileEscaped reads a pattern in which a backslash makes the next character stand for itself.
func CompileEscaped(pattern string) (p Pattern) {
	escaped := false
	for _, r := range pattern {
		switch {
		case escaped:
			p, escaped = append(p, r), false
		case r == '\\':
			escaped = true
		default:
			p = append(p, special(r))
		}
	}
	if escaped { // nothing to escape: it stands for itself
		p = append(p, '\\')
	}
	return p
}

func special(r rune) rune {
	switch r {
	case '*':
		return anyText
	case '?':
		return anyCharacter
	}
	return r
}

// Matches tells whether the pattern covers the whole of a text. It takes time in proportion to len(p)*len(text) at worst.
func (p Pattern) Matches(text string) bool {
	s := []rune(text)
	at, i := 0, 0
	star, resume := -1, 0 // the last anyText met, and where in s what follows it is tried next
	for i < len(s) {
		switch {
		case at < len(p) && p[at] == anyText:
			star, resume = at, i
			at++
		case at < len(p) && (p[at] == anyCharacter || p[at] == s[i]):
			at++
			i++
		case star >= 0:
			resume++
			at, i = star+1, resume
		default:
			return false
		}
	}
	return !slices.ContainsFunc(p[at:], func(r rune) bool { return r != anyText })
}
