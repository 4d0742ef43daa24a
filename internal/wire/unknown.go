package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// Nothing that a request says is dropped: what its operation has no place for is refused by its name, as EC2 does. STS does
// not, and probably neither do IAM and Lambda; docs/differences.md says why the lab does.

// unknownParameter is the first of a form's parameters that is neither a request's member nor a signature's.
func (p *plan) unknownParameter(parameters []parameter) (name string, found bool) {
	for _, one := range parameters {
		if one.name != "Action" && one.name != "Version" && !ofSignature(one.name) && !p.takes(one.name, one.value == "") {
			return one.name, true
		}
	}
	return "", false
}

// ofSignature tells whether a parameter is about a signature, of whatever version, and so no operation's.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonParameters.html
func ofSignature(name string) bool {
	const prefix = "X-Amz-"
	if len(name) > len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
		return true
	}
	switch name {
	case "AWSAccessKeyId", "Expires", "SecurityToken", "Signature", "SignatureMethod", "SignatureVersion", "Timestamp":
		return true
	}
	return false
}

// takes tells whether a parameter leads to a value of the structure. An empty one may also lead to a structure or list, which
// is then there without members or elements.
func (p *plan) takes(name string, empty bool) bool {
	for i := range p.members {
		m := &p.members[i]
		rest, found := strings.CutPrefix(name, m.query)
		switch {
		case !found:
			if empty && m.emptyList != "" && name == m.emptyList {
				return true
			}
		case rest == "":
			return m.takes("", false, empty)
		case rest[0] == '.':
			return m.takes(rest[1:], true, empty)
		}
	}
	return false
}

// takes tells the same of a member, and of what follows its name if there is more.
func (m *member) takes(rest string, more, empty bool) bool {
	switch {
	case m.kind == structKind && more:
		return m.plan.takes(rest, empty)
	case m.kind == listKind && more:
		number, rest, more := strings.Cut(rest, ".")
		_, ok := index(number)
		return ok && m.element.takes(rest, more, empty)
	case m.kind == structKind, m.kind == listKind:
		return empty
	}
	return !more
}

// unknownQuery is a parameter of a path's query, the first by name, that is neither the request's nor a signature's.
func (r *route) unknownQuery(query url.Values) (name string, found bool) {
	_, fixed, _ := strings.Cut(r.URI, "?") // such as find=LayerVersion
	fixed, _, _ = strings.Cut(fixed, "=")
	var unknown []string
	for name := range query {
		known := fixed != "" && name == fixed || ofSignature(name) || slices.ContainsFunc(r.in.bound, func(i int) bool {
			return r.in.members[i].location == "querystring" && r.in.members[i].key == name
		})
		if !known {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return "", false
	}
	return slices.Min(unknown), true
}

// memberError says what a body has that cannot be carried out.
type memberError struct {
	path  string // such as VpcConfig.Foo
	twice bool   // it is there twice; else no member has its name
}

// unknownMember finds the first name in a request's body that no member has, in capitals and small letters as they are, or
// that is there twice. The request was decoded from the body; so the body is JSON, and of the types that the plan has.
func (p *plan) unknownMember(v reflect.Value, body []byte) *memberError {
	t := &jsonText{text: body}
	if t.peek() == '{' {
		t.structure(p, v, "")
	}
	return t.bad
}

// jsonText walks through text that is known to be JSON, and copies none of it: a function's code may be in it.
type jsonText struct {
	text []byte
	at   int
	bad  *memberError // what was found; it ends the walk
}

// structure walks through an object that was decoded into v. That is no value where a later member of the same name took its
// place; such a member is found in the end.
func (t *jsonText) structure(p *plan, v reflect.Value, path string) {
	seen := make([]bool, len(p.members))
	t.object(func(name string) {
		i := slices.IndexFunc(p.members, func(m member) bool { return m.location == "" && m.name == name })
		if i < 0 || seen[i] {
			t.bad = &memberError{path: path + name, twice: i >= 0}
			return
		}
		seen[i] = true
		var field reflect.Value
		if v.IsValid() {
			field = v.Field(i)
		}
		t.value(&p.members[i], field, path+name)
	})
}

// value walks through a member's value that was decoded into v.
func (t *jsonText) value(m *member, v reflect.Value, path string) {
	switch start := t.peek(); {
	case m.kind == structKind && start == '{':
		t.structure(m.plan, reflect.Indirect(v), path+".")
	case m.kind == listKind && m.element.kind == structKind && start == '[':
		t.array(func(i int) {
			var element reflect.Value
			if v.IsValid() && i < v.Len() {
				element = v.Index(i)
			}
			t.structure(m.element.plan, element, fmt.Sprintf("%s.%d.", path, i+1))
		})
	case m.kind == mapKind && start == '{' && v.IsValid():
		begin, names := t.at, 0
		t.object(func(string) { names++; t.skip() })
		if names == v.Len() {
			return
		}
		t.at = begin
		seen := map[string]bool{}
		t.object(func(name string) {
			if seen[name] {
				t.bad = &memberError{path: path + "." + name, twice: true}
			}
			seen[name] = true
			t.skip()
		})
	default:
		t.skip()
	}
}

// object calls each with every name; each moves on behind the value.
func (t *jsonText) object(each func(name string)) {
	for t.at++; t.bad == nil; { // behind { or ,
		if t.peek() == '}' {
			t.at++
			return
		}
		quoted := t.quoted()
		var name string
		_ = json.Unmarshal(quoted, &name) // it cannot fail
		t.peek()
		t.at++ // behind :
		each(name)
		if t.bad == nil && t.peek() == ',' {
			t.at++
		}
	}
}

// array calls each with every element's place; each moves on behind it.
func (t *jsonText) array(each func(i int)) {
	t.at++
	for i := 0; t.bad == nil; i++ {
		switch t.peek() {
		case ']':
			t.at++
			return
		case 'n': // null
			t.skip()
		default:
			each(i)
		}
		if t.bad == nil && t.peek() == ',' {
			t.at++
		}
	}
}

// peek moves on to the next character that is no space.
func (t *jsonText) peek() byte {
	for t.at < len(t.text) && strings.IndexByte(" \t\r\n", t.text[t.at]) >= 0 {
		t.at++
	}
	if t.at == len(t.text) {
		return 0
	}
	return t.text[t.at]
}

// quoted moves on behind a text, and returns it with its quotes.
func (t *jsonText) quoted() []byte {
	t.peek()
	begin := t.at
	for t.at++; ; {
		t.at += bytes.IndexByte(t.text[t.at:], '"') + 1
		before := t.text[begin : t.at-1]
		if slashes := len(before) - len(bytes.TrimRight(before, `\`)); slashes%2 == 0 { // else the last one escapes the quote
			return t.text[begin:t.at]
		}
	}
}

// skip moves on behind a value.
func (t *jsonText) skip() {
	for depth := 0; ; {
		switch t.peek() {
		case '"':
			t.quoted()
		case '{', '[':
			depth++
			t.at++
		case '}', ']':
			depth--
			t.at++
		case ',', ':':
			t.at++
		default: // a number, true, false or null
			t.at += max(1, len(t.text[t.at:])-len(bytes.TrimLeft(t.text[t.at:], "+-.0123456789Eaeflnrstu")))
		}
		if depth == 0 {
			return
		}
	}
}

// unknownParameter refuses a parameter of a form or query. The sentence is EC2's.
// https://github.com/aws/aws-sdk-ruby/pull/422
func (x *exchange) unknownParameter(r *route, name string) *Error {
	name = shortened(name)
	if x.protocol() == EC2Query {
		return x.protocol().refuse(unknownMember, "The parameter %s is not recognized", name)
	}
	return x.protocol().refuse(unknownMember, "The parameter %s is not recognized: %s has none of that name", name, r.Name)
}

// unknownMember refuses a member of a body.
func (x *exchange) unknownMember(r *route, bad *memberError) *Error {
	path := shortened(bad.path)
	if bad.twice {
		return x.protocol().refuse(badValue, "The member %s is there twice", path)
	}
	return x.protocol().refuse(unknownMember, "The member %s is not recognized: %s has none of that name in its body", path, r.Name)
}
