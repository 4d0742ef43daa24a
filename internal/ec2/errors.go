package ec2

import (
	"fmt"
	"strings"
)

// Code is an error code of the EC2 API.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
type Code string

// The codes that the control plane answers with.
const (
	AuthFailure                  Code = "AuthFailure"
	CannotDelete                 Code = "CannotDelete"
	DependencyViolation          Code = "DependencyViolation"
	FilterLimitExceeded          Code = "FilterLimitExceeded"
	InsufficientFreeAddresses    Code = "InsufficientFreeAddressesInSubnet"
	InternalError                Code = "InternalError"
	InvalidAttachmentNotFound    Code = "InvalidAttachmentID.NotFound"
	IdempotentParameterMismatch  Code = "IdempotentParameterMismatch"
	InvalidDhcpOptionsNotFound   Code = "InvalidDhcpOptionID.NotFound"
	InvalidGroupMalformed        Code = "InvalidGroupId.Malformed"
	InvalidInterfaceMalformed    Code = "InvalidNetworkInterfaceId.Malformed"
	InvalidNetworkACLNotFound    Code = "InvalidNetworkAclID.NotFound"
	InvalidRouteTableNotFound    Code = "InvalidRouteTableID.NotFound"
	InvalidRuleMalformed         Code = "InvalidSecurityGroupRuleId.Malformed"
	InvalidGroupDuplicate        Code = "InvalidGroup.Duplicate"
	InvalidGroupNotFound         Code = "InvalidGroup.NotFound"
	InvalidGroupReserved         Code = "InvalidGroup.Reserved"
	InvalidID                    Code = "InvalidID"
	InvalidIPAddressInUse        Code = "InvalidIPAddress.InUse"
	InvalidInterfaceNotFound     Code = "InvalidNetworkInterfaceID.NotFound"
	InvalidParameterCombination  Code = "InvalidParameterCombination"
	InvalidParameterValue        Code = "InvalidParameterValue"
	InvalidPermissionDuplicate   Code = "InvalidPermission.Duplicate"
	InvalidPermissionNotFound    Code = "InvalidPermission.NotFound"
	InvalidPrefixListNotFound    Code = "InvalidPrefixListID.NotFound"
	InvalidRuleNotFound          Code = "InvalidSecurityGroupRuleId.NotFound"
	InvalidSubnetConflict        Code = "InvalidSubnet.Conflict"
	InvalidSubnetNotFound        Code = "InvalidSubnetID.NotFound"
	InvalidSubnetRange           Code = "InvalidSubnet.Range"
	InvalidVpcNotFound           Code = "InvalidVpcID.NotFound"
	InvalidVpcRange              Code = "InvalidVpc.Range"
	MissingParameter             Code = "MissingParameter"
	OperationNotPermitted        Code = "OperationNotPermitted"
	RulesPerGroupLimitExceeded   Code = "RulesPerSecurityGroupLimitExceeded"
	SecurityGroupLimitExceeded   Code = "SecurityGroupLimitExceeded"
	SecurityGroupsPerENIExceeded Code = "SecurityGroupsPerInterfaceLimitExceeded"
	SubnetLimitExceeded          Code = "SubnetLimitExceeded"
	TagLimitExceeded             Code = "TagLimitExceeded"
	VpcLimitExceeded             Code = "VpcLimitExceeded"
)

// Error is a refusal of the control plane, in EC2's own words where EC2 has some.
type Error struct {
	Code    Code
	Message string
	cause   error
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Message) }
func (e *Error) Unwrap() error { return e.cause }

// ErrorCode is the code as the wire spells it.
func (e *Error) ErrorCode() string { return string(e.Code) }

// ErrorMessage is the message without the code.
func (e *Error) ErrorMessage() string { return e.Message }

// Status is the error's HTTP status: 500 if it is the lab's fault, else 400.
func (e *Error) Status() int {
	if e.Code == InternalError {
		return 500
	}
	return 400
}

func refuse(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// failed says that the lab could not do what it should.
func failed(what string, err error) error {
	return &Error{Code: InternalError, Message: fmt.Sprintf("%s: %v", what, err), cause: err}
}

func missing(parameter string) *Error {
	return refuse(MissingParameter, "The request must contain the parameter %s", parameter)
}

// resource is a kind of thing that has an id. A parameter is for one kind: an id that leads nowhere is refused by that kind's
// code, whatever the id looks like.
type resource struct {
	prefix    string
	notFound  Code
	sentence  string // with %s for the id
	malformed Code   // of an id with another beginning; empty: notFound as well
}

// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html; the sentence of malformed ids as in
// https://github.com/aws/aws-lambda-dotnet/issues/60
var (
	aVPC          = resource{prefix: "vpc-", notFound: InvalidVpcNotFound, sentence: "The vpc ID '%s' does not exist"}
	aSubnet       = resource{prefix: "subnet-", notFound: InvalidSubnetNotFound, sentence: "The subnet ID '%s' does not exist"}
	aGroup        = resource{"sg-", InvalidGroupNotFound, "The security group '%s' does not exist", InvalidGroupMalformed}
	aRule         = resource{"sgr-", InvalidRuleNotFound, "The security group rule ID '%s' does not exist", InvalidRuleMalformed}
	anInterface   = resource{"eni-", InvalidInterfaceNotFound, "The networkInterface ID '%s' does not exist", InvalidInterfaceMalformed}
	aRouteTable   = resource{prefix: "rtb-", notFound: InvalidRouteTableNotFound, sentence: "The routeTable ID '%s' does not exist"}
	aNetworkACL   = resource{prefix: "acl-", notFound: InvalidNetworkACLNotFound, sentence: "The networkAcl ID '%s' does not exist"}
	dhcpOptions   = resource{prefix: "dopt-", notFound: InvalidDhcpOptionsNotFound, sentence: "The dhcpOption ID '%s' does not exist"}
	aPrefixList   = resource{prefix: "pl-", notFound: InvalidPrefixListNotFound, sentence: "The prefix list ID '%s' does not exist"}
	everyResource = []resource{aVPC, aSubnet, aGroup, aRule, anInterface, aRouteTable, aNetworkACL, dhcpOptions, aPrefixList}
)

// unknown refuses an id that leads nowhere.
func (r resource) unknown(id string) *Error {
	if r.malformed != "" && !strings.HasPrefix(id, r.prefix) {
		return refuse(r.malformed, "Invalid id: \"%s\" (expecting \"%s...\")", id, r.prefix)
	}
	return refuse(r.notFound, r.sentence, id)
}

// unknownResource refuses an id that may be of any kind, as tags' may. What it should lead to shows in its beginning.
func unknownResource(id string) *Error {
	for _, r := range everyResource {
		if strings.HasPrefix(id, r.prefix) {
			return r.unknown(id)
		}
	}
	return refuse(InvalidID, "The ID '%s' is not valid", id)
}
