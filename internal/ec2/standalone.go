package ec2

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"enilab/internal/events"
	"enilab/netlab"
)

// standalone is the record of an interface that a customer made. Nobody owns its other end: the lab has no instances to
// attach it to.
type standalone struct {
	ID          string
	VpcID       string
	SubnetID    string
	Description string `json:",omitempty"`
	Groups      []string
	Address     netip.Addr
	Declared    bool `json:",omitempty"`

	ClientToken string `json:",omitempty"` // of the request that made it, as is
	Request     string `json:",omitempty"` // the sum of what it asked for
}

func (r standalone) spec() netlab.InterfaceSpec {
	return netlab.InterfaceSpec{ID: r.ID, Description: r.Description, Subnet: r.SubnetID, SecurityGroups: r.Groups, Address: r.Address}
}

// CreateNetworkInterfaceInput asks for an interface.
type CreateNetworkInterfaceInput struct {
	SubnetID           string
	Description        string
	Groups             []string   // ids; nil: the VPC's default group
	PrivateIPAddress   netip.Addr // zero: the next free one
	NetworkInterfaceID string     // empty: a new one. To give it is the lab's own addition, as is
	Declared           bool       // for what a topology declares
	Tags               map[string]string
	ClientToken        string // whoever asks again with the same token gets what the first request made; empty: none
}

// sum tells requests apart that have the same token.
func (in CreateNetworkInterfaceInput) sum() (string, error) {
	text, err := json.Marshal(in)
	return fmt.Sprintf("%x", sha256.Sum256(text)), err
}

// CreateNetworkInterface reserves an address and makes the link in the VPC, which nothing is attached to.
func (s *Service) CreateNetworkInterface(ctx context.Context, in CreateNetworkInterfaceInput) (NetworkInterface, error) {
	var none NetworkInterface
	if in.SubnetID == "" {
		return none, missing("subnetId")
	}
	if err := checkDescription(in.Description); err != nil {
		return none, err
	}
	if err := checkTags(in.Tags); err != nil {
		return none, err
	}
	sum, err := in.sum()
	if err != nil {
		return none, failed("Create the network interface", err)
	}
	s.change.Lock()
	defer s.change.Unlock()
	if i, err := s.madeBefore(in.ClientToken, sum); i != nil || err != nil {
		return s.showOr(i, err)
	}
	sub, ok := s.subnets.all[in.SubnetID]
	if !ok {
		return none, aSubnet.unknown(in.SubnetID)
	}
	id, err := newID(in.NetworkInterfaceID, "eni-", s.interfaces)
	if err != nil {
		return none, err
	}
	if _, other := s.interfaceByID(id); other != nil {
		return none, refuse(InvalidParameterValue, "Value (%s) for an ID is invalid: there is one already", id)
	}
	groups, err := s.groupsFor(in.Groups, sub.VpcID)
	if err != nil {
		return none, err
	}
	if err := s.checkAddress(in.PrivateIPAddress, sub); err != nil {
		return none, err
	}
	vpc := s.Network.VPC(sub.VpcID)
	if vpc == nil {
		return none, failed("Create the network interface", errors.New("its VPC is not in the kernel"))
	}
	rec := standalone{ID: id, VpcID: sub.VpcID, SubnetID: sub.SubnetID, Description: in.Description, Groups: groups, Address: in.PrivateIPAddress, Declared: in.Declared}
	if in.ClientToken != "" {
		rec.ClientToken, rec.Request = in.ClientToken, sum
	}
	// Until it has a link, the interface is but a line in the network's books: that comes before the state, which is to
	// know the address.
	i, err := vpc.NewInterface(ctx, rec.spec())
	switch {
	case errors.Is(err, netlab.ErrSubnetFull):
		return none, refuse(InsufficientFreeAddresses, "The specified subnet does not have enough free addresses to satisfy the request.")
	case err != nil && in.PrivateIPAddress.IsValid() && s.taken(in.PrivateIPAddress, sub):
		return none, addressInUse(in.PrivateIPAddress)
	case err != nil:
		return none, failed("Create the network interface", err)
	}
	rec.Address = i.Address
	if err := s.make([]edit{put(s.interfaces, id, rec), setTags(s, id, in.Tags)}, i.Create); err != nil {
		return none, errors.Join(failed("Create the network interface", err), i.Delete())
	}
	s.Events.Publish(events.Event{Type: events.ENICreated, ENI: id, VPC: sub.VpcID, Subnet: sub.SubnetID, State: "available"})
	return s.showInterface(sub.VpcID, i), nil
}

// madeBefore finds what a former request with the same token has made; nil if there was none, or what it made is gone. The
// caller holds change.
// https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html
func (s *Service) madeBefore(token, sum string) (*netlab.Interface, error) {
	if token == "" {
		return nil, nil
	}
	if len(token) > 64 {
		return nil, refuse(InvalidParameterValue, "Value (%s) for parameter clientToken is invalid. It has up to 64 characters.", token)
	}
	for _, rec := range s.interfaces.all {
		if rec.ClientToken != token {
			continue
		}
		if rec.Request != sum {
			return nil, refuse(IdempotentParameterMismatch, "The client token that you have provided is associated with a request that has different parameters.")
		}
		_, i := s.interfaceByID(rec.ID)
		return i, nil
	}
	return nil, nil
}

func (s *Service) showOr(i *netlab.Interface, err error) (NetworkInterface, error) {
	if err != nil {
		return NetworkInterface{}, err
	}
	vpc, _ := s.interfaceByID(i.ID)
	return s.showInterface(vpc, i), nil
}

// groupsFor checks the groups of a new interface. The caller holds change.
func (s *Service) groupsFor(ids []string, vpc string) ([]string, error) {
	if len(ids) > maxGroupsPerInterface {
		return nil, refuse(SecurityGroupsPerENIExceeded, "The maximum number of security groups per interface has been reached.")
	}
	for _, id := range ids {
		if g, err := s.group(id); err != nil {
			return nil, err
		} else if g.VpcID != vpc {
			return nil, refuse(InvalidParameterValue, "You have specified two resources that belong to different networks.")
		}
	}
	if len(ids) > 0 {
		return ids, nil
	}
	for _, g := range s.groups.all {
		if g.VpcID == vpc && g.isDefault() {
			return []string{g.GroupID}, nil
		}
	}
	return nil, missing("securityGroupId") // only if the state has lost the default group
}

func (s *Service) checkAddress(a netip.Addr, sub Subnet) error {
	switch {
	case !a.IsValid():
		return nil
	case !sub.CidrBlock.Contains(a):
		return refuse(InvalidParameterValue, "Address does not fall within the subnet's address range")
	case netlab.NewAllocator(sub.CidrBlock).TakeExact(a) != nil:
		return refuse(InvalidParameterValue, "Address is in subnet's reserved address range")
	case s.taken(a, sub):
		return addressInUse(a)
	}
	return nil
}

func (s *Service) taken(a netip.Addr, sub Subnet) bool {
	_, other := s.findInterface(func(i *netlab.Interface) bool { return i.Subnet.ID == sub.SubnetID && i.Address == a })
	return other != nil
}

func addressInUse(a netip.Addr) error {
	return refuse(InvalidIPAddressInUse, "Address %s is in use.", a)
}

// DeleteNetworkInterface ends an interface that nothing is attached to.
func (s *Service) DeleteNetworkInterface(id string) error {
	if id == "" {
		return missing("networkInterfaceId")
	}
	s.change.Lock()
	defer s.change.Unlock()
	vpc, i := s.interfaceByID(id)
	if i == nil {
		return anInterface.unknown(id)
	}
	if _, own := s.interfaces.all[id]; !own || i.Attachment.ID != "" {
		return refuse(InvalidParameterValue, "Network interface '%s' is currently in use.", id)
	}
	if err := s.remove([]edit{drop(s.interfaces, id), drop(s.tags, id)}, i.Delete); err != nil {
		return failed("Delete the network interface", err)
	}
	s.Events.Publish(events.Event{Type: events.ENIDeleted, ENI: id, VPC: vpc, Subnet: i.Subnet.ID})
	return nil
}

// DetachNetworkInterface refuses: whatever is attached in the lab belongs to a service or is a server's only interface.
//
// A Hyperplane ENI's attachment is the service's. That of a legacy environment was in an account of Lambda's own, and AWS
// answered customers who tried, by force or not, with AuthFailure: only Lambda detached it, some time after the
// environment had ended.
func (s *Service) DetachNetworkInterface(attachment string) error {
	if attachment == "" {
		return missing("attachmentId")
	}
	if strings.HasPrefix(attachment, "ela-attach-") {
		return refuse(OperationNotPermitted, "You are not allowed to manage 'ela-attach' attachments.")
	}
	_, i := s.findInterface(func(i *netlab.Interface) bool { return i.Attachment.ID == attachment })
	switch {
	case i == nil:
		return refuse(InvalidAttachmentNotFound, "The attachment '%s' does not exist", attachment)
	case i.Attachment.InstanceOwner != "" && i.Attachment.InstanceOwner != s.Account:
		return refuse(AuthFailure, "You do not have permission to access the specified resource.")
	}
	return refuse(OperationNotPermitted, "The network interface at device index %d cannot be detached.", i.Attachment.DeviceIndex)
}

// ModifyNetworkInterfaceAttributeInput changes what is not nil.
type ModifyNetworkInterfaceAttributeInput struct {
	NetworkInterfaceID string
	Description        *string
	Groups             []string // ids
}

// ModifyNetworkInterfaceAttribute changes an interface that a customer made. Lambda's are its own, and a server's are as its
// topology declares.
func (s *Service) ModifyNetworkInterfaceAttribute(ctx context.Context, in ModifyNetworkInterfaceAttributeInput) error {
	if in.NetworkInterfaceID == "" {
		return missing("networkInterfaceId")
	}
	s.change.Lock()
	defer s.change.Unlock()
	vpc, i := s.interfaceByID(in.NetworkInterfaceID)
	if i == nil {
		return anInterface.unknown(in.NetworkInterfaceID)
	}
	rec, own := s.interfaces.all[i.ID]
	switch {
	case !own && i.Attachment.InstanceOwner != "" && i.Attachment.InstanceOwner != s.Account:
		return refuse(OperationNotPermitted, "You are not allowed to modify network interface '%s': it is Lambda's.", i.ID)
	case !own:
		return refuse(OperationNotPermitted, "You are not allowed to modify network interface '%s': it is a server's. Change the server in its topology.", i.ID)
	}
	if in.Description != nil {
		if err := checkDescription(*in.Description); err != nil {
			return err
		}
		rec.Description = *in.Description
	}
	if in.Groups == nil {
		return s.record("Modify the network interface", put(s.interfaces, i.ID, rec))
	}
	groups, err := s.groupsFor(in.Groups, vpc)
	if err != nil {
		return err
	}
	rec.Groups = groups
	if err := s.make([]edit{put(s.interfaces, i.ID, rec)}, func() error { return i.SetGroups(ctx, groups) }); err != nil {
		return failed("Modify the network interface", err)
	}
	return nil
}

func checkDescription(text string) error {
	if len(text) > 255 {
		return refuse(InvalidParameterValue, "Invalid network interface description. Valid descriptions are strings less than 256 characters.")
	}
	return nil
}
