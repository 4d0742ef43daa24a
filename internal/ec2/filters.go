package ec2

import (
	"slices"
	"strings"
)

// Filter selects what has, under a name such as "vpc-id" or "tag:Name", one of the values. In values * stands for any
// text, ? for any character, and \ takes these meanings away.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html
type Filter struct {
	Name   string
	Values []string
}

const maxFilterValues = 200 // of one request, by AWS's limit

// attributes are what one kind of thing can be filtered by. An item may have several values under a name, or none.
type attributes[T any] map[string]func(T) []string

// selector compiles filters: an item passes if each of them has a value that fits one of the item's.
func selector[T any](filters []Filter, known attributes[T], tags func(T) map[string]string) (func(T) bool, error) {
	var tests []func(T) bool
	count := 0
	for _, f := range filters {
		get := known[f.Name]
		if key, ok := strings.CutPrefix(f.Name, "tag:"); ok && tags != nil {
			get = func(v T) []string {
				if value, ok := tags(v)[key]; ok {
					return []string{value}
				}
				return nil
			}
		} else if f.Name == "tag-key" && tags != nil {
			get = func(v T) (keys []string) {
				for k := range tags(v) {
					keys = append(keys, k)
				}
				return keys
			}
		}
		if get == nil {
			return nil, refuse(InvalidParameterValue, "The filter '%s' is invalid", f.Name)
		}
		if len(f.Values) == 0 {
			return nil, refuse(InvalidParameterValue, "The filter '%s' has no values", f.Name)
		}
		if count += len(f.Values); count > maxFilterValues {
			return nil, refuse(FilterLimitExceeded, "The maximum number of filter values specified on a single call is %d", maxFilterValues)
		}
		patterns := make([]pattern, len(f.Values))
		for i, v := range f.Values {
			patterns[i] = compile(v)
		}
		tests = append(tests, func(v T) bool {
			return slices.ContainsFunc(get(v), func(s string) bool {
				return slices.ContainsFunc(patterns, func(p pattern) bool { return p.matches(s) })
			})
		})
	}
	return func(v T) bool {
		return !slices.ContainsFunc(tests, func(pass func(T) bool) bool { return !pass(v) })
	}, nil
}

// pattern is a compiled value of a filter: characters, and what stands for several.
type pattern []rune

const (
	anyText rune = -1 - iota
	anyCharacter
)

func compile(value string) (p pattern) {
	escaped := false
	for _, r := range value {
		switch {
		case escaped:
			escaped = false
		case r == '\\':
			escaped = true
			continue
		case r == '*':
			r = anyText
		case r == '?':
			r = anyCharacter
		}
		p = append(p, r)
	}
	if escaped { // nothing to escape: it stands for itself
		p = append(p, '\\')
	}
	return p
}

// matches tells whether the pattern covers the whole of text. It takes time in proportion to len(p)*len(text) at worst.
func (p pattern) matches(text string) bool {
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
