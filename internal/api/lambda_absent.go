package api

import (
	"context"

	"enilab/internal/lambda"
	"enilab/internal/wire"
	api "enilab/internal/wire/lambdaapi"
)

// What the lab has none of. Tools ask for it all the same, and take "there is none" for an answer; making one is refused.

func registerLambdaAbsent(s *wire.Server, l lambdaAPI) {
	wire.Handle(s, api.GetFunctionCodeSigningConfig, l.getCodeSigning)
	wire.Handle(s, api.GetFunctionRecursionConfig, l.getRecursion)
	wire.Handle(s, api.GetRuntimeManagementConfig, l.getRuntimeManagement)
	wire.Handle(s, api.CreateFunctionUrlConfig, func(context.Context, *api.CreateFunctionUrlConfigRequest) (*api.CreateFunctionUrlConfigResponse, error) {
		return nil, unsupported("A function URL")
	})
	wire.Handle(s, api.GetFunctionUrlConfig, l.getURL)
	wire.Handle(s, api.ListFunctionUrlConfigs, l.listURLs)
	wire.Handle(s, api.ListEventSourceMappings, func(context.Context, *api.ListEventSourceMappingsRequest) (*api.ListEventSourceMappingsResponse, error) {
		return nil, nil
	})
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

func (l lambdaAPI) getURL(_ context.Context, in *api.GetFunctionUrlConfigRequest) (*api.GetFunctionUrlConfigResponse, error) {
	return nil, &lambda.Error{Code: lambda.ResourceNotFound, Message: "The resource you requested does not exist."}
}

func (l lambdaAPI) listURLs(_ context.Context, in *api.ListFunctionUrlConfigsRequest) (*api.ListFunctionUrlConfigsResponse, error) {
	_, err := l.configurationOf(*in.FunctionName, "")
	return nil, err
}

// configurationOf describes a function by what a request names it.
func (l lambdaAPI) configurationOf(name, qualifier string) (lambda.FunctionConfiguration, error) {
	ref, err := l.Ref(name, qualifier)
	if err != nil {
		return lambda.FunctionConfiguration{}, err
	}
	return l.GetFunctionConfiguration(ref)
}
