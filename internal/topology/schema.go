package topology

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
)

// Schema is the JSON Schema of topology files, for editors. It holds every value alone; how values fit together is for
// Parse.
func Schema() []byte {
	s := &schemas{defs: map[string]object{}}
	root := s.structure(reflect.TypeFor[Topology]())
	root = append(object{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"title", "A lab of enilab: *" + Suffix},
	}, root...)
	var defs object
	for _, name := range s.order {
		defs = append(defs, member{name, s.defs[name]})
	}
	root = append(root, member{"$defs", defs})
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		panic(err) // text, numbers and lists always marshal
	}
	return b.Bytes()
}

// object is a JSON object that keeps its order.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON writes the members in order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := e.Encode(m.name); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := e.Encode(m.value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// schemas collects the definitions of structs, in the order in which they are met.
type schemas struct {
	order []string
	defs  map[string]object
}

func (s *schemas) structure(t reflect.Type) object {
	var properties object
	var required []string
	fields, _ := fieldsOf(t)
	for _, f := range fields {
		o := s.value(f.Type, f.Tag)
		if doc := f.Tag.Get("doc"); doc != "" {
			o = append(object{{"description", doc}}, o...)
		}
		if text, ok := f.Tag.Lookup("default"); ok {
			o = append(o, member{"default", literal(f.Type, text)})
		}
		properties = append(properties, member{f.name, o})
		if f.required {
			required = append(required, f.name)
		}
	}
	o := object{{"type", "object"}, {"additionalProperties", false}, {"properties", properties}}
	if required != nil {
		o = append(o, member{"required", required})
	}
	return o
}

func (s *schemas) ref(t reflect.Type) object {
	if _, ok := s.defs[t.Name()]; !ok {
		s.order = append(s.order, t.Name())
		s.defs[t.Name()] = nil
		s.defs[t.Name()] = s.structure(t)
	}
	return object{{"$ref", "#/$defs/" + t.Name()}}
}

// value is the schema of a field, or of a list's elements.
func (s *schemas) value(t reflect.Type, tag reflect.StructTag) object {
	text := func(pattern string) object { return object{{"type", "string"}, {"pattern", pattern}} }
	switch {
	case t.Kind() == reflect.Pointer:
		return s.value(t.Elem(), tag)
	case t == durationType:
		return object{{"anyOf", []object{text(durationPattern), {{"type", "number"}, {"minimum", 0}}}}}
	case t == prefixType:
		return text(prefixPattern)
	case t == addrType:
		return text(addrPattern)
	case t == portsType:
		return object{{"anyOf", []object{{{"type", "integer"}, {"minimum", 1}, {"maximum", 65535}}, text(`^[0-9]{1,5}(-[0-9]{1,5})?$`)}}}
	case t == reflect.TypeFor[Code](), t == reflect.TypeFor[Layer]():
		return text(`^([^/._-][^/]*|.*/.*)$`)
	case t == reflect.TypeFor[Rule]():
		return object{{"anyOf", []object{text(rulePattern), s.ref(t)}}}
	case t == reflect.TypeFor[Subnet]():
		return object{{"anyOf", []object{text(prefixPattern), s.ref(t)}}}
	case isKeyed(t):
		_, key := fieldsOf(t.Elem())
		return object{
			{"type", "object"},
			{"propertyNames", object{{"pattern", key.Tag.Get("pattern")}}},
			{"additionalProperties", s.value(t.Elem(), "")},
		}
	}
	switch t.Kind() {
	case reflect.Struct:
		return s.ref(t)
	case reflect.Map:
		o := object{{"type", "object"}}
		if keys := tag.Get("keys"); keys != "" {
			o = append(o, member{"propertyNames", object{{"pattern", keys}}})
		}
		return append(o, member{"additionalProperties", scalar(t.Elem(), tag)})
	case reflect.Slice:
		element := s.value(t.Elem(), tag)
		o := object{{"type", "array"}, {"items", element}}
		o = bounds(o, tag, "minItems", "minItems", "maxItems", "maxItems")
		if tag.Get("single") != "" {
			return object{{"anyOf", []object{element, o}}}
		}
		return o
	}
	return scalar(t, tag)
}

func scalar(t reflect.Type, tag reflect.StructTag) object {
	switch t.Kind() {
	case reflect.Bool:
		return object{{"type", "boolean"}}
	case reflect.Int, reflect.Uint16:
		o := bounds(object{{"type", "integer"}}, tag, "min", "minimum", "max", "maximum")
		if t.Kind() == reflect.Uint16 {
			o = append(o, member{"maximum", 65535})
		}
		return o
	case reflect.Float64:
		return bounds(object{{"type", "number"}}, tag, "min", "minimum", "max", "maximum")
	}
	var o object
	if enum := tag.Get("enum"); enum != "" {
		return object{{"enum", strings.Split(enum, ",")}}
	}
	if tag.Get("scalar") == "any" {
		o = object{{"type", []string{"string", "number", "boolean"}}}
	} else {
		o = object{{"type", "string"}}
	}
	if pattern := tag.Get("pattern"); pattern != "" && tag.Get("keys") == "" {
		o = append(o, member{"pattern", pattern})
	}
	return bounds(o, tag, "", "", "max", "maxLength")
}

// bounds adds what the tag says of the least and the most.
func bounds(o object, tag reflect.StructTag, least, asLeast, most, asMost string) object {
	if n := tag.Get(least); n != "" {
		o = append(o, member{asLeast, json.Number(n)})
	}
	if n := tag.Get(most); n != "" {
		o = append(o, member{asMost, json.Number(n)})
	}
	return o
}

func literal(t reflect.Type, text string) any {
	switch t.Kind() {
	case reflect.Bool:
		return text == "true"
	case reflect.Int, reflect.Float64:
		if _, err := strconv.ParseFloat(text, 64); err == nil {
			return json.Number(text)
		}
	}
	return text
}

// The forms of text, as far as a pattern can tell.
const (
	octet           = `(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])`
	quad            = octet + `(\.` + octet + `){3}`
	addrPattern     = `^` + quad + `$`
	prefixPattern   = `^` + quad + `/(3[0-2]|[12]?[0-9])$`
	durationPattern = `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`
	rulePattern     = `^\s*(tcp|udp|icmp|all)(\s+[0-9]{1,5}(-[0-9]{1,5})?)?\s+(from|to)\s+\S+\s*$`
)
