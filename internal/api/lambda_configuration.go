package api

import (
	"cmp"
	"strings"

	"enilab/internal/lambda"
	api "enilab/internal/wire/lambdaapi"
)

// lastModified is how Lambda writes times: in milliseconds, with a zone of four digits.
const lastModified = "2006-01-02T15:04:05.000-0700"

// configured makes an answer of what a call of the control plane returned.
func configured(c lambda.FunctionConfiguration, err error) (*api.FunctionConfiguration, error) {
	if err != nil {
		return nil, err
	}
	return configuration(c), nil
}

// set is a value of an answer; an empty one is left out.
func set[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}

// configuration is a function as the wire shows it.
func configuration(c lambda.FunctionConfiguration) *api.FunctionConfiguration {
	out := &api.FunctionConfiguration{
		FunctionName: &c.FunctionName, FunctionArn: &c.FunctionARN, Version: &c.Version, RevisionId: set(c.RevisionID),
		Role: &c.Role, Runtime: set(c.Runtime), Handler: set(c.Handler), Description: &c.Description, PackageType: set(c.PackageType),
		CodeSha256: &c.CodeSha256, CodeSize: &c.CodeSize, MemorySize: new(int32(c.MemorySize)), Timeout: new(int32(c.Timeout.Seconds())),
		LastModified: new(c.LastModified.UTC().Format(lastModified)),
		State:        new(string(c.State)), StateReason: set(c.StateReason), StateReasonCode: set(string(c.StateReasonCode)),
		LastUpdateStatus: set(string(c.LastUpdateStatus)), LastUpdateStatusReason: set(c.LastUpdateStatusReason),
		LastUpdateStatusReasonCode: set(string(c.LastUpdateStatusReasonCode)),
		EphemeralStorage:           &api.EphemeralStorage{Size: new(int32(c.EphemeralStorage))},
		TracingConfig:              &api.TracingConfigResponse{Mode: new(cmp.Or(c.TracingMode, "PassThrough"))},
		LoggingConfig:              loggingConfig(c.Logging()),
		RuntimeVersionConfig:       runtimeVersion(c),
		SnapStart:                  &api.SnapStartResponse{ApplyOn: new("None"), OptimizationStatus: new("Off")},
	}
	if c.Architecture != "" {
		out.Architectures = []string{c.Architecture}
	}
	for _, layer := range c.Layers {
		out.Layers = append(out.Layers, api.Layer{Arn: new(layer.ARN), CodeSize: new(layer.CodeSize)})
	}
	if c.Environment != nil {
		out.Environment = &api.EnvironmentResponse{Variables: c.Environment}
	}
	if v := c.VpcConfig; v.Given || v.Attached() {
		out.VpcConfig = &api.VpcConfigResponse{
			SubnetIds: append([]string{}, v.SubnetIDs...), SecurityGroupIds: append([]string{}, v.SecurityGroupIDs...), VpcId: &v.VpcID,
			Ipv6AllowedForDualStack: &v.Ipv6AllowedForDualStack,
		}
	}
	return out
}

func loggingConfig(l lambda.LoggingConfig) *api.LoggingConfig {
	return &api.LoggingConfig{
		LogFormat: &l.LogFormat, LogGroup: &l.LogGroup, ApplicationLogLevel: set(l.ApplicationLogLevel), SystemLogLevel: set(l.SystemLogLevel),
	}
}

// runtimeVersion names the version of a function's runtime. On AWS a hash stands at its end, here the runtime.
func runtimeVersion(c lambda.FunctionConfiguration) *api.RuntimeVersionConfig {
	region := strings.SplitN(c.FunctionARN, ":", 5)[3]
	return &api.RuntimeVersionConfig{RuntimeVersionArn: new("arn:aws:lambda:" + region + "::runtime:" + c.Runtime)}
}

// listed is a function in a list, which "returns a subset of the FunctionConfiguration fields".
// https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctions.html
func listed(c lambda.FunctionConfiguration) api.FunctionConfiguration {
	f := configuration(c)
	f.State, f.StateReason, f.StateReasonCode = nil, nil, nil
	f.LastUpdateStatus, f.LastUpdateStatusReason, f.LastUpdateStatusReasonCode = nil, nil, nil
	f.RuntimeVersionConfig = nil
	return *f
}
