package iam

import "fmt"

// Code is an error code of the IAM API.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html#API_CreateRole_Errors
type Code string

// The codes that the control plane answers with.
const (
	NoSuchEntity            Code = "NoSuchEntity"
	EntityAlreadyExists     Code = "EntityAlreadyExists"
	DeleteConflict          Code = "DeleteConflict"
	LimitExceeded           Code = "LimitExceeded"
	MalformedPolicyDocument Code = "MalformedPolicyDocument"
	ValidationError         Code = "ValidationError"
	AccessDenied            Code = "AccessDenied"
	ServiceFailure          Code = "ServiceFailure"
	InvalidInput            Code = "InvalidInput"
	ExpiredToken            Code = "ExpiredToken"
	InvalidClientTokenID    Code = "InvalidClientTokenId"
	PackedPolicyTooLarge    Code = "PackedPolicyTooLarge"
)

// statuses are the HTTP statuses of the codes; 400 for the rest.
var statuses = map[Code]int{
	NoSuchEntity: 404, EntityAlreadyExists: 409, DeleteConflict: 409, LimitExceeded: 409, AccessDenied: 403, ServiceFailure: 500,
	ExpiredToken: 403, InvalidClientTokenID: 403,
}

// Error is a refusal of the control plane, in IAM's own words.
type Error struct {
	Code    Code
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Message) }

// ErrorCode is the code as the wire spells it.
func (e *Error) ErrorCode() string { return string(e.Code) }

// ErrorMessage is the message without the code.
func (e *Error) ErrorMessage() string { return e.Message }

// Status is the error's HTTP status.
func (e *Error) Status() int {
	if s, ok := statuses[e.Code]; ok {
		return s
	}
	return 400
}

func refuse(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
