package wire

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"reflect"
)

// How times are written in answers: EC2 with milliseconds, the others without.
const (
	ec2Time   = "2006-01-02T15:04:05.000Z"
	queryTime = "2006-01-02T15:04:05Z"
)

// encodeXML answers with a structure in EC2's or the query protocol's envelope.
func (x *exchange) encodeXML(r *route, v reflect.Value) error {
	v = r.out.showLists(r.Name, v)
	var b bytes.Buffer
	b.WriteString(xml.Header)
	e := xmlWriter{Encoder: xml.NewEncoder(&b), times: queryTime}
	envelope := xml.StartElement{
		Name: xml.Name{Local: r.Name + "Response"},
		Attr: []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: r.Service.Namespace}},
	}
	e.start(envelope)
	if r.Service.Protocol == EC2Query {
		e.times = ec2Time
		e.text("requestId", x.request.ID)
		if len(r.out.members) == 0 {
			e.text("return", "true") // what EC2 answers where its model has no answer
		}
		e.members(r.out, v)
	} else {
		if r.Result != "" {
			e.open(r.Result)
			e.members(r.out, v)
			e.close(r.Result)
		}
		e.open("ResponseMetadata")
		e.text("RequestId", x.request.ID)
		e.close("ResponseMetadata")
	}
	e.end(envelope)
	if e.err == nil {
		e.err = e.Flush()
	}
	if e.err != nil {
		return fmt.Errorf("%s: encode: %v", r.Name, e.err)
	}
	x.w.Header()["Content-Type"] = xmlType
	x.write(r.status(), b.Bytes())
	return nil
}

var xmlType = []string{"text/xml;charset=UTF-8"}

// xmlWriter writes structures as their tags say. Its first error stays.
type xmlWriter struct {
	*xml.Encoder
	times string
	err   error
}

func (e *xmlWriter) token(t xml.Token) {
	if e.err == nil {
		e.err = e.EncodeToken(t)
	}
}

func (e *xmlWriter) start(s xml.StartElement) { e.token(s) }
func (e *xmlWriter) end(s xml.StartElement)   { e.token(s.End()) }
func (e *xmlWriter) open(name string)         { e.token(xml.StartElement{Name: xml.Name{Local: name}}) }

func (e *xmlWriter) close(name string) { e.token(xml.EndElement{Name: xml.Name{Local: name}}) }

func (e *xmlWriter) text(name, value string) {
	e.open(name)
	e.token(xml.CharData(value))
	e.close(name)
}

func (e *xmlWriter) members(p *plan, v reflect.Value) {
	for i := range p.members {
		m, field := &p.members[i], v.Field(i)
		if absent(field) {
			continue
		}
		if m.kind != listKind {
			e.member(m, m.xml, field)
			continue
		}
		e.open(m.xml)
		for j := range field.Len() {
			e.member(m.element, m.item, field.Index(j))
		}
		e.close(m.xml)
	}
}

func (e *xmlWriter) member(m *member, name string, v reflect.Value) {
	if m.kind != structKind {
		e.text(name, formatScalar(m, v, e.times))
		return
	}
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	e.open(name)
	e.members(m.plan, v)
	e.close(name)
}

// ec2Error and queryError are the bodies of errors.
type (
	ec2Error struct {
		XMLName   xml.Name `xml:"Response"`
		Code      string   `xml:"Errors>Error>Code"`
		Message   string   `xml:"Errors>Error>Message"`
		RequestID string
	}
	queryError struct {
		XMLName   xml.Name `xml:"ErrorResponse"`
		Namespace string   `xml:"xmlns,attr,omitempty"`
		Type      string   `xml:"Error>Type"`
		Code      string   `xml:"Error>Code"`
		Message   string   `xml:"Error>Message"`
		RequestID string   `xml:"RequestId"`
	}
)

func (x *exchange) writeXMLError(e APIError, status int) {
	var body any = ec2Error{Code: e.ErrorCode(), Message: e.ErrorMessage(), RequestID: x.request.ID}
	if x.protocol() == Query {
		q := queryError{Type: "Sender", Code: e.ErrorCode(), Message: e.ErrorMessage(), RequestID: x.request.ID}
		if x.service != nil {
			q.Namespace = x.service.Namespace
		}
		if status >= 500 {
			q.Type = "Receiver"
		}
		body = q
	}
	text, _ := xml.Marshal(body) // of strings: it cannot fail
	x.w.Header()["Content-Type"] = xmlType
	x.write(status, append([]byte(xml.Header), text...))
}
