package api

import (
	"archive/zip"
	"bytes"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

func zipOf(t *testing.T, name, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	answer(answer(w.Create(name))(t).Write([]byte(text)))(t)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestLayers(t *testing.T) {
	f := newFunctions(t)
	ctx := t.Context()
	publish := func(name, text string, runtimes ...types.Runtime) *awslambda.PublishLayerVersionOutput {
		return answer(f.lambda.PublishLayerVersion(ctx, &awslambda.PublishLayerVersionInput{
			LayerName: &name, Content: &types.LayerVersionContentInput{ZipFile: zipOf(t, "greeting", text)}, Description: aws.String("says " + text),
			LicenseInfo: aws.String("MIT"), CompatibleRuntimes: runtimes, CompatibleArchitectures: []types.Architecture{types.ArchitectureX8664},
		}))(t)
	}
	first, second := publish("greetings", "hello", types.RuntimePython312), publish("greetings", "good day", types.RuntimeProvidedal2023)
	publish("other", "x", types.RuntimePython312)
	equal(t, "version", fmt.Sprintln(first.Version, second.Version, *second.LayerVersionArn == *second.LayerArn+":2", *second.Description, *second.LicenseInfo,
		second.Content.CodeSize > 0, second.CompatibleRuntimes), "1 2 true says good day MIT true [provided.al2023]\n")

	got := answer(f.lambda.GetLayerVersion(ctx, &awslambda.GetLayerVersionInput{LayerName: aws.String("greetings"), VersionNumber: aws.Int64(1)}))(t)
	byARN := answer(f.lambda.GetLayerVersionByArn(ctx, &awslambda.GetLayerVersionByArnInput{Arn: first.LayerVersionArn}))(t)
	equal(t, "by name and ARN", fmt.Sprintln(*got.CreatedDate, *got.Content.CodeSha256, got.Version), fmt.Sprintln(*byARN.CreatedDate, *first.Content.CodeSha256, byARN.Version))

	versions := answer(f.lambda.ListLayerVersions(ctx, &awslambda.ListLayerVersionsInput{LayerName: first.LayerArn, MaxItems: aws.Int32(1)}))(t)
	equal(t, "the latest first", fmt.Sprintln(len(versions.LayerVersions), versions.LayerVersions[0].Version), "1 2\n")
	versions = answer(f.lambda.ListLayerVersions(ctx, &awslambda.ListLayerVersionsInput{LayerName: first.LayerArn, Marker: versions.NextMarker}))(t)
	equal(t, "then the rest", fmt.Sprintln(len(versions.LayerVersions), versions.LayerVersions[0].Version, versions.NextMarker == nil), "1 1 true\n")
	equal(t, "layers", len(answer(f.lambda.ListLayers(ctx, &awslambda.ListLayersInput{}))(t).Layers), 2)
	python := answer(f.lambda.ListLayers(ctx, &awslambda.ListLayersInput{CompatibleRuntime: types.RuntimePython312}))(t).Layers
	equal(t, "the latest for Python", fmt.Sprintln(*python[0].LayerName, python[0].LatestMatchingVersion.Version, *python[1].LayerName), "greetings 1 other\n")

	in := f.input("f")
	in.Code.ZipFile, in.Layers = script(f, `handler() { REPLY="$(cat /opt/greeting 2>&1 || true)"; json_string "$REPLY"; }`), []string{*second.LayerVersionArn}
	made := answer(f.lambda.CreateFunction(ctx, in))(t)
	equal(t, "a function's layers", fmt.Sprintln(*made.Layers[0].Arn, made.Layers[0].CodeSize), fmt.Sprintln(*second.LayerVersionArn, second.Content.CodeSize))
	f.active("f")
	equal(t, "it says", f.says("f"), "good day")

	for range 2 { // deleting is idempotent
		answer(f.lambda.DeleteLayerVersion(ctx, &awslambda.DeleteLayerVersionInput{LayerName: aws.String("greetings"), VersionNumber: aws.Int64(2)}))(t)
	}
	_, err := f.lambda.GetLayerVersion(ctx, &awslambda.GetLayerVersionInput{LayerName: aws.String("greetings"), VersionNumber: aws.Int64(2)})
	complaint{"ResourceNotFoundException", 404, "The resource you requested does not exist."}.is(t, "deleted", err)
	equal(t, "it still says", f.says("f"), "good day")
	answer(f.lambda.UpdateFunctionConfiguration(ctx, &awslambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("f"), Layers: []string{*first.LayerVersionArn}}))(t)
	f.updated("f")
	equal(t, "then", f.says("f"), "hello")
	out := answer(f.lambda.UpdateFunctionConfiguration(ctx, &awslambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("f"), Layers: []string{}}))(t)
	equal(t, "without layers", len(out.Layers), 0)

	_, err = f.lambda.UpdateFunctionConfiguration(ctx, &awslambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("f"), Layers: []string{*first.LayerArn}})
	complaint{"ValidationException", 400, "at 'layers' failed to satisfy constraint"}.is(t, "no version", err)
}
