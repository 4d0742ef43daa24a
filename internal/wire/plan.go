package wire

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"
)

// kind is what a member holds.
type kind uint8

const (
	textKind kind = iota
	boolKind
	intKind
	floatKind
	timeKind
	blobKind
	structKind
	listKind
	mapKind // of strings or numbers, and of JSON alone
)

// plan is what the codecs know of a generated structure. It is made once, when an operation gets its handler.
type plan struct {
	members  []member
	bound    []int // the members outside a JSON body
	payload  int   // the member that is the whole body, or -1
	hasBody  bool  // some member belongs into a JSON body
	required bool  // some member, or a member's member, is required

	constrained bool // something is to be checked of some member, or a member's member
}

// member is a field of a structure.
type member struct {
	kind      kind
	element   *member // of a list: its elements
	plan      *plan   // of a structure
	name      string  // in the model
	query     string  // the parameter in a form; to a list's, an index is added
	emptyList string  // the parameter that, with an empty value, is a list without elements; empty if there is none
	xml       string  // the element in an answer
	item      string  // the elements in a list's
	location  string  // in HTTP, if it is not in the body: uri, header, querystring, statusCode, payload
	key       string  // the header or the like
	required  bool

	constraints *constraints // nil means none
}

var timeType, secondsType = reflect.TypeFor[time.Time](), reflect.TypeFor[Seconds]()

// planOf reads a structure's tags. A type that no generated structure has is a mistake of the program's: it panics.
func planOf(t reflect.Type) *plan {
	p := &plan{payload: -1}
	for i := range t.NumField() {
		f := t.Field(i)
		m := memberOf(f.Type)
		m.name, m.query, m.required = f.Name, f.Tag.Get("query"), f.Tag.Get("required") != ""
		if list, ok := strings.CutSuffix(m.query, ".member"); ok && m.kind == listKind {
			m.emptyList = list
		}
		m.xml, m.item, _ = strings.Cut(f.Tag.Get("xml"), ">")
		m.location, m.key, _ = strings.Cut(f.Tag.Get("location"), " ")
		if json, _, _ := strings.Cut(f.Tag.Get("json"), ","); json != "" && json != "-" {
			m.name = json
		}
		switch m.location {
		case "":
			p.hasBody = true
		case "payload":
			p.payload = i
		case "header":
			m.key = http.CanonicalHeaderKey(m.key)
			p.bound = append(p.bound, i)
		default:
			p.bound = append(p.bound, i)
		}
		p.required = p.required || m.required || m.plan != nil && m.plan.required ||
			m.element != nil && m.element.plan != nil && m.element.plan.required
		m.constraints = constraintsOf(f.Tag, "")
		p.constrained = p.constrained || m.required || m.constraints != nil || m.plan != nil && m.plan.constrained ||
			m.element != nil && m.element.plan != nil && m.element.plan.constrained
		p.members = append(p.members, m)
	}
	return p
}

func memberOf(t reflect.Type) member {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == timeType, t == secondsType:
		return member{kind: timeKind}
	case t.Kind() == reflect.String:
		return member{kind: textKind}
	case t.Kind() == reflect.Bool:
		return member{kind: boolKind}
	case t.Kind() == reflect.Int32, t.Kind() == reflect.Int64:
		return member{kind: intKind}
	case t.Kind() == reflect.Float64:
		return member{kind: floatKind}
	case t.Kind() == reflect.Struct:
		return member{kind: structKind, plan: planOf(t)}
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return member{kind: blobKind}
	case t.Kind() == reflect.Slice:
		element := memberOf(t.Elem())
		return member{kind: listKind, element: &element}
	case t.Kind() == reflect.Map:
		return member{kind: mapKind}
	}
	panic(fmt.Sprintf("wire: no protocol knows a %v", t))
}

// missing finds the first required member that is absent: its path, written as EC2's parameters are; empty if there is none.
func (p *plan) missing(v reflect.Value) string {
	if !p.required {
		return ""
	}
	for i := range p.members {
		m, field := &p.members[i], v.Field(i)
		if absent(field) {
			if m.required {
				return m.query
			}
			continue
		}
		switch {
		case m.kind == structKind:
			if path := m.plan.missing(field.Elem()); path != "" {
				return m.query + "." + path
			}
		case m.kind == listKind && m.element.kind == structKind:
			for j := range field.Len() {
				if path := m.element.plan.missing(field.Index(j)); path != "" {
					return fmt.Sprintf("%s.%d.%s", m.query, j+1, path)
				}
			}
		}
	}
	return ""
}

// absent tells whether a member is not there, which differs from its being zero or empty.
func absent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return v.IsNil()
	case reflect.Struct:
		return v.Type() == timeType && v.IsZero()
	default:
		return false
	}
}

// scalar is the place that a text, boolean, number or time is set at: behind a pointer that is made as needed.
func scalar(v reflect.Value) reflect.Value {
	if v.Kind() != reflect.Pointer {
		return v
	}
	if v.IsNil() {
		v.Set(reflect.New(v.Type().Elem()))
	}
	return v.Elem()
}

// showLists returns an answer with empty lists for absent ones, if the operation lists. AWS shows them there, and people
// who use the answer as a dictionary look without asking. The handler's own answer stays as it is.
func (p *plan) showLists(operation string, v reflect.Value) reflect.Value {
	if !strings.HasPrefix(operation, "List") && !strings.HasPrefix(operation, "Describe") {
		return v
	}
	shown := reflect.New(v.Type()).Elem()
	shown.Set(v)
	for i := range p.members {
		if f := shown.Field(i); p.members[i].kind == listKind && f.IsNil() {
			f.Set(reflect.MakeSlice(f.Type(), 0, 0))
		}
	}
	return shown
}
