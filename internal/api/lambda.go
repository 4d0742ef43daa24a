package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"enilab/internal/lambda"
	"enilab/internal/wire"
	api "enilab/internal/wire/lambdaapi"
)

// lambdaAPI answers for Lambda.
type lambdaAPI struct {
	*lambda.Service
	downloads *wire.Downloads // of code
}

func registerLambda(s *wire.Server, c Config) {
	l := lambdaAPI{Service: c.Lambda}
	l.downloads = s.Downloads(c.DownloadKey, l.openCode)
	handle(s, api.CreateFunction, l.createFunction)
	handle(s, api.GetFunction, l.getFunction)
	handle(s, api.GetFunctionConfiguration, l.getFunctionConfiguration)
	handle(s, api.ListFunctions, l.listFunctions)
	handle(s, api.UpdateFunctionConfiguration, l.updateFunctionConfiguration)
	handle(s, api.UpdateFunctionCode, l.updateFunctionCode)
	handle(s, api.DeleteFunction, l.deleteFunction)
	handle(s, api.Invoke, l.invoke)
	handle(s, api.PublishVersion, l.publishVersion)
	handle(s, api.ListVersionsByFunction, l.listVersions)
	handle(s, api.PutFunctionConcurrency, l.putConcurrency)
	handle(s, api.GetFunctionConcurrency, l.getConcurrency)
	handle(s, api.DeleteFunctionConcurrency, l.deleteConcurrency)
	handle(s, api.GetAccountSettings, l.accountSettings)
	handle(s, api.TagResource, l.tagResource)
	handle(s, api.UntagResource, l.untagResource)
	handle(s, api.ListTags, l.listTags)
	registerLayers(s, l)
	registerLambdaQualifiers(s, l)
	registerLambdaAbsent(s, l)
}

// given is what a request says, or the zero value.
func given[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// integer is a number of the wire as the control plane takes it; nil stays nil.
func integer(p *int32) *int {
	if p == nil {
		return nil
	}
	n := int(*p)
	return &n
}

func seconds(p *int32) *time.Duration {
	if p == nil {
		return nil
	}
	d := time.Duration(*p) * time.Second
	return &d
}

// unsupported refuses what the lab has not: to ignore it would make another function than was asked for.
func unsupported(what string) error {
	return &lambda.Error{Code: lambda.InvalidParameterValue, Message: what + " is not supported by this lab"}
}

// storeKey is the key of the function store that S3's two fields name. The lab has one store, whatever the bucket.
func storeKey(bucket, key *string) (string, error) {
	if (bucket == nil) != (key == nil) {
		return "", &lambda.Error{Code: lambda.InvalidParameterValue, Message: "S3Bucket and S3Key go together; here S3Key is a file of the function store, and S3Bucket any name"}
	}
	return given(key), nil
}

func architecture(list []string) (string, error) {
	switch len(list) {
	case 0:
		return "", nil
	case 1:
		return list[0], nil
	}
	return "", &lambda.Error{Code: lambda.InvalidParameterValue, Message: "a function has one architecture"}
}

func (l lambdaAPI) createFunction(ctx context.Context, in *api.CreateFunctionRequest) (*api.FunctionConfiguration, error) {
	if err := lambda.CheckRoleARN(*in.Role); err != nil { // an empty one too
		return nil, err
	}
	key, err := storeKey(in.Code.S3Bucket, in.Code.S3Key)
	if err != nil {
		return nil, err
	}
	arch, err := architecture(in.Architectures)
	if err != nil {
		return nil, err
	}
	name := *in.FunctionName
	if strings.Contains(name, ":") { // an ARN, with nothing but the name that is to be
		if name, err = l.Function(name); err != nil {
			return nil, err
		}
	}
	ask := lambda.CreateFunctionInput{
		FunctionName: name, ZipFile: in.Code.ZipFile, StoreKey: key, Role: *in.Role, Runtime: given(in.Runtime), Architecture: arch,
		PackageType: given(in.PackageType), Description: given(in.Description), Handler: given(in.Handler), MemorySize: int(given(in.MemorySize)),
		Timeout: given(seconds(in.Timeout)), Tags: in.Tags, Layers: in.Layers, Publish: given(in.Publish), LoggingConfig: logging(in.LoggingConfig),
	}
	if in.TracingConfig != nil {
		ask.TracingMode = given(in.TracingConfig.Mode)
	}
	if in.Environment != nil {
		ask.Environment = in.Environment.Variables
	}
	if in.EphemeralStorage != nil {
		ask.EphemeralStorage = int(*in.EphemeralStorage.Size)
	}
	if in.VpcConfig != nil {
		ask.VpcConfig = vpcConfig(in.VpcConfig)
	}
	return configured(l.CreateFunction(ctx, ask))
}

func vpcConfig(in *api.VpcConfig) lambda.VpcConfig {
	return lambda.VpcConfig{
		SubnetIDs: in.SubnetIds, SecurityGroupIDs: in.SecurityGroupIds, Ipv6AllowedForDualStack: given(in.Ipv6AllowedForDualStack), Given: true,
	}
}

func logging(in *api.LoggingConfig) *lambda.LoggingConfig {
	if in == nil {
		return nil
	}
	return &lambda.LoggingConfig{
		LogFormat: given(in.LogFormat), LogGroup: given(in.LogGroup), ApplicationLogLevel: given(in.ApplicationLogLevel), SystemLogLevel: given(in.SystemLogLevel),
	}
}

func (l lambdaAPI) updateFunctionConfiguration(ctx context.Context, in *api.UpdateFunctionConfigurationRequest) (*api.FunctionConfiguration, error) {
	name, err := l.Function(*in.FunctionName)
	if err != nil {
		return nil, err
	}
	if in.Role != nil {
		if err := lambda.CheckRoleARN(*in.Role); err != nil {
			return nil, err
		}
	}
	ask := lambda.UpdateFunctionConfigurationInput{
		FunctionName: name, Role: in.Role, Runtime: in.Runtime, Description: in.Description, Handler: in.Handler,
		MemorySize: integer(in.MemorySize), Timeout: seconds(in.Timeout), RevisionID: given(in.RevisionId), LoggingConfig: logging(in.LoggingConfig),
	}
	if in.TracingConfig != nil {
		ask.TracingMode = in.TracingConfig.Mode
	}
	if in.Layers != nil { // an empty list takes all layers away
		ask.Layers = &in.Layers
	}
	if in.Environment != nil {
		ask.Environment = maps.Clone(in.Environment.Variables)
		if ask.Environment == nil { // an empty one takes all variables away
			ask.Environment = map[string]string{}
		}
	}
	if in.EphemeralStorage != nil {
		ask.EphemeralStorage = integer(in.EphemeralStorage.Size)
	}
	if in.VpcConfig != nil {
		ask.VpcConfig = new(vpcConfig(in.VpcConfig))
	}
	return configured(l.UpdateFunctionConfiguration(ctx, ask))
}

func (l lambdaAPI) updateFunctionCode(ctx context.Context, in *api.UpdateFunctionCodeRequest) (*api.FunctionConfiguration, error) {
	name, err := l.Function(*in.FunctionName)
	if err != nil {
		return nil, err
	}
	key, err := storeKey(in.S3Bucket, in.S3Key)
	if err != nil {
		return nil, err
	}
	arch, err := architecture(in.Architectures)
	if err != nil {
		return nil, err
	}
	return configured(l.UpdateFunctionCode(ctx, lambda.UpdateFunctionCodeInput{
		FunctionName: name, ZipFile: in.ZipFile, StoreKey: key, Architecture: arch, RevisionID: given(in.RevisionId),
		Publish: given(in.Publish), DryRun: given(in.DryRun),
	}))
}

func (l lambdaAPI) getFunctionConfiguration(_ context.Context, in *api.GetFunctionConfigurationRequest) (*api.FunctionConfiguration, error) {
	ref, err := l.Ref(*in.FunctionName, given(in.Qualifier))
	if err != nil {
		return nil, err
	}
	return configured(l.GetFunctionConfiguration(ref))
}

func (l lambdaAPI) getFunction(ctx context.Context, in *api.GetFunctionRequest) (*api.GetFunctionResponse, error) {
	ref, err := l.Ref(*in.FunctionName, given(in.Qualifier))
	if err != nil {
		return nil, err
	}
	f, err := l.GetFunction(ref)
	if err != nil {
		return nil, err
	}
	out := &api.GetFunctionResponse{
		Configuration: configuration(f.Configuration), Tags: f.Tags,
		Code: &api.FunctionCodeLocation{RepositoryType: new("S3"), Location: l.location(ctx, codeName(f))},
	}
	if f.ReservedConcurrency != nil {
		out.Concurrency = &api.Concurrency{ReservedConcurrentExecutions: new(int32(*f.ReservedConcurrency))}
	}
	return out, nil
}

func (l lambdaAPI) deleteFunction(_ context.Context, in *api.DeleteFunctionRequest) (*api.DeleteFunctionResponse, error) {
	ref, err := l.Ref(*in.FunctionName, given(in.Qualifier))
	if err != nil {
		return nil, err
	}
	return &api.DeleteFunctionResponse{StatusCode: new(int32(204))}, l.DeleteFunction(ref)
}

func (l lambdaAPI) listFunctions(_ context.Context, in *api.ListFunctionsRequest) (*api.ListFunctionsResponse, error) {
	list := l.ListFunctions()
	if v := given(in.FunctionVersion); v == "ALL" {
		var all []lambda.FunctionConfiguration
		for _, f := range list {
			versions, err := l.ListVersionsByFunction(f.FunctionName)
			if err != nil {
				continue // deleted meanwhile
			}
			all = append(all, versions...)
		}
		list = all
	} else if v != "" {
		return nil, &lambda.Error{Code: lambda.InvalidParameterValue, Message: fmt.Sprintf("FunctionVersion %q: it must be ALL", v)}
	}
	items, next, err := functionPage("ListFunctions", list, in.Marker, in.MaxItems)
	return &api.ListFunctionsResponse{Functions: items, NextMarker: next}, err
}

func (l lambdaAPI) listVersions(_ context.Context, in *api.ListVersionsByFunctionRequest) (*api.ListVersionsByFunctionResponse, error) {
	name, err := l.Function(*in.FunctionName)
	if err != nil {
		return nil, err
	}
	list, err := l.ListVersionsByFunction(name)
	if err != nil {
		return nil, err
	}
	items, next, err := functionPage("ListVersionsByFunction", list, in.Marker, in.MaxItems)
	return &api.ListVersionsByFunctionResponse{Versions: items, NextMarker: next}, err
}

func (l lambdaAPI) publishVersion(ctx context.Context, in *api.PublishVersionRequest) (*api.FunctionConfiguration, error) {
	name, err := l.Function(*in.FunctionName)
	if err != nil {
		return nil, err
	}
	return configured(l.PublishVersion(ctx, lambda.PublishVersionInput{
		FunctionName: name, CodeSha256: given(in.CodeSha256), RevisionID: given(in.RevisionId), Description: in.Description,
	}))
}

func (l lambdaAPI) putConcurrency(_ context.Context, in *api.PutFunctionConcurrencyRequest) (*api.Concurrency, error) {
	name, err := l.Function(*in.FunctionName)
	if err != nil {
		return nil, err
	}
	return &api.Concurrency{ReservedConcurrentExecutions: in.ReservedConcurrentExecutions},
		l.PutFunctionConcurrency(name, int(*in.ReservedConcurrentExecutions))
}

func (l lambdaAPI) getConcurrency(_ context.Context, in *api.GetFunctionConcurrencyRequest) (*api.GetFunctionConcurrencyResponse, error) {
	name, err := l.Function(*in.FunctionName)
	if err != nil {
		return nil, err
	}
	n, err := l.GetFunctionConcurrency(name)
	if err != nil || n == nil {
		return nil, err
	}
	return &api.GetFunctionConcurrencyResponse{ReservedConcurrentExecutions: new(int32(*n))}, nil
}

func (l lambdaAPI) deleteConcurrency(_ context.Context, in *api.DeleteFunctionConcurrencyRequest) (*wire.None, error) {
	name, err := l.Function(*in.FunctionName)
	if err != nil {
		return nil, err
	}
	return nil, l.DeleteFunctionConcurrency(name)
}

func (l lambdaAPI) accountSettings(context.Context, *api.GetAccountSettingsRequest) (*api.GetAccountSettingsResponse, error) {
	a := l.GetAccountSettings()
	return &api.GetAccountSettingsResponse{
		AccountLimit: &api.AccountLimit{
			TotalCodeSize: new(a.TotalCodeSizeLimit), CodeSizeUnzipped: new(a.CodeSizeUnzipped), CodeSizeZipped: new(a.CodeSizeZip),
			ConcurrentExecutions: new(int32(a.ConcurrentExecutions)), UnreservedConcurrentExecutions: new(int32(a.UnreservedConcurrentExecutions)),
		},
		AccountUsage: &api.AccountUsage{TotalCodeSize: new(a.TotalCodeSize), FunctionCount: new(int64(a.FunctionCount))},
	}, nil
}

func (l lambdaAPI) tagResource(_ context.Context, in *api.TagResourceRequest) (*wire.None, error) {
	return nil, l.TagResource(*in.Resource, in.Tags)
}

func (l lambdaAPI) untagResource(_ context.Context, in *api.UntagResourceRequest) (*wire.None, error) {
	return nil, l.UntagResource(*in.Resource, in.TagKeys)
}

func (l lambdaAPI) listTags(_ context.Context, in *api.ListTagsRequest) (*api.ListTagsResponse, error) {
	tags, err := l.ListTags(*in.Resource)
	if tags == nil {
		tags = map[string]string{} // the answer shows that there are none
	}
	return &api.ListTagsResponse{Tags: tags}, err
}

// maxClientContext is how much of it a header takes. https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
const maxClientContext = 3583 // bytes in Base64

// clientContext is what a caller tells the function besides the event, in one line: runtimes get it in a header.
func clientContext(encoded string) (string, error) {
	b, err := base64.StdEncoding.DecodeString(encoded)
	var line bytes.Buffer
	if err != nil || len(encoded) > maxClientContext || json.Compact(&line, b) != nil {
		return "", &lambda.Error{Code: lambda.InvalidRequestContent, Message: fmt.Sprintf("Client context must be a valid Base64-encoded JSON object of at most %d bytes.", maxClientContext)}
	}
	return line.String(), nil
}

// The statuses of Invoke, by its type. https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
var invokeStatus = map[lambda.InvocationType]int32{lambda.RequestResponse: 200, lambda.EventInvocation: 202, lambda.DryRun: 204}

// traceHeader is X-Ray's, which every AWS service takes and answers with, and no model has.
// https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
const traceHeader = "X-Amzn-Trace-Id"

func (l lambdaAPI) invoke(ctx context.Context, in *api.InvocationRequest) (*api.InvocationResponse, error) {
	ref, err := l.Ref(*in.FunctionName, given(in.Qualifier))
	if err != nil {
		return nil, err
	}
	ask := lambda.InvokeInput{Function: ref, Type: lambda.RequestResponse, Payload: in.Payload}
	if in.InvocationType != nil {
		ask.Type = lambda.InvocationType(*in.InvocationType)
	}
	if in.ClientContext != nil {
		if ask.ClientContext, err = clientContext(*in.ClientContext); err != nil {
			return nil, err
		}
	}
	r := wire.RequestOf(ctx)
	ask.TraceHeader = r.Header.Get(traceHeader)
	ask.LogTail = in.LogType != nil && *in.LogType == "Tail" && ask.Type == lambda.RequestResponse
	out, err := l.Invoke(context.WithoutCancel(ctx), ask) // a function does not end because its caller has gone
	if out.RequestID != "" {
		r.ID = out.RequestID // the id that the function and its log know
	}
	if out.TraceHeader != "" {
		r.Answer.Set(traceHeader, out.TraceHeader)
	}
	if err != nil {
		return nil, err
	}
	answer := &api.InvocationResponse{Payload: out.Payload, StatusCode: new(invokeStatus[ask.Type])}
	if ask.Type == lambda.RequestResponse { // else nothing was executed yet
		answer.ExecutedVersion = &out.ExecutedVersion
	}
	if out.FunctionError != "" {
		answer.FunctionError = &out.FunctionError
	}
	if ask.LogTail {
		answer.LogResult = new(base64.StdEncoding.EncodeToString(out.LogTail))
	}
	return answer, nil
}
