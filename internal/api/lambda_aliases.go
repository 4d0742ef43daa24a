package api

import (
	"context"
	"encoding/json"

	"enilab/internal/lambda"
	"enilab/internal/wire"
	api "enilab/internal/wire/lambdaapi"
)

// What belongs to a function's qualifiers: aliases, resource-based policies, and how asynchronous events are dealt with.

func registerLambdaQualifiers(s *wire.Server, l lambdaAPI) {
	handle(s, api.CreateAlias, l.createAlias)
	handle(s, api.UpdateAlias, l.updateAlias)
	handle(s, api.GetAlias, l.getAlias)
	handle(s, api.ListAliases, l.listAliases)
	handle(s, api.DeleteAlias, l.deleteAlias)
	handle(s, api.AddPermission, l.addPermission)
	handle(s, api.GetPolicy, l.getPolicy)
	handle(s, api.RemovePermission, l.removePermission)
	handle(s, api.PutFunctionEventInvokeConfig, l.putEventConfig)
	handle(s, api.UpdateFunctionEventInvokeConfig, l.updateEventConfig)
	handle(s, api.GetFunctionEventInvokeConfig, l.getEventConfig)
	handle(s, api.ListFunctionEventInvokeConfigs, l.listEventConfigs)
	handle(s, api.DeleteFunctionEventInvokeConfig, l.deleteEventConfig)
}

func alias(a lambda.Alias, err error) (*api.AliasConfiguration, error) {
	out := &api.AliasConfiguration{AliasArn: &a.ARN, Name: &a.Name, FunctionVersion: &a.FunctionVersion, Description: &a.Description, RevisionId: &a.RevisionID}
	if len(a.Weights) > 0 {
		out.RoutingConfig = &api.AliasRoutingConfiguration{AdditionalVersionWeights: a.Weights}
	}
	return out, err
}

// weights are those that a request sets; nil if it does not say.
func weights(r *api.AliasRoutingConfiguration) map[string]float64 {
	if r == nil {
		return nil
	}
	if r.AdditionalVersionWeights == nil {
		return map[string]float64{}
	}
	return r.AdditionalVersionWeights
}

func (l lambdaAPI) createAlias(_ context.Context, in *api.CreateAliasRequest) (*api.AliasConfiguration, error) {
	name, err := l.Function(*in.FunctionName)
	if err != nil {
		return nil, err
	}
	return alias(l.CreateAlias(lambda.AliasInput{
		Function: name, Name: *in.Name, FunctionVersion: *in.FunctionVersion, Description: in.Description, Weights: weights(in.RoutingConfig),
	}))
}

func (l lambdaAPI) updateAlias(_ context.Context, in *api.UpdateAliasRequest) (*api.AliasConfiguration, error) {
	name, err := l.Function(*in.FunctionName)
	if err != nil {
		return nil, err
	}
	return alias(l.UpdateAlias(lambda.AliasInput{
		Function: name, Name: *in.Name, FunctionVersion: given(in.FunctionVersion), Description: in.Description, Weights: weights(in.RoutingConfig),
		RevisionID: given(in.RevisionId),
	}))
}

func (l lambdaAPI) getAlias(_ context.Context, in *api.GetAliasRequest) (*api.AliasConfiguration, error) {
	name, err := l.Function(*in.FunctionName)
	if err != nil {
		return nil, err
	}
	return alias(l.GetAlias(name, *in.Name))
}

func (l lambdaAPI) listAliases(_ context.Context, in *api.ListAliasesRequest) (*api.ListAliasesResponse, error) {
	name, err := l.Function(*in.FunctionName)
	if err != nil {
		return nil, err
	}
	list, err := l.ListAliases(name, given(in.FunctionVersion))
	if err != nil {
		return nil, err
	}
	list, next, err := pageOf("ListAliases", list, func(a lambda.Alias) string { return a.Name }, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListAliasesResponse{NextMarker: next}
	for _, a := range list {
		shown, _ := alias(a, nil)
		out.Aliases = append(out.Aliases, *shown)
	}
	return out, nil
}

func (l lambdaAPI) deleteAlias(_ context.Context, in *api.DeleteAliasRequest) (*wire.None, error) {
	name, err := l.Function(*in.FunctionName)
	if err != nil {
		return nil, err
	}
	return nil, l.DeleteAlias(name, *in.Name)
}

func (l lambdaAPI) addPermission(_ context.Context, in *api.AddPermissionRequest) (*api.AddPermissionResponse, error) {
	ref, err := l.Ref(*in.FunctionName, given(in.Qualifier))
	if err != nil {
		return nil, err
	}
	st, err := l.AddPermission(lambda.PermissionInput{
		Function: ref, StatementID: *in.StatementId, Action: *in.Action, Principal: *in.Principal, SourceARN: given(in.SourceArn),
		SourceAccount: given(in.SourceAccount), EventSourceToken: given(in.EventSourceToken), OrganizationID: given(in.PrincipalOrgID),
		URLAuthType: given(in.FunctionUrlAuthType), InvokedViaURL: in.InvokedViaFunctionUrl, RevisionID: given(in.RevisionId),
	})
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(st)
	return &api.AddPermissionResponse{Statement: new(string(text))}, err
}

func (l lambdaAPI) getPolicy(_ context.Context, in *api.GetPolicyRequest) (*api.GetPolicyResponse, error) {
	ref, err := l.Ref(*in.FunctionName, given(in.Qualifier))
	if err != nil {
		return nil, err
	}
	policy, revision, err := l.GetPolicy(ref)
	return &api.GetPolicyResponse{Policy: &policy, RevisionId: &revision}, err
}

func (l lambdaAPI) removePermission(_ context.Context, in *api.RemovePermissionRequest) (*wire.None, error) {
	ref, err := l.Ref(*in.FunctionName, given(in.Qualifier))
	if err != nil {
		return nil, err
	}
	return nil, l.RemovePermission(ref, *in.StatementId, given(in.RevisionId))
}

// eventConfig is a configuration as AWS shows it: with destinations, of which the lab has none.
func eventConfig(c lambda.EventInvokeConfig) api.FunctionEventInvokeConfig {
	return api.FunctionEventInvokeConfig{
		FunctionArn: &c.FunctionARN, LastModified: new(wire.Seconds(c.LastModified)),
		MaximumRetryAttempts: int32Of(c.MaximumRetryAttempts), MaximumEventAgeInSeconds: int32Of(c.MaximumEventAgeInSeconds),
		DestinationConfig: &api.DestinationConfig{OnSuccess: &api.OnSuccess{}, OnFailure: &api.OnFailure{}},
	}
}

func (l lambdaAPI) putEventConfig(_ context.Context, in *api.PutFunctionEventInvokeConfigRequest) (*api.FunctionEventInvokeConfig, error) {
	return l.setEventConfig(*in.FunctionName, given(in.Qualifier), in.MaximumRetryAttempts, in.MaximumEventAgeInSeconds, in.DestinationConfig, false)
}

func (l lambdaAPI) updateEventConfig(_ context.Context, in *api.UpdateFunctionEventInvokeConfigRequest) (*api.FunctionEventInvokeConfig, error) {
	return l.setEventConfig(*in.FunctionName, given(in.Qualifier), in.MaximumRetryAttempts, in.MaximumEventAgeInSeconds, in.DestinationConfig, true)
}

// setEventConfig takes destinations that name none, as AWS does: recorded by LocalStack, test_lambda_eventinvokeconfig_exceptions.
func (l lambdaAPI) setEventConfig(name, qualifier string, retries, age *int32, destinations *api.DestinationConfig, keep bool) (*api.FunctionEventInvokeConfig, error) {
	if retries == nil && age == nil && destinations == nil {
		return nil, &lambda.Error{Code: lambda.InvalidParameterValue, Message: "You must specify at least one of error handling or destination setting."}
	}
	ref, err := l.Ref(name, qualifier)
	if err != nil {
		return nil, err
	}
	c, err := l.PutFunctionEventInvokeConfig(ref, lambda.EventInvokeConfig{MaximumRetryAttempts: integer(retries), MaximumEventAgeInSeconds: integer(age)}, keep)
	return new(eventConfig(c)), err
}

func (l lambdaAPI) getEventConfig(_ context.Context, in *api.GetFunctionEventInvokeConfigRequest) (*api.FunctionEventInvokeConfig, error) {
	ref, err := l.Ref(*in.FunctionName, given(in.Qualifier))
	if err != nil {
		return nil, err
	}
	c, err := l.GetFunctionEventInvokeConfig(ref)
	return new(eventConfig(c)), err
}

func (l lambdaAPI) listEventConfigs(_ context.Context, in *api.ListFunctionEventInvokeConfigsRequest) (*api.ListFunctionEventInvokeConfigsResponse, error) {
	name, err := l.Function(*in.FunctionName)
	if err != nil {
		return nil, err
	}
	list, err := l.ListFunctionEventInvokeConfigs(name)
	if err != nil {
		return nil, err
	}
	key := func(c lambda.EventInvokeConfig) string { return c.FunctionARN }
	list, next, err := pageOf("ListFunctionEventInvokeConfigs", list, key, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListFunctionEventInvokeConfigsResponse{NextMarker: next}
	for _, c := range list {
		out.FunctionEventInvokeConfigs = append(out.FunctionEventInvokeConfigs, eventConfig(c))
	}
	return out, nil
}

func (l lambdaAPI) deleteEventConfig(_ context.Context, in *api.DeleteFunctionEventInvokeConfigRequest) (*wire.None, error) {
	ref, err := l.Ref(*in.FunctionName, given(in.Qualifier))
	if err != nil {
		return nil, err
	}
	return nil, l.DeleteFunctionEventInvokeConfig(ref)
}
