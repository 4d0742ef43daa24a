package wire

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Limits of a form. AWS states none; these are well beyond what its own limits on filters, tags and rules let through.
const (
	maxParameters = 10_000
	maxDepth      = 16 // names in a parameter: Filter.1.Value.1 has four
)

// form holds a request's parameters as the tree that the dots in their names make.
type form struct {
	given    bool // there is a parameter of this name, not only of names below it
	value    string
	children map[string]*form
}

// parameter is one of a form's as it came.
type parameter struct{ name, value string }

// parseForm reads parameters as in a=b&c=d, into a tree and in their order. One that is there twice has the same value both
// times: of two values one would be dropped. With an error the tree has what came before it.
func parseForm(texts ...string) (*form, []parameter, error) {
	root, n, parameters := new(form), 0, []parameter(nil)
	for _, text := range texts {
		for pair := range strings.SplitSeq(text, "&") {
			if pair == "" {
				continue
			}
			if n++; n > maxParameters {
				return root, nil, fmt.Errorf("there are more than %d parameters", maxParameters)
			}
			key, value, _ := strings.Cut(pair, "=")
			key, err1 := url.QueryUnescape(key)
			value, err2 := url.QueryUnescape(value)
			if err := errors.Join(err1, err2); err != nil {
				return root, nil, fmt.Errorf("the parameters are not URL-encoded: %v", err)
			}
			if !root.set(key, value) {
				return root, nil, fmt.Errorf("The parameter %s is there twice, with different values", shortened(key)) //nolint:staticcheck // as AWS words what it answers
			}
			parameters = append(parameters, parameter{key, value})
		}
	}
	return root, parameters, nil
}

// set adds a parameter, and tells whether it had no other value before. One of more names than any operation has is in no
// tree.
func (f *form) set(key, value string) bool {
	if strings.Count(key, ".") >= maxDepth {
		return true
	}
	for name := range strings.SplitSeq(key, ".") {
		next := f.children[name]
		if next == nil {
			next = new(form)
			if f.children == nil {
				f.children = map[string]*form{}
			}
			f.children[name] = next
		}
		f = next
	}
	if f.given {
		return f.value == value
	}
	f.given, f.value = true, value
	return true
}

// at is the tree below a name, which may have dots; nil if there is none.
func (f *form) at(name string) *form {
	for part := range strings.SplitSeq(name, ".") {
		if f == nil {
			return nil
		}
		f = f.children[part]
	}
	return f
}

// get is a parameter's value; empty if it is absent.
func (f *form) get(name string) string {
	if p := f.at(name); p != nil {
		return p.value
	}
	return ""
}

// elements are a list's elements in the order of their numbers.
func (f *form) elements() []*form {
	type element struct {
		number int
		form   *form
	}
	var found []element
	for name, child := range f.children {
		if n, ok := index(name); ok {
			found = append(found, element{n, child})
		}
	}
	slices.SortFunc(found, func(a, b element) int { return cmp.Compare(a.number, b.number) })
	forms := make([]*form, len(found))
	for i, e := range found {
		forms[i] = e.form
	}
	return forms
}

// index reads the number of a list's element, in the one way to write it: so no two are the same.
func index(name string) (int, bool) {
	n, err := strconv.Atoi(name)
	return n, err == nil && n >= 0 && strconv.Itoa(n) == name
}

// valueError says which parameter has a value that it cannot have.
type valueError struct {
	parameter string
	reason    error
}

func (e *valueError) Error() string {
	return fmt.Sprintf("Invalid value for parameter %s: %v", e.parameter, e.reason)
}

// decode sets a structure's members from parameters, all of which the plan takes.
func (f *form) decode(p *plan, v reflect.Value, prefix string) error {
	for i := range p.members {
		m := &p.members[i]
		at := f.at(m.query)
		if at == nil && m.emptyList != "" {
			at = f.at(m.emptyList)
		}
		if at == nil {
			continue
		}
		if err := at.decodeMember(m, v.Field(i), prefix+m.query); err != nil {
			return err
		}
	}
	return nil
}

func (f *form) decodeMember(m *member, v reflect.Value, name string) error {
	switch m.kind {
	case structKind:
		return f.decode(m.plan, scalar(v), name+".")
	case listKind:
		elements := f.elements()
		items := reflect.MakeSlice(v.Type(), len(elements), len(elements))
		for i, e := range elements {
			if err := e.decodeMember(m.element, items.Index(i), fmt.Sprintf("%s.%d", name, i+1)); err != nil {
				return err
			}
		}
		v.Set(items)
		return nil
	default:
		if err := parseScalar(m, v, f.value); err != nil {
			return &valueError{name, err}
		}
		return nil
	}
}
