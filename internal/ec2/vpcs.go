package ec2

import (
	"context"
	"errors"
	"net/netip"
	"strings"

	"enilab/internal/events"
	"enilab/netlab"
)

// Vpc is a VPC as DescribeVpcs shows it. Its state is always "available", and none is the default VPC.
type Vpc struct {
	VpcID              string
	CidrBlock          netip.Prefix
	EnableDNSSupport   bool // kept and shown; a VPC of the lab has no resolver
	EnableDNSHostnames bool
	EnableMetrics      bool `json:",omitempty"` // EnableNetworkAddressUsageMetrics
	Declared           bool `json:",omitempty"` // by a topology: the lab's own addition

	OwnerID string            `json:"-"`
	Tags    map[string]string `json:"-"`
}

// CreateVpcInput asks for a VPC.
type CreateVpcInput struct {
	CidrBlock string // IPv4, /16 to /28
	VpcID     string // empty: a new one. To give it is the lab's own addition, as is
	Declared  bool   // for what a topology declares
	Tags      map[string]string
}

// CidrAssociationID is the id of the VPC's only range as one of the VPC.
func (v Vpc) CidrAssociationID() string {
	return "vpc-cidr-assoc-" + strings.TrimPrefix(v.VpcID, "vpc-")
}

// vpcKind is how VPCs are asked for.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVpcs.html
func vpcKind() kind[Vpc] {
	return kind[Vpc]{
		of:   aVPC,
		id:   func(v Vpc) string { return v.VpcID },
		tags: func(v Vpc) map[string]string { return v.Tags },
		attributes: attributes[Vpc]{
			"vpc-id":                                one(func(v Vpc) string { return v.VpcID }),
			"cidr":                                  one(func(v Vpc) string { return v.CidrBlock.String() }),
			"cidr-block-association.cidr-block":     one(func(v Vpc) string { return v.CidrBlock.String() }),
			"owner-id":                              one(func(v Vpc) string { return v.OwnerID }),
			"state":                                 same[Vpc]("available"),
			"dhcp-options-id":                       same[Vpc]("default"),
			"cidr-block-association.association-id": one(Vpc.CidrAssociationID),
			"cidr-block-association.state":          same[Vpc]("associated"),
			"ipv6-cidr-block-association.ipv6-cidr-block": absent[Vpc],
			"ipv6-cidr-block-association.ipv6-pool":       absent[Vpc],
			"ipv6-cidr-block-association.association-id":  absent[Vpc],
			"ipv6-cidr-block-association.state":           absent[Vpc],
			"is-default":                                  same[Vpc]("false"),
			"isDefault":                                   same[Vpc]("false"), // as EC2's older name
		},
	}
}

// CreateVpc makes a VPC with its default security group.
func (s *Service) CreateVpc(ctx context.Context, in CreateVpcInput) (Vpc, error) {
	var none Vpc
	cidr, err := parseCIDR("cidrBlock", in.CidrBlock, InvalidVpcRange)
	if err != nil {
		return none, err
	}
	if err := checkTags(in.Tags); err != nil {
		return none, err
	}
	s.change.Lock()
	defer s.change.Unlock()
	id, err := newID(in.VpcID, "vpc-", s.vpcs)
	if err != nil {
		return none, err
	}
	made := 0
	for _, other := range s.vpcs.all {
		if !other.Declared {
			made++
		}
	}
	if !in.Declared && made >= s.Quotas.VPCs {
		return none, refuse(VpcLimitExceeded, "The maximum number of VPCs has been reached.")
	}
	vpc := Vpc{VpcID: id, CidrBlock: cidr, EnableDNSSupport: true, Declared: in.Declared}
	group := newDefaultGroup(id)
	spec := netlab.VPCSpec{ID: id, CIDR: cidr, SecurityGroups: []netlab.SecurityGroupSpec{group.spec()}}
	if err := (netlab.Spec{VPCs: []netlab.VPCSpec{spec}}).Validate(); err != nil {
		return none, refuse(InvalidVpcRange, "The CIDR '%s' is invalid: %v", cidr, err)
	}
	edits := []edit{put(s.vpcs, id, vpc), put(s.groups, group.GroupID, group), setTags(s, id, in.Tags)}
	err = s.make(edits, func() error {
		_, err := s.Network.AddVPC(ctx, spec)
		return err
	})
	if err != nil {
		return none, failed("Create the VPC", err)
	}
	s.Events.Publish(events.Event{Type: events.VPCCreated, VPC: id, State: "available"})
	return s.showVpc(vpc), nil
}

// showVpc adds what is not in the record. The caller holds mu or change.
func (s *Service) showVpc(v Vpc) Vpc {
	v.OwnerID, v.Tags = s.Account, s.tags.all[v.VpcID]
	return v
}

// DescribeVpcs shows VPCs.
func (s *Service) DescribeVpcs(q Query) (Page[Vpc], error) {
	s.mu.RLock()
	all := sortedValues(s.vpcs)
	for i, v := range all {
		all[i] = s.showVpc(v)
	}
	s.mu.RUnlock()
	return describe(vpcKind(), all, q)
}

// DeleteVpc ends a VPC, with its default security group, once nothing else is in it.
func (s *Service) DeleteVpc(id string) error {
	s.change.Lock()
	defer s.change.Unlock()
	if _, ok := s.vpcs.all[id]; !ok {
		return aVPC.unknown(id)
	}
	edits := []edit{drop(s.vpcs, id), drop(s.tags, id), drop(s.tags, ofVPC("rtb-", id)), drop(s.tags, ofVPC("acl-", id))}
	inside := false // interfaces are in subnets
	for _, sub := range s.subnets.all {
		inside = inside || sub.VpcID == id
	}
	for _, g := range s.groups.all {
		if g.VpcID != id {
			continue
		}
		inside = inside || !g.isDefault()
		edits = append(edits, s.dropGroup(g)...)
	}
	if inside {
		return refuse(DependencyViolation, "The vpc '%s' has dependencies and cannot be deleted.", id)
	}
	if err := s.remove(edits, func() error { return s.Network.RemoveVPC(id) }); err != nil {
		return failed("Delete the VPC", err)
	}
	s.Events.Publish(events.Event{Type: events.VPCDeleted, VPC: id})
	return nil
}

// ModifyVpcAttributeInput changes what is not nil.
type ModifyVpcAttributeInput struct {
	VpcID              string
	EnableDNSSupport   *bool
	EnableDNSHostnames *bool
	EnableMetrics      *bool // EnableNetworkAddressUsageMetrics
}

// ModifyVpcAttribute changes a VPC's attributes, which the lab keeps and shows and does nothing about.
func (s *Service) ModifyVpcAttribute(in ModifyVpcAttributeInput) error {
	s.change.Lock()
	defer s.change.Unlock()
	v, ok := s.vpcs.all[in.VpcID]
	if !ok {
		return aVPC.unknown(in.VpcID)
	}
	if in.EnableDNSSupport != nil {
		v.EnableDNSSupport = *in.EnableDNSSupport
	}
	if in.EnableDNSHostnames != nil {
		v.EnableDNSHostnames = *in.EnableDNSHostnames
	}
	if in.EnableMetrics != nil {
		v.EnableMetrics = *in.EnableMetrics
	}
	return s.record("Modify the VPC's attribute", put(s.vpcs, v.VpcID, v))
}

// DescribeVpcAttribute shows the VPC whose attributes are asked for.
func (s *Service) DescribeVpcAttribute(id string) (Vpc, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	v, ok := s.vpcs.all[id]
	if !ok {
		return Vpc{}, aVPC.unknown(id)
	}
	return s.showVpc(v), nil
}

// parseCIDR reads an IPv4 range of /16 to /28, and sets host bits to zero as AWS does.
func parseCIDR(parameter, value string, outOfRange Code) (netip.Prefix, error) {
	if value == "" {
		return netip.Prefix{}, missing(parameter)
	}
	p, err := netip.ParsePrefix(value)
	if err != nil {
		return p, refuse(InvalidParameterValue, "Value (%s) for parameter %s is invalid. This is not a valid CIDR block.", value, parameter)
	}
	if !p.Addr().Is4() || p.Bits() < 16 || p.Bits() > 28 {
		return p, refuse(outOfRange, "The CIDR '%s' is invalid.", value)
	}
	return p.Masked(), nil
}

// inUse tells a refusal of the network because of what depends on it.
func inUse(err error) bool { return errors.Is(err, netlab.ErrInUse) }
