package iam

import (
	"maps"
	"slices"
)

// PutRolePolicy gives a role an inline policy, in place of one of the same name.
func (s *Service) PutRolePolicy(role, policy, source string) error {
	if !isName(policy, 128) {
		return badPolicyName()
	}
	if err := checkLength("policyDocument", source); err != nil {
		return err
	}
	return s.change(role, func(r *record) error {
		if r.Inline == nil {
			r.Inline = map[string]string{}
		}
		r.Inline[policy] = source
		total := 0
		for _, d := range r.Inline {
			total += size(d)
		}
		if total > maxInlineSize {
			return refuse(LimitExceeded, "Maximum policy size of %d bytes exceeded for role %s", maxInlineSize, role)
		}
		return nil // the document is checked when the record is parsed
	})
}

// GetRolePolicy shows the document of an inline policy.
func (s *Service) GetRolePolicy(role, policy string) (document string, err error) {
	r, err := s.find(role)
	if err != nil {
		return "", err
	}
	document, ok := r.Inline[policy]
	if !ok {
		return "", noPolicy(policy)
	}
	return document, nil
}

func noPolicy(name string) error {
	return refuse(NoSuchEntity, "The role policy with name %s cannot be found.", name)
}

// DeleteRolePolicy removes an inline policy.
func (s *Service) DeleteRolePolicy(role, policy string) error {
	return s.change(role, func(r *record) error {
		if _, ok := r.Inline[policy]; !ok {
			return noPolicy(policy)
		}
		delete(r.Inline, policy)
		return nil
	})
}

// ListRolePolicies names a role's inline policies.
func (s *Service) ListRolePolicies(role string) ([]string, error) {
	r, err := s.find(role)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(r.Inline)), nil
}

// AttachRolePolicy gives a role a managed policy. One that it has is no error.
func (s *Service) AttachRolePolicy(role, arn string) error {
	return s.change(role, func(r *record) error {
		if _, ok := s.documentLocked(arn); !ok {
			return notAttachable(arn)
		}
		switch {
		case slices.Contains(r.Attached, arn):
		case len(r.Attached) >= maxAttached:
			return refuse(LimitExceeded, "Cannot exceed quota for PoliciesPerRole: %d", maxAttached)
		default:
			r.Attached = append(r.Attached, arn)
		}
		return nil
	})
}

func notAttachable(arn string) error {
	return refuse(NoSuchEntity, "Policy %s does not exist or is not attachable.", arn)
}

// DetachRolePolicy takes a managed policy away.
func (s *Service) DetachRolePolicy(role, arn string) error {
	return s.change(role, func(r *record) error {
		at := slices.Index(r.Attached, arn)
		if at < 0 {
			return refuse(NoSuchEntity, "Policy %s was not found.", arn)
		}
		r.Attached = slices.Delete(r.Attached, at, at+1)
		return nil
	})
}

// ListAttachedRolePolicies shows a role's managed policies, in the order in which they were attached.
func (s *Service) ListAttachedRolePolicies(role string) (list []Policy, err error) {
	r, err := s.find(role)
	if err != nil {
		return nil, err
	}
	for _, arn := range r.Attached {
		p, err := s.GetPolicy(arn)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

// PutRolePermissionsBoundary bounds what a role may do: what the managed policy does not allow, no other policy does.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
func (s *Service) PutRolePermissionsBoundary(role, arn string) error {
	return s.change(role, func(r *record) error {
		if _, ok := s.documentLocked(arn); !ok {
			return notAttachable(arn)
		}
		r.Role.PermissionsBoundary = arn
		return nil
	})
}

// DeleteRolePermissionsBoundary lets a role do all that its policies allow. One without a boundary is no error.
func (s *Service) DeleteRolePermissionsBoundary(role string) error {
	return s.change(role, func(r *record) error {
		r.Role.PermissionsBoundary = ""
		return nil
	})
}
