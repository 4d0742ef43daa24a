package aws_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"enilab/internal/nstest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
)

// small has a subnet with eleven addresses.
const small = `
name: lab
store: STORE
vpcs:
  vpc-small:
    cidr: 10.0.0.0/16
    subnets:
      subnet-small: {cidr: 10.0.0.0/28}
    securityGroups:
      sg-app: {}
functions:
  old:
    code: go.zip
    mode: legacy
    timeout: 10s
    vpc: {subnets: [subnet-small], securityGroups: [sg-app]}
  new:
    code: go.zip
    mode: shared
    timeout: 10s
    vpc: {subnets: [subnet-small], securityGroups: [sg-app]}
`

// burst invokes a function so often at once that each needs an environment of its own, and counts the answers by error.
func (l *lab) burst(t *testing.T, function string, n int) map[string]int {
	t.Helper()
	var all sync.WaitGroup
	var mu sync.Mutex
	answers := map[string]int{}
	for range n {
		all.Go(func() {
			out, err := l.lambda().Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &function, Payload: []byte(`{"do":"sleep:1500ms"}`)})
			kind := "served"
			switch {
			case err != nil:
				kind = err.Error()
				if refusal := smithy.APIError(nil); errors.As(err, &refusal) {
					kind = refusal.ErrorCode()
				}
			case out.FunctionError != nil:
				kind = string(out.Payload)
			}
			mu.Lock()
			defer mu.Unlock()
			answers[kind]++
		})
	}
	all.Wait()
	return answers
}

// A /28 has eleven addresses. The shared function takes one of them for good, and serves any number at once; the legacy
// one runs out.
func TestBurstInASmallSubnet(t *testing.T) {
	t.Parallel()
	l := up(t, strings.ReplaceAll(small, "STORE", functions))
	if got := l.burst(t, "new", 20); got["served"] != 20 {
		t.Errorf("shared: %v", got)
	}
	if enis := l.inspect("enis"); len(enis) != 1 {
		t.Errorf("shared serves 20 with %d ENIs", len(enis))
	}
	try(l.lambda().DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: aws.String("new")}))(t)
	nstest.Eventually(t, 10*time.Second, func() error { return none(l.inspect("enis")) })

	got := l.burst(t, "old", 20)
	if got["served"] != 11 || got["SubnetIPAddressLimitReachedException"] != 9 {
		t.Errorf("legacy: %v; want 11 served and 9 refused with SubnetIPAddressLimitReachedException", got)
	}
}

// The same want of interfaces shows on Invoke in legacy mode, and in the function's state in shared mode.
func TestQuotaOfInterfaces(t *testing.T) {
	t.Parallel()
	l := up(t, `
name: lab
store: `+functions+`
quotas: {hyperplaneEnisPerVpc: 1, interfacesPerRegion: 1}
vpcs:
  vpc-one:
    cidr: 10.0.0.0/16
    subnets:
      subnet-a: {cidr: 10.0.1.0/24}
      subnet-b: {cidr: 10.0.2.0/24}
    securityGroups:
      sg-app: {}
functions:
  old:
    code: go.zip
    mode: legacy
    timeout: 10s
    vpc: {subnets: [subnet-a], securityGroups: [sg-app]}
`)
	role := l.role(t, "rich", true)
	if got := l.burst(t, "old", 3); got["served"] != 1 || got["ENILimitReachedException"] != 2 {
		t.Errorf("legacy: %v; want one served and two ENILimitReachedException", got)
	}
	try(l.create(t, "one", role, &types.VpcConfig{SubnetIds: []string{"subnet-a"}, SecurityGroupIds: []string{"sg-app"}}))(t)
	l.active(t, "one")
	try(l.create(t, "two", role, &types.VpcConfig{SubnetIds: []string{"subnet-b"}, SecurityGroupIds: []string{"sg-app"}}))(t)
	nstest.Eventually(t, 10*time.Second, func() error {
		c := try(l.lambda().GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: aws.String("two")}))(t)
		if c.State != types.StateFailed || c.StateReasonCode != types.StateReasonCodeEniLimitExceeded {
			return errorf("state %s %s", c.State, c.StateReasonCode)
		}
		return nil
	})
}

// A function that nobody invokes loses its ENI; the next invocation is told so, and has it made again.
func TestIdleFunctionBecomesInactive(t *testing.T) {
	t.Parallel()
	l := up(t, strings.ReplaceAll(small, "STORE", functions)+"quotas: {idle: 1s}\n")
	state := func() types.State {
		return try(l.lambda().GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: aws.String("new")}))(t).State
	}
	nstest.Eventually(t, 10*time.Second, func() error {
		if s := state(); s != types.StateInactive {
			return errorf("state %s", s)
		}
		return none(l.inspect("enis"))
	})
	_, err := l.lambda().Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("new")})
	refused(t, err, "ResourceNotReadyException")
	nstest.Eventually(t, 10*time.Second, func() error {
		out, err := l.lambda().Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("new")})
		if err == nil && out.FunctionError != nil {
			err = errorf("%s", out.Payload)
		}
		return err
	})
}

// In legacy mode the execution role is asked when an environment starts, in shared mode when the function is made.
func TestRoleWithoutRights(t *testing.T) {
	l := up(t, strings.ReplaceAll(small, "STORE", functions))
	poor := l.role(t, "poor", false)
	try(l.lambda().UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("old"), Role: &poor}))(t)
	l.updated(t, "old")
	_, err := l.lambda().Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("old")})
	refused(t, err, "EC2AccessDeniedException")
	_, err = l.lambda().UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("new"), Role: &poor})
	refused(t, err, "InvalidParameterValueException")
}

// Interfaces that users make take an address of the subnet and hold it.
func TestStandaloneInterface(t *testing.T) {
	l := up(t, empty)
	n := l.network(t, "10.0.0.0/24", "10.0.0.0/28")
	free := func() int32 {
		return *try(l.ec2().DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{SubnetIds: n.subnets}))(t).Subnets[0].AvailableIpAddressCount
	}
	made := try(l.ec2().CreateNetworkInterface(t.Context(), &ec2.CreateNetworkInterfaceInput{SubnetId: &n.subnets[0], Groups: []string{n.group}}))(t).NetworkInterface
	if made.Status != ec2types.NetworkInterfaceStatusAvailable || free() != 10 {
		t.Errorf("made %s, %d addresses free", made.Status, free())
	}
	if rows := l.inspect("enis"); len(rows) != 1 {
		t.Errorf("inspect: %v", rows)
	}
	_, err := l.ec2().DeleteSubnet(t.Context(), &ec2.DeleteSubnetInput{SubnetId: &n.subnets[0]})
	refused(t, err, "DependencyViolation")
	try(l.ec2().DeleteNetworkInterface(t.Context(), &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: made.NetworkInterfaceId}))(t)
	if free() != 11 {
		t.Errorf("%d addresses free", free())
	}
}
