package api

import (
	"encoding/json"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// Lambda's resources as Terraform's provider makes, reads, changes and destroys them; see terraform_test.go.
// https://github.com/hashicorp/terraform-provider-aws internal/service/lambda/function.go, alias.go, permission.go,
// layer_version.go and function_event_invoke_config.go, internal/service/ec2/vpc_network_interface.go.

// readFunction is a refresh of aws_lambda_function.
func (f *functions) readFunction(name string) *awslambda.GetFunctionOutput {
	f.Helper()
	ctx := f.Context()
	out := answer(f.lambda.GetFunction(ctx, &awslambda.GetFunctionInput{FunctionName: &name}))(f)
	versions := answer(f.lambda.ListVersionsByFunction(ctx, &awslambda.ListVersionsByFunctionInput{FunctionName: &name, MaxItems: aws.Int32(10000)}))(f)
	equal(f, "a version", len(versions.Versions) > 0, true)
	signing := answer(f.lambda.GetFunctionCodeSigningConfig(ctx, &awslambda.GetFunctionCodeSigningConfigInput{FunctionName: &name}))(f)
	equal(f, "code signing", *signing.CodeSigningConfigArn, "")
	return out
}

func TestTerraformFunction(t *testing.T) {
	f := newFunctions(t)
	ctx := t.Context()
	vpc := f.vpc("10.0.0.0/16")
	subnet, group := f.subnet(vpc, "10.0.1.0/24"), f.group(vpc, "g")
	inVPC := &types.VpcConfig{SubnetIds: []string{subnet}, SecurityGroupIds: []string{group}}

	layer := f.createLayer()
	in := f.input("f")
	in.Description, in.Publish, in.MemorySize, in.PackageType, in.Architectures = aws.String(""), true, aws.Int32(128), types.PackageTypeZip, []types.Architecture{hostArchitecture()}
	in.Environment = &types.Environment{Variables: map[string]string{"COLOR": "red"}}
	in.Layers, in.VpcConfig, in.Tags = []string{layer}, inVPC, map[string]string{"Name": "main"}
	in.TracingConfig, in.EphemeralStorage = &types.TracingConfig{Mode: types.TracingModeActive}, &types.EphemeralStorage{Size: aws.Int32(1024)}
	in.LoggingConfig = &types.LoggingConfig{LogFormat: types.LogFormatJson, ApplicationLogLevel: types.ApplicationLogLevelDebug, SystemLogLevel: types.SystemLogLevelWarn, LogGroup: aws.String("/aws/lambda/f")}
	answer(f.lambda.CreateFunction(ctx, in))(t)
	f.active("f")
	answer(f.lambda.PutFunctionConcurrency(ctx, &awslambda.PutFunctionConcurrencyInput{FunctionName: in.FunctionName, ReservedConcurrentExecutions: aws.Int32(5)}))(t)

	// What the provider compares with its configuration: a difference would be a plan that never ends.
	got := f.readFunction("f")
	c := got.Configuration
	shown := func(v any) string {
		text := answer(json.Marshal(v))(t)
		return string(text)
	}
	equal(t, "configuration", fmt.Sprintln(c.Architectures[0] == hostArchitecture(), *c.Description == "", *c.Handler, *c.MemorySize, *c.Timeout, c.Runtime, c.PackageType, *c.EphemeralStorage.Size, c.TracingConfig.Mode, *c.Role == f.role, c.KMSKeyArn == nil, c.DeadLetterConfig == nil, len(c.FileSystemConfigs), c.SnapStart.ApplyOn, c.SnapStart.OptimizationStatus),
		"true true function.handler 128 10 provided.al2023 Zip 1024 Active true true true 0 None Off\n")
	equal(t, "environment", shown(c.Environment.Variables), `{"COLOR":"red"}`)
	equal(t, "layer", *c.Layers[0].Arn, layer)
	equal(t, "VPC", *c.VpcConfig.VpcId+c.VpcConfig.SubnetIds[0]+c.VpcConfig.SecurityGroupIds[0], vpc+subnet+group)
	equal(t, "logging", fmt.Sprint(*c.LoggingConfig.LogGroup, c.LoggingConfig.LogFormat, c.LoggingConfig.ApplicationLogLevel, c.LoggingConfig.SystemLogLevel), "/aws/lambda/fJSONDEBUGWARN")
	equal(t, "tags and concurrency", fmt.Sprint(got.Tags, *got.Concurrency.ReservedConcurrentExecutions), "map[Name:main] 5")

	// Changed: tags, then the configuration, then the code, the concurrency and a version of it all.
	arn := c.FunctionArn
	answer(f.lambda.UntagResource(ctx, &awslambda.UntagResourceInput{Resource: arn, TagKeys: []string{"Name"}}))(t)
	answer(f.lambda.TagResource(ctx, &awslambda.TagResourceInput{Resource: arn, Tags: map[string]string{"Stage": "dev"}}))(t)
	update := func(in awslambda.UpdateFunctionConfigurationInput) {
		t.Helper()
		in.FunctionName = aws.String("f")
		answer(f.lambda.UpdateFunctionConfiguration(ctx, &in))(t)
		f.updated("f")
	}
	update(awslambda.UpdateFunctionConfigurationInput{
		Description: aws.String("changed"), MemorySize: aws.Int32(256), Timeout: aws.Int32(20), Environment: &types.Environment{Variables: map[string]string{}},
		DeadLetterConfig: &types.DeadLetterConfig{TargetArn: aws.String("")}, KMSKeyArn: aws.String(""), Layers: []string{}, TracingConfig: &types.TracingConfig{Mode: types.TracingModePassThrough},
		EphemeralStorage: &types.EphemeralStorage{Size: aws.Int32(512)}, VpcConfig: &types.VpcConfig{SubnetIds: []string{}, SecurityGroupIds: []string{}, Ipv6AllowedForDualStack: aws.Bool(false)},
		LoggingConfig: &types.LoggingConfig{LogFormat: types.LogFormatText, LogGroup: aws.String("/aws/lambda/f")}, SnapStart: &types.SnapStart{ApplyOn: types.SnapStartApplyOnNone}, ImageConfig: &types.ImageConfig{},
	})
	update(awslambda.UpdateFunctionConfigurationInput{VpcConfig: inVPC})
	answer(f.lambda.UpdateFunctionCode(ctx, &awslambda.UpdateFunctionCodeInput{FunctionName: aws.String("f"), ZipFile: script(t, `handler() { REPLY='"new"'; }`), Architectures: []types.Architecture{hostArchitecture()}}))(t)
	f.updated("f")
	answer(f.lambda.DeleteFunctionConcurrency(ctx, &awslambda.DeleteFunctionConcurrencyInput{FunctionName: aws.String("f")}))(t)
	published := answer(f.lambda.PublishVersion(ctx, &awslambda.PublishVersionInput{FunctionName: aws.String("f")}))(t)
	fast := func(o *awslambda.FunctionUpdatedWaiterOptions) { o.MinDelay = 10 * time.Millisecond }
	if err := awslambda.NewFunctionUpdatedWaiter(f.lambda).Wait(ctx, &awslambda.GetFunctionConfigurationInput{FunctionName: published.FunctionArn, Qualifier: published.Version}, time.Minute, fast); err != nil {
		t.Error(err)
	}
	got = f.readFunction("f")
	c = got.Configuration
	equal(t, "changed", fmt.Sprintln(*c.Description, *c.MemorySize, *c.Timeout, *c.EphemeralStorage.Size, c.TracingConfig.Mode, len(c.Layers), c.LoggingConfig.LogFormat, c.LoggingConfig.ApplicationLogLevel == "", got.Tags, got.Concurrency == nil),
		"changed 256 20 512 PassThrough 0 Text true map[Stage:dev] true\n")
	equal(t, "environment", shown(c.Environment), `{"Error":null,"Variables":{}}`) // given and empty: as the block is
	f.active("f:2")
	equal(t, "answer", f.says("f:2"), "new")

	f.terraformAlias()
	f.terraformPermission()
	f.terraformEventInvokeConfig()

	// Destroyed: the function, then what Lambda has left in the subnet, then the layer.
	answer(f.lambda.DeleteFunction(ctx, &awslambda.DeleteFunctionInput{FunctionName: aws.String("f")}))(t)
	complaint{notFound, 404, "Function not found"}.is(t, "gone", failed(t, f.lambda.GetFunction, &awslambda.GetFunctionInput{FunctionName: aws.String("f")}))
	f.deleteLayer(layer)
}

func hostArchitecture() types.Architecture {
	if runtime.GOARCH == "amd64" {
		return types.ArchitectureX8664
	}
	return types.ArchitectureArm64
}

// terraformAlias is aws_lambda_alias.
func (f *functions) terraformAlias() {
	f.Helper()
	ctx, function, name := f.Context(), aws.String("f"), aws.String("live")
	read := func() (*awslambda.GetAliasOutput, error) {
		return f.lambda.GetAlias(ctx, &awslambda.GetAliasInput{FunctionName: function, Name: name})
	}
	answer(f.lambda.CreateAlias(ctx, &awslambda.CreateAliasInput{
		FunctionName: function, Name: name, FunctionVersion: aws.String("1"), Description: aws.String(""), RoutingConfig: &types.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{"2": 0.5}},
	}))(f)
	got := answer(read())(f)
	equal(f, "alias", fmt.Sprint(*got.FunctionVersion, *got.Description, *got.AliasArn, got.RoutingConfig.AdditionalVersionWeights), "1arn:aws:lambda:us-east-1:123456789012:function:f:livemap[2:0.5]")
	answer(f.lambda.UpdateAlias(ctx, &awslambda.UpdateAliasInput{
		FunctionName: function, Name: name, FunctionVersion: aws.String("2"), Description: aws.String("d"), RoutingConfig: &types.AliasRoutingConfiguration{},
	}))(f)
	got = answer(read())(f)
	equal(f, "alias", fmt.Sprint(*got.FunctionVersion, *got.Description, got.RoutingConfig == nil), "2dtrue")
	answer(f.lambda.DeleteAlias(ctx, &awslambda.DeleteAliasInput{FunctionName: function, Name: name}))(f)
	_, err := read()
	complaint{notFound, 404, ""}.is(f, "gone", err)
}

// terraformPermission is aws_lambda_permission.
func (f *functions) terraformPermission() {
	f.Helper()
	ctx, function, id := f.Context(), aws.String("f"), aws.String("AllowAPIGateway")
	statement := func() string {
		out, err := f.lambda.GetPolicy(ctx, &awslambda.GetPolicyInput{FunctionName: function})
		if err != nil {
			complaint{notFound, 404, ""}.is(f, "no policy", err)
			return ""
		}
		var policy struct{ Statement []json.RawMessage }
		if err := json.Unmarshal([]byte(*out.Policy), &policy); err != nil || len(policy.Statement) != 1 {
			f.Errorf("policy %s: %v", *out.Policy, err)
			return ""
		}
		return string(policy.Statement[0])
	}
	equal(f, "before", statement(), "")
	made := answer(f.lambda.AddPermission(ctx, &awslambda.AddPermissionInput{
		FunctionName: function, StatementId: id, Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("apigateway.amazonaws.com"), SourceArn: aws.String("arn:aws:execute-api:us-east-1:123456789012:abc/*"),
	}))(f)
	equal(f, "statement", statement(), *made.Statement)
	equal(f, "its parts", *made.Statement, `{"Sid":"AllowAPIGateway","Effect":"Allow","Principal":{"Service":"apigateway.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:us-east-1:123456789012:function:f","Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:execute-api:us-east-1:123456789012:abc/*"}}}`)
	answer(f.lambda.RemovePermission(ctx, &awslambda.RemovePermissionInput{FunctionName: function, StatementId: id}))(f)
	equal(f, "after", statement(), "")
}

// terraformEventInvokeConfig is aws_lambda_function_event_invoke_config.
func (f *functions) terraformEventInvokeConfig() {
	f.Helper()
	ctx, function := f.Context(), aws.String("f")
	read := func() (*awslambda.GetFunctionEventInvokeConfigOutput, error) {
		return f.lambda.GetFunctionEventInvokeConfig(ctx, &awslambda.GetFunctionEventInvokeConfigInput{FunctionName: function})
	}
	put := func(retries, age *int32) {
		f.Helper()
		answer(f.lambda.PutFunctionEventInvokeConfig(ctx, &awslambda.PutFunctionEventInvokeConfigInput{FunctionName: function, MaximumRetryAttempts: retries, MaximumEventAgeInSeconds: age}))(f)
	}
	put(aws.Int32(0), aws.Int32(60))
	got := answer(read())(f)
	equal(f, "settings", fmt.Sprint(*got.MaximumRetryAttempts, *got.MaximumEventAgeInSeconds, got.DestinationConfig.OnFailure.Destination == nil), "0 60 true")
	put(aws.Int32(2), nil)
	got = answer(read())(f)
	equal(f, "changed", fmt.Sprint(*got.MaximumRetryAttempts, got.MaximumEventAgeInSeconds == nil), "2 true")
	answer(f.lambda.DeleteFunctionEventInvokeConfig(ctx, &awslambda.DeleteFunctionEventInvokeConfigInput{FunctionName: function}))(f)
	_, err := read()
	complaint{notFound, 404, ""}.is(f, "gone", err)
}

// createLayer is aws_lambda_layer_version: made, and read by the layer's ARN and the version's number.
func (f *functions) createLayer() (arn string) {
	f.Helper()
	ctx := f.Context()
	made := answer(f.lambda.PublishLayerVersion(ctx, &awslambda.PublishLayerVersionInput{
		LayerName: aws.String("lib"), Description: aws.String(""), LicenseInfo: aws.String("MIT"), Content: &types.LayerVersionContentInput{ZipFile: script(f, echo)},
		CompatibleRuntimes: []types.Runtime{types.RuntimeProvidedal2023}, CompatibleArchitectures: []types.Architecture{hostArchitecture()},
	}))(f)
	got := answer(f.lambda.GetLayerVersion(ctx, &awslambda.GetLayerVersionInput{LayerName: made.LayerArn, VersionNumber: &made.Version}))(f)
	equal(f, "layer", fmt.Sprint(*got.LayerVersionArn, *got.Description, *got.LicenseInfo, *got.Content.CodeSha256 == *made.Content.CodeSha256, got.Content.CodeSize > 0, *got.CreatedDate == *made.CreatedDate, got.CompatibleRuntimes, len(got.CompatibleArchitectures)),
		"arn:aws:lambda:us-east-1:123456789012:layer:lib:1MITtrue true true [provided.al2023] 1")
	return *got.LayerVersionArn
}

func (f *functions) deleteLayer(arn string) {
	f.Helper()
	name := aws.String(arn[:len(arn)-len(":1")])
	answer(f.lambda.DeleteLayerVersion(f.Context(), &awslambda.DeleteLayerVersionInput{LayerName: name, VersionNumber: aws.Int64(1)}))(f)
	_, err := f.lambda.GetLayerVersion(f.Context(), &awslambda.GetLayerVersionInput{LayerName: name, VersionNumber: aws.Int64(1)})
	complaint{notFound, 404, ""}.is(f, "gone", err)
}

func TestTerraformNetworkInterface(t *testing.T) {
	p := newTerraform(t)
	vpc := p.vpc("10.0.0.0/16")
	subnet, group, other := p.subnet(vpc, "10.0.1.0/24"), p.group(vpc, "g"), p.group(vpc, "h")
	id := *answer(p.ec2.CreateNetworkInterface(p.ctx, &ec2.CreateNetworkInterfaceInput{
		ClientToken: aws.String("terraform-1"), SubnetId: &subnet, Description: aws.String("made"), Groups: []string{group}, TagSpecifications: named("network-interface", "main"),
	}))(t).NetworkInterface.NetworkInterfaceId
	read := func() (ec2types.NetworkInterface, error) {
		out, err := p.ec2.DescribeNetworkInterfaces(p.ctx, &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{id}})
		if err != nil {
			return ec2types.NetworkInterface{}, err
		}
		return out.NetworkInterfaces[0], nil
	}
	got := answer(read())(t)
	equal(t, "interface", fmt.Sprintln(got.Status, *got.Description, *got.SourceDestCheck, got.Attachment == nil, got.InterfaceType, len(got.Ipv6Addresses), len(got.Ipv4Prefixes), *got.OwnerId, *got.PrivateDnsName != "", *got.MacAddress != ""), "available made true true interface 0 0 123456789012 true true\n")
	modify := func(in ec2.ModifyNetworkInterfaceAttributeInput) {
		t.Helper()
		in.NetworkInterfaceId = &id
		answer(p.ec2.ModifyNetworkInterfaceAttribute(p.ctx, &in))(t)
	}
	modify(ec2.ModifyNetworkInterfaceAttributeInput{Groups: []string{other}})
	modify(ec2.ModifyNetworkInterfaceAttributeInput{Description: &ec2types.AttributeValue{Value: aws.String("changed")}})
	p.retag(id)
	got = answer(read())(t)
	equal(t, "changed", *got.Description+*got.Groups[0].GroupId+*got.TagSet[0].Key, "changed"+other+"Stage")
	answer(p.ec2.DeleteNetworkInterface(p.ctx, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: &id}))(t)
	_, err := read()
	p.gone("InvalidNetworkInterfaceID.NotFound", err)
}
