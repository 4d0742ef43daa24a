package api

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// TestSettingsAreShownAgain sets what the lab used to drop without a word.
func TestSettingsAreShownAgain(t *testing.T) {
	f := newFunctions(t)
	ctx := t.Context()
	in := f.input("f")
	in.LoggingConfig = &types.LoggingConfig{LogFormat: types.LogFormatJson, LogGroup: aws.String("/my/group")}
	in.TracingConfig = &types.TracingConfig{Mode: types.TracingModeActive}
	in.VpcConfig = &types.VpcConfig{SubnetIds: []string{}, SecurityGroupIds: []string{}}
	made := answer(f.lambda.CreateFunction(ctx, in))(t)
	equal(t, "no update yet", made.LastUpdateStatus, "")
	logs := func(l *types.LoggingConfig) string {
		return fmt.Sprint(l.LogFormat, " ", *l.LogGroup, " ", l.ApplicationLogLevel, " ", l.SystemLogLevel)
	}
	equal(t, "logging", logs(made.LoggingConfig), "JSON /my/group INFO INFO")
	equal(t, "tracing", made.TracingConfig.Mode, types.TracingModeActive)
	equal(t, "runtime", *made.RuntimeVersionConfig.RuntimeVersionArn, "arn:aws:lambda:us-east-1::runtime:provided.al2023")
	equal(t, "VPC", fmt.Sprintf("%v %q %t", made.VpcConfig.SubnetIds, *made.VpcConfig.VpcId, *made.VpcConfig.Ipv6AllowedForDualStack), `[] "" false`)
	f.active("f")

	out := answer(f.lambda.UpdateFunctionConfiguration(ctx, &awslambda.UpdateFunctionConfigurationInput{
		FunctionName: made.FunctionName, LoggingConfig: &types.LoggingConfig{SystemLogLevel: types.SystemLogLevelWarn}, TracingConfig: &types.TracingConfig{Mode: types.TracingModePassThrough},
	}))(t)
	equal(t, "logging", logs(out.LoggingConfig), "JSON /my/group INFO WARN")
	equal(t, "tracing", out.TracingConfig.Mode, types.TracingModePassThrough)
	equal(t, "in progress", fmt.Sprint(out.LastUpdateStatus, *out.LastUpdateStatusReason, out.LastUpdateStatusReasonCode), "InProgressThe function is being created.Creating")
	f.updated("f")
	complaint{invalid, 400, "LogFormat JSON"}.is(t, "a level of a text log", failed(t, f.lambda.UpdateFunctionConfiguration, &awslambda.UpdateFunctionConfigurationInput{
		FunctionName: made.FunctionName, LoggingConfig: &types.LoggingConfig{LogFormat: types.LogFormatText, SystemLogLevel: types.SystemLogLevelWarn},
	}))
	plain := f.create("plain")
	equal(t, "logging by default", logs(plain.LoggingConfig), "Text /aws/lambda/plain  ")
	equal(t, "no VPC", plain.VpcConfig == nil, true)
}
