package iam

import (
	"fmt"
	"slices"
	"strings"
)

// lambdaService is who assumes execution roles.
const lambdaService = "lambda.amazonaws.com"

// RoleExists tells whether Lambda can assume a role, given by ARN or name: there is one, and its trust policy lets it. The
// error has Lambda's own words, which are the same for both.
func (s *Service) RoleExists(role string) error {
	r, err := s.byARN(role)
	if err == nil && s.request("sts:AssumeRole").allowed(r.trust) {
		return nil
	}
	return refuse(AccessDenied, "The role defined for the function cannot be assumed by Lambda.")
}

// Allowed tells whether Lambda, under a role given by ARN or name, may do all of some actions, such as
// "ec2:CreateNetworkInterface". The error names those that it may not, in Lambda's words.
//
// An action that can be limited to resources is asked for all of their kind in this account and Region, such as
// arn:aws:ec2:us-east-1:123456789012:network-interface/*, and a policy's resource covers that if its pattern does. Any other
// is asked for "*". So a Deny for one interface alone does not count.
func (s *Service) Allowed(role string, actions ...string) error {
	r, err := s.byARN(role)
	if err != nil {
		return err
	}
	policies, boundary := s.policiesOf(r)
	var missing []string
	for _, a := range actions {
		if q := s.request(a); !q.allowed(policies...) || !q.allowed(boundary...) && r.Role.PermissionsBoundary != "" {
			missing = append(missing, a)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	service, _, _ := strings.Cut(missing[0], ":")
	for i, a := range missing {
		missing[i] = strings.TrimPrefix(a, service+":")
	}
	return refuse(AccessDenied, "The provided execution role does not have permissions to call %s on %s", strings.Join(missing, ", "), strings.ToUpper(service))
}

// policiesOf are the documents that say what a role may do, and its boundary's, which is none or one.
func (s *Service) policiesOf(r *role) (policies, boundary []document) {
	s.mu.Lock()
	defer s.mu.Unlock()
	policies = slices.Clip(r.inline)
	for _, arn := range r.Attached {
		if d, ok := s.documentLocked(arn); ok {
			policies = append(policies, d)
		}
	}
	if d, ok := s.documentLocked(r.Role.PermissionsBoundary); ok {
		boundary = append(boundary, d)
	}
	return policies, boundary
}

// request is Lambda's own: of this account, and with no function's code behind it, which is what policies tell from
// Lambda by lambda:SourceFunctionArn.
// https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html
func (s *Service) request(action string) request {
	r := request{action: action, resource: "*", service: lambdaService, context: map[string]string{
		"aws:sourceaccount":        s.Account,
		"aws:requestedregion":      s.Region,
		"lambda:sourcefunctionarn": "",
	}}
	if kind := resourceOf[action]; kind != "" {
		r.resource = fmt.Sprintf("arn:aws:ec2:%s:%s:%s/*", s.Region, s.Account, kind)
	}
	return r
}

// resourceOf is what the actions that Lambda needs can be limited to; the Describe actions cannot.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
var resourceOf = map[string]string{
	"ec2:CreateNetworkInterface":     "network-interface",
	"ec2:DeleteNetworkInterface":     "network-interface",
	"ec2:AssignPrivateIpAddresses":   "network-interface",
	"ec2:UnassignPrivateIpAddresses": "network-interface",
}
