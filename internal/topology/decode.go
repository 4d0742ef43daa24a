package topology

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// decoder fills Go values from a tree, as the struct tags say, and notes everything that does not fit.
type decoder struct {
	file    string
	errs    Errors
	anchors map[string]ast.Node
	where   map[string]position
	budget  int // of values
	merging int // how deep entries is in merges

	patterns map[string]*regexp.Regexp
}

// fromText is what types have that a line of text may stand for.
type fromText interface{ fromText(s string) error }

// field is one key of a struct.
type field struct {
	reflect.StructField
	name     string
	required bool
}

// fieldsOf lists the keys of a struct; key is the field that holds the key of the struct itself, if it has one.
func fieldsOf(t reflect.Type) (fields []field, key *reflect.StructField) {
	for f := range t.Fields() {
		name, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case option == "key":
			key = &f
		case name != "":
			fields = append(fields, field{f, name, option == "required"})
		}
	}
	return fields, key
}

// isKeyed tells whether a slice is a mapping in the file.
func isKeyed(t reflect.Type) bool {
	if t.Kind() != reflect.Slice || t.Elem().Kind() != reflect.Struct {
		return false
	}
	_, key := fieldsOf(t.Elem())
	return key != nil
}

func (d *decoder) failAt(at position, path, format string, args ...any) {
	d.errs = append(d.errs, Error{d.file, at.line, at.column, path, fmt.Sprintf(format, args...)})
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// document decodes the whole file.
func (d *decoder) document(t *Topology, root ast.Node) {
	if root = d.resolve(root, ""); root == nil {
		return
	}
	m, ok := root.(ast.MapNode)
	if !ok {
		d.failAt(d.start(root), "", "a topology is a mapping, such as \"vpcs: …\"; this is %s", kind(root))
		return
	}
	d.fields(reflect.ValueOf(t).Elem(), m, "", position{1, 1})
}

// value decodes n into v. The tag is that of the field that v is in, or the elements of which v is one of. Name is what
// messages call it.
func (d *decoder) value(v reflect.Value, n ast.Node, path, name string, tag reflect.StructTag) {
	if n = d.resolve(n, path); n == nil {
		return
	}
	at := d.start(n)
	if _, ok := d.where[path]; !ok {
		d.where[path] = at
	}
	expected := func() {
		d.failAt(at, path, "%s: expected %s, found %s", name, expectation(v.Type(), tag), kind(n))
	}
	t := v.Type()
	m, isMap := n.(ast.MapNode)
	list, isList := n.(*ast.SequenceNode)
	switch text, isText := textOf(n, t, tag); {
	case t.Kind() == reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		d.value(v.Elem(), n, path, name, tag)
	case isText:
		if t.Kind() == reflect.Slice { // one element stands for the list
			v.Set(reflect.MakeSlice(t, 1, 1))
			v = v.Index(0)
		}
		if err := setText(v, text); err != nil {
			d.failAt(at, path, "%s: %v", name, err)
		} else if err := d.check(v, tag); err != nil {
			d.failAt(at, path, "%s: %v", name, err)
		}
	case isKeyed(t) && isMap:
		d.keyed(v, m, path)
	case t.Kind() == reflect.Slice && !isKeyed(t) && isList:
		v.Set(reflect.MakeSlice(t, 0, 0))
		for i, e := range list.Values {
			element := reflect.New(t.Elem()).Elem()
			d.value(element, e, fmt.Sprintf("%s[%d]", path, i), name, tag)
			if v.Set(reflect.Append(v, element)); d.budget < 0 {
				return
			}
		}
		if err := checkItems(v.Len(), tag); err != nil {
			d.failAt(at, path, "%s: %v", name, err)
		}
	case t.Kind() == reflect.Map && isMap:
		v.Set(reflect.MakeMap(t))
		keys := d.pattern(tag.Get("keys"))
		for _, e := range d.entries(m, path) {
			if !keys.MatchString(e.key) {
				d.failAt(e.at, join(path, e.key), "%s: %s", clip(e.key), tag.Get("say"))
			}
			element := reflect.New(t.Elem()).Elem()
			d.value(element, e.value, join(path, e.key), e.key, tag)
			v.SetMapIndex(reflect.ValueOf(e.key), element)
		}
	case t.Kind() == reflect.Struct && isMap && hasFields(t):
		d.fields(v, m, path, at)
	default:
		expected()
	}
}

// fields decodes a mapping into a struct. At is where to complain about what is missing.
func (d *decoder) fields(v reflect.Value, m ast.MapNode, path string, at position) {
	fields, _ := fieldsOf(v.Type())
	var names []string
	for _, f := range fields {
		names = append(names, f.name)
	}
	seen := map[string]bool{}
	for _, e := range d.entries(m, path) {
		i := slices.Index(names, e.key)
		if i < 0 {
			d.failAt(e.at, join(path, e.key), "unknown key %s%s", clip(e.key), suggest(e.key, names))
			continue
		}
		seen[e.key] = true
		f, inner := fields[i], join(path, e.key)
		if n := e.value; n != nil && (n.Type() == ast.MappingType || n.Type() == ast.NullType) {
			d.where[inner] = e.at
		}
		d.value(v.FieldByIndex(f.Index), e.value, inner, e.key, f.Tag)
	}
	for _, f := range fields {
		if f.required && !seen[f.name] {
			d.failAt(at, join(path, f.name), "%s is missing: %s", f.name, f.Tag.Get("doc"))
		}
	}
	defaults(v, seen)
}

// keyed decodes a mapping into a slice of structs that know their key.
func (d *decoder) keyed(v reflect.Value, m ast.MapNode, path string) {
	t := v.Type()
	_, key := fieldsOf(t.Elem())
	v.Set(reflect.MakeSlice(t, 0, 0))
	for _, e := range d.entries(m, path) {
		inner := join(path, e.key)
		d.where[inner] = e.at
		element := reflect.New(t.Elem()).Elem()
		d.value(element, e.value, inner, e.key, "")
		id := element.FieldByIndex(key.Index)
		id.SetString(e.key)
		if err := d.check(id, key.Tag); err != nil {
			d.failAt(e.at, inner, "%v", err)
		}
		v.Set(reflect.Append(v, element))
	}
}

// defaults fills what was not in the file and has a default, also where a whole struct was left out.
func defaults(v reflect.Value, seen map[string]bool) {
	fields, _ := fieldsOf(v.Type())
	for _, f := range fields {
		at := v.FieldByIndex(f.Index)
		if seen[f.name] {
			continue
		}
		if f.Type.Kind() == reflect.Struct && hasFields(f.Type) {
			defaults(at, nil)
		} else if text, ok := f.Tag.Lookup("default"); ok {
			if err := setText(at, text); err != nil {
				panic(fmt.Sprintf("topology: default of %s: %v", f.Name, err)) // the tests decode an empty file
			}
		}
	}
}

func hasFields(t reflect.Type) bool {
	fields, _ := fieldsOf(t)
	return len(fields) > 0
}
