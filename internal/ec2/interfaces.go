package ec2

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"

	"enilab/netlab"
)

// NetworkInterface is an interface as DescribeNetworkInterfaces shows it, whoever made it: it is read from the network
// itself, so that it is in the list exactly while it is there.
type NetworkInterface struct {
	NetworkInterfaceID string
	SubnetID           string
	VpcID              string
	AvailabilityZone   string
	AvailabilityZoneID string
	Description        string
	OwnerID            string
	RequesterID        string // empty: nobody but the account
	RequesterManaged   bool   // false for Lambda's, too, as in AWS's records
	Status             string // "available" or "in-use"
	MACAddress         string
	PrivateIPAddress   netip.Addr
	PrivateDNSName     string
	SourceDestCheck    bool
	Groups             []GroupIdentifier
	Attachment         *NetworkInterfaceAttachment // nil: available
	InterfaceType      string                      // "interface" or "lambda"
	Tags               map[string]string
	Declared           bool // by a topology: the lab's own addition
}

// GroupIdentifier names a security group.
type GroupIdentifier struct{ GroupID, GroupName string }

// NetworkInterfaceAttachment says to what an interface is attached. Its status is always "attached".
type NetworkInterfaceAttachment struct {
	AttachmentID        string // ela-attach-… is a service's own
	InstanceOwnerID     string // the account, "amazon-aws" (Hyperplane ENIs) or "aws-lambda" (legacy)
	DeviceIndex         int
	DeleteOnTermination bool
}

// interfaceKind is how interfaces are asked for.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeNetworkInterfaces.html
func interfaceKind() kind[NetworkInterface] {
	return kind[NetworkInterface]{
		of:   anInterface,
		id:   func(v NetworkInterface) string { return v.NetworkInterfaceID },
		tags: func(v NetworkInterface) map[string]string { return v.Tags },
		attributes: attributes[NetworkInterface]{
			"network-interface-id":             one(func(v NetworkInterface) string { return v.NetworkInterfaceID }),
			"subnet-id":                        one(func(v NetworkInterface) string { return v.SubnetID }),
			"vpc-id":                           one(func(v NetworkInterface) string { return v.VpcID }),
			"availability-zone":                one(func(v NetworkInterface) string { return v.AvailabilityZone }),
			"description":                      one(func(v NetworkInterface) string { return v.Description }),
			"owner-id":                         one(func(v NetworkInterface) string { return v.OwnerID }),
			"requester-id":                     one(func(v NetworkInterface) string { return v.RequesterID }),
			"requester-managed":                flag(func(v NetworkInterface) bool { return v.RequesterManaged }),
			"status":                           one(func(v NetworkInterface) string { return v.Status }),
			"mac-address":                      one(func(v NetworkInterface) string { return v.MACAddress }),
			"private-ip-address":               one(func(v NetworkInterface) string { return v.PrivateIPAddress.String() }),
			"private-dns-name":                 one(func(v NetworkInterface) string { return v.PrivateDNSName }),
			"addresses.private-ip-address":     one(func(v NetworkInterface) string { return v.PrivateIPAddress.String() }),
			"addresses.primary":                same[NetworkInterface]("true"),
			"source-dest-check":                flag(func(v NetworkInterface) bool { return v.SourceDestCheck }),
			"interface-type":                   one(func(v NetworkInterface) string { return v.InterfaceType }),
			"group-id":                         ofGroups(func(g GroupIdentifier) string { return g.GroupID }),
			"group-name":                       ofGroups(func(g GroupIdentifier) string { return g.GroupName }),
			"attachment.attachment-id":         ofAttachment(func(a NetworkInterfaceAttachment) string { return a.AttachmentID }),
			"attachment.instance-owner-id":     ofAttachment(func(a NetworkInterfaceAttachment) string { return a.InstanceOwnerID }),
			"attachment.device-index":          ofAttachment(func(a NetworkInterfaceAttachment) string { return strconv.Itoa(a.DeviceIndex) }),
			"attachment.delete-on-termination": ofAttachment(func(a NetworkInterfaceAttachment) string { return strconv.FormatBool(a.DeleteOnTermination) }),
			"attachment.status":                ofAttachment(func(NetworkInterfaceAttachment) string { return "attached" }),
			"attachment.instance-id":           absent[NetworkInterface],
			"attachment.attach-time":           absent[NetworkInterface],
			"availability-zone-id":             one(func(v NetworkInterface) string { return v.AvailabilityZoneID }),
			"operator.managed":                 same[NetworkInterface]("false"), // Lambda's were there before the notion
			"operator.principal":               absent[NetworkInterface],
			"ipv6-addresses.ipv6-address":      absent[NetworkInterface],
			"addresses.association.owner-id":   absent[NetworkInterface],
			"addresses.association.public-ip":  absent[NetworkInterface],
			"association.allocation-id":        absent[NetworkInterface],
			"association.association-id":       absent[NetworkInterface],
			"association.ip-owner-id":          absent[NetworkInterface],
			"association.public-ip":            absent[NetworkInterface],
			"association.public-dns-name":      absent[NetworkInterface],
		},
	}
}

func ofGroups(get func(GroupIdentifier) string) func(NetworkInterface) []string {
	return func(v NetworkInterface) (values []string) {
		for _, g := range v.Groups {
			values = append(values, get(g))
		}
		return values
	}
}

func ofAttachment(get func(NetworkInterfaceAttachment) string) func(NetworkInterface) []string {
	return func(v NetworkInterface) []string {
		if v.Attachment == nil {
			return nil
		}
		return []string{get(*v.Attachment)}
	}
}

// lambdaRole is the id of the role that Lambda makes interfaces in, as the requester of its interfaces shows it; its session
// is the account, as in https://github.com/hashicorp/terraform-provider-aws/issues/10329. Real ones differ from account to account.
const lambdaRole = "AROALAMBDAENILAB00000"

// DescribeNetworkInterfaces shows the interfaces of all VPCs: those of servers, Hyperplane ENIs, those of legacy
// environments, and those that stand alone.
func (s *Service) DescribeNetworkInterfaces(q Query) (Page[NetworkInterface], error) {
	var all []NetworkInterface
	s.mu.RLock()
	for id, vpc := range s.Network.VPCs() {
		for _, i := range vpc.Interfaces() {
			all = append(all, s.showInterface(id, i))
		}
	}
	s.mu.RUnlock()
	sortByID(interfaceKind(), all)
	return describe(interfaceKind(), all, q)
}

// showInterface describes an interface of the network. The caller holds mu or change.
func (s *Service) showInterface(vpc string, i *netlab.Interface) NetworkInterface {
	v := NetworkInterface{
		NetworkInterfaceID: i.ID, SubnetID: i.Subnet.ID, VpcID: vpc, AvailabilityZone: i.Subnet.AZ, AvailabilityZoneID: s.zoneID(i.Subnet.AZ), Description: i.Description,
		OwnerID: s.Account, Status: "available", MACAddress: i.MAC.String(), PrivateIPAddress: i.Address, SourceDestCheck: true,
		PrivateDNSName: s.privateDNSName(i.Address),
		InterfaceType:  i.Type, Tags: s.tags.all[i.ID], Declared: s.interfaces.all[i.ID].Declared,
	}
	groups := i.Groups()
	if rec, own := s.interfaces.all[i.ID]; own { // these may have been changed since it was made
		v.Description, groups = rec.Description, rec.Groups
	}
	for _, g := range groups {
		v.Groups = append(v.Groups, GroupIdentifier{g, s.groups.all[g].GroupName})
	}
	if a := i.Attachment; a.ID != "" {
		own := a.InstanceOwner == "" || a.InstanceOwner == s.Account // a server of the customer's
		v.Status = "in-use"
		v.Attachment = &NetworkInterfaceAttachment{
			AttachmentID: a.ID, InstanceOwnerID: cmp.Or(a.InstanceOwner, s.Account), DeviceIndex: a.DeviceIndex, DeleteOnTermination: own,
		}
		if !own {
			v.RequesterID = lambdaRole + ":" + s.Account
		}
	}
	return v
}

// interfaceByID finds an interface of the network.
func (s *Service) interfaceByID(id string) (vpc string, found *netlab.Interface) {
	return s.findInterface(func(i *netlab.Interface) bool { return i.ID == id })
}

func (s *Service) findInterface(is func(*netlab.Interface) bool) (vpc string, found *netlab.Interface) {
	for id, v := range s.Network.VPCs() {
		all := v.Interfaces()
		if at := slices.IndexFunc(all, is); at >= 0 {
			return id, all[at]
		}
	}
	return "", nil
}
