package ec2

import (
	"context"
	"slices"
)

// ModifyRule makes a rule of a group another: its id and its direction stay.
type ModifyRule struct {
	SecurityGroupRuleID string
	Permission          IPPermission // with one peer
}

// peerKind is what stays when a rule is modified.
// https://docs.aws.amazon.com/vpc/latest/userguide/working-with-security-group-rules.html
func (t Traffic) peerKind() string {
	switch {
	case t.ReferencedGroupID != "":
		return "group"
	case t.CidrIPv6.IsValid():
		return "IPv6"
	}
	return "IPv4"
}

// ModifySecurityGroupRules changes rules of a group in one commit; either all are changed or none.
func (s *Service) ModifySecurityGroupRules(ctx context.Context, group string, changes []ModifyRule) error {
	s.change.Lock()
	defer s.change.Unlock()
	g, err := s.group(group)
	if err != nil {
		return err
	}
	g.Rules = slices.Clone(g.Rules)
	for _, c := range changes {
		at := slices.IndexFunc(g.Rules, func(r SecurityGroupRule) bool { return r.SecurityGroupRuleID == c.SecurityGroupRuleID })
		if at < 0 {
			return aRule.unknown(c.SecurityGroupRuleID)
		}
		wanted, err := rulesOf([]IPPermission{c.Permission}, g.Rules[at].IsEgress)
		if err != nil {
			return err
		}
		if len(wanted) != 1 {
			return refuse(InvalidParameterCombination, "A security group rule has one source or destination.")
		}
		if g.Rules[at].peerKind() != wanted[0].peerKind() {
			return refuse(InvalidParameterValue, "You cannot change the type of the source or destination of rule %s: replace the rule.", c.SecurityGroupRuleID)
		}
		g.Rules[at].Traffic, g.Rules[at].Description = wanted[0].Traffic, wanted[0].Description
	}
	for i, r := range g.Rules {
		if slices.ContainsFunc(g.Rules[:i], func(other SecurityGroupRule) bool { return other.Traffic == r.Traffic }) {
			return refuse(InvalidPermissionDuplicate, "the specified rule \"%s\" already exists", r.words())
		}
	}
	if err := s.checkRules(g); err != nil {
		return err
	}
	if err := s.setGroup(ctx, g); err != nil {
		return failed("Modify the rules", err)
	}
	return nil
}

// UpdateDescriptionsInput gives rules other descriptions: those that permissions name, or those of some ids.
type UpdateDescriptionsInput struct {
	GroupID       string
	Egress        bool
	IPPermissions []IPPermission
	Descriptions  map[string]string // rule id → description
}

// UpdateSecurityGroupRuleDescriptions changes descriptions alone; either all or none.
func (s *Service) UpdateSecurityGroupRuleDescriptions(in UpdateDescriptionsInput) error {
	named, err := rulesOf(in.IPPermissions, in.Egress)
	switch {
	case err != nil:
		return err
	case len(named) > 0 && len(in.Descriptions) > 0:
		return refuse(InvalidParameterCombination, "The parameter securityGroupRuleDescriptions cannot be used with the parameter ipPermissions")
	case len(named)+len(in.Descriptions) == 0:
		return missing("ipPermissions or securityGroupRuleDescriptions")
	}
	s.change.Lock()
	defer s.change.Unlock()
	g, err := s.group(in.GroupID)
	if err != nil {
		return err
	}
	g.Rules = slices.Clone(g.Rules)
	for _, r := range named {
		at := slices.IndexFunc(g.Rules, func(old SecurityGroupRule) bool { return old.Traffic == r.Traffic })
		if at < 0 {
			return refuse(InvalidPermissionNotFound, "The specified rule does not exist in this security group.")
		}
		g.Rules[at].Description = r.Description
	}
	for id, description := range in.Descriptions {
		at := slices.IndexFunc(g.Rules, func(old SecurityGroupRule) bool { return old.SecurityGroupRuleID == id && old.IsEgress == in.Egress })
		if at < 0 {
			return aRule.unknown(id)
		}
		if !isGroupText(description) {
			return badRuleDescription()
		}
		g.Rules[at].Description = description
	}
	return s.record("Update the descriptions", put(s.groups, g.GroupID, g))
}
