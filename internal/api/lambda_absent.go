package api

import (
	"context"

	"enilab/internal/lambda"
	"enilab/internal/wire"
	api "enilab/internal/wire/lambdaapi"
)

// What the lab has none of. Tools ask for it all the same, and take "there is none" for an answer; making one is refused.

func registerLambdaAbsent(s *wire.Server, l lambdaAPI) {
	handle(s, api.GetFunctionCodeSigningConfig, l.getCodeSigning)
	handle(s, api.GetFunctionRecursionConfig, l.getRecursion)
	handle(s, api.GetRuntimeManagementConfig, l.getRuntimeManagement)
	handle(s, api.CreateFunctionUrlConfig, l.createURL)
	handle(s, api.GetFunctionUrlConfig, l.getURL)
	handle(s, api.ListFunctionUrlConfigs, l.listURLs)
	handle(s, api.ListEventSourceMappings, l.listEventSources)
}

// listEventSources lists none. AWS does not look whether there is such a function.
func (lambdaAPI) listEventSources(
	_ context.Context, in *api.ListEventSourceMappingsRequest,
) (*api.ListEventSourceMappingsResponse, error) {
	key := func(m api.EventSourceMappingConfiguration) string { return *m.UUID }
	none, next, err := pageOf("ListEventSourceMappings", []api.EventSourceMappingConfiguration{}, key, in.Marker, in.MaxItems)
	return &api.ListEventSourceMappingsResponse{EventSourceMappings: none, NextMarker: next}, err
}

// getCodeSigning answers what AWS does for a function without a configuration: Terraform asks at every read.
func (l lambdaAPI) getCodeSigning(_ context.Context, in *api.GetFunctionCodeSigningConfigRequest) (*api.GetFunctionCodeSigningConfigResponse, error) {
	c, err := l.configurationOf(*in.FunctionName, "")
	return &api.GetFunctionCodeSigningConfigResponse{FunctionName: &c.FunctionName, CodeSigningConfigArn: new("")}, err
}

func (l lambdaAPI) getRecursion(_ context.Context, in *api.GetFunctionRecursionConfigRequest) (*api.GetFunctionRecursionConfigResponse, error) {
	_, err := l.configurationOf(*in.FunctionName, "")
	return &api.GetFunctionRecursionConfigResponse{RecursiveLoop: new("Terminate")}, err
}

func (l lambdaAPI) getRuntimeManagement(_ context.Context, in *api.GetRuntimeManagementConfigRequest) (*api.GetRuntimeManagementConfigResponse, error) {
	c, err := l.configurationOf(*in.FunctionName, given(in.Qualifier))
	return &api.GetRuntimeManagementConfigResponse{UpdateRuntimeOn: new("Auto"), FunctionArn: &c.FunctionARN}, err
}

// The sentences about function URLs are AWS's, recorded by LocalStack: test_lambda_api.snapshot.json,
// test_url_config_exceptions and test_url_config_list_paging.

func (l lambdaAPI) createURL(_ context.Context, in *api.CreateFunctionUrlConfigRequest) (*api.CreateFunctionUrlConfigResponse, error) {
	if err := l.exists(*in.FunctionName, given(in.Qualifier)); err != nil {
		return nil, err
	}
	return nil, unsupported("A function URL")
}

func (l lambdaAPI) getURL(_ context.Context, in *api.GetFunctionUrlConfigRequest) (*api.GetFunctionUrlConfigResponse, error) {
	if _, err := l.Ref(*in.FunctionName, given(in.Qualifier)); err != nil {
		return nil, err
	}
	return nil, &lambda.Error{Code: lambda.ResourceNotFound, Message: "The resource you requested does not exist."}
}

func (l lambdaAPI) listURLs(_ context.Context, in *api.ListFunctionUrlConfigsRequest) (*api.ListFunctionUrlConfigsResponse, error) {
	if err := l.exists(*in.FunctionName, ""); err != nil {
		return nil, err
	}
	key := func(c api.FunctionUrlConfig) string { return *c.FunctionArn }
	none, next, err := pageOf("ListFunctionUrlConfigs", []api.FunctionUrlConfig{}, key, in.Marker, in.MaxItems)
	return &api.ListFunctionUrlConfigsResponse{FunctionUrlConfigs: none, NextMarker: next}, err
}

// exists refuses what is no function's name, and a function, version or alias that is not there.
func (l lambdaAPI) exists(name, qualifier string) error {
	ref, err := l.Ref(name, qualifier)
	if err != nil {
		return err
	}
	if _, err := l.GetFunctionConfiguration(ref); err != nil {
		return &lambda.Error{Code: lambda.ResourceNotFound, Message: "Function does not exist"}
	}
	return nil
}

// configurationOf describes a function by what a request names it.
func (l lambdaAPI) configurationOf(name, qualifier string) (lambda.FunctionConfiguration, error) {
	ref, err := l.Ref(name, qualifier)
	if err != nil {
		return lambda.FunctionConfiguration{}, err
	}
	return l.GetFunctionConfiguration(ref)
}
