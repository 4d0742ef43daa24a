package ec2

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"enilab/internal/paging"
)

// Query is what every Describe call takes.
type Query struct {
	IDs        []string // those that are asked for, all of which must exist; nil: all
	Filters    []Filter
	MaxResults int    // 5 to 1,000; zero: all
	NextToken  string // of the page before
}

// Page is what came of a Query, ordered by id.
type Page[T any] struct {
	Items     []T
	NextToken string // empty: this is the last page
}

const minResults, maxResults = 5, 1000

// kind is how things of one kind are asked for. Kinds are made by functions, not at the start of the program, most of whose
// verbs have no use for them.
type kind[T any] struct {
	of         resource // what IDs are of
	id         func(T) string
	tags       func(T) map[string]string // nil: they have none
	attributes attributes[T]
}

// describe answers a query from all that there is, ordered by id.
func describe[T any](k kind[T], all []T, q Query) (page Page[T], err error) {
	if q.MaxResults != 0 && (q.MaxResults < minResults || q.MaxResults > maxResults) {
		return page, refuse(InvalidParameterValue, "Value ( %d ) for parameter maxResults is invalid. Expecting a value between %d and %d.", q.MaxResults, minResults, maxResults)
	}
	for _, id := range q.IDs {
		if _, ok := slices.BinarySearchFunc(all, id, func(v T, id string) int { return strings.Compare(k.id(v), id) }); !ok {
			return page, k.of.unknown(id)
		}
	}
	pass, err := selector(q.Filters, k.attributes, k.tags)
	if err != nil {
		return page, err
	}
	var found []T
	for _, v := range all {
		if (len(q.IDs) == 0 || slices.Contains(q.IDs, k.id(v))) && pass(v) {
			found = append(found, v)
		}
	}
	var known bool
	list := reflect.TypeFor[T]().Name()
	if page.Items, page.NextToken, known = paging.Page(list, found, k.id, q.NextToken, q.MaxResults); !known {
		// The words are DescribeVpcs'. https://github.com/boto/boto3/issues/2673
		return page, refuse(InvalidParameterValue,
			"Value ( %s ) for parameter NextToken is invalid. The token is invalid.", q.NextToken)
	}
	return page, nil
}

// These make attributes of one value, of a yes or no, of the same for all, and of none.

func one[T any](get func(T) string) func(T) []string {
	return func(v T) []string {
		if s := get(v); s != "" {
			return []string{s}
		}
		return nil
	}
}

func flag[T any](get func(T) bool) func(T) []string {
	return func(v T) []string { return []string{strconv.FormatBool(get(v))} }
}

func same[T any](value string) func(T) []string {
	return func(T) []string { return []string{value} }
}

func absent[T any](T) []string { return nil }
