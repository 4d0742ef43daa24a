package wire

import (
	"fmt"
	"regexp"
	"strings"
)

// unicodeEscape is how Java writes a character.
var unicodeEscape = regexp.MustCompile(`\\u([0-9A-Fa-f]{4})`)

// withoutLookAhead writes what the models say with a look-ahead, "a name that is no number", without one.
var withoutLookAhead = strings.NewReplacer(
	`((?!\d+$)[0-9a-zA-Z-_]+)`, `([0-9]*[a-zA-Z-_][0-9a-zA-Z-_]*)`,
	`((?!^\d+$)^[0-9a-zA-Z-_]+$)`, `([0-9]*[a-zA-Z-_][0-9a-zA-Z-_]*)`,
)

// CompilePattern makes a test of a model's pattern, which is one of Java's and must match a value as a whole. Of what Go's
// expressions have not, it knows the two forms that the models use: a negative look-ahead at the beginning and a negative
// look-behind at the end.
func CompilePattern(pattern string) (func(string) bool, error) {
	rest := withoutLookAhead.Replace(unicodeEscape.ReplaceAllString(pattern, `\x{$1}`))
	var unlike, ending *regexp.Regexp
	var err error
	if inner, ok := strings.CutPrefix(rest, "(?!"); ok {
		if at := closing(inner); at >= 0 {
			if unlike, err = regexp.Compile(`\A(?:` + inner[:at] + `)`); err != nil {
				return nil, fmt.Errorf("pattern %q: %v", pattern, err)
			}
			rest = inner[at+1:]
		}
	}
	if at := strings.LastIndex(rest, "(?<!"); at >= 0 && closing(rest[at+4:]) == len(rest)-at-5 {
		if ending, err = regexp.Compile(`(?:` + rest[at+4:len(rest)-1] + `)\z`); err != nil {
			return nil, fmt.Errorf("pattern %q: %v", pattern, err)
		}
		rest = rest[:at]
	}
	whole, err := regexp.Compile(`\A(?:` + rest + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %v", pattern, err)
	}
	return func(s string) bool {
		return whole.MatchString(s) && (unlike == nil || !unlike.MatchString(s)) && (ending == nil || !ending.MatchString(s))
	}, nil
}

// closing is where the parenthesis ends that was opened before s; -1 if it does not.
func closing(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth == 0 {
				return i
			}
			depth--
		}
	}
	return -1
}
