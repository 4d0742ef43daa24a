package api

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// TestAliases follows LocalStack's recordings: test_alias_lifecycle, test_notfound_and_invalid_routingconfigs.
func TestAliases(t *testing.T) {
	f := newFunctions(t)
	ctx := t.Context()
	name := f.create("f").FunctionName
	answer(f.lambda.PublishVersion(ctx, &awslambda.PublishVersionInput{FunctionName: name}))(t)
	f.active("f:1")
	answer(f.lambda.UpdateFunctionConfiguration(ctx, &awslambda.UpdateFunctionConfigurationInput{FunctionName: name, Timeout: aws.Int32(9)}))(t)
	f.updated("f")
	answer(f.lambda.PublishVersion(ctx, &awslambda.PublishVersionInput{FunctionName: name}))(t)
	f.active("f:2")

	type create = awslambda.CreateAliasInput
	made := answer(f.lambda.CreateAlias(ctx, &create{FunctionName: name, Name: aws.String("live"), FunctionVersion: aws.String("1"), Description: aws.String("d")}))(t)
	equal(t, "made", *made.AliasArn+" "+*made.FunctionVersion+" "+*made.Description+fmt.Sprint(made.RoutingConfig == nil), "arn:aws:lambda:us-east-1:123456789012:function:f:live 1 dtrue")
	invoke := func() string {
		t.Helper()
		return *answer(f.lambda.Invoke(ctx, &awslambda.InvokeInput{FunctionName: name, Qualifier: aws.String("live")}))(t).ExecutedVersion
	}
	equal(t, "by the alias", invoke(), "1")
	shown := answer(f.lambda.GetFunction(ctx, &awslambda.GetFunctionInput{FunctionName: aws.String("f:live")}))(t).Configuration
	equal(t, "shown", *shown.FunctionArn+" "+*shown.Version, *made.AliasArn+" 1")

	type route = types.AliasRoutingConfiguration
	to := answer(f.lambda.UpdateAlias(ctx, &awslambda.UpdateAliasInput{FunctionName: name, Name: aws.String("live"), RoutingConfig: &route{AdditionalVersionWeights: map[string]float64{"2": 1}}}))(t)
	equal(t, "weights", fmt.Sprint(to.RoutingConfig.AdditionalVersionWeights, *to.Description, *to.RevisionId != *made.RevisionId), "map[2:1]dtrue")
	equal(t, "by its weights", invoke(), "2")
	for what, c := range map[string]struct {
		in create
		complaint
	}{
		"taken":         {create{Name: aws.String("live"), FunctionVersion: aws.String("1")}, complaint{"ResourceConflictException", 409, "Alias already exists: arn:aws:lambda:us-east-1:123456789012:function:f:live"}},
		"a number":      {create{Name: aws.String("2024"), FunctionVersion: aws.String("1")}, complaint{"ValidationException", 400, "Value '2024' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)"}},
		"no version":    {create{Name: aws.String("a"), FunctionVersion: aws.String("10")}, complaint{notFound, 404, "Function not found: arn:aws:lambda:us-east-1:123456789012:function:f:10"}},
		"same version":  {create{Name: aws.String("a"), FunctionVersion: aws.String("1"), RoutingConfig: &route{AdditionalVersionWeights: map[string]float64{"1": .5}}}, complaint{invalid, 400, "Invalid function version 1. Function version 1 is already included in routing configuration."}},
		"two":           {create{Name: aws.String("a"), FunctionVersion: aws.String("1"), RoutingConfig: &route{AdditionalVersionWeights: map[string]float64{"1": .5, "2": .5}}}, complaint{invalid, 400, "Number of items in AdditionalVersionWeights cannot be greater than 1"}},
		"too much":      {create{Name: aws.String("a"), FunctionVersion: aws.String("1"), RoutingConfig: &route{AdditionalVersionWeights: map[string]float64{"2": 2}}}, complaint{"ValidationException", 400, "Value '{2=2.0}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map value must satisfy constraint"}},
		"$LATEST, two":  {create{Name: aws.String("a"), FunctionVersion: aws.String("$LATEST"), RoutingConfig: &route{AdditionalVersionWeights: map[string]float64{"2": .5}}}, complaint{invalid, 400, "$LATEST is not supported for an alias pointing to more than 1 version"}},
		"another alias": {create{Name: aws.String("a"), FunctionVersion: aws.String("live")}, complaint{"ValidationException", 400, "functionVersion"}},
	} {
		c.in.FunctionName = name
		c.is(t, what, failed(t, f.lambda.CreateAlias, &c.in))
	}
	complaint{notFound, 404, "Cannot find alias arn: arn:aws:lambda:us-east-1:123456789012:function:f:none"}.is(t, "none", failed(t, f.lambda.GetAlias, &awslambda.GetAliasInput{FunctionName: name, Name: aws.String("none")}))
	complaint{"PreconditionFailedException", 412, "Revision Id"}.is(t, "stale", failed(t, f.lambda.UpdateAlias, &awslambda.UpdateAliasInput{FunctionName: name, Name: aws.String("live"), RevisionId: made.RevisionId}))
	complaint{"ResourceConflictException", 409, "alias"}.is(t, "a version in use", failed(t, f.lambda.DeleteFunction, &awslambda.DeleteFunctionInput{FunctionName: name, Qualifier: aws.String("2")}))
	complaint{invalid, 400, "Deletion of aliases is not currently supported."}.is(t, "as a function", failed(t, f.lambda.DeleteFunction, &awslambda.DeleteFunctionInput{FunctionName: name, Qualifier: aws.String("live")}))
	equal(t, "of version 2", len(answer(f.lambda.ListAliases(ctx, &awslambda.ListAliasesInput{FunctionName: name, FunctionVersion: aws.String("2")}))(t).Aliases), 1)
	answer(f.lambda.DeleteAlias(ctx, &awslambda.DeleteAliasInput{FunctionName: name, Name: aws.String("live")}))(t)
	equal(t, "left", len(answer(f.lambda.ListAliases(ctx, &awslambda.ListAliasesInput{FunctionName: name}))(t).Aliases), 0)
}

// TestPermissions follows LocalStack's recordings: test_permission_exceptions, test_add_lambda_permission_fields.
func TestPermissions(t *testing.T) {
	f := newFunctions(t)
	ctx := t.Context()
	name := f.create("f").FunctionName
	type add = awslambda.AddPermissionInput
	st := answer(f.lambda.AddPermission(ctx, &add{
		FunctionName: name, StatementId: aws.String("s3"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("s3.amazonaws.com"),
		SourceArn: aws.String("arn:aws:s3:::bucket"), SourceAccount: aws.String("123456789012"),
	}))(t)
	equal(t, "statement", *st.Statement, `{"Sid":"s3","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:us-east-1:123456789012:function:f","Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::bucket"},"StringEquals":{"AWS:SourceAccount":"123456789012"}}}`)
	answer(f.lambda.AddPermission(ctx, &add{FunctionName: name, StatementId: aws.String("a"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("210987654321")}))(t)
	p := answer(f.lambda.GetPolicy(ctx, &awslambda.GetPolicyInput{FunctionName: name}))(t)
	var policy struct {
		Version, Id string //nolint:revive // as policies have it
		Statement   []map[string]any
	}
	if err := json.Unmarshal([]byte(*p.Policy), &policy); err != nil {
		t.Fatal(err)
	}
	equal(t, "policy", fmt.Sprint(policy.Version, policy.Id, len(policy.Statement), policy.Statement[1]["Principal"]), "2012-10-17default2 map[AWS:arn:aws:iam::210987654321:root]")
	for what, c := range map[string]struct {
		edit func(*add)
		complaint
	}{
		"taken":     {func(in *add) { in.StatementId = aws.String("s3") }, complaint{"ResourceConflictException", 409, "The statement id (s3) provided already exists. Please provide a new statement id, or remove the existing statement."}},
		"principal": {func(in *add) { in.Principal = aws.String("invalid.nonaws.com") }, complaint{invalid, 400, "The provided principal was invalid. Please check the principal and try again."}},
		"$LATEST":   {func(in *add) { in.Qualifier = aws.String("$LATEST") }, complaint{invalid, 400, "We currently do not support adding policies for $LATEST."}},
		"id":        {func(in *add) { in.StatementId = aws.String("example.com") }, complaint{"ValidationException", 400, "Value 'example.com' at 'statementId' failed to satisfy constraint: Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)"}},
		"revision":  {func(in *add) { in.RevisionId = aws.String("x") }, complaint{"PreconditionFailedException", 412, "Call the GetPolicy API"}},
		"function":  {func(in *add) { in.FunctionName = aws.String("none") }, complaint{notFound, 404, "Function not found: arn:aws:lambda:us-east-1:123456789012:function:none"}},
	} {
		in := add{FunctionName: name, StatementId: aws.String("new"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("*")}
		c.edit(&in)
		c.is(t, what, failed(t, f.lambda.AddPermission, &in))
	}
	remove := func(id string) *awslambda.RemovePermissionInput {
		return &awslambda.RemovePermissionInput{FunctionName: name, StatementId: &id}
	}
	complaint{notFound, 404, "Statement non-existent is not found in resource policy."}.is(t, "no statement", failed(t, f.lambda.RemovePermission, remove("non-existent")))
	answer(f.lambda.RemovePermission(ctx, remove("s3")))(t)
	answer(f.lambda.RemovePermission(ctx, remove("a")))(t)
	complaint{notFound, 404, "No policy is associated with the given resource."}.is(t, "no policy", failed(t, f.lambda.RemovePermission, remove("a")))
	complaint{notFound, 404, "The resource you requested does not exist."}.is(t, "none", failed(t, f.lambda.GetPolicy, &awslambda.GetPolicyInput{FunctionName: name}))
}

// TestEventInvokeConfig follows LocalStack's recording: test_lambda_eventinvokeconfig_lifecycle.
func TestEventInvokeConfig(t *testing.T) {
	f := newFunctions(t)
	ctx := t.Context()
	name := f.create("f").FunctionName
	type put = awslambda.PutFunctionEventInvokeConfigInput
	c := answer(f.lambda.PutFunctionEventInvokeConfig(ctx, &put{FunctionName: name, MaximumEventAgeInSeconds: aws.Int32(60)}))(t)
	equal(t, "put", fmt.Sprint(*c.FunctionArn, *c.MaximumEventAgeInSeconds, c.MaximumRetryAttempts == nil, c.DestinationConfig.OnFailure != nil, !c.LastModified.IsZero()), "arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST60 true true true")
	u := answer(f.lambda.UpdateFunctionEventInvokeConfig(ctx, &awslambda.UpdateFunctionEventInvokeConfigInput{FunctionName: name, MaximumRetryAttempts: aws.Int32(0)}))(t)
	equal(t, "update", fmt.Sprint(*u.MaximumEventAgeInSeconds, *u.MaximumRetryAttempts), "60 0")
	equal(t, "list", len(answer(f.lambda.ListFunctionEventInvokeConfigs(ctx, &awslambda.ListFunctionEventInvokeConfigsInput{FunctionName: name}))(t).FunctionEventInvokeConfigs), 1)
	complaint{invalid, 400, "You must specify at least one of error handling or destination setting."}.is(t, "nothing", failed(t, f.lambda.PutFunctionEventInvokeConfig, &put{FunctionName: name}))
	complaint{invalid, 400, "DestinationConfig is not supported"}.is(t, "destination", failed(t, f.lambda.PutFunctionEventInvokeConfig, &put{
		FunctionName: name, DestinationConfig: &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: aws.String("arn:aws:sqs:us-east-1:123456789012:q")}},
	}))
	complaint{notFound, 404, "The function doesn't exist."}.is(t, "no function", failed(t, f.lambda.PutFunctionEventInvokeConfig, &put{FunctionName: aws.String("none"), MaximumRetryAttempts: aws.Int32(1)}))
	answer(f.lambda.DeleteFunctionEventInvokeConfig(ctx, &awslambda.DeleteFunctionEventInvokeConfigInput{FunctionName: name}))(t)
	complaint{notFound, 404, "The function arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST doesn't have an EventInvokeConfig"}.is(t, "none", failed(t, f.lambda.GetFunctionEventInvokeConfig, &awslambda.GetFunctionEventInvokeConfigInput{FunctionName: name}))
}

// TestCodeLocation downloads a function's code, and a layer's, as backup tools do.
func TestCodeLocation(t *testing.T) {
	f := newFunctions(t)
	ctx := t.Context()
	f.create("f")
	code := answer(f.lambda.GetFunction(ctx, &awslambda.GetFunctionInput{FunctionName: aws.String("f")}))(t).Code
	equal(t, "repository", *code.RepositoryType, "S3")
	get := func(url string) (int, string) {
		t.Helper()
		res, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(b)
	}
	status, text := get(*code.Location)
	equal(t, "status", status, 200)
	equal(t, "code", text == string(script(t, echo)), true)
	layer := zipOf(t, "greeting", "hello")
	made := answer(f.lambda.PublishLayerVersion(ctx, &awslambda.PublishLayerVersionInput{LayerName: aws.String("f"), Content: &types.LayerVersionContentInput{ZipFile: layer}}))(t)
	shown := answer(f.lambda.GetLayerVersion(ctx, &awslambda.GetLayerVersionInput{LayerName: made.LayerArn, VersionNumber: &made.Version}))(t)
	for _, location := range []*string{made.Content.Location, shown.Content.Location} {
		status, text = get(*location)
		equal(t, "a layer", fmt.Sprint(status, text == string(layer)), "200 true")
	}
	status, _ = get(strings.Replace(*code.Location, "/f/", "/g/", 1))
	equal(t, "another function's", status, 403)
}
