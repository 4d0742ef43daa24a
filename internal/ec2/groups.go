package ec2

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"enilab/internal/events"
	"enilab/netlab"
)

// SecurityGroup is a security group as DescribeSecurityGroups shows it.
type SecurityGroup struct {
	GroupID     string
	GroupName   string
	Description string
	VpcID       string
	Rules       []SecurityGroupRule `json:",omitempty"`
	Declared    bool                `json:",omitempty"` // by a topology: the lab's own addition

	OwnerID          string            `json:"-"`
	SecurityGroupARN string            `json:"-"`
	Tags             map[string]string `json:"-"`
}

// CreateSecurityGroupInput asks for a security group.
type CreateSecurityGroupInput struct {
	GroupName   string
	Description string
	VpcID       string
	GroupID     string // empty: a new one. To give it is the lab's own addition, as is
	Declared    bool   // for what a topology declares
	Tags        map[string]string
}

// groupKind is how security groups are asked for.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSecurityGroups.html
func groupKind() kind[SecurityGroup] {
	return kind[SecurityGroup]{
		of:         aGroup,
		id:         func(g SecurityGroup) string { return g.GroupID },
		tags:       func(g SecurityGroup) map[string]string { return g.Tags },
		attributes: groupAttributes(),
	}
}

func groupAttributes() attributes[SecurityGroup] {
	known := attributes[SecurityGroup]{
		"group-id":    one(func(g SecurityGroup) string { return g.GroupID }),
		"group-name":  one(func(g SecurityGroup) string { return g.GroupName }),
		"description": one(func(g SecurityGroup) string { return g.Description }),
		"vpc-id":      one(func(g SecurityGroup) string { return g.VpcID }),
		"owner-id":    one(func(g SecurityGroup) string { return g.OwnerID }),
	}
	for prefix, egress := range map[string]bool{"ip-permission.": false, "egress.ip-permission.": true} {
		known[prefix+"cidr"] = ofRules(egress, Traffic.cidr)
		known[prefix+"ipv6-cidr"] = ofRules(egress, Traffic.cidr6)
		known[prefix+"prefix-list-id"] = absent[SecurityGroup]
		known[prefix+"from-port"] = ofRules(egress, Traffic.from)
		known[prefix+"to-port"] = ofRules(egress, Traffic.to)
		known[prefix+"protocol"] = ofRules(egress, Traffic.protocol)
		known[prefix+"group-id"] = ofRules(egress, Traffic.peerGroup)
		known[prefix+"group-name"] = absent[SecurityGroup] // of groups outside VPCs, which are no more
		known[prefix+"user-id"] = func(g SecurityGroup) []string {
			if len(ofRules(egress, Traffic.peerGroup)(g)) == 0 {
				return nil
			}
			return []string{g.OwnerID}
		}
	}
	return known
}

func ofRules(egress bool, get func(Traffic) string) func(SecurityGroup) []string {
	return func(g SecurityGroup) (values []string) {
		for _, r := range g.Rules {
			if v := get(r.Traffic); r.IsEgress == egress && v != "" {
				values = append(values, v)
			}
		}
		return values
	}
}

const (
	defaultGroupName      = "default"
	maxGroupsPerInterface = 5 // https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html
)

func (g SecurityGroup) isDefault() bool { return g.GroupName == defaultGroupName }

// newDefaultGroup is what every VPC has: its members reach each other, and everything.
// https://docs.aws.amazon.com/vpc/latest/userguide/default-security-group.html
func newDefaultGroup(vpc string) SecurityGroup {
	g := SecurityGroup{GroupID: netlab.NewID("sg-"), GroupName: defaultGroupName, Description: "default VPC security group", VpcID: vpc}
	among := SecurityGroupRule{
		SecurityGroupRuleID: netlab.NewID("sgr-"), GroupID: g.GroupID,
		Traffic: Traffic{IPProtocol: "-1", FromPort: -1, ToPort: -1, ReferencedGroupID: g.GroupID},
	}
	g.Rules = []SecurityGroupRule{among, allEgress(g.GroupID)}
	return g
}

// CreateSecurityGroup makes a group that lets nothing in and everything out.
func (s *Service) CreateSecurityGroup(ctx context.Context, in CreateSecurityGroupInput) (SecurityGroup, error) {
	var none SecurityGroup
	if err := in.check(); err != nil {
		return none, err
	}
	s.change.Lock()
	defer s.change.Unlock()
	if _, ok := s.vpcs.all[in.VpcID]; !ok {
		return none, aVPC.unknown(in.VpcID)
	}
	id, err := newID(in.GroupID, "sg-", s.groups)
	if err != nil {
		return none, err
	}
	if !in.Declared && len(s.groups.all) >= s.Quotas.Groups {
		return none, refuse(SecurityGroupLimitExceeded, "The maximum number of security groups has been reached.")
	}
	for _, other := range s.groups.all {
		if other.VpcID == in.VpcID && other.GroupName == in.GroupName {
			return none, refuse(InvalidGroupDuplicate, "The security group '%s' already exists for VPC '%s'", in.GroupName, in.VpcID)
		}
	}
	g := SecurityGroup{
		GroupID: id, GroupName: in.GroupName, Description: in.Description, VpcID: in.VpcID, Declared: in.Declared,
		Rules: []SecurityGroupRule{allEgress(id)},
	}
	if err := s.setGroup(ctx, g, setTags(s, id, in.Tags)); err != nil {
		return none, failed("Create the security group", err)
	}
	return s.showGroup(g), nil
}

func (in CreateSecurityGroupInput) check() error {
	switch {
	case in.GroupName == "":
		return missing("GroupName")
	case in.Description == "" && !in.Declared:
		return missing("GroupDescription")
	case in.VpcID == "": // an account without a default VPC has to name one
		return missing("VpcId")
	case in.GroupName == defaultGroupName:
		return refuse(InvalidGroupReserved, "The security group '%s' is reserved", in.GroupName)
	case !isGroupText(in.GroupName), !in.Declared && strings.HasPrefix(in.GroupName, "sg-"):
		return refuse(InvalidParameterValue, "Invalid security group name: '%.300s'. Up to 255 of letters, digits, spaces and ._-:/()#,@[]+=&;{}!$* are allowed, and it must not begin with sg-.", in.GroupName)
	case !in.Declared && !isGroupText(in.Description):
		return refuse(InvalidParameterValue, "Invalid security group description. Valid descriptions are strings less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*")
	}
	return checkTags(in.Tags)
}

func isGroupText(s string) bool {
	return len(s) <= 255 && strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(" ._-:/()#,@[]+=&;{}!$*", r)
	}) < 0
}

// setGroup makes a group, or replaces its rules in one commit. The caller holds change.
func (s *Service) setGroup(ctx context.Context, g SecurityGroup, besides ...edit) error {
	err := s.make(append(besides, put(s.groups, g.GroupID, g)), func() error {
		return s.onVPC(g.VpcID, func(v *netlab.VPC) error { return v.SetSecurityGroup(ctx, g.spec()) })
	})
	if err == nil {
		s.Events.Publish(events.Event{Type: events.GroupChanged, VPC: g.VpcID, Name: g.GroupID})
	}
	return err
}

// spec is the group as the kernel's rules are made from. Rules have been checked when they were authorized.
func (g SecurityGroup) spec() netlab.SecurityGroupSpec {
	spec := netlab.SecurityGroupSpec{ID: g.GroupID, Egress: []netlab.Rule{}} // nil would let everything out
	for _, r := range g.Rules {
		switch {
		case r.isIPv6():
		case r.IsEgress:
			spec.Egress = append(spec.Egress, r.Rule())
		default:
			spec.Ingress = append(spec.Ingress, r.Rule())
		}
	}
	return spec
}

// showGroup adds what is not in the record. The caller holds mu or change.
func (s *Service) showGroup(g SecurityGroup) SecurityGroup {
	g.OwnerID, g.Tags = s.Account, s.tags.all[g.GroupID]
	g.SecurityGroupARN = s.arn("security-group", g.GroupID)
	g.Rules = slices.Clone(g.Rules)
	for i, r := range g.Rules {
		g.Rules[i] = s.showRule(r)
	}
	return g
}

func (s *Service) arn(kind, id string) string {
	return fmt.Sprintf("arn:aws:ec2:%s:%s:%s/%s", s.Region, s.Account, kind, id)
}

// DescribeSecurityGroups shows groups.
func (s *Service) DescribeSecurityGroups(q Query) (Page[SecurityGroup], error) {
	s.mu.RLock()
	all := sortedValues(s.groups)
	for i, g := range all {
		all[i] = s.showGroup(g)
	}
	s.mu.RUnlock()
	return describe(groupKind(), all, q)
}

// DeleteSecurityGroup ends a group that no interface has and no other group's rule names.
func (s *Service) DeleteSecurityGroup(ctx context.Context, id string) error {
	if id == "" {
		return missing("GroupId")
	}
	s.change.Lock()
	defer s.change.Unlock()
	g, ok := s.groups.all[id]
	if !ok {
		return aGroup.unknown(id)
	}
	if g.isDefault() {
		return refuse(CannotDelete, "the specified group: \"%s\" name: \"default\" cannot be deleted by a user", id)
	}
	err := s.remove(s.dropGroup(g), func() error {
		return s.onVPC(g.VpcID, func(v *netlab.VPC) error { return v.RemoveSecurityGroup(ctx, id) })
	})
	if inUse(err) {
		return refuse(DependencyViolation, "resource %s has a dependent object", id)
	}
	if err != nil {
		return failed("Delete the security group", err)
	}
	s.Events.Publish(events.Event{Type: events.GroupDeleted, VPC: g.VpcID, Name: id})
	return nil
}

// dropGroup removes the records of a group.
func (s *Service) dropGroup(g SecurityGroup) []edit {
	return append(s.dropRuleTags(g.Rules), drop(s.groups, g.GroupID), drop(s.tags, g.GroupID))
}
