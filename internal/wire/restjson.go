package wire

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// decodeJSON sets a request's members from the path, the query, the headers and the body.
func (x *exchange) decodeJSON(r *route, in any, v reflect.Value, body []byte) error {
	p := r.in
	switch {
	case len(body) == 0:
	case p.payload >= 0:
		v.Field(p.payload).SetBytes(body)
	default:
		if err := json.Unmarshal(body, in); err != nil {
			return x.protocol().refuse(badValue, "%s", jsonMistake(err))
		}
		if err := p.unknownMember(v, body); err != nil {
			return x.unknownMember(r, err)
		}
		x.nulls = p.nullsIn(v, body)
	}
	query, err := url.ParseQuery(x.r.URL.RawQuery)
	if err != nil {
		return x.protocol().refuse(badValue, "the query is not URL-encoded: %v", err)
	}
	if name, unknown := r.unknownQuery(query); unknown {
		return x.unknownParameter(r, name)
	}
	for _, i := range p.bound {
		m := &p.members[i]
		var values []string
		switch m.location {
		case "header":
			values = x.r.Header[m.key] // in its canonical form, as planOf made it
		case "querystring":
			values = query[m.key]
		}
		if len(values) == 0 {
			continue
		}
		if err := setValues(m, v.Field(i), values); err != nil {
			return x.protocol().refuse(badValue, "%s: %v", m.key, err)
		}
	}
	err = pathMembers(r.URI, x.r.URL.EscapedPath(), func(name, value string) error {
		for _, i := range p.bound {
			if m := &p.members[i]; m.location == "uri" && m.key == name {
				return parseScalar(m, v.Field(i), value)
			}
		}
		return nil
	})
	if err != nil {
		return x.protocol().refuse(badValue, "the path: %v", err)
	}
	return nil
}

func setValues(m *member, v reflect.Value, values []string) error {
	if m.kind != listKind {
		if slices.ContainsFunc(values, func(s string) bool { return s != values[0] }) {
			return errors.New("it is there twice, with different values")
		}
		return parseScalar(m, v, values[0])
	}
	items := reflect.MakeSlice(v.Type(), len(values), len(values))
	for i, s := range values {
		if err := parseScalar(m.element, items.Index(i), s); err != nil {
			return err
		}
	}
	v.Set(items)
	return nil
}

// jsonMistake says what is wrong with a body without naming the program's types.
func jsonMistake(err error) string {
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
		what := cmp.Or(wrong.Field, "The request")
		if strings.HasPrefix(wrong.Value, "array") || strings.HasPrefix(wrong.Value, "object") {
			return fmt.Sprintf("%s cannot be an %s", what, wrong.Value)
		}
		return fmt.Sprintf("%s cannot be a %s", what, wrong.Value)
	}
	return fmt.Sprintf("Could not parse request body into json: %v", err)
}

// encodeJSON answers with a structure's members in the headers, the status and the body.
func (x *exchange) encodeJSON(r *route, v reflect.Value) error {
	p, status := r.out, r.status()
	h := x.w.Header()
	for _, i := range p.bound {
		m, field := &p.members[i], v.Field(i)
		if absent(field) {
			continue
		}
		switch m.location {
		case "header":
			h[m.key] = []string{formatScalar(m, field, http.TimeFormat)}
		case "statusCode":
			status = int(field.Elem().Int())
		}
	}
	switch {
	case p.payload >= 0:
		body := v.Field(p.payload).Bytes()
		if len(body) > 0 {
			h["Content-Type"] = jsonType
		}
		x.write(status, body)
	case p.hasBody:
		body, err := json.Marshal(p.showLists(r.Name, v).Interface())
		if err != nil {
			return fmt.Errorf("%s: encode: %v", r.Name, err)
		}
		h["Content-Type"] = jsonType
		x.write(status, body)
	default:
		x.write(status, nil)
	}
	return nil
}

var jsonType = []string{"application/json"}

// jsonError is the body of an error. Which of the two messages a client looks at hangs on the error's shape in the model.
type jsonError struct {
	Type      string
	Message   string
	LowerCase string `json:"message"`
	Reason    string `json:",omitempty"`
}

func (x *exchange) writeJSONError(e APIError, status int) {
	body := jsonError{Type: "User", Message: e.ErrorMessage(), LowerCase: e.ErrorMessage()}
	if status >= 500 {
		body.Type = "Service"
	}
	if why, ok := e.(interface{ ErrorReason() string }); ok {
		body.Reason = why.ErrorReason()
	}
	text, _ := json.Marshal(body) // of strings: it cannot fail
	h := x.w.Header()
	h["Content-Type"] = jsonType
	h.Set("X-Amzn-ErrorType", e.ErrorCode())
	x.write(status, text)
}

// memberPath is a member's name in Lambda's complaints, such as vpcConfig.subnetIds.
func memberPath(m *member) string { return strings.ToLower(m.name[:1]) + m.name[1:] }
