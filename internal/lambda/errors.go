package lambda

import (
	"errors"
	"fmt"
)

// Code is an error code of the Lambda API.
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_Errors
type Code string

// The codes that the control plane answers with.
const (
	InvalidParameterValue  Code = "InvalidParameterValueException"
	ValidationException    Code = "ValidationException"
	ResourceNotFound       Code = "ResourceNotFoundException"
	ResourceConflict       Code = "ResourceConflictException"
	PreconditionFailed     Code = "PreconditionFailedException"
	RequestTooLarge        Code = "RequestTooLargeException"
	RequestEntityTooLarge  Code = "RequestEntityTooLargeException"
	TooManyRequests        Code = "TooManyRequestsException"
	ResourceNotReady       Code = "ResourceNotReadyException"
	SubnetIPAddressLimit   Code = "SubnetIPAddressLimitReachedException"
	ENILimitReached        Code = "ENILimitReachedException"
	EC2Throttled           Code = "EC2ThrottledException"
	AccessDenied           Code = "AccessDeniedException"
	EC2AccessDenied        Code = "EC2AccessDeniedException"
	InvalidSubnetID        Code = "InvalidSubnetIDException"
	InvalidSecurityGroupID Code = "InvalidSecurityGroupIDException"
	ServiceException       Code = "ServiceException"
	PolicyLengthExceeded   Code = "PolicyLengthExceededException"
	InvalidRequestContent  Code = "InvalidRequestContentException"
	EC2UnexpectedException Code = "EC2UnexpectedException"
)

// statuses are the HTTP statuses of the codes, as the API's model has them; 500 for the rest.
var statuses = map[Code]int{
	InvalidParameterValue: 400, ValidationException: 400, InvalidRequestContent: 400, AccessDenied: 403,
	ResourceNotFound: 404, ResourceConflict: 409, PreconditionFailed: 412, PolicyLengthExceeded: 400, RequestTooLarge: 413, RequestEntityTooLarge: 413, TooManyRequests: 429,
	SubnetIPAddressLimit: 502, ENILimitReached: 502, EC2Throttled: 502, EC2AccessDenied: 502, InvalidSubnetID: 502,
	InvalidSecurityGroupID: 502, EC2UnexpectedException: 502, ResourceNotReady: 502,
}

// The reasons of a TooManyRequestsException.
const (
	ThrottledByReservation = "ReservedFunctionConcurrentInvocationLimitExceeded"
	ThrottledByAccount     = "ConcurrentInvocationLimitExceeded"
)

// Error is a refusal of the control plane. A function that fails is not one: Invoke then succeeds and says so in
// InvokeOutput.FunctionError.
type Error struct {
	Code    Code
	Message string
	Reason  string // of a TooManyRequestsException
	cause   error
	secret  bool // the cause is in the text, and not in the message
}

// Error is for the log, and for the lab's owner. What a client of AWS is told is the message.
func (e *Error) Error() string {
	if e.secret {
		return fmt.Sprintf("%s: %s %v", e.Code, e.Message, e.cause)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

func (e *Error) Unwrap() error { return e.cause }

// ErrorCode is the code, for a wire front.
func (e *Error) ErrorCode() string { return string(e.Code) }

// ErrorMessage is the message without the code.
func (e *Error) ErrorMessage() string { return e.Message }

// ErrorReason is the reason of a TooManyRequestsException.
func (e *Error) ErrorReason() string { return e.Reason }

// Status is the error's HTTP status.
func (e *Error) Status() int {
	if s, ok := statuses[e.Code]; ok {
		return s
	}
	return 500
}

// refuse makes an Error; a %w in the format becomes its cause.
func refuse(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	e := &Error{Code: code, Message: err.Error()}
	if u, ok := err.(interface{ Unwrap() error }); ok {
		e.cause = u.Unwrap()
	}
	return e
}

// conceal makes an Error whose cause is no client's business: it has the kernel's words, or the host's paths.
func conceal(code Code, cause error, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), cause: cause, secret: true}
}

// codeOf is the code of an error of the control plane; empty for others.
func codeOf(err error) Code {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Code
	}
	return ""
}
