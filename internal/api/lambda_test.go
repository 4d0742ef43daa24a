package api

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"enilab/internal/iam"
	"enilab/internal/wire"
	"enilab/internal/wire/lambdaapi"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

const (
	invalid  = "InvalidParameterValueException"
	notFound = "ResourceNotFoundException"
)

func TestEveryLambdaOperationHasAHandler(t *testing.T) {
	s := wire.New(wire.Config{})
	registerLambda(s, Config{})
	for _, op := range lambdaapi.Operations() {
		if !s.Handles(op) {
			t.Errorf("%s has none", op.Name)
		}
	}
}

func TestCreateFunction(t *testing.T) {
	f := newFunctions(t)
	ctx := t.Context()
	in := f.input("f")
	in.Description, in.MemorySize, in.Tags = aws.String("a"), aws.Int32(256), map[string]string{"team": "x"}
	in.Environment = &types.Environment{Variables: map[string]string{"COLOR": "red"}}
	in.TracingConfig, in.SnapStart = &types.TracingConfig{Mode: types.TracingModePassThrough}, &types.SnapStart{ApplyOn: types.SnapStartApplyOnNone}
	in.DeadLetterConfig, in.KMSKeyArn = &types.DeadLetterConfig{TargetArn: aws.String("")}, aws.String("")
	made := answer(f.lambda.CreateFunction(ctx, in))(t)
	equal(t, "state", made.State, types.StatePending)
	equal(t, "reason", made.StateReasonCode, types.StateReasonCodeCreating)
	equal(t, "arn", *made.FunctionArn, "arn:aws:lambda:us-east-1:123456789012:function:f")
	equal(t, "version", *made.Version, "$LATEST")
	equal(t, "code", made.CodeSize, int64(len(in.Code.ZipFile)))
	f.active("f")
	equal(t, "answer", f.says("f"), "$LATEST red none")

	got := answer(f.lambda.GetFunction(ctx, &awslambda.GetFunctionInput{FunctionName: made.FunctionArn}))(t)
	c := got.Configuration
	equal(t, "state", c.State, types.StateActive)
	equal(t, "update", c.LastUpdateStatus, types.LastUpdateStatusSuccessful)
	equal(t, "settings", fmt.Sprintln(*c.Description, *c.Handler, c.Runtime, *c.MemorySize, *c.Timeout, *c.EphemeralStorage.Size, *c.Role, c.PackageType, c.Environment.Variables, got.Tags),
		"a function.handler provided.al2023 256 10 512 "+f.role+" Zip map[COLOR:red] map[team:x]\n")
	equal(t, "revision", *c.RevisionId, *made.RevisionId)
	equal(t, "VPC", c.VpcConfig == nil, true)
	equal(t, "concurrency", got.Concurrency == nil, true)
	equal(t, "location", *got.Code.Location != "", true)

	// S3's key is a file of the function store, and version 1 of it at once.
	if err := os.WriteFile(filepath.Join(f.store, "code.zip"), in.Code.ZipFile, 0o644); err != nil {
		t.Fatal(err)
	}
	stored := f.input("stored")
	stored.Code, stored.Publish = &types.FunctionCode{S3Bucket: aws.String("any"), S3Key: aws.String("code.zip")}, true
	one := answer(f.lambda.CreateFunction(ctx, stored))(t)
	equal(t, "version", *one.FunctionArn, "arn:aws:lambda:us-east-1:123456789012:function:stored:1")
	equal(t, "hash", *one.CodeSha256, *made.CodeSha256)
	f.active("stored:1")
	equal(t, "answer", f.says("stored:1"), "1  none")

	for name, version := range map[string]string{"f": "$LATEST", "stored": "$LATEST", "stored:1": "1", "123456789012:function:stored:1": "1"} {
		c := answer(f.lambda.GetFunctionConfiguration(ctx, &awslambda.GetFunctionConfigurationInput{FunctionName: &name}))(t)
		equal(t, name, *c.Version, version)
	}
	q := &awslambda.GetFunctionConfigurationInput{FunctionName: aws.String("stored"), Qualifier: aws.String("1")}
	equal(t, "by qualifier", *answer(f.lambda.GetFunctionConfiguration(ctx, q))(t).Version, "1")
	q.Qualifier = aws.String("2")
	complaint{notFound, 404, "Function not found: arn:aws:lambda:us-east-1:123456789012:function:stored:2"}.is(t, "no such version", failed(t, f.lambda.GetFunctionConfiguration, q))

	answer(f.lambda.DeleteFunction(ctx, &awslambda.DeleteFunctionInput{FunctionName: q.FunctionName, Qualifier: aws.String("1")}))(t)
	for _, name := range []string{"stored", "f"} {
		answer(f.lambda.DeleteFunction(ctx, &awslambda.DeleteFunctionInput{FunctionName: &name}))(t)
		complaint{notFound, 404, "Function not found: arn:aws:lambda:us-east-1:123456789012:function:" + name}.is(t, "deleted", failed(t, f.lambda.GetFunction, &awslambda.GetFunctionInput{FunctionName: &name}))
		complaint{notFound, 404, ""}.is(t, "deleted twice", failed(t, f.lambda.DeleteFunction, &awslambda.DeleteFunctionInput{FunctionName: &name}))
	}
}

// What the lab has not is refused, and so is what AWS refuses; the words are those that people look for.
func TestCreateFunctionRefuses(t *testing.T) {
	f := newFunctions(t)
	f.create("taken")
	subnet := f.subnet(f.vpc("10.0.0.0/16"), "10.0.1.0/24")
	vpc := &types.VpcConfig{SubnetIds: []string{subnet}, SecurityGroupIds: []string{f.group(*answer(f.ec2().DescribeVpcs(t.Context(), nil))(t).Vpcs[0].VpcId, "g")}}
	const nobody = "The role defined for the function cannot be assumed by Lambda."
	poor := f.newRole("poor", iam.LambdaTrust, "")
	foreign := f.newRole("foreign", strings.ReplaceAll(iam.LambdaTrust, "lambda.", "ec2."), "")
	type input = awslambda.CreateFunctionInput
	for what, c := range map[string]struct {
		edit func(*input)
		complaint
	}{
		"name taken":    {func(in *input) { in.FunctionName = aws.String("taken") }, complaint{"ResourceConflictException", 409, "Function already exist: taken"}},
		"no such role":  {func(in *input) { *in.Role += "x" }, complaint{invalid, 400, nobody}},
		"not Lambda's":  {func(in *input) { in.Role = &foreign }, complaint{invalid, 400, nobody}},
		"no permission": {func(in *input) { in.Role, in.VpcConfig = &poor, vpc }, complaint{invalid, 400, "The provided execution role does not have permissions to call CreateNetworkInterface on EC2"}},
		"no role's ARN": {func(in *input) { in.Role = aws.String("f") }, complaint{"ValidationException", 400, "1 validation error detected: Value 'f' at 'role' failed to satisfy constraint"}},
		"empty role":    {func(in *input) { in.Role = aws.String("") }, complaint{"ValidationException", 400, "Value '' at 'role'"}},
		"no runtime":    {func(in *input) { in.Runtime = "" }, complaint{invalid, 400, "Runtime and Handler are mandatory parameters"}},
		"no handler":    {func(in *input) { in.Handler = nil }, complaint{invalid, 400, "Runtime and Handler are mandatory parameters"}},
		"language":      {func(in *input) { in.Runtime = types.RuntimeRuby34 }, complaint{invalid, 400, "Value ruby3.4 at 'runtime'"}},
		"image":         {func(in *input) { in.Code = &types.FunctionCode{ImageUri: aws.String("i")} }, complaint{invalid, 400, "ImageUri is not supported by this lab"}},
		"package":       {func(in *input) { in.PackageType = types.PackageTypeImage }, complaint{invalid, 400, "package type"}},
		"no code":       {func(in *input) { in.Code = &types.FunctionCode{} }, complaint{invalid, 400, "code of f"}},
		"key alone":     {func(in *input) { in.Code = &types.FunctionCode{S3Key: aws.String("k")} }, complaint{invalid, 400, "S3Bucket and S3Key go together"}},
		"no such key":   {func(in *input) { in.Code = &types.FunctionCode{S3Bucket: aws.String("bucket"), S3Key: aws.String("k")} }, complaint{invalid, 400, "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist."}},
		"key's version": {func(in *input) { in.Code.S3ObjectVersion = aws.String("1") }, complaint{invalid, 400, "S3ObjectVersion"}},
		"no archive":    {func(in *input) { in.Code.ZipFile = []byte("x") }, complaint{invalid, 400, "Could not unzip uploaded file. Please check your file, then try to upload again."}},
		"layers":        {func(in *input) { in.Layers = []string{"arn:aws:lambda:us-east-1:123456789012:layer:l:1"} }, complaint{invalid, 400, "does not exist"}},
		"file system": {func(in *input) {
			in.FileSystemConfigs = []types.FileSystemConfig{{Arn: aws.String("arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/fsap-0123456789abcdef0"), LocalMountPath: aws.String("/mnt/a")}}
		}, complaint{invalid, 400, "FileSystemConfigs"}},
		"image's command": {func(in *input) { in.ImageConfig = &types.ImageConfig{WorkingDirectory: aws.String("/")} }, complaint{invalid, 400, "ImageConfig"}},
		"dead letters": {func(in *input) {
			in.DeadLetterConfig = &types.DeadLetterConfig{TargetArn: aws.String("arn:aws:sqs:us-east-1:123456789012:q")}
		}, complaint{invalid, 400, "DeadLetterConfig"}},
		"key":       {func(in *input) { in.KMSKeyArn = aws.String("arn:aws:kms:us-east-1:123456789012:key/k") }, complaint{invalid, 400, "KMSKeyArn"}},
		"snapshots": {func(in *input) { in.SnapStart = &types.SnapStart{ApplyOn: types.SnapStartApplyOnPublishedVersions} }, complaint{invalid, 400, "SnapStart"}},
		"signing": {func(in *input) {
			in.CodeSigningConfigArn = aws.String("arn:aws:lambda:us-east-1:123456789012:code-signing-config:csc-0123456789abcdef0")
		}, complaint{invalid, 400, "CodeSigningConfigArn"}},
		"architectures": {func(in *input) { in.Architectures = []types.Architecture{"x86_64", "arm64"} }, complaint{"ValidationException", 400, "Value '[x86_64, arm64]' at 'architectures' failed to satisfy constraint: Member must have length less than or equal to 1"}},
		"storage":       {func(in *input) { in.EphemeralStorage = &types.EphemeralStorage{Size: aws.Int32(511)} }, complaint{"ValidationException", 400, "Value '511' at 'ephemeralStorage.size'"}},
		"memory":        {func(in *input) { in.MemorySize = aws.Int32(64) }, complaint{"ValidationException", 400, "Value '64' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128"}},
		"no such subnet": {func(in *input) {
			in.VpcConfig = &types.VpcConfig{SubnetIds: []string{"subnet-x"}, SecurityGroupIds: vpc.SecurityGroupIds}
		}, complaint{invalid, 400, "subnet-x"}},
		"reserved": {func(in *input) { in.Environment = &types.Environment{Variables: map[string]string{"AWS_REGION": "x"}} }, complaint{invalid, 400, "reserved keys"}},
	} {
		in := f.input("f")
		role := f.role
		in.Role = &role
		c.edit(in)
		c.is(t, what, failed(t, f.lambda.CreateFunction, in))
	}
	equal(t, "functions", len(answer(f.lambda.ListFunctions(t.Context(), nil))(t).Functions), 1)

	// What the SDK would not send.
	for body, want := range map[string]string{
		`{"FunctionName":"f","Code":{"S3Bucket":"b","S3Key":"k"}}`: "Value null at 'role' failed to satisfy constraint: Member must not be null",
		`{"FunctionName":"f","Role":"` + f.role + `"}`:             "Value null at 'code' failed to satisfy constraint: Member must not be null",
	} {
		res, text := f.raw("POST", "/2015-03-31/functions", body)
		equal(t, body, fmt.Sprintln(res.StatusCode, res.Header.Get("X-Amzn-ErrorType"), strings.Contains(text, want)), "400 ValidationException true\n")
	}
	res, text := f.raw("GET", "/2015-03-31/functions/none", "")
	equal(t, "error", fmt.Sprintln(res.StatusCode, res.Header.Get("X-Amzn-ErrorType"), res.Header.Get("Content-Type")), "404 ResourceNotFoundException application/json\n")
	equal(t, "body", text, `{"Type":"User","Message":"Function not found: arn:aws:lambda:us-east-1:123456789012:function:none","message":"Function not found: arn:aws:lambda:us-east-1:123456789012:function:none"}`)
	equal(t, "request id", len(res.Header.Get("X-Amzn-RequestId")), 36)
	complaint{"UnknownOperationException", 404, ""}.is(t, "an operation that the lab has not", failed(t, f.lambda.CreateEventSourceMapping, &awslambda.CreateEventSourceMappingInput{
		FunctionName: aws.String("taken"),
	}))
}

func TestListFunctions(t *testing.T) {
	f := newFunctions(t)
	ctx := t.Context()
	if err := os.MkdirAll(f.store, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.store, "code.zip"), script(t, echo), 0o644); err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 55 {
		in := f.input(fmt.Sprintf("f%02d", i))
		in.Code = &types.FunctionCode{S3Bucket: aws.String("bucket"), S3Key: aws.String("code.zip")}
		answer(f.lambda.CreateFunction(ctx, in))(t)
		want = append(want, *in.FunctionName)
	}
	for _, size := range []*int32{nil, aws.Int32(20), aws.Int32(55)} {
		var got []string
		pages := 0
		for p := awslambda.NewListFunctionsPaginator(f.lambda, &awslambda.ListFunctionsInput{MaxItems: size}); p.HasMorePages(); pages++ {
			list := answer(p.NextPage(ctx))(t).Functions
			for _, c := range list {
				got = append(got, *c.FunctionName)
			}
		}
		equal(t, "functions", strings.Join(got, " "), strings.Join(want, " "))
		equal(t, "pages", pages, map[bool]int{true: 3, false: 2}[aws.ToInt32(size) == 20])
	}

	// Functions come and go between the pages: none is told twice, and none is missing that was there all the time.
	first := answer(f.lambda.ListFunctions(ctx, &awslambda.ListFunctionsInput{MaxItems: aws.Int32(20)}))(t)
	answer(f.lambda.DeleteFunction(ctx, &awslambda.DeleteFunctionInput{FunctionName: aws.String("f00")}))(t)
	rest := answer(f.lambda.ListFunctions(ctx, &awslambda.ListFunctionsInput{Marker: first.NextMarker}))(t)
	equal(t, "after the marker", *rest.Functions[0].FunctionName, "f20")
	equal(t, "rest", len(rest.Functions), 35)
	equal(t, "more", rest.NextMarker == nil, true)
	complaint{invalid, 400, "Marker"}.is(t, "marker", failed(t, f.lambda.ListFunctions, &awslambda.ListFunctionsInput{Marker: aws.String("?")}))

	f.active("f01")
	answer(f.lambda.PublishVersion(ctx, &awslambda.PublishVersionInput{FunctionName: aws.String("f01")}))(t)
	all := answer(f.lambda.ListFunctions(ctx, &awslambda.ListFunctionsInput{FunctionVersion: types.FunctionVersionAll}))(t)
	equal(t, "versions", *all.Functions[0].Version+" "+*all.Functions[1].Version, "$LATEST 1")
}

func TestPublishVersion(t *testing.T) {
	f := newFunctions(t)
	ctx := t.Context()
	made := f.create("f")
	name := made.FunctionName
	one := answer(f.lambda.PublishVersion(ctx, &awslambda.PublishVersionInput{FunctionName: name, Description: aws.String("first"), CodeSha256: made.CodeSha256}))(t)
	equal(t, "version", *one.Version+" "+*one.Description, "1 first")
	f.active("f:1")
	equal(t, "nothing new", *answer(f.lambda.PublishVersion(ctx, &awslambda.PublishVersionInput{FunctionName: name}))(t).Version, "1")
	complaint{"PreconditionFailedException", 412, "Revision Id"}.is(t, "revision", failed(t, f.lambda.PublishVersion, &awslambda.PublishVersionInput{FunctionName: name, RevisionId: one.RevisionId}))
	complaint{invalid, 400, "CodeSHA256"}.is(t, "hash", failed(t, f.lambda.PublishVersion, &awslambda.PublishVersionInput{FunctionName: name, CodeSha256: aws.String("x")}))

	var arns []string
	for p := awslambda.NewListVersionsByFunctionPaginator(f.lambda, &awslambda.ListVersionsByFunctionInput{FunctionName: name, MaxItems: aws.Int32(1)}); p.HasMorePages(); {
		for _, v := range answer(p.NextPage(ctx))(t).Versions {
			arns = append(arns, strings.TrimPrefix(*v.FunctionArn, *made.FunctionArn))
		}
	}
	equal(t, "versions", strings.Join(arns, " "), ":$LATEST :1")
	complaint{notFound, 404, "function:g"}.is(t, "no function", failed(t, f.lambda.ListVersionsByFunction, &awslambda.ListVersionsByFunctionInput{FunctionName: aws.String("g")}))
	complaint{invalid, 400, "$LATEST version cannot be deleted"}.is(t, "delete", failed(t, f.lambda.DeleteFunction, &awslambda.DeleteFunctionInput{FunctionName: name, Qualifier: aws.String("$LATEST")}))
}

func TestFunctionConcurrency(t *testing.T) {
	f := newFunctions(t)
	ctx := t.Context()
	name := f.create("f").FunctionName
	get := func() *int32 {
		t.Helper()
		return answer(f.lambda.GetFunctionConcurrency(ctx, &awslambda.GetFunctionConcurrencyInput{FunctionName: name}))(t).ReservedConcurrentExecutions
	}
	put := func(n int32) *awslambda.PutFunctionConcurrencyInput {
		return &awslambda.PutFunctionConcurrencyInput{FunctionName: name, ReservedConcurrentExecutions: &n}
	}
	equal(t, "none", get() == nil, true)
	equal(t, "put", *answer(f.lambda.PutFunctionConcurrency(ctx, put(0)))(t).ReservedConcurrentExecutions, 0)
	equal(t, "reserved", *get(), 0)
	err := failed(t, f.lambda.Invoke, &awslambda.InvokeInput{FunctionName: name})
	complaint{"TooManyRequestsException", 429, "Rate Exceeded."}.is(t, "throttled", err)
	equal(t, "reason", reasonOf(err), types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded)

	answer(f.lambda.PutFunctionConcurrency(ctx, put(900)))(t)
	equal(t, "shown", *answer(f.lambda.GetFunction(ctx, &awslambda.GetFunctionInput{FunctionName: name}))(t).Concurrency.ReservedConcurrentExecutions, 900)
	complaint{invalid, 400, "below its minimum value of [100]"}.is(t, "too many", failed(t, f.lambda.PutFunctionConcurrency, put(901)))
	complaint{"ValidationException", 400, "greater than or equal to 0"}.is(t, "too few", failed(t, f.lambda.PutFunctionConcurrency, put(-1)))
	a := answer(f.lambda.GetAccountSettings(ctx, nil))(t)
	equal(t, "limits", fmt.Sprint(a.AccountLimit.ConcurrentExecutions, *a.AccountLimit.UnreservedConcurrentExecutions, a.AccountLimit.CodeSizeZipped, a.AccountLimit.CodeSizeUnzipped), "1000 100 52428800 262144000")
	equal(t, "usage", a.AccountUsage.FunctionCount, 1)
	equal(t, "code", a.AccountUsage.TotalCodeSize, int64(len(script(t, echo))))

	answer(f.lambda.DeleteFunctionConcurrency(ctx, &awslambda.DeleteFunctionConcurrencyInput{FunctionName: name}))(t)
	equal(t, "none again", get() == nil, true)
	f.says("f")
	*name = "g"
	complaint{notFound, 404, "function:g"}.is(t, "no function", failed(t, f.lambda.PutFunctionConcurrency, put(1)))
}

func TestFunctionTags(t *testing.T) {
	f := newFunctions(t)
	ctx := t.Context()
	arn := answer(f.lambda.CreateFunction(ctx, f.input("f")))(t).FunctionArn
	tags := func() string {
		t.Helper()
		var list []string
		for k, v := range answer(f.lambda.ListTags(ctx, &awslambda.ListTagsInput{Resource: arn}))(t).Tags {
			list = append(list, k+"="+v)
		}
		slices.Sort(list)
		return strings.Join(list, " ")
	}
	_, text := f.raw("GET", "/2017-03-31/tags/"+*arn, "")
	equal(t, "none", text, `{"Tags":{}}`)
	answer(f.lambda.TagResource(ctx, &awslambda.TagResourceInput{Resource: arn, Tags: map[string]string{"a": "1", "b/ c": "2", "d": ""}}))(t)
	equal(t, "tags", tags(), "a=1 b/ c=2 d=")
	answer(f.lambda.UntagResource(ctx, &awslambda.UntagResourceInput{Resource: arn, TagKeys: []string{"b/ c", "a"}}))(t)
	equal(t, "tags", tags(), "d=")
	equal(t, "shown", answer(f.lambda.GetFunction(ctx, &awslambda.GetFunctionInput{FunctionName: arn}))(t).Tags["d"], "")
	for resource, want := range map[string]complaint{
		*arn + "x": {notFound, 404, "Function not found"}, *arn + ":1": {invalid, 400, "not supported"}, "f": {"ValidationException", 400, "'resource'"},
	} {
		want.is(t, resource, failed(t, f.lambda.ListTags, &awslambda.ListTagsInput{Resource: &resource}))
		want.is(t, resource, failed(t, f.lambda.TagResource, &awslambda.TagResourceInput{Resource: &resource, Tags: map[string]string{"k": "v"}}))
		want.is(t, resource, failed(t, f.lambda.UntagResource, &awslambda.UntagResourceInput{Resource: &resource, TagKeys: []string{"k"}}))
	}
}
