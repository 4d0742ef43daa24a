package lambda

import (
	"errors"
	"fmt"
	"strings"

	"enilab/netlab"
)

// failure is why EC2 would not give Lambda an interface. Legacy and shared mode meet the same failures; they differ in
// who learns of them: legacy's callers at Invoke, shared's owner when the function is created or changed.
type failure int

const (
	subnetFull failure = iota
	noSubnet
	noGroup
	noPermission
	limitReached
	throttled
)

// faces are what a failure looks like: in a function's state, and to the caller of Invoke.
// https://docs.aws.amazon.com/lambda/latest/api/API_FunctionConfiguration.html#lambda-Type-FunctionConfiguration-StateReasonCode
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_Errors
var faces = map[failure]struct {
	reason ReasonCode
	code   Code
	said   string
}{
	subnetFull:   {ReasonSubnetFull, SubnetIPAddressLimit, "Lambda was not able to set up VPC access for the Lambda function because one or more configured subnets has no available IP addresses."},
	noSubnet:     {ReasonInvalidSubnet, InvalidSubnetID, "The Subnet ID provided in the Lambda function VPC configuration is invalid."},
	noGroup:      {ReasonInvalidSecurityGroup, InvalidSecurityGroupID, "The Security Group ID provided in the Lambda function VPC configuration is invalid."},
	noPermission: {ReasonInsufficientRolePermissions, EC2AccessDenied, "Need additional permissions to configure VPC settings."},
	limitReached: {ReasonENILimitExceeded, ENILimitReached, "Lambda was not able to create an elastic network interface in the VPC, specified as part of Lambda function configuration, because the limit for network interfaces has been reached."},
	throttled:    {ReasonEC2RequestLimitExceeded, EC2Throttled, "Lambda was throttled by Amazon EC2 during Lambda function initialization using the execution role provided for the Lambda function."},
}

// The reasons for which a network could not be made.
const (
	ReasonENILimitExceeded            ReasonCode = "EniLimitExceeded"
	ReasonInsufficientRolePermissions ReasonCode = "InsufficientRolePermissions"
	ReasonInvalidSubnet               ReasonCode = "InvalidSubnet"
	ReasonInvalidSecurityGroup        ReasonCode = "InvalidSecurityGroup"
	ReasonEC2RequestLimitExceeded     ReasonCode = "EC2RequestLimitExceeded"
)

// interfaceError is a failure with what was tried on what, as clients are told, and what it met, as they are not.
type interfaceError struct {
	failure
	tried string
	cause error // nil: tried says all
}

func (e *interfaceError) Error() string {
	if e.cause == nil {
		return e.said()
	}
	return e.said() + " " + e.cause.Error()
}

func (e *interfaceError) Unwrap() error { return e.cause }

func (e *interfaceError) said() string { return faces[e.failure].said + " " + e.tried }

func fails(f failure, format string, args ...any) error {
	return &interfaceError{f, fmt.Sprintf(format, args...), nil}
}

// diagnose names the failure that an interface of a subnet and security groups met, if it has a name.
func diagnose(vpc *netlab.VPC, subnet string, groups []string, err error) error {
	if err == nil || errors.As(err, new(*interfaceError)) {
		return err
	}
	if errors.Is(err, netlab.ErrSubnetFull) {
		return &interfaceError{subnetFull, fmt.Sprintf("(subnet %s of VPC %s)", subnet, vpc.ID), err}
	}
	if _, _, _, ok := vpc.Subnet(subnet); !ok {
		return &interfaceError{noSubnet, fmt.Sprintf("(subnet %s of VPC %s)", subnet, vpc.ID), err}
	}
	for _, g := range groups {
		if !vpc.HasSecurityGroup(g) {
			return &interfaceError{noGroup, fmt.Sprintf("(security group %s of VPC %s)", g, vpc.ID), err}
		}
	}
	return err
}

// reasonFor tells why a network could not be made, in the words of a function's state.
func reasonFor(err error) ReasonCode {
	if e := (*interfaceError)(nil); errors.As(err, &e) {
		return faces[e.failure].reason
	}
	return ReasonInternalError
}

// reasonSaid is AWS's sentence for that. Of what went wrong in the lab itself clients learn no more: the log has it, and so has Cause.
func reasonSaid(err error) string {
	if e := (*interfaceError)(nil); errors.As(err, &e) {
		return faces[e.failure].said
	}
	return "An internal error occurred. The lab's log has the cause."
}

// attachError tells why an environment could not be connected, in the words of Invoke. What the kernel has said of it is in the
// log.
func attachError(c FunctionConfiguration, err error) error {
	if e := (*interfaceError)(nil); errors.As(err, &e) {
		return conceal(faces[e.failure].code, err, "%s", e.said())
	}
	to := "to no VPC"
	if c.VpcConfig.Attached() {
		to = fmt.Sprintf("to subnets %s of VPC %s", strings.Join(c.VpcConfig.SubnetIDs, ", "), c.VpcConfig.VpcID)
	}
	return conceal(EC2UnexpectedException, err, "Lambda received an unexpected Amazon EC2 client exception while setting up"+
		" for the Lambda function. An environment of %s could not be connected %s; the lab's log has the cause.", c.FunctionName, to)
}

// interfaceActions are what Lambda does to interfaces with the rights of the function's execution role.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
var interfaceActions = []string{"CreateNetworkInterface", "DescribeNetworkInterfaces", "DeleteNetworkInterface"}

// lacks names the first action that a role may not do; empty if it may do all. A function without a role may.
func (s *Service) lacks(role string) (action string, err error) {
	if s.Allowed == nil || role == "" {
		return "", nil
	}
	return Lacks(role, s.Allowed)
}

// Lacks names the first action on interfaces that a role may not do of those that Lambda does in its name; empty if it may
// do all.
func Lacks(role string, allowed func(role string, actions ...string) error) (action string, err error) {
	for _, action := range interfaceActions {
		if err := allowed(role, "ec2:"+action); err != nil {
			return action, err
		}
	}
	return "", nil
}

// checkRole refuses a function whose role does not let Lambda make its interfaces. In legacy mode nobody asks before the
// first environment needs one.
func (s *Service) checkRole(c FunctionConfiguration) error {
	if c.Mode != Shared || !c.VpcConfig.Attached() {
		return nil
	}
	if action, err := s.lacks(c.Role); err != nil {
		return refuse(InvalidParameterValue, "The provided execution role does not have permissions to call %s on EC2", action)
	}
	return nil
}

// permit is checkRole when it comes to making an interface.
func (s *Service) permit(role string) error {
	if action, err := s.lacks(role); err != nil {
		return fails(noPermission, "%s on EC2: %v", action, err)
	}
	return nil
}
