package api

import (
	"cmp"
	"context"
	"slices"

	"enilab/internal/ec2"
	"enilab/internal/wire/ec2api"
)

func (h ec2Handlers) createSecurityGroup(ctx context.Context, in *ec2api.CreateSecurityGroupRequest) (*ec2api.CreateSecurityGroupResult, error) {
	tags, err := tagsFor("security-group", in.TagSpecifications)
	if err := cmp.Or(err, dryRun(in.DryRun)); err != nil {
		return nil, err
	}
	g, err := h.CreateSecurityGroup(ctx, ec2.CreateSecurityGroupInput{
		GroupName: *in.GroupName, Description: *in.Description, VpcID: given(in.VpcId), Tags: tags,
	})
	return &ec2api.CreateSecurityGroupResult{GroupId: new(g.GroupID), Tags: tagsAnswer(g.Tags)}, err
}

func (h ec2Handlers) describeSecurityGroups(_ context.Context, in *ec2api.DescribeSecurityGroupsRequest) (*ec2api.DescribeSecurityGroupsResult, error) {
	ids := in.GroupIds
	for _, name := range in.GroupNames {
		named, err := h.groupsNamed(name, "")
		if err != nil {
			return nil, err
		}
		ids = append(ids, convert(named, func(g ec2.SecurityGroup) string { return g.GroupID })...)
	}
	groups, next, err := describe(in.DryRun, h.DescribeSecurityGroups, selection(ids, in.Filters, in.MaxResults, in.NextToken), groupAnswer)
	return &ec2api.DescribeSecurityGroupsResult{SecurityGroups: groups, NextToken: next}, err
}

func groupAnswer(g ec2.SecurityGroup) ec2api.SecurityGroup {
	return ec2api.SecurityGroup{
		GroupId: new(g.GroupID), GroupName: new(g.GroupName), Description: new(g.Description), VpcId: new(g.VpcID), OwnerId: new(g.OwnerID),
		IpPermissions:       convert(g.Permissions(false), permissionAnswer),
		IpPermissionsEgress: convert(g.Permissions(true), permissionAnswer),
		Tags:                tagsAnswer(g.Tags),
	}
}

func permissionAnswer(p ec2.IPPermission) ec2api.IpPermission {
	return ec2api.IpPermission{
		IpProtocol: new(p.IPProtocol), FromPort: int32Of(p.FromPort), ToPort: int32Of(p.ToPort),
		IpRanges: convert(p.IPRanges, func(r ec2.IPRange) ec2api.IpRange {
			return ec2api.IpRange{CidrIp: new(r.CidrIP), Description: set(r.Description)}
		}),
		UserIdGroupPairs: convert(p.UserIDGroupPairs, func(g ec2.UserIDGroupPair) ec2api.UserIdGroupPair {
			return ec2api.UserIdGroupPair{GroupId: new(g.GroupID), UserId: set(g.UserID), Description: set(g.Description)}
		}),
		Ipv6Ranges: convert(p.IPv6Ranges, func(r ec2.IPRange) ec2api.Ipv6Range {
			return ec2api.Ipv6Range{CidrIpv6: new(r.CidrIP), Description: set(r.Description)}
		}),
		PrefixListIds: []ec2api.PrefixListId{},
	}
}

func (h ec2Handlers) deleteSecurityGroup(ctx context.Context, in *ec2api.DeleteSecurityGroupRequest) (*ec2api.DeleteSecurityGroupResult, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	g, err := h.group(in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	return &ec2api.DeleteSecurityGroupResult{GroupId: &g.GroupID, Return: new(true)}, h.DeleteSecurityGroup(ctx, g.GroupID)
}

// group finds a group by its id, or by a name that only one has: the lab has no default VPC in which names are unique.
func (h ec2Handlers) group(id, name *string) (g ec2.SecurityGroup, err error) {
	switch {
	case id != nil && name != nil:
		return g, refusal(invalidParameterCombination, "The parameters groupId and groupName cannot be used together")
	case id != nil:
		page, err := h.DescribeSecurityGroups(ec2.Query{IDs: []string{*id}})
		if err != nil {
			return g, err
		}
		return page.Items[0], nil
	case name != nil:
		return h.onlyGroupNamed(*name, "")
	}
	return g, refusal(missingParameter, "The request must contain the parameter groupName or groupId")
}

func (h ec2Handlers) onlyGroupNamed(name, vpc string) (g ec2.SecurityGroup, err error) {
	named, err := h.groupsNamed(name, vpc)
	if err != nil {
		return g, err
	}
	if len(named) > 1 {
		return g, refusal(invalidParameterValue, "There are %d security groups with the name '%s': use the group's ID", len(named), name)
	}
	return named[0], nil
}

// groupsNamed are the groups of a name, at least one, in a VPC or, if that is empty, in all.
func (h ec2Handlers) groupsNamed(name, vpc string) ([]ec2.SecurityGroup, error) {
	page, err := h.DescribeSecurityGroups(ec2.Query{})
	if err != nil {
		return nil, err
	}
	named := slices.DeleteFunc(page.Items, func(g ec2.SecurityGroup) bool { return g.GroupName != name || vpc != "" && g.VpcID != vpc })
	if len(named) == 0 {
		return nil, refusal(invalidGroupNotFound, "The security group '%s' does not exist", name)
	}
	return named, nil
}
