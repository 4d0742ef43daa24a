package api

import (
	"fmt"
	"strings"
	"testing"

	"enilab/internal/iam"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

func TestUpdateFunctionConfiguration(t *testing.T) {
	f := newFunctions(t)
	ctx := t.Context()
	vpc := f.vpc("10.0.0.0/16")
	subnet, group := f.subnet(vpc, "10.0.1.0/24"), f.group(vpc, "g")
	in := f.input("f")
	in.Environment = &types.Environment{Variables: map[string]string{"COLOR": "red"}}
	made := answer(f.lambda.CreateFunction(ctx, in))(t)
	f.active("f")
	name := made.FunctionName
	type input = awslambda.UpdateFunctionConfigurationInput
	update := func(in input) *awslambda.UpdateFunctionConfigurationOutput {
		t.Helper()
		in.FunctionName = name
		out := answer(f.lambda.UpdateFunctionConfiguration(ctx, &in))(t)
		equal(t, "status", out.LastUpdateStatus, types.LastUpdateStatusInProgress)
		now := answer(f.lambda.GetFunctionConfiguration(ctx, &awslambda.GetFunctionConfigurationInput{FunctionName: name}))(t)
		equal(t, "revision shown", *now.RevisionId, *out.RevisionId)
		f.updated("f")
		return out
	}

	out := update(input{VpcConfig: &types.VpcConfig{SubnetIds: []string{subnet}, SecurityGroupIds: []string{group}, Ipv6AllowedForDualStack: aws.Bool(true)}, MemorySize: aws.Int32(256), RevisionId: made.RevisionId})
	equal(t, "VPC", *out.VpcConfig.VpcId+out.VpcConfig.SubnetIds[0]+out.VpcConfig.SecurityGroupIds[0], vpc+subnet+group)
	equal(t, "dual stack", *out.VpcConfig.Ipv6AllowedForDualStack, true)
	equal(t, "memory", *out.MemorySize, 256)
	equal(t, "as it was", *out.Timeout, 10)
	interfaces := answer(f.ec2().DescribeNetworkInterfaces(ctx, nil))(t).NetworkInterfaces
	equal(t, "interfaces", len(interfaces), 1)
	equal(t, "answer", f.says("f"), "$LATEST red none")
	if err := failed(t, f.lambda.UpdateFunctionConfiguration, &input{FunctionName: name, RevisionId: made.RevisionId}); err != nil {
		complaint{"PreconditionFailedException", 412, "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id"}.is(t, "revision", err)
	} else {
		t.Error("a stale revision was taken")
	}

	out = update(input{VpcConfig: &types.VpcConfig{SubnetIds: []string{}, SecurityGroupIds: []string{}}, Environment: &types.Environment{}})
	equal(t, "detached", fmt.Sprintf("%#v %#v %q %t", out.VpcConfig.SubnetIds, out.VpcConfig.SecurityGroupIds, *out.VpcConfig.VpcId, *out.VpcConfig.Ipv6AllowedForDualStack), `[]string{} []string{} "" false`)
	equal(t, "no variables", fmt.Sprint(out.Environment.Variables), "map[]") // shown all the same, as on AWS
	equal(t, "answer", f.says("f"), "$LATEST  none")
	update(input{Environment: &types.Environment{Variables: map[string]string{"COLOR": "blue"}}, Description: aws.String("d"), Timeout: aws.Int32(5)})
	out = update(input{Description: aws.String("")})
	equal(t, "description", *out.Description, "")
	equal(t, "variables", out.Environment.Variables["COLOR"], "blue")

	foreign := f.newRole("foreign", strings.ReplaceAll(iam.LambdaTrust, "lambda.", "ec2."), "")
	poor := f.newRole("poor", iam.LambdaTrust, "")
	for what, c := range map[string]struct {
		in input
		complaint
	}{
		"role":                 {input{Role: &foreign}, complaint{invalid, 400, "The role defined for the function cannot be assumed by Lambda."}},
		"empty role":           {input{Role: aws.String("")}, complaint{"ValidationException", 400, "Value '' at 'role'"}},
		"no permission":        {input{Role: &poor, VpcConfig: &types.VpcConfig{SubnetIds: []string{subnet}, SecurityGroupIds: []string{group}}}, complaint{invalid, 400, "does not have permissions to call CreateNetworkInterface on EC2"}},
		"group of another VPC": {input{VpcConfig: &types.VpcConfig{SubnetIds: []string{subnet}, SecurityGroupIds: []string{f.group(f.vpc("10.9.0.0/16"), "far")}}}, complaint{invalid, 400, "Security Groups are required to be in the same VPC."}},
		"half a VPC":           {input{VpcConfig: &types.VpcConfig{SubnetIds: []string{subnet}}}, complaint{invalid, 400, "SubnetIds and SecurityIds must coexist or be both empty list."}},
		"layers":               {input{Layers: []string{"arn:aws:lambda:us-east-1:123456789012:layer:l:1"}}, complaint{invalid, 400, "does not exist"}},
		"timeout":              {input{Timeout: aws.Int32(901)}, complaint{"ValidationException", 400, "Value '901' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 900"}},
		"no function":          {input{FunctionName: aws.String("g")}, complaint{notFound, 404, "function:g"}},
		"a version":            {input{FunctionName: aws.String("f:1")}, complaint{invalid, 400, "version"}},
	} {
		if c.in.FunctionName == nil {
			c.in.FunctionName = name
		}
		c.is(t, what, failed(t, f.lambda.UpdateFunctionConfiguration, &c.in))
	}
}

func TestUpdateFunctionCode(t *testing.T) {
	f := newFunctions(t)
	ctx := t.Context()
	made := f.create("f")
	code := script(t, "handler() { REPLY='\"new\"'; }")
	in := &awslambda.UpdateFunctionCodeInput{FunctionName: made.FunctionName, ZipFile: code, DryRun: true, RevisionId: made.RevisionId}
	dry := answer(f.lambda.UpdateFunctionCode(ctx, in))(t)
	now := answer(f.lambda.GetFunctionConfiguration(ctx, &awslambda.GetFunctionConfigurationInput{FunctionName: made.FunctionName}))(t)
	equal(t, "hash then", *dry.CodeSha256 != *made.CodeSha256, true)
	equal(t, "now", *now.CodeSha256+*now.RevisionId, *made.CodeSha256+*made.RevisionId)

	in.DryRun, in.Publish = false, true
	one := answer(f.lambda.UpdateFunctionCode(ctx, in))(t)
	equal(t, "published", *one.Version+*one.CodeSha256, "1"+*dry.CodeSha256)
	shown := answer(f.lambda.GetFunction(ctx, &awslambda.GetFunctionInput{FunctionName: made.FunctionName}))(t)
	equal(t, "shown", *shown.Configuration.CodeSha256, *dry.CodeSha256)
	f.updated("f")
	f.active("f:1")
	equal(t, "answer", f.says("f")+f.says("f:1"), "newnew")

	complaint{"PreconditionFailedException", 412, "Revision Id"}.is(t, "revision", failed(t, f.lambda.UpdateFunctionCode, in))
	in.RevisionId = nil
	for what, c := range map[string]struct {
		edit func(*awslambda.UpdateFunctionCodeInput)
		complaint
	}{
		"image": {func(in *awslambda.UpdateFunctionCodeInput) { in.ImageUri = aws.String("i") }, complaint{invalid, 400, "ImageUri is not supported by this lab"}},
		"two codes": {func(in *awslambda.UpdateFunctionCodeInput) {
			in.S3Bucket, in.S3Key = aws.String("bucket"), aws.String("k")
		}, complaint{invalid, 400, "either a zip file or"}},
		"no archive": {func(in *awslambda.UpdateFunctionCodeInput) { in.ZipFile = []byte("x") }, complaint{invalid, 400, "Could not unzip uploaded file. Please check your file, then try to upload again."}},
		"architectures": {func(in *awslambda.UpdateFunctionCodeInput) {
			in.Architectures = []types.Architecture{"x86_64", "arm64"}
		}, complaint{"ValidationException", 400, "architectures"}},
		"no function": {func(in *awslambda.UpdateFunctionCodeInput) { in.FunctionName = aws.String("g") }, complaint{notFound, 404, "function:g"}},
	} {
		wrong := *in
		c.edit(&wrong)
		c.is(t, what, failed(t, f.lambda.UpdateFunctionCode, &wrong))
	}
}
