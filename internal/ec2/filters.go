package ec2

import (
	"slices"
	"strings"

	"enilab/internal/wildcard"
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
		patterns := make([]wildcard.Pattern, len(f.Values))
		for i, v := range f.Values {
			patterns[i] = wildcard.CompileEscaped(v)
		}
		tests = append(tests, func(v T) bool {
			return slices.ContainsFunc(get(v), func(s string) bool {
				return slices.ContainsFunc(patterns, func(p wildcard.Pattern) bool { return p.Matches(s) })
			})
		})
	}
	return func(v T) bool {
		return !slices.ContainsFunc(tests, func(pass func(T) bool) bool { return !pass(v) })
	}, nil
}
