package ec2

import (
	"context"
	"slices"

	"enilab/netlab"
)

// AuthorizeInput adds rules to a group.
type AuthorizeInput struct {
	GroupID       string
	IPPermissions []IPPermission
	Tags          map[string]string // of each rule
}

// AuthorizeSecurityGroupIngress lets more in. It answers with the rules that it made; either all or none are.
func (s *Service) AuthorizeSecurityGroupIngress(ctx context.Context, in AuthorizeInput) ([]SecurityGroupRule, error) {
	return s.authorize(ctx, in, false)
}

// AuthorizeSecurityGroupEgress lets more out.
func (s *Service) AuthorizeSecurityGroupEgress(ctx context.Context, in AuthorizeInput) ([]SecurityGroupRule, error) {
	return s.authorize(ctx, in, true)
}

func (s *Service) authorize(ctx context.Context, in AuthorizeInput, egress bool) ([]SecurityGroupRule, error) {
	wanted, err := rulesOf(in.IPPermissions, egress)
	if err != nil {
		return nil, err
	}
	if len(wanted) == 0 {
		return nil, missing("ipPermissions")
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	s.change.Lock()
	defer s.change.Unlock()
	g, err := s.group(in.GroupID)
	if err != nil {
		return nil, err
	}
	g.Rules = slices.Clone(g.Rules)
	had := len(g.Rules)
	var edits []edit
	for _, r := range wanted {
		if slices.ContainsFunc(g.Rules[:had], func(old SecurityGroupRule) bool { return old.Traffic == r.Traffic }) {
			return nil, refuse(InvalidPermissionDuplicate, "the specified rule \"%s\" already exists", r.words())
		}
		r.SecurityGroupRuleID, r.GroupID = netlab.NewID("sgr-"), g.GroupID
		g.Rules = append(g.Rules, r)
		edits = append(edits, setTags(s, r.SecurityGroupRuleID, in.Tags))
	}
	if err := s.checkRules(g); err != nil {
		return nil, err
	}
	if err := s.setGroup(ctx, g, edits...); err != nil {
		return nil, failed("Authorize the rules", err)
	}
	return s.showGroup(g).Rules[had:], nil
}

// checkRules looks at what rules refer to, and at their number. The caller holds change.
func (s *Service) checkRules(g SecurityGroup) error {
	type family struct{ egress, ipv6 bool } // each has the quota for itself
	count := map[family]int{}
	for _, r := range g.Rules {
		of := family{r.IsEgress, r.CidrIPv6.IsValid()}
		if count[of]++; count[of] > s.Quotas.RulesPerGroup && !g.Declared {
			return refuse(RulesPerGroupLimitExceeded, "The maximum number of rules per security group has been reached.")
		}
		if r.ReferencedGroupID == "" {
			continue
		}
		peer, err := s.group(r.ReferencedGroupID)
		if err != nil {
			return err
		}
		if peer.VpcID != g.VpcID {
			return refuse(InvalidGroupNotFound, "You have specified two resources that belong to different networks.")
		}
	}
	return nil
}

// group finds a group. The caller holds mu or change.
func (s *Service) group(id string) (SecurityGroup, error) {
	if id == "" {
		return SecurityGroup{}, missing("groupId")
	}
	g, ok := s.groups.all[id]
	if !ok {
		return g, aGroup.unknown(id)
	}
	return g, nil
}

// RevokeInput takes rules away, by what they allow or by their ids.
type RevokeInput struct {
	GroupID              string
	IPPermissions        []IPPermission
	SecurityGroupRuleIDs []string
}

// RevokeSecurityGroupIngress lets less in; tracked connections go on. It answers with the rules that are gone.
func (s *Service) RevokeSecurityGroupIngress(ctx context.Context, in RevokeInput) ([]SecurityGroupRule, error) {
	return s.revoke(ctx, in, false)
}

// RevokeSecurityGroupEgress lets less out; tracked connections go on.
func (s *Service) RevokeSecurityGroupEgress(ctx context.Context, in RevokeInput) ([]SecurityGroupRule, error) {
	return s.revoke(ctx, in, true)
}

func (s *Service) revoke(ctx context.Context, in RevokeInput, egress bool) (gone []SecurityGroupRule, err error) {
	unwanted, err := rulesOf(in.IPPermissions, egress)
	switch {
	case err != nil:
		return nil, err
	case len(unwanted) > 0 && len(in.SecurityGroupRuleIDs) > 0:
		return nil, refuse(InvalidParameterCombination, "The parameter securityGroupRuleIds cannot be used with the parameter ipPermissions")
	case len(unwanted)+len(in.SecurityGroupRuleIDs) == 0:
		return nil, missing("ipPermissions or securityGroupRuleIds")
	}
	s.change.Lock()
	defer s.change.Unlock()
	g, err := s.group(in.GroupID)
	if err != nil {
		return nil, err
	}
	shown := s.showGroup(g).Rules
	g.Rules = slices.Clone(g.Rules)
	take := func(is func(SecurityGroupRule) bool) bool {
		i := slices.IndexFunc(g.Rules, is)
		if i < 0 {
			return false
		}
		id := g.Rules[i].SecurityGroupRuleID
		gone = append(gone, shown[slices.IndexFunc(shown, func(r SecurityGroupRule) bool { return r.SecurityGroupRuleID == id })])
		g.Rules = slices.Delete(g.Rules, i, i+1)
		return true
	}
	for _, r := range unwanted {
		if !take(func(old SecurityGroupRule) bool { return old.Traffic == r.Traffic }) {
			return nil, refuse(InvalidPermissionNotFound, "The specified rule does not exist in this security group.")
		}
	}
	for _, id := range in.SecurityGroupRuleIDs {
		if !take(func(old SecurityGroupRule) bool { return old.SecurityGroupRuleID == id && old.IsEgress == egress }) {
			return nil, aRule.unknown(id)
		}
	}
	if err := s.setGroup(ctx, g, s.dropRuleTags(gone)...); err != nil {
		return nil, failed("Revoke the rules", err)
	}
	return gone, nil
}

func (s *Service) dropRuleTags(rules []SecurityGroupRule) (edits []edit) {
	for _, r := range rules {
		edits = append(edits, drop(s.tags, r.SecurityGroupRuleID))
	}
	return edits
}

// SetSecurityGroupRules makes a group's rules exactly these, in one commit; rules that stay keep their ids. It is the lab's
// own addition, for what a topology declares.
func (s *Service) SetSecurityGroupRules(ctx context.Context, id string, ingress, egress []IPPermission) error {
	in, err := rulesOf(ingress, false)
	if err != nil {
		return err
	}
	out, err := rulesOf(egress, true)
	if err != nil {
		return err
	}
	s.change.Lock()
	defer s.change.Unlock()
	g, err := s.group(id)
	if err != nil {
		return err
	}
	before := g.Rules
	g.Rules = slices.Concat(in, out)
	for i := range g.Rules {
		r := &g.Rules[i]
		r.SecurityGroupRuleID, r.GroupID = netlab.NewID("sgr-"), id
		if old := slices.IndexFunc(before, func(old SecurityGroupRule) bool { return old.Traffic == r.Traffic }); old >= 0 {
			r.SecurityGroupRuleID = before[old].SecurityGroupRuleID
		}
	}
	if slices.EqualFunc(before, g.Rules, func(a, b SecurityGroupRule) bool {
		return a.SecurityGroupRuleID == b.SecurityGroupRuleID && a.Description == b.Description
	}) {
		return nil
	}
	if err := s.checkRules(g); err != nil {
		return err
	}
	gone := slices.DeleteFunc(slices.Clone(before), func(old SecurityGroupRule) bool {
		return slices.ContainsFunc(g.Rules, func(r SecurityGroupRule) bool { return r.SecurityGroupRuleID == old.SecurityGroupRuleID })
	})
	if err := s.setGroup(ctx, g, s.dropRuleTags(gone)...); err != nil {
		return failed("Set the rules", err)
	}
	return nil
}
