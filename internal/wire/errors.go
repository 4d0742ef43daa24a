package wire

import (
	"errors"
	"fmt"
)

// APIError is an error that a client gets to see: code and message as they are, with the HTTP status. A method
// ErrorReason() string besides gives the Reason that some of Lambda's errors have.
type APIError interface {
	error
	// ErrorCode is such as "DependencyViolation".
	ErrorCode() string
	// ErrorMessage is the message without the code.
	ErrorMessage() string
	// Status is that of HTTP.
	Status() int
}

// Error is an [APIError] for those who have none of their own.
type Error struct {
	Code       string
	Message    string
	Reason     string // of Lambda's TooManyRequestsException; empty means none
	HTTPStatus int    // zero means 400
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Message) }

// ErrorCode is the code.
func (e *Error) ErrorCode() string { return e.Code }

// ErrorMessage is the message without the code.
func (e *Error) ErrorMessage() string { return e.Message }

// ErrorReason is the reason, if there is one.
func (e *Error) ErrorReason() string { return e.Reason }

// Status is the HTTP status.
func (e *Error) Status() int {
	if e.HTTPStatus == 0 {
		return 400
	}
	return e.HTTPStatus
}

// What Authorize says of temporary credentials.
var (
	ErrUnknownToken = errors.New("the security token is invalid")
	ErrExpiredToken = errors.New("the security token is expired")
)

// fault is what the server itself refuses, whatever the operation.
type fault int

const (
	unknownOperation fault = iota
	missingValue           // EC2's
	invalidValue           // not what the model says
	badValue
	unknownMember // what the operation has no place for
	tooLarge
	tooSlow
	tooMany
	internalFailure
	noSignature
	badAuthorization
	unknownKey
	badSignature
	expired
	expiredToken
	badOrigin
	accessDenied
)

// faults are the faults in each protocol's words.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
// https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
// https://docs.aws.amazon.com/lambda/latest/api/CommonErrors.html
var faults = map[Protocol]map[fault]Error{
	RestJSON: {
		unknownOperation: {Code: "UnknownOperationException", HTTPStatus: 404},
		invalidValue:     {Code: "ValidationException"},
		badValue:         {Code: "SerializationException"},
		unknownMember:    {Code: "InvalidParameterValueException"},
		tooLarge:         {Code: "RequestEntityTooLargeException", HTTPStatus: 413},
		tooSlow:          {Code: "RequestTimeoutException", HTTPStatus: 408},
		tooMany:          {Code: "TooManyRequestsException", HTTPStatus: 429, Reason: "CallerRateLimitExceeded"},
		internalFailure:  {Code: "ServiceException", HTTPStatus: 500},
		noSignature:      {Code: "MissingAuthenticationTokenException", HTTPStatus: 403},
		badAuthorization: {Code: "IncompleteSignatureException", HTTPStatus: 403},
		unknownKey:       {Code: "UnrecognizedClientException", HTTPStatus: 403},
		badSignature:     {Code: "InvalidSignatureException", HTTPStatus: 403},
		expired:          {Code: "InvalidSignatureException", HTTPStatus: 403},
		expiredToken:     {Code: "ExpiredTokenException", HTTPStatus: 403},
		badOrigin:        {Code: "AccessDeniedException", HTTPStatus: 403},
		accessDenied:     {Code: "AccessDeniedException", HTTPStatus: 403},
	},
	Query: {
		unknownOperation: {Code: "InvalidAction"},
		invalidValue:     {Code: "ValidationError"},
		badValue:         {Code: "MalformedInput"},
		unknownMember:    {Code: "InvalidQueryParameter"},
		tooLarge:         {Code: "RequestEntityTooLarge", HTTPStatus: 413},
		tooSlow:          {Code: "RequestTimeout", HTTPStatus: 408},
		tooMany:          {Code: "Throttling"},
		internalFailure:  {Code: "InternalFailure", HTTPStatus: 500},
		noSignature:      {Code: "MissingAuthenticationToken", HTTPStatus: 403},
		badAuthorization: {Code: "IncompleteSignature"},
		unknownKey:       {Code: "InvalidClientTokenId", HTTPStatus: 403},
		badSignature:     {Code: "SignatureDoesNotMatch", HTTPStatus: 403},
		expired:          {Code: "SignatureDoesNotMatch", HTTPStatus: 403},
		expiredToken:     {Code: "ExpiredToken", HTTPStatus: 403},
		badOrigin:        {Code: "AccessDenied", HTTPStatus: 403},
		accessDenied:     {Code: "AccessDenied", HTTPStatus: 403},
	},
	EC2Query: {
		unknownOperation: {Code: "InvalidAction"},
		missingValue:     {Code: "MissingParameter"},
		badValue:         {Code: "InvalidParameterValue"},
		unknownMember:    {Code: "UnknownParameter"},
		tooLarge:         {Code: "RequestEntityTooLarge", HTTPStatus: 413},
		tooSlow:          {Code: "RequestTimeout", HTTPStatus: 408},
		tooMany:          {Code: "RequestLimitExceeded", HTTPStatus: 503},
		internalFailure:  {Code: "InternalFailure", HTTPStatus: 500},
		noSignature:      {Code: "MissingAuthenticationToken", HTTPStatus: 403},
		badAuthorization: {Code: "IncompleteSignature"},
		unknownKey:       {Code: "AuthFailure", HTTPStatus: 401},
		badSignature:     {Code: "SignatureDoesNotMatch", HTTPStatus: 403},
		expired:          {Code: "RequestExpired"},
		expiredToken:     {Code: "RequestExpired"},
		badOrigin:        {Code: "UnauthorizedOperation", HTTPStatus: 403},
		accessDenied:     {Code: "UnauthorizedOperation", HTTPStatus: 403},
	},
}

func (p Protocol) refuse(f fault, format string, args ...any) *Error {
	e := faults[p][f]
	e.Message = fmt.Sprintf(format, args...)
	return &e
}
