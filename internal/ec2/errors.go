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
	InvalidGroupDuplicate        Code = "InvalidGroup.Duplicate"
	InvalidGroupNotFound         Code = "InvalidGroup.NotFound"
	InvalidGroupReserved         Code = "InvalidGroup.Reserved"
	InvalidID                    Code = "InvalidID"
	InvalidIPAddressInUse        Code = "InvalidIPAddress.InUse"
	InvalidInterfaceNotFound     Code = "InvalidNetworkInterfaceID.NotFound"
	InvalidNextToken             Code = "InvalidNextToken"
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

// notFound tells of an id that leads nowhere. What it should lead to shows in its beginning.
func notFound(id string) *Error {
	switch kind, _, _ := strings.Cut(id, "-"); kind {
	case "vpc":
		return refuse(InvalidVpcNotFound, "The vpc ID '%s' does not exist", id)
	case "subnet":
		return refuse(InvalidSubnetNotFound, "The subnet ID '%s' does not exist", id)
	case "sg":
		return refuse(InvalidGroupNotFound, "The security group '%s' does not exist", id)
	case "sgr":
		return refuse(InvalidRuleNotFound, "The security group rule ID '%s' does not exist", id)
	case "eni":
		return refuse(InvalidInterfaceNotFound, "The networkInterface ID '%s' does not exist", id)
	}
	return refuse(InvalidID, "The ID '%s' is not valid", id)
}
