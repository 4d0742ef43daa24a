package iam

import (
	"slices"
	"strings"

	"enilab/internal/wildcard"
)

// request is one question to policies.
type request struct {
	action   string
	resource string            // an ARN, a pattern that stands for all of its kind, or "*"
	service  string            // who asks to assume a role, the principal of a trust policy: a service,
	caller   string            // or a user or a role's session, by ARN,
	account  string            // of this account
	context  map[string]string // condition key in lower case → value; "" says that the key is known to be absent
}

// allowed is IAM's evaluation: a Deny that applies wins, and without an Allow that applies the answer is no.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
//
// A condition that the lab cannot evaluate is taken at its worst: it lets an Allow not apply and a Deny apply.
func (r request) allowed(policies ...document) bool {
	allow := false
	for _, d := range policies {
		for _, s := range d.Statement {
			if !s.covers(r) {
				continue
			}
			met := s.Condition.met(r.context)
			if s.Effect == "Deny" && met != no {
				return false
			}
			if s.Effect == "Allow" && met == yes {
				allow = true
			}
		}
	}
	return allow
}

// covers tells whether the statement is about the request, apart from its condition.
func (s statement) covers(r request) bool {
	action := func(p string) bool { return matches(strings.ToLower(p), strings.ToLower(r.action)) }
	resource := func(p string) bool { return matches(p, r.resource) }
	switch {
	case len(s.NotAction) > 0 && slices.ContainsFunc(s.NotAction, action),
		len(s.NotAction) == 0 && !slices.ContainsFunc(s.Action, action),
		s.Principal != nil && !s.Principal.includes(r),
		s.NotPrincipal != nil && s.NotPrincipal.includes(r):
		return false
	case len(s.NotResource) > 0:
		return !slices.ContainsFunc(s.NotResource, resource)
	case len(s.Resource) > 0:
		return slices.ContainsFunc(s.Resource, resource)
	}
	return true // a trust policy: the resource is the role
}

// includes tells whether it is meant who asks. {"AWS": "*"} means accounts and their users, not services.
func (p principal) includes(r request) bool {
	if r.caller != "" {
		return p.includesCaller(r.caller, r.account)
	}
	return p.any || slices.Contains(p.kind["Service"], r.service)
}

// verdict is what can be said of a condition.
type verdict int

const (
	no verdict = iota
	yes
	unknown
)

// met tells whether all operators hold for all their keys.
func (c condition) met(context map[string]string) verdict {
	result := yes
	for operator, keys := range c {
		for key, values := range keys {
			switch holds(operator, key, values, context) {
			case no:
				return no
			case unknown:
				result = unknown
			}
		}
	}
	return result
}

// holds evaluates one operator for one key. The lab knows the operators of strings and ARNs.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
func holds(operator, key string, patterns []text, context map[string]string) verdict {
	value, known := context[strings.ToLower(key)]
	operator, ifExists := strings.CutSuffix(operator, "IfExists")
	compare, negated := operators[operator], false
	if compare == nil {
		compare, negated = operators[strings.Replace(operator, "Not", "", 1)], true
	}
	switch {
	case !known || compare == nil:
		return unknown
	case value == "": // absent: that satisfies …IfExists and what is negated
		return verdictOf(ifExists || negated)
	}
	return verdictOf(negated != slices.ContainsFunc(patterns, func(p text) bool { return compare(string(p), value) }))
}

func verdictOf(b bool) verdict {
	if b {
		return yes
	}
	return no
}

var operators = map[string]func(pattern, value string) bool{
	"StringEquals":           func(p, v string) bool { return p == v },
	"StringEqualsIgnoreCase": strings.EqualFold,
	"StringLike":             matches,
	"ArnEquals":              matches, // the two behave alike
	"ArnLike":                matches,
}

// matches tells whether a pattern covers the whole of s.
func matches(pattern, s string) bool { return wildcard.Compile(pattern).Matches(s) }
