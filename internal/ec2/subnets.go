package ec2

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"enilab/internal/events"
	"enilab/netlab"
)

// Subnet is a subnet as DescribeSubnets shows it. Its state is always "available".
type Subnet struct {
	SubnetID         string
	VpcID            string
	CidrBlock        netip.Prefix
	AvailabilityZone string
	Declared         bool `json:",omitempty"` // by a topology: the lab's own addition

	// What is kept and shown without effect: nothing is launched in the lab.
	MapPublicIPOnLaunch    bool   `json:",omitempty"`
	PrivateDNSHostnameType string `json:",omitempty"` // "ip-name" or "resource-name"; empty means the former
	ResourceNameDNSARecord bool   `json:",omitempty"`

	AvailabilityZoneID      string            `json:"-"`
	AvailableIPAddressCount int               `json:"-"` // of the real subnet
	OwnerID                 string            `json:"-"`
	SubnetARN               string            `json:"-"`
	Tags                    map[string]string `json:"-"`
}

// HostnameType is what the names of instances would be made of.
func (v Subnet) HostnameType() string { return cmp.Or(v.PrivateDNSHostnameType, "ip-name") }

// CreateSubnetInput asks for a subnet.
type CreateSubnetInput struct {
	VpcID              string
	CidrBlock          string // IPv4, /16 to /28, in the VPC's
	AvailabilityZone   string // empty: the first, or that of
	AvailabilityZoneID string
	SubnetID           string // empty: a new one. To give it is the lab's own addition, as is
	Declared           bool   // for what a topology declares
	Tags               map[string]string
}

// subnetKind is how subnets are asked for.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSubnets.html
func subnetKind() kind[Subnet] {
	return kind[Subnet]{
		of:   aSubnet,
		id:   func(v Subnet) string { return v.SubnetID },
		tags: func(v Subnet) map[string]string { return v.Tags },
		attributes: attributes[Subnet]{
			"subnet-id":                       one(func(v Subnet) string { return v.SubnetID }),
			"subnet-arn":                      one(func(v Subnet) string { return v.SubnetARN }),
			"vpc-id":                          one(func(v Subnet) string { return v.VpcID }),
			"cidr-block":                      one(func(v Subnet) string { return v.CidrBlock.String() }),
			"cidr":                            one(func(v Subnet) string { return v.CidrBlock.String() }),
			"cidrBlock":                       one(func(v Subnet) string { return v.CidrBlock.String() }),
			"availability-zone":               one(func(v Subnet) string { return v.AvailabilityZone }),
			"availabilityZone":                one(func(v Subnet) string { return v.AvailabilityZone }),
			"availability-zone-id":            one(func(v Subnet) string { return v.AvailabilityZoneID }),
			"available-ip-address-count":      one(func(v Subnet) string { return strconv.Itoa(v.AvailableIPAddressCount) }),
			"owner-id":                        one(func(v Subnet) string { return v.OwnerID }),
			"state":                           same[Subnet]("available"),
			"default-for-az":                  same[Subnet]("false"),
			"map-public-ip-on-launch":         flag(func(v Subnet) bool { return v.MapPublicIPOnLaunch }),
			"enable-dns64":                    same[Subnet]("false"),
			"ipv6-native":                     same[Subnet]("false"),
			"map-customer-owned-ip-on-launch": same[Subnet]("false"),
			"customer-owned-ipv4-pool":        absent[Subnet],
			"enable-lni-at-device-index":      absent[Subnet],
			"outpost-arn":                     absent[Subnet],
			"ipv6-cidr-block-association.ipv6-cidr-block":                             absent[Subnet],
			"ipv6-cidr-block-association.association-id":                              absent[Subnet],
			"ipv6-cidr-block-association.state":                                       absent[Subnet],
			"private-dns-name-options-on-launch.hostname-type":                        one(Subnet.HostnameType),
			"private-dns-name-options-on-launch.enable-resource-name-dns-a-record":    flag(func(v Subnet) bool { return v.ResourceNameDNSARecord }),
			"private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record": same[Subnet]("false"),
		},
	}
}

// CreateSubnet makes a subnet in a VPC.
func (s *Service) CreateSubnet(in CreateSubnetInput) (Subnet, error) {
	var none Subnet
	if in.VpcID == "" {
		return none, missing("vpcId")
	}
	cidr, err := parseCIDR("cidrBlock", in.CidrBlock, InvalidSubnetRange)
	if err != nil {
		return none, err
	}
	zone, err := s.zone(in.AvailabilityZone, in.AvailabilityZoneID)
	if err != nil {
		return none, err
	}
	if err := checkTags(in.Tags); err != nil {
		return none, err
	}
	s.change.Lock()
	defer s.change.Unlock()
	vpc, ok := s.vpcs.all[in.VpcID]
	if !ok {
		return none, aVPC.unknown(in.VpcID)
	}
	id, err := newID(in.SubnetID, "subnet-", s.subnets)
	if err != nil {
		return none, err
	}
	siblings := 0
	for _, other := range s.subnets.all {
		if other.VpcID == vpc.VpcID {
			siblings++
		}
	}
	if !in.Declared && siblings >= s.Quotas.SubnetsPerVPC {
		return none, refuse(SubnetLimitExceeded, "The maximum number of subnets has been reached for the vpc '%s'.", vpc.VpcID)
	}
	sub := Subnet{SubnetID: id, VpcID: vpc.VpcID, CidrBlock: cidr, AvailabilityZone: zone, Declared: in.Declared}
	edits := []edit{put(s.subnets, id, sub), setTags(s, id, in.Tags)}
	// What the kernel's side would refuse must not be in the state for a moment: killed then, no lab would start from it.
	err = s.onVPC(vpc.VpcID, func(v *netlab.VPC) error { return v.CheckSubnet(sub.spec()) })
	if err == nil {
		err = s.make(edits, func() error {
			return s.onVPC(vpc.VpcID, func(v *netlab.VPC) error { return v.AddSubnet(sub.spec()) })
		})
	}
	switch {
	case errors.Is(err, netlab.ErrOverlap):
		return none, refuse(InvalidSubnetConflict, "The CIDR '%s' conflicts with another subnet", cidr)
	case errors.Is(err, netlab.ErrOutside):
		return none, refuse(InvalidSubnetRange, "The CIDR '%s' is invalid.", cidr)
	case err != nil:
		return none, failed("Create the subnet", err)
	}
	s.Events.Publish(events.Event{Type: events.SubnetCreated, VPC: vpc.VpcID, Subnet: id, State: "available"})
	return s.showSubnet(sub), nil
}

func (v Subnet) spec() netlab.SubnetSpec {
	return netlab.SubnetSpec{ID: v.SubnetID, CIDR: v.CidrBlock, AZ: v.AvailabilityZone}
}

// onVPC does something with a VPC in the kernel.
func (s *Service) onVPC(id string, do func(*netlab.VPC) error) error {
	v := s.Network.VPC(id)
	if v == nil {
		return fmt.Errorf("vpc %s: it is not in the kernel", id)
	}
	return do(v)
}

// showSubnet adds what is not in the record. The caller holds mu or change.
func (s *Service) showSubnet(v Subnet) Subnet {
	v.AvailabilityZoneID, v.OwnerID, v.Tags = s.zoneID(v.AvailabilityZone), s.Account, s.tags.all[v.SubnetID]
	v.SubnetARN = fmt.Sprintf("arn:aws:ec2:%s:%s:subnet/%s", s.Region, s.Account, v.SubnetID)
	if vpc := s.Network.VPC(v.VpcID); vpc != nil {
		_, used, capacity, _ := vpc.Subnet(v.SubnetID)
		v.AvailableIPAddressCount = capacity - used
	}
	return v
}

// DescribeSubnets shows subnets.
func (s *Service) DescribeSubnets(q Query) (Page[Subnet], error) {
	s.mu.RLock()
	all := sortedValues(s.subnets)
	for i, v := range all {
		all[i] = s.showSubnet(v)
	}
	s.mu.RUnlock()
	return describe(subnetKind(), all, q)
}

// ModifySubnetAttributeInput changes what is not nil.
type ModifySubnetAttributeInput struct {
	SubnetID               string
	MapPublicIPOnLaunch    *bool
	PrivateDNSHostnameType *string // "ip-name" or "resource-name"
	ResourceNameDNSARecord *bool
}

// ModifySubnetAttribute changes a subnet's attributes, which the lab keeps and shows and does nothing about.
func (s *Service) ModifySubnetAttribute(in ModifySubnetAttributeInput) error {
	if in.SubnetID == "" {
		return missing("subnetId")
	}
	s.change.Lock()
	defer s.change.Unlock()
	v, ok := s.subnets.all[in.SubnetID]
	if !ok {
		return aSubnet.unknown(in.SubnetID)
	}
	if in.MapPublicIPOnLaunch != nil {
		v.MapPublicIPOnLaunch = *in.MapPublicIPOnLaunch
	}
	if in.PrivateDNSHostnameType != nil {
		if v.PrivateDNSHostnameType = *in.PrivateDNSHostnameType; v.PrivateDNSHostnameType != "ip-name" && v.PrivateDNSHostnameType != "resource-name" {
			return refuse(InvalidParameterValue, "Value (%s) for parameter privateDnsHostnameTypeOnLaunch is invalid. It is ip-name or resource-name.", v.PrivateDNSHostnameType)
		}
	}
	if in.ResourceNameDNSARecord != nil {
		v.ResourceNameDNSARecord = *in.ResourceNameDNSARecord
	}
	return s.record("Modify the subnet's attribute", put(s.subnets, v.SubnetID, v))
}

// DeleteSubnet ends a subnet once no interface is in it.
func (s *Service) DeleteSubnet(id string) error {
	s.change.Lock()
	defer s.change.Unlock()
	sub, ok := s.subnets.all[id]
	if !ok {
		return aSubnet.unknown(id)
	}
	err := s.remove([]edit{drop(s.subnets, id), drop(s.tags, id)}, func() error {
		return s.onVPC(sub.VpcID, func(v *netlab.VPC) error { return v.RemoveSubnet(id) })
	})
	if inUse(err) {
		return refuse(DependencyViolation, "The subnet '%s' has dependencies and cannot be deleted.", id)
	}
	if err != nil {
		return failed("Delete the subnet", err)
	}
	s.Events.Publish(events.Event{Type: events.SubnetDeleted, VPC: sub.VpcID, Subnet: id})
	return nil
}

// zone finds an availability zone by name or id; the first if neither is given.
func (s *Service) zone(name, id string) (string, error) {
	switch {
	case name != "" && id != "":
		return "", refuse(InvalidParameterCombination, "You cannot specify both availabilityZone and availabilityZoneId")
	case name == "" && id == "":
		return s.AZs[0], nil
	}
	at := slices.IndexFunc(s.AZs, func(z string) bool { return z == name || s.zoneID(z) == id })
	if at < 0 {
		return "", refuse(InvalidParameterValue, "Value (%s) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: %s.", cmp.Or(name, id), strings.Join(s.AZs, ", "))
	}
	return s.AZs[at], nil
}
