package iam

import (
	"fmt"
	"slices"
	"strings"
)

// Authorize tells whether a session may do an action, such as "lambda:InvokeFunction", to a resource, which is an ARN or "*".
// If it may not, the error is AccessDenied in AWS's words.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
func (s *Service) Authorize(x Session, action, resource string) error {
	r, err := s.find(x.Role)
	if err != nil {
		return err
	}
	ask := request{action: action, resource: resource, context: map[string]string{
		"aws:requestedregion":      s.Region,
		"aws:principalarn":         r.Role.ARN,
		"aws:principalaccount":     s.Account,
		"aws:userid":               x.UserID(),
		"lambda:sourcefunctionarn": fmt.Sprintf("arn:aws:lambda:%s:%s:function:%s", s.Region, s.Account, x.Name),
	}}
	policies, boundary := s.policiesOf(r)
	narrowing, narrowed := s.narrowing(x)
	switch {
	case ask.denied(policies...):
		return refuse(AccessDenied, "User: %s is not authorized to perform: %s on resource: %s with an explicit deny in an identity-based policy", x.ARN(s.Account), action, resource)
	case ask.denied(boundary...):
		return refuse(AccessDenied, "User: %s is not authorized to perform: %s on resource: %s with an explicit deny in a permissions boundary", x.ARN(s.Account), action, resource)
	case ask.denied(narrowing...):
		return refuse(AccessDenied, "User: %s is not authorized to perform: %s on resource: %s with an explicit deny in a session policy", x.ARN(s.Account), action, resource)
	case narrowed && !ask.allowed(narrowing...):
		return refuse(AccessDenied, "User: %s is not authorized to perform: %s on resource: %s because no session policy allows the %s action", x.ARN(s.Account), action, resource, action)
	case r.Role.PermissionsBoundary != "" && !ask.allowed(boundary...):
		return refuse(AccessDenied, "User: %s is not authorized to perform: %s on resource: %s because no permissions boundary allows the %s action", x.ARN(s.Account), action, resource, action)
	case !ask.allowed(policies...):
		return refuse(AccessDenied, "User: %s is not authorized to perform: %s on resource: %s because no identity-based policy allows the %s action", x.ARN(s.Account), action, resource, action)
	}
	return nil
}

// narrowing are the session's own policies, and whether it has any: one that has been deleted since allows nothing.
func (s *Service) narrowing(x Session) (list []document, narrowed bool) {
	if d, err := parse(x.Policy); err == nil {
		list = append(list, d)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for arn := range strings.FieldsSeq(x.PolicyARNs) {
		if d, ok := s.documentLocked(arn); ok {
			list = append(list, d)
		}
	}
	return list, x.Policy != "" || x.PolicyARNs != ""
}

// denied tells whether a Deny applies, which no Allow can outdo.
func (r request) denied(policies ...document) bool {
	deny := func(s statement) bool {
		return s.Effect == "Deny" && s.covers(r) && s.Condition.met(r.context) != no
	}
	return slices.ContainsFunc(policies, func(d document) bool { return slices.ContainsFunc(d.Statement, deny) })
}
