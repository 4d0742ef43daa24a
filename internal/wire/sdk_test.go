package wire_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"enilab/internal/wire"
	"enilab/internal/wire/ec2api"
	"enilab/internal/wire/iamapi"
	"enilab/internal/wire/lambdaapi"
	"enilab/internal/wire/stsapi"
	"enilab/internal/wire/wiretest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// The real clients sign with this; servers of these tests check it.
const accessKey, secretKey = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

func secret(key, _ string) (string, bool) { return secretKey, key == accessKey }

func sdk(url string) aws.Config {
	return aws.Config{
		Region: "eu-west-1", BaseEndpoint: aws.String(url), Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
		RetryMaxAttempts: 1, HTTPClient: wiretest.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	}
}

func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func TestSDKLambda(t *testing.T) {
	const arn = "arn:aws:lambda:eu-west-1:123456789012:function:f"
	var create *answering[lambdaapi.CreateFunctionRequest, lambdaapi.FunctionConfiguration]
	var invoke *answering[lambdaapi.InvocationRequest, lambdaapi.InvocationResponse]
	var remove *answering[lambdaapi.DeleteFunctionRequest, lambdaapi.DeleteFunctionResponse]
	var untag *answering[lambdaapi.UntagResourceRequest, wire.None]
	url := serveTo(t, keyed, wire.Config{}, func(s *wire.Server) {
		create = respond(s, lambdaapi.CreateFunction, &lambdaapi.FunctionConfiguration{
			FunctionName: new("f"), FunctionArn: new(arn), LastModified: new("2026-11-23T12:00:00.000+0000"), State: new("Pending"),
			CodeSize: new(int64(1) << 33), VpcConfig: &lambdaapi.VpcConfigResponse{SubnetIds: []string{"subnet-1"}, SecurityGroupIds: []string{}, VpcId: new("vpc-1")},
		}, nil)
		invoke = respond(s, lambdaapi.Invoke, &lambdaapi.InvocationResponse{
			StatusCode: new(int32(202)), Payload: []byte("\x00 not JSON"), FunctionError: new("Unhandled"), LogResult: new("bG9n"), ExecutedVersion: new("$LATEST"),
		}, nil)
		remove = respond(s, lambdaapi.DeleteFunction, &lambdaapi.DeleteFunctionResponse{StatusCode: new(int32(204))}, nil)
		untag = respond(s, lambdaapi.UntagResource, nil, nil)
		respond(s, lambdaapi.ListFunctions, &lambdaapi.ListFunctionsResponse{}, nil)
		respond(s, lambdaapi.GetFunction, nil, &wire.Error{Code: "ResourceNotFoundException", Message: "Function not found: " + arn, HTTPStatus: 404})
		respond(s, lambdaapi.PublishVersion, nil, &wire.Error{Code: "TooManyRequestsException", Message: "Rate Exceeded.", Reason: "ConcurrentInvocationLimitExceeded", HTTPStatus: 429})
		respond(s, lambdaapi.UpdateFunctionCode, nil, &wire.Error{Code: "ResourceNotReadyException", Message: "idle", HTTPStatus: 502})
	})
	c, ctx := lambda.NewFromConfig(sdk(url)), t.Context()

	zip := []byte(strings.Repeat("PK\x03\x04", 100_000))
	made, err := c.CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: aws.String("f"), Role: aws.String("arn:aws:iam::123456789012:role/r"), Runtime: "provided.al2023", Handler: aws.String("bootstrap"),
		Code: &lambdatypes.FunctionCode{ZipFile: zip}, MemorySize: aws.Int32(128), Environment: &lambdatypes.Environment{Variables: map[string]string{"AB": "ä&<"}},
		VpcConfig: &lambdatypes.VpcConfig{SubnetIds: []string{}, SecurityGroupIds: []string{"sg-1", "sg-2"}}, Tags: map[string]string{"k": "v"},
	})
	if err != nil {
		t.Fatal(err)
	}
	in := create.in
	same(t, "zip", len(in.Code.ZipFile), len(zip))
	same(t, "runtime", *in.Runtime, "provided.al2023")
	same(t, "memory", in.MemorySize, new(int32(128)))
	same(t, "a timeout that is absent", in.Timeout, nil)
	same(t, "variables", in.Environment.Variables, map[string]string{"AB": "ä&<"})
	same(t, "an empty list", in.VpcConfig.SubnetIds, []string{})
	same(t, "groups", in.VpcConfig.SecurityGroupIds, []string{"sg-1", "sg-2"})
	same(t, "tags", in.Tags, map[string]string{"k": "v"})
	same(t, "request", create.req.Service+" "+create.req.Operation+" "+create.req.Region+" "+create.req.AccessKey+" "+create.req.Account+fmt.Sprint(create.req.Verified),
		"lambda CreateFunction eu-west-1 "+accessKey+" 123456789012true")
	same(t, "size", made.CodeSize, 1<<33)
	same(t, "state", made.State, lambdatypes.StatePending)
	same(t, "VPC", *made.VpcConfig.VpcId, "vpc-1")

	did, err := c.Invoke(ctx, &lambda.InvokeInput{
		FunctionName: aws.String(arn), Qualifier: aws.String("$LATEST"), InvocationType: "Event", LogType: "Tail", Payload: []byte(`{"n":1}`), ClientContext: aws.String("e30="),
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "event", invoke.in, &lambdaapi.InvocationRequest{
		FunctionName: new(arn), Qualifier: new("$LATEST"), InvocationType: new("Event"), LogType: new("Tail"), Payload: []byte(`{"n":1}`), ClientContext: new("e30="),
	})
	same(t, "status", did.StatusCode, 202)
	same(t, "payload", string(did.Payload), "\x00 not JSON")
	same(t, "headers", *did.FunctionError+*did.LogResult+*did.ExecutedVersion, "UnhandledbG9n$LATEST")

	if _, err := c.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: aws.String("f"), Qualifier: aws.String("1")}); err != nil {
		t.Fatal(err)
	}
	same(t, "delete", remove.in, &lambdaapi.DeleteFunctionRequest{FunctionName: new("f"), Qualifier: new("1")})
	if _, err := c.UntagResource(ctx, &lambda.UntagResourceInput{Resource: aws.String(arn), TagKeys: []string{"a b", "c+d"}}); err != nil {
		t.Fatal(err)
	}
	same(t, "untag", untag.in, &lambdaapi.UntagResourceRequest{Resource: new(arn), TagKeys: []string{"a b", "c+d"}})
	listed, err := c.ListFunctions(ctx, &lambda.ListFunctionsInput{})
	if err != nil || listed.Functions == nil {
		t.Errorf("ListFunctions: %v, %v", listed, err)
	}

	var notFound *lambdatypes.ResourceNotFoundException
	if _, err := c.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String("f")}); !errors.As(err, &notFound) {
		t.Errorf("GetFunction: %v", err)
	} else {
		same(t, "message", notFound.ErrorMessage(), "Function not found: "+arn)
		same(t, "type", *notFound.Type, "User")
	}
	var tooMany *lambdatypes.TooManyRequestsException
	if _, err := c.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: aws.String("f")}); !errors.As(err, &tooMany) {
		t.Errorf("PublishVersion: %v", err)
	} else {
		same(t, "message", tooMany.ErrorMessage(), "Rate Exceeded.")
		same(t, "reason", tooMany.Reason, lambdatypes.ThrottleReasonConcurrentInvocationLimitExceeded)
	}
	var notReady *lambdatypes.ResourceNotReadyException
	if _, err := c.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: aws.String("f"), ZipFile: zip}); !errors.As(err, &notReady) {
		t.Errorf("UpdateFunctionCode: %v", err)
	} else {
		same(t, "message", notReady.ErrorMessage(), "idle")
	}
	_, err = c.ListAliases(ctx, &lambda.ListAliasesInput{FunctionName: aws.String("f")})
	wantCode(t, err, "UnknownOperationException")
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code {
		t.Errorf("%v, want %s", err, code)
	}
}

func TestSDKEC2(t *testing.T) {
	var describe *answering[ec2api.DescribeNetworkInterfacesRequest, ec2api.DescribeNetworkInterfacesResult]
	var authorize *answering[ec2api.AuthorizeSecurityGroupIngressRequest, ec2api.AuthorizeSecurityGroupIngressResult]
	var create *answering[ec2api.CreateNetworkInterfaceRequest, ec2api.CreateNetworkInterfaceResult]
	var tags *answering[ec2api.CreateTagsRequest, wire.None]
	var untag *answering[ec2api.DeleteTagsRequest, wire.None]
	var modify *answering[ec2api.ModifyVpcAttributeRequest, wire.None]
	var makeVpc *answering[ec2api.CreateVpcRequest, ec2api.CreateVpcResult]
	url := serveTo(t, keyed, wire.Config{}, func(s *wire.Server) {
		describe = respond(s, ec2api.DescribeNetworkInterfaces, &ec2api.DescribeNetworkInterfacesResult{NetworkInterfaces: []ec2api.NetworkInterface{{
			NetworkInterfaceId: new("eni-1"), Status: new("in-use"), Groups: []ec2api.GroupIdentifier{{GroupId: new("sg-1"), GroupName: new("a <b>")}},
			Attachment: &ec2api.NetworkInterfaceAttachment{AttachmentId: new("ela-attach-1"), AttachTime: today, DeviceIndex: new(int32(1)), DeleteOnTermination: new(false)},
			TagSet:     []ec2api.Tag{},
		}}}, nil)
		authorize = respond(s, ec2api.AuthorizeSecurityGroupIngress, &ec2api.AuthorizeSecurityGroupIngressResult{Return: new(true), SecurityGroupRules: []ec2api.SecurityGroupRule{{FromPort: new(int32(-1))}}}, nil)
		create = respond(s, ec2api.CreateNetworkInterface, &ec2api.CreateNetworkInterfaceResult{NetworkInterface: &ec2api.NetworkInterface{NetworkInterfaceId: new("eni-2")}}, nil)
		tags = respond(s, ec2api.CreateTags, nil, nil)
		untag = respond(s, ec2api.DeleteTags, nil, nil)
		modify = respond(s, ec2api.ModifyVpcAttribute, nil, nil)
		makeVpc = respond(s, ec2api.CreateVpc, &ec2api.CreateVpcResult{Vpc: &ec2api.Vpc{VpcId: new("vpc-1")}}, nil)
		respond(s, ec2api.DescribeVpcs, &ec2api.DescribeVpcsResult{}, nil)
		respond(s, ec2api.DeleteVpc, nil, fmt.Errorf("ec2: %w", &wire.Error{Code: "DependencyViolation", Message: "The vpc 'vpc-1' has dependencies and cannot be deleted."}))
	})
	c, ctx := ec2.NewFromConfig(sdk(url)), t.Context()

	found, err := c.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{
		Filters: []ec2types.Filter{
			{Name: aws.String("description"), Values: []string{"AWS Lambda VPC ENI-*", "ä+ %"}},
			{Name: aws.String("tag:k"), Values: []string{"v"}},
		},
		NetworkInterfaceIds: []string{"eni-1", "eni-2"}, DryRun: aws.Bool(false),
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "describe", describe.in, &ec2api.DescribeNetworkInterfacesRequest{
		Filters: []ec2api.Filter{
			{Name: new("description"), Values: []string{"AWS Lambda VPC ENI-*", "ä+ %"}},
			{Name: new("tag:k"), Values: []string{"v"}},
		},
		NetworkInterfaceIds: []string{"eni-1", "eni-2"}, DryRun: new(false),
	})
	eni := found.NetworkInterfaces[0]
	same(t, "eni", *eni.NetworkInterfaceId+*eni.Groups[0].GroupName+*eni.Attachment.AttachmentId, "eni-1a <b>ela-attach-1")
	same(t, "time", eni.Attachment.AttachTime.UTC(), today)
	if eni.TagSet == nil || eni.Attachment.DeleteOnTermination == nil || eni.Description != nil {
		t.Errorf("absent and empty are mixed up: %+v", eni)
	}

	allowed, err := c.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: aws.String("sg-1"),
		IpPermissions: []ec2types.IpPermission{{
			IpProtocol: aws.String("tcp"), FromPort: aws.Int32(443), ToPort: aws.Int32(443),
			IpRanges:         []ec2types.IpRange{{CidrIp: aws.String("10.0.0.0/8"), Description: aws.String("d")}, {CidrIp: aws.String("192.168.0.0/16")}},
			UserIdGroupPairs: []ec2types.UserIdGroupPair{{GroupId: aws.String("sg-2")}},
		}},
		TagSpecifications: []ec2types.TagSpecification{{ResourceType: "security-group-rule", Tags: []ec2types.Tag{{Key: aws.String("a"), Value: aws.String("")}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "authorize", authorize.in, &ec2api.AuthorizeSecurityGroupIngressRequest{
		GroupId: new("sg-1"),
		IpPermissions: []ec2api.IpPermission{{
			IpProtocol: new("tcp"), FromPort: new(int32(443)), ToPort: new(int32(443)),
			IpRanges:         []ec2api.IpRange{{CidrIp: new("10.0.0.0/8"), Description: new("d")}, {CidrIp: new("192.168.0.0/16")}},
			UserIdGroupPairs: []ec2api.UserIdGroupPair{{GroupId: new("sg-2")}},
		}},
		TagSpecifications: []ec2api.TagSpecification{{ResourceType: new("security-group-rule"), Tags: []ec2api.Tag{{Key: new("a"), Value: new("")}}}},
	})
	same(t, "rule", *allowed.SecurityGroupRules[0].FromPort, -1)
	same(t, "return", *allowed.Return, true)

	if _, err := c.CreateNetworkInterface(ctx, &ec2.CreateNetworkInterfaceInput{
		SubnetId: aws.String("subnet-1"), Groups: []string{"sg-1", "sg-2"}, PrivateIpAddress: aws.String("10.0.0.9"), ClientToken: aws.String("t"),
		PrivateIpAddresses: []ec2types.PrivateIpAddressSpecification{{Primary: aws.Bool(true), PrivateIpAddress: aws.String("10.0.0.9")}},
	}); err != nil {
		t.Fatal(err)
	}
	same(t, "create", create.in, &ec2api.CreateNetworkInterfaceRequest{
		SubnetId: new("subnet-1"), Groups: []string{"sg-1", "sg-2"}, PrivateIpAddress: new("10.0.0.9"), ClientToken: new("t"),
		PrivateIpAddresses: []ec2api.PrivateIpAddressSpecification{{Primary: new(true), PrivateIpAddress: new("10.0.0.9")}},
	})
	if _, err := c.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{"vpc-1", "eni-1"}, Tags: []ec2types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}}); err != nil {
		t.Fatal(err)
	}
	same(t, "tags", tags.in, &ec2api.CreateTagsRequest{Resources: []string{"vpc-1", "eni-1"}, Tags: []ec2api.Tag{{Key: new("k"), Value: new("v")}}})
	if _, err := c.DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: []string{"vpc-1"}, Tags: []ec2types.Tag{{Key: aws.String("k")}}}); err != nil {
		t.Fatal(err)
	}
	same(t, "untag", untag.in, &ec2api.DeleteTagsRequest{Resources: []string{"vpc-1"}, Tags: []ec2api.Tag{{Key: new("k")}}})
	if _, err := c.ModifyVpcAttribute(ctx, &ec2.ModifyVpcAttributeInput{VpcId: aws.String("vpc-1"), EnableDnsSupport: &ec2types.AttributeBooleanValue{Value: aws.Bool(true)}}); err != nil {
		t.Fatal(err)
	}
	same(t, "modify", modify.in, &ec2api.ModifyVpcAttributeRequest{VpcId: new("vpc-1"), EnableDnsSupport: &ec2api.AttributeBooleanValue{Value: new(true)}})
	if _, err := c.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16"), TagSpecifications: []ec2types.TagSpecification{{ResourceType: "vpc", Tags: []ec2types.Tag{{Key: aws.String("Name"), Value: aws.String("x")}}}}}); err != nil {
		t.Fatal(err)
	}
	same(t, "vpc", makeVpc.in, &ec2api.CreateVpcRequest{CidrBlock: new("10.0.0.0/16"), TagSpecifications: []ec2api.TagSpecification{{ResourceType: new("vpc"), Tags: []ec2api.Tag{{Key: new("Name"), Value: new("x")}}}}})

	vpcs, err := c.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	if err != nil || vpcs.Vpcs == nil {
		t.Errorf("DescribeVpcs: %v, %v", vpcs, err)
	}
	_, err = c.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: aws.String("vpc-1")})
	wantCode(t, err, "DependencyViolation")
	_, err = c.DescribeInstances(ctx, &ec2.DescribeInstancesInput{})
	wantCode(t, err, "InvalidAction")
}

func TestSDKIAMAndSTS(t *testing.T) {
	var create *answering[iamapi.CreateRoleRequest, iamapi.CreateRoleResponse]
	url := serveTo(t, keyed, wire.Config{}, func(s *wire.Server) {
		create = respond(s, iamapi.CreateRole, &iamapi.CreateRoleResponse{Role: &iamapi.Role{
			RoleName: new("r"), Arn: new("arn:aws:iam::123456789012:role/r"), RoleId: new("AROA"), Path: new("/"), CreateDate: today,
			Tags: []iamapi.Tag{{Key: new("k"), Value: new("v")}}, AssumeRolePolicyDocument: new("%7B%7D"),
		}}, nil)
		respond(s, iamapi.DeleteRole, nil, nil)
		respond(s, iamapi.ListAttachedRolePolicies, &iamapi.ListAttachedRolePoliciesResponse{AttachedPolicies: []iamapi.AttachedPolicy{{PolicyName: new("p")}}, IsTruncated: new(false)}, nil)
		respond(s, iamapi.GetRole, nil, &wire.Error{Code: "NoSuchEntity", Message: "The role with name x cannot be found.", HTTPStatus: 404})
		respond(s, stsapi.GetCallerIdentity, &stsapi.GetCallerIdentityResponse{Account: new("123456789012"), UserId: new("u"), Arn: new("arn:aws:iam::123456789012:root")}, nil)
	})
	c, ctx := iam.NewFromConfig(sdk(url)), t.Context()
	made, err := c.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: aws.String("r"), AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17"}`), MaxSessionDuration: aws.Int32(3600),
		Tags: []iamtypes.Tag{{Key: aws.String("k"), Value: aws.String("v")}, {Key: aws.String("k2"), Value: aws.String("")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "create", create.in, &iamapi.CreateRoleRequest{
		RoleName: new("r"), AssumeRolePolicyDocument: new(`{"Version":"2012-10-17"}`), MaxSessionDuration: new(int32(3600)),
		Tags: []iamapi.Tag{{Key: new("k"), Value: new("v")}, {Key: new("k2"), Value: new("")}},
	})
	same(t, "role", *made.Role.RoleName+*made.Role.Tags[0].Key, "rk")
	same(t, "date", *made.Role.CreateDate, today)
	if _, err := c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("r")}); err != nil {
		t.Fatal(err)
	}
	attached, err := c.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: aws.String("r")})
	if err != nil || *attached.AttachedPolicies[0].PolicyName != "p" {
		t.Errorf("ListAttachedRolePolicies: %v, %v", attached, err)
	}
	var missing *iamtypes.NoSuchEntityException
	if _, err = c.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("x")}); !errors.As(err, &missing) {
		t.Errorf("GetRole: %v", err)
	}
	_, err = c.ListUsers(ctx, &iam.ListUsersInput{})
	wantCode(t, err, "InvalidAction")

	who, err := sts.NewFromConfig(sdk(url)).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil || *who.Account != "123456789012" {
		t.Errorf("GetCallerIdentity: %v, %v", who, err)
	}
}

// TestSDKWaiter shows that waiters of the SDK see a state change.
func TestSDKWaiter(t *testing.T) {
	calls := 0
	url := serve(t, wire.Config{}, func(s *wire.Server) {
		wire.Handle(s, lambdaapi.GetFunction, func(context.Context, *lambdaapi.GetFunctionRequest) (*lambdaapi.GetFunctionResponse, error) {
			calls++
			state := map[bool]string{false: "Pending", true: "Active"}[calls > 1]
			return &lambdaapi.GetFunctionResponse{Configuration: &lambdaapi.FunctionConfiguration{State: &state}}, nil
		})
	})
	w := lambda.NewFunctionActiveV2Waiter(lambda.NewFromConfig(sdk(url)), func(o *lambda.FunctionActiveV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = time.Millisecond, 2*time.Millisecond
	})
	if err := w.Wait(t.Context(), &lambda.GetFunctionInput{FunctionName: aws.String("f")}, 10*time.Second); err != nil || calls < 2 {
		t.Errorf("after %d calls: %v", calls, err)
	}
}
