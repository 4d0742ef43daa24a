package iam

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
)

// document is a parsed policy document.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
type document struct {
	Version   string
	ID        string `json:"Id"`
	Statement oneOrMany[statement]
}

type statement struct {
	Sid          string
	Effect       string
	Action       oneOrMany[string]
	NotAction    oneOrMany[string]
	Resource     oneOrMany[string]
	NotResource  oneOrMany[string]
	Principal    *principal
	NotPrincipal *principal
	Condition    condition
}

// condition is operator → key → values.
type condition map[string]map[string]oneOrMany[text]

// principal is "*", or kind → names.
type principal struct {
	any  bool
	kind map[string]oneOrMany[string]
}

func (p *principal) UnmarshalJSON(b []byte) error {
	if string(b) == `"*"` {
		p.any = true
		return nil
	}
	return json.Unmarshal(b, &p.kind)
}

func (p *principal) valid() bool {
	if p == nil || p.any {
		return true
	}
	for kind, names := range p.kind {
		if !slices.Contains([]string{"AWS", "Service", "Federated", "CanonicalUser"}, kind) || len(names) == 0 {
			return false
		}
	}
	return len(p.kind) > 0
}

// oneOrMany is a list that may be written as its only element. A list that is written is not nil.
type oneOrMany[T any] []T

func (l *oneOrMany[T]) UnmarshalJSON(b []byte) error {
	if b[0] == '[' {
		return strictly(b, (*[]T)(l))
	}
	*l = make([]T, 1)
	return strictly(b, &(*l)[0])
}

// text is a value of a condition: a string, or a boolean or number that stands for one.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		return json.Unmarshal(b, (*string)(t))
	}
	if b[0] == '{' || b[0] == '[' || b[0] == 'n' {
		return errors.New("a condition's value is text, a number or a boolean")
	}
	*t = text(b)
	return nil
}

// strictly refuses fields that v does not have, and anything after it.
func strictly(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the document")
	}
	return nil
}

// parse reads a policy document as far as its syntax goes.
func parse(source string) (d document, err error) {
	if err := strictly([]byte(source), &d); err != nil {
		return document{}, refuse(MalformedPolicyDocument, "Syntax errors in policy.")
	}
	switch {
	case d.Version != "" && d.Version != "2012-10-17" && d.Version != "2008-10-17":
		return document{}, refuse(MalformedPolicyDocument, "The policy must contain a valid version string.")
	case len(d.Statement) == 0:
		return document{}, refuse(MalformedPolicyDocument, "Syntax errors in policy.")
	}
	sids := map[string]bool{}
	for _, s := range d.Statement {
		if s.Effect != "Allow" && s.Effect != "Deny" {
			return document{}, refuse(MalformedPolicyDocument, "Invalid effect: %s", s.Effect)
		}
		if (len(s.Action) > 0) == (len(s.NotAction) > 0) {
			return document{}, refuse(MalformedPolicyDocument, "Policy statement must contain actions.")
		}
		if s.Sid != "" && sids[s.Sid] {
			return document{}, refuse(MalformedPolicyDocument, "Statement IDs (SID) in a single policy must be unique.")
		}
		sids[s.Sid] = true
		for _, a := range slices.Concat(s.Action, s.NotAction) {
			if !isAction(a) {
				return document{}, refuse(MalformedPolicyDocument, "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
			}
		}
	}
	return d, nil
}

// isAction holds for "*" and for what has a vendor, such as ec2:Create*.
func isAction(s string) bool {
	vendor, name, ok := strings.Cut(s, ":")
	return s == "*" || ok && vendor != "" && name != "" &&
		strings.IndexFunc(vendor, func(r rune) bool { return !isAlphanumeric(r) && r != '-' }) < 0 &&
		strings.IndexFunc(name, func(r rune) bool { return !isAlphanumeric(r) && r != '*' && r != '?' }) < 0
}

// parsePermissions reads the policy of an identity: what the role may do.
func parsePermissions(source string) (document, error) {
	d, err := parse(source)
	if err != nil {
		return d, err
	}
	for _, s := range d.Statement {
		if s.Principal != nil || s.NotPrincipal != nil {
			return d, refuse(MalformedPolicyDocument, "Policy document should not specify a principal.")
		}
		if (len(s.Resource) > 0) == (len(s.NotResource) > 0) {
			return d, refuse(MalformedPolicyDocument, "Policy statement must contain resources.")
		}
		for _, r := range slices.Concat(s.Resource, s.NotResource) {
			if r != "*" && !strings.HasPrefix(r, "arn:") {
				return d, refuse(MalformedPolicyDocument, "Resource %s must be in ARN format or \"*\".", r)
			}
		}
	}
	return d, nil
}

// parseTrust reads the policy of a role as a resource: who may assume it.
func parseTrust(source string) (document, error) {
	d, err := parse(source)
	if err != nil {
		return d, err
	}
	for _, s := range d.Statement {
		if len(s.Resource) > 0 || len(s.NotResource) > 0 {
			return d, refuse(MalformedPolicyDocument, "Has prohibited field Resource")
		}
		if (s.Principal == nil) == (s.NotPrincipal == nil) {
			return d, refuse(MalformedPolicyDocument, "Missing required field Principal")
		}
		if !s.Principal.valid() || !s.NotPrincipal.valid() {
			return d, refuse(MalformedPolicyDocument, "Invalid principal in policy")
		}
		for _, a := range slices.Concat(s.Action, s.NotAction) {
			if a != "*" && !strings.HasPrefix(strings.ToLower(a), "sts:") {
				return d, refuse(MalformedPolicyDocument, "AssumeRole policy may only specify STS AssumeRole actions.")
			}
		}
	}
	return d, nil
}
