package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
)

// nulls are the paths of lists and maps that have a null among their values. Go's decoder takes it for an empty text, while
// AWS refuses it: "Member must not be null". Other members that are null are absent, there as here.
type nulls map[string]bool

// nullsIn finds the nulls of a request's body, and has the decoded request show them as AWS's messages do.
func (p *plan) nullsIn(v reflect.Value, body []byte) nulls {
	if !hasNull(body) {
		return nil
	}
	found := nulls{}
	p.findNulls(v, body, "", found)
	return found
}

// hasNull tells whether a null may be among a body's values. It takes none for one that is within Base64.
func hasNull(body []byte) bool {
	for {
		at := bytes.Index(body, []byte("null"))
		if at < 0 {
			return false
		}
		if before := bytes.TrimRight(body[:at], " \t\r\n"); len(before) > 0 && bytes.ContainsRune([]byte(":,["), rune(before[len(before)-1])) {
			return true
		}
		body = body[at+4:]
	}
}

func (p *plan) findNulls(v reflect.Value, body []byte, path string, found nulls) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return // it is no object: absent, or refused already
	}
	for name, raw := range fields {
		for i := range p.members {
			if m := &p.members[i]; m.location == "" && m.name == name {
				m.findNulls(v.Field(i), raw, path+memberPath(m), found)
			}
		}
	}
}

func (m *member) findNulls(v reflect.Value, raw json.RawMessage, at string, found nulls) {
	isNull := func(raw json.RawMessage) bool { return string(bytes.TrimSpace(raw)) == "null" }
	switch {
	case absent(v):
	case m.kind == structKind:
		m.plan.findNulls(v.Elem(), raw, at+".", found)
	case m.kind == listKind:
		var items []json.RawMessage
		if json.Unmarshal(raw, &items) != nil || len(items) != v.Len() {
			return
		}
		for i, item := range items {
			switch element := v.Index(i); {
			case isNull(item):
				found[at] = true
				if m.element.kind == textKind {
					element.SetString("null")
				}
			case m.element.kind == structKind:
				m.element.plan.findNulls(element, item, fmt.Sprintf("%s.%d.member.", at, i+1), found)
			}
		}
	case m.kind == mapKind:
		var values map[string]json.RawMessage
		if json.Unmarshal(raw, &values) != nil {
			return
		}
		for key, value := range values {
			if isNull(value) {
				found[at] = true
				if v.Type().Elem().Kind() == reflect.String {
					v.SetMapIndex(reflect.ValueOf(key), reflect.ValueOf("null"))
				}
			}
		}
	}
}
