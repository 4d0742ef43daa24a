package api

import (
	"cmp"
	"context"

	"enilab/internal/ec2"
	"enilab/internal/wire/ec2api"
)

// ruleRequest is what the four operations that change a group's rules have in common. The API's first versions had one
// rule in parameters of its own; these still work.
type ruleRequest struct {
	GroupId, GroupName      *string
	IpPermissions           []ec2api.IpPermission
	CidrIp, IpProtocol      *string
	FromPort, ToPort        *int32
	SourceName, SourceOwner *string
}

func (h ec2Handlers) authorizeIngress(ctx context.Context, in *ec2api.AuthorizeSecurityGroupIngressRequest) (*ec2api.AuthorizeSecurityGroupIngressResult, error) {
	rules, err := h.authorize(ctx, ruleRequest{
		GroupId: in.GroupId, GroupName: in.GroupName, IpPermissions: in.IpPermissions,
		CidrIp: in.CidrIp, IpProtocol: in.IpProtocol, FromPort: in.FromPort, ToPort: in.ToPort,
		SourceName: in.SourceSecurityGroupName, SourceOwner: in.SourceSecurityGroupOwnerId,
	}, in.TagSpecifications, in.DryRun, h.AuthorizeSecurityGroupIngress)
	return &ec2api.AuthorizeSecurityGroupIngressResult{Return: new(true), SecurityGroupRules: rules}, err
}

func (h ec2Handlers) authorizeEgress(ctx context.Context, in *ec2api.AuthorizeSecurityGroupEgressRequest) (*ec2api.AuthorizeSecurityGroupEgressResult, error) {
	rules, err := h.authorize(ctx, ruleRequest{
		GroupId: in.GroupId, IpPermissions: in.IpPermissions,
		CidrIp: in.CidrIp, IpProtocol: in.IpProtocol, FromPort: in.FromPort, ToPort: in.ToPort,
		SourceName: in.SourceSecurityGroupName, SourceOwner: in.SourceSecurityGroupOwnerId,
	}, in.TagSpecifications, in.DryRun, h.AuthorizeSecurityGroupEgress)
	return &ec2api.AuthorizeSecurityGroupEgressResult{Return: new(true), SecurityGroupRules: rules}, err
}

func (h ec2Handlers) authorize(
	ctx context.Context, in ruleRequest, specifications []ec2api.TagSpecification, dry *bool,
	do func(context.Context, ec2.AuthorizeInput) ([]ec2.SecurityGroupRule, error),
) ([]ec2api.SecurityGroupRule, error) {
	tags, tagsErr := tagsFor("security-group-rule", specifications)
	group, permissions, err := h.resolve(in)
	if err := cmp.Or(tagsErr, err, dryRun(dry)); err != nil {
		return nil, err
	}
	rules, err := do(ctx, ec2.AuthorizeInput{GroupID: group, IPPermissions: permissions, Tags: tags})
	return convert(rules, ruleAnswer), err
}

func (h ec2Handlers) revokeIngress(ctx context.Context, in *ec2api.RevokeSecurityGroupIngressRequest) (*ec2api.RevokeSecurityGroupIngressResult, error) {
	err := h.revoke(ctx, ruleRequest{
		GroupId: in.GroupId, GroupName: in.GroupName, IpPermissions: in.IpPermissions,
		CidrIp: in.CidrIp, IpProtocol: in.IpProtocol, FromPort: in.FromPort, ToPort: in.ToPort,
		SourceName: in.SourceSecurityGroupName, SourceOwner: in.SourceSecurityGroupOwnerId,
	}, in.SecurityGroupRuleIds, in.DryRun, h.RevokeSecurityGroupIngress)
	return &ec2api.RevokeSecurityGroupIngressResult{Return: new(true)}, err
}

func (h ec2Handlers) revokeEgress(ctx context.Context, in *ec2api.RevokeSecurityGroupEgressRequest) (*ec2api.RevokeSecurityGroupEgressResult, error) {
	err := h.revoke(ctx, ruleRequest{
		GroupId: in.GroupId, IpPermissions: in.IpPermissions,
		CidrIp: in.CidrIp, IpProtocol: in.IpProtocol, FromPort: in.FromPort, ToPort: in.ToPort,
		SourceName: in.SourceSecurityGroupName, SourceOwner: in.SourceSecurityGroupOwnerId,
	}, in.SecurityGroupRuleIds, in.DryRun, h.RevokeSecurityGroupEgress)
	return &ec2api.RevokeSecurityGroupEgressResult{Return: new(true)}, err
}

func (h ec2Handlers) revoke(
	ctx context.Context, in ruleRequest, ids []string, dry *bool,
	do func(context.Context, ec2.RevokeInput) ([]ec2.SecurityGroupRule, error),
) error {
	group, permissions, err := h.resolve(in)
	if err := cmp.Or(err, dryRun(dry)); err != nil {
		return err
	}
	_, err = do(ctx, ec2.RevokeInput{GroupID: group, IPPermissions: permissions, SecurityGroupRuleIDs: ids})
	return err
}

// resolve finds the group that is to change, and makes permissions of either way to say them. A peer's name is one of
// the group's VPC.
func (h ec2Handlers) resolve(in ruleRequest) (group string, permissions []ec2.IPPermission, err error) {
	g, err := h.group(in.GroupId, in.GroupName)
	if err != nil {
		return "", nil, err
	}
	wanted, err := in.permissions()
	if err != nil {
		return "", nil, err
	}
	for _, w := range wanted {
		p := ec2.IPPermission{
			IPProtocol: given(w.IpProtocol), FromPort: integer(w.FromPort), ToPort: integer(w.ToPort),
			IPRanges: convert(w.IpRanges, func(r ec2api.IpRange) ec2.IPRange {
				return ec2.IPRange{CidrIP: given(r.CidrIp), Description: given(r.Description)}
			}),
			IPv6Ranges: convert(w.Ipv6Ranges, func(r ec2api.Ipv6Range) ec2.IPRange {
				return ec2.IPRange{CidrIP: given(r.CidrIpv6), Description: given(r.Description)}
			}),
			PrefixListIDs: convert(w.PrefixListIds, func(l ec2api.PrefixListId) string { return given(l.PrefixListId) }),
		}
		for _, pair := range w.UserIdGroupPairs {
			peer, err := h.peer(pair, g.VpcID)
			if err != nil {
				return "", nil, err
			}
			p.UserIDGroupPairs = append(p.UserIDGroupPairs, peer)
		}
		permissions = append(permissions, p)
	}
	return g.GroupID, permissions, nil
}

// permissions are the request's, of which the old parameters are one.
func (in ruleRequest) permissions() ([]ec2api.IpPermission, error) {
	one := ec2api.IpPermission{IpProtocol: in.IpProtocol, FromPort: in.FromPort, ToPort: in.ToPort}
	byRange := in.CidrIp != nil || in.IpProtocol != nil || in.FromPort != nil || in.ToPort != nil
	byGroup := in.SourceName != nil || in.SourceOwner != nil
	switch {
	case !byRange && !byGroup:
		return in.IpPermissions, nil
	case len(in.IpPermissions) > 0:
		return nil, refusal(invalidParameterCombination, "The parameter ipPermissions cannot be used with parameters of a single permission")
	case byRange && byGroup:
		return nil, refusal(invalidParameterCombination, "The parameter sourceSecurityGroupName cannot be used with cidrIp, ipProtocol, fromPort and toPort")
	case byGroup: // all traffic of its members
		one.IpProtocol = new("-1")
		one.UserIdGroupPairs = []ec2api.UserIdGroupPair{{GroupName: in.SourceName, UserId: in.SourceOwner}}
	case in.CidrIp != nil:
		one.IpRanges = []ec2api.IpRange{{CidrIp: in.CidrIp}}
	}
	return []ec2api.IpPermission{one}, nil
}

// peer finds the group whose members a permission is about.
func (h ec2Handlers) peer(pair ec2api.UserIdGroupPair, vpc string) (ec2.UserIDGroupPair, error) {
	found := ec2.UserIDGroupPair{GroupID: given(pair.GroupId), UserID: given(pair.UserId), Description: given(pair.Description)}
	switch {
	case pair.VpcPeeringConnectionId != nil:
		return found, notSupported("VpcPeeringConnectionId", true)
	case found.UserID != "" && found.UserID != h.Account:
		return found, refusal(invalidGroupNotFound, "The security group '%s' does not exist in account %s: the lab has no other than %s",
			cmp.Or(found.GroupID, given(pair.GroupName)), found.UserID, h.Account)
	case pair.GroupId == nil && pair.GroupName != nil:
		g, err := h.onlyGroupNamed(*pair.GroupName, vpc)
		found.GroupID = g.GroupID
		return found, err
	}
	return found, nil
}

func (h ec2Handlers) describeSecurityGroupRules(_ context.Context, in *ec2api.DescribeSecurityGroupRulesRequest) (*ec2api.DescribeSecurityGroupRulesResult, error) {
	show := func(r ec2.SecurityGroupRule) ec2api.SecurityGroupRule {
		answer := ruleAnswer(r)
		answer.Tags = tagSetAnswer(r.Tags)
		return answer
	}
	rules, next, err := describe(in.DryRun, h.DescribeSecurityGroupRules, selection(in.SecurityGroupRuleIds, in.Filters, in.MaxResults, in.NextToken), show)
	return &ec2api.DescribeSecurityGroupRulesResult{SecurityGroupRules: rules, NextToken: next}, err
}

func ruleAnswer(r ec2.SecurityGroupRule) ec2api.SecurityGroupRule {
	answer := ec2api.SecurityGroupRule{
		SecurityGroupRuleId: new(r.SecurityGroupRuleID), GroupId: new(r.GroupID), GroupOwnerId: new(r.GroupOwnerID), IsEgress: new(r.IsEgress),
		IpProtocol: new(r.IPProtocol), FromPort: new(int32(r.FromPort)), ToPort: new(int32(r.ToPort)), Description: set(r.Description),
		Tags: tagsAnswer(r.Tags),
	}
	switch {
	case r.ReferencedGroupID != "":
		answer.ReferencedGroupInfo = &ec2api.ReferencedSecurityGroup{GroupId: new(r.ReferencedGroupID), UserId: new(r.GroupOwnerID)}
	case r.CidrIPv6.IsValid():
		answer.CidrIpv6 = new(r.CidrIPv6.String())
	default:
		answer.CidrIpv4 = new(r.CidrIPv4.String())
	}
	return answer
}

func (h ec2Handlers) modifySecurityGroupRules(ctx context.Context, in *ec2api.ModifySecurityGroupRulesRequest) (*ec2api.ModifySecurityGroupRulesResult, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	changes := make([]ec2.ModifyRule, len(in.SecurityGroupRules))
	for i, c := range in.SecurityGroupRules {
		changes[i].SecurityGroupRuleID = *c.SecurityGroupRuleId
		r := given(c.SecurityGroupRule)
		p := &changes[i].Permission
		p.IPProtocol, p.FromPort, p.ToPort = given(r.IpProtocol), integer(r.FromPort), integer(r.ToPort)
		if r.CidrIpv4 != nil {
			p.IPRanges = []ec2.IPRange{{CidrIP: *r.CidrIpv4, Description: given(r.Description)}}
		}
		if r.CidrIpv6 != nil {
			p.IPv6Ranges = []ec2.IPRange{{CidrIP: *r.CidrIpv6, Description: given(r.Description)}}
		}
		if r.ReferencedGroupId != nil {
			p.UserIDGroupPairs = []ec2.UserIDGroupPair{{GroupID: *r.ReferencedGroupId, Description: given(r.Description)}}
		}
		if r.PrefixListId != nil {
			p.PrefixListIDs = []string{*r.PrefixListId}
		}
	}
	return &ec2api.ModifySecurityGroupRulesResult{Return: new(true)}, h.ModifySecurityGroupRules(ctx, *in.GroupId, changes)
}

func (h ec2Handlers) updateDescriptionsIngress(_ context.Context, in *ec2api.UpdateSecurityGroupRuleDescriptionsIngressRequest) (*ec2api.UpdateSecurityGroupRuleDescriptionsIngressResult, error) {
	err := h.updateDescriptions(ruleRequest{GroupId: in.GroupId, GroupName: in.GroupName, IpPermissions: in.IpPermissions}, in.SecurityGroupRuleDescriptions, false, in.DryRun)
	return &ec2api.UpdateSecurityGroupRuleDescriptionsIngressResult{Return: new(true)}, err
}

func (h ec2Handlers) updateDescriptionsEgress(_ context.Context, in *ec2api.UpdateSecurityGroupRuleDescriptionsEgressRequest) (*ec2api.UpdateSecurityGroupRuleDescriptionsEgressResult, error) {
	err := h.updateDescriptions(ruleRequest{GroupId: in.GroupId, GroupName: in.GroupName, IpPermissions: in.IpPermissions}, in.SecurityGroupRuleDescriptions, true, in.DryRun)
	return &ec2api.UpdateSecurityGroupRuleDescriptionsEgressResult{Return: new(true)}, err
}

func (h ec2Handlers) updateDescriptions(in ruleRequest, descriptions []ec2api.SecurityGroupRuleDescription, egress bool, dry *bool) error {
	group, permissions, err := h.resolve(in)
	if err := cmp.Or(err, dryRun(dry)); err != nil {
		return err
	}
	byID := map[string]string{}
	for _, d := range descriptions {
		byID[given(d.SecurityGroupRuleId)] = given(d.Description)
	}
	return h.UpdateSecurityGroupRuleDescriptions(ec2.UpdateDescriptionsInput{GroupID: group, Egress: egress, IPPermissions: permissions, Descriptions: byID})
}
