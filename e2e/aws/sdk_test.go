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
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// empty is a lab with nothing in it.
const empty = "name: lab\n"

// try fails the test for an error.
func try[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// refused wants an error of this code.
func refused(t testing.TB, err error, code string) {
	t.Helper()
	if e := smithy.APIError(nil); !errors.As(err, &e) || e.ErrorCode() != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

// network is a VPC with subnets and a security group, made through the API.
type network struct {
	vpc, group string
	subnets    []string
}

func (l *lab) network(t testing.TB, cidr string, subnets ...string) (n network) {
	t.Helper()
	ctx := t.Context()
	n.vpc = *try(l.ec2().CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: &cidr}))(t).Vpc.VpcId
	for _, s := range subnets {
		n.subnets = append(n.subnets, *try(l.ec2().CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: &n.vpc, CidrBlock: &s}))(t).Subnet.SubnetId)
	}
	n.group = *try(l.ec2().CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
		VpcId: &n.vpc, GroupName: aws.String("app"), Description: aws.String("functions"),
	}))(t).GroupId
	return n
}

func (n network) config() *types.VpcConfig {
	return &types.VpcConfig{SubnetIds: n.subnets, SecurityGroupIds: []string{n.group}}
}

const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

// role makes an execution role; with rights it may manage network interfaces.
func (l *lab) role(t testing.TB, name string, rights bool) string {
	t.Helper()
	role := try(l.iam().CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(trust)}))(t)
	if rights {
		try(l.iam().AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{
			RoleName: &name, PolicyArn: aws.String("arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole"),
		}))(t)
	}
	return *role.Role.Arn
}

// active waits as users do.
func (l *lab) active(t testing.TB, name string) {
	t.Helper()
	fast := func(o *lambda.FunctionActiveV2WaiterOptions) { o.MinDelay = 20 * time.Millisecond }
	err := lambda.NewFunctionActiveV2Waiter(l.lambda()).Wait(t.Context(), &lambda.GetFunctionInput{FunctionName: &name}, time.Minute, fast)
	if err != nil {
		t.Fatal(err)
	}
}

func (l *lab) updated(t testing.TB, name string) {
	t.Helper()
	fast := func(o *lambda.FunctionUpdatedV2WaiterOptions) { o.MinDelay = 20 * time.Millisecond }
	err := lambda.NewFunctionUpdatedV2Waiter(l.lambda()).Wait(t.Context(), &lambda.GetFunctionInput{FunctionName: &name}, time.Minute, fast)
	if err != nil {
		t.Fatal(err)
	}
}

// create asks for a function of the Go example.
func (l *lab) create(t testing.TB, name, role string, vpc *types.VpcConfig) (*lambda.CreateFunctionOutput, error) {
	return l.lambda().CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: &name, Role: &role, Runtime: types.RuntimeProvidedal2023, Handler: aws.String("bootstrap"),
		Code: &types.FunctionCode{ZipFile: code(t)}, Timeout: aws.Int32(10), VpcConfig: vpc,
	})
}

func TestWalkthroughWithTheSDK(t *testing.T) {
	t.Parallel()
	l := up(t, empty)
	ctx := t.Context()
	if id := try(l.sts().GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t); aws.ToString(id.Account) == "" {
		t.Errorf("caller identity: %+v", id)
	}
	blue := l.network(t, "10.0.0.0/16", "10.0.1.0/24", "10.0.2.0/24")
	green := l.network(t, "10.0.0.0/16", "10.0.1.0/24")
	poor, rich := l.role(t, "poor", false), l.role(t, "rich", true)

	_, err := l.create(t, "hello", poor, blue.config())
	refused(t, err, "InvalidParameterValueException")
	made := try(l.create(t, "hello", rich, blue.config()))(t)
	if made.State != types.StatePending || made.StateReasonCode != types.StateReasonCodeCreating {
		t.Errorf("created %s %s", made.State, made.StateReasonCode)
	}
	_, err = l.create(t, "hello", rich, blue.config())
	refused(t, err, "ResourceConflictException")
	l.active(t, "hello")

	answer := try(l.lambda().Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("hello"), LogType: types.LogTypeTail}))(t)
	if answer.StatusCode != 200 || answer.FunctionError != nil || !strings.Contains(string(answer.Payload), `"runtime":"go"`) {
		t.Errorf("invoke: %d %v %s", answer.StatusCode, answer.FunctionError, answer.Payload)
	}

	enis := func(n network) []ec2types.NetworkInterface {
		return try(l.ec2().DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{Filters: []ec2types.Filter{
			{Name: aws.String("description"), Values: []string{"AWS Lambda VPC ENI-*"}},
			{Name: aws.String("vpc-id"), Values: []string{n.vpc}},
		}}))(t).NetworkInterfaces
	}
	if list := enis(blue); len(list) != 2 || list[0].InterfaceType != "lambda" || list[0].Status != ec2types.NetworkInterfaceStatusInUse {
		t.Errorf("ENIs of two subnets: %+v", list)
	}
	_, err = l.ec2().DetachNetworkInterface(ctx, &ec2.DetachNetworkInterfaceInput{AttachmentId: enis(blue)[0].Attachment.AttachmentId})
	refused(t, err, "OperationNotPermitted")

	l.moveUnderLoad(t, green)
	if list := enis(green); len(list) != 1 {
		t.Errorf("after the move green has %d ENIs", len(list))
	}
	nstest.Eventually(t, 10*time.Second, func() error {
		if n := len(enis(blue)); n > 0 {
			return errors.New("blue still has ENIs")
		}
		return nil
	})

	_, err = l.ec2().DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: &green.vpc})
	refused(t, err, "DependencyViolation")
	try(l.lambda().DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: aws.String("hello")}))(t)
	for _, n := range []network{blue, green} {
		for _, s := range n.subnets {
			nstest.Eventually(t, 10*time.Second, func() error {
				_, err := l.ec2().DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: &s})
				return err
			})
		}
		try(l.ec2().DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: &n.group}))(t)
		try(l.ec2().DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: &n.vpc}))(t)
	}
}

// moveUnderLoad changes the function's VPC while it is invoked without a pause.
func (l *lab) moveUnderLoad(t *testing.T, to network) {
	t.Helper()
	stop := make(chan struct{})
	var load sync.WaitGroup
	var mu sync.Mutex
	served := 0
	for range 4 {
		load.Go(func() {
			client := l.lambda()
			for {
				select {
				case <-stop:
					return
				default:
				}
				out, err := client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("hello")})
				if err != nil || out.FunctionError != nil {
					t.Errorf("an invocation failed while the function moved: %v %+v", err, out)
					return
				}
				mu.Lock()
				served++
				mu.Unlock()
			}
		})
	}
	try(l.lambda().UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("hello"), VpcConfig: to.config()}))(t)
	l.updated(t, "hello")
	close(stop)
	load.Wait()
	t.Logf("%d invocations meanwhile", served)
	if served == 0 {
		t.Error("nothing was invoked meanwhile")
	}
}
