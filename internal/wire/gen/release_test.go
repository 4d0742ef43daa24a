package main

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// newer are members that the SDK has and the models' release has not, each with what becomes of it.
var newer = map[string]string{
	"FileSystemConfig.S3FilesConfig":            "FileSystemConfigs are refused as a whole",
	"AssumeRoleRequest.MinimumSessionTokenSize": "docs/differences.md",
}

// TestModelsAreAsNewAsTheSDK compares the models with the release of aws-sdk-go-v2 in go.mod: a request's member that the
// SDK knows and the models do not would be dropped without a word.
func TestModelsAreAsNewAsTheSDK(t *testing.T) {
	for pkg, client := range map[string]reflect.Type{
		"lambdaapi": reflect.TypeFor[*lambda.Client](), "ec2api": reflect.TypeFor[*ec2.Client](),
		"iamapi": reflect.TypeFor[*iam.Client](), "stsapi": reflect.TypeFor[*sts.Client](),
	} {
		for _, s := range services {
			if s.pkg != pkg {
				continue
			}
			m, err := readModel(s)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range s.operations {
				method, ok := client.MethodByName(name)
				if !ok {
					t.Errorf("the SDK has no %s", name)
					continue
				}
				compareMembers(t, m, name, m.Operations[name].Input.Shape, method.Type.In(2).Elem())
			}
		}
	}
	for member := range newer {
		if !seen[member] {
			t.Errorf("%s is not newer than the models any more", member)
		}
	}
}

var seen = map[string]bool{}

func compareMembers(t *testing.T, m *model, operation, shapeName string, sdk reflect.Type) {
	t.Helper()
	known := map[string]ref{}
	if s := m.Shapes[shapeName]; s != nil {
		for name, r := range s.Members {
			known[strings.ToLower(name)] = r
		}
	}
	for i := range sdk.NumField() {
		f := sdk.Field(i)
		if f.PkgPath != "" || f.Name == "ResultMetadata" {
			continue
		}
		r, ok := known[strings.ToLower(f.Name)]
		if !ok {
			member := shapeName + "." + f.Name
			seen[member] = true
			if newer[member] == "" {
				t.Errorf("%s: the models of botocore %s have no %s: -import a newer release", operation, release, member)
			}
			continue
		}
		of, typ := r.Shape, f.Type
		for m.Shapes[of].Type == "list" {
			of = m.Shapes[of].Member.Shape
		}
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() == reflect.Struct && typ != reflect.TypeFor[time.Time]() && m.Shapes[of].Type == "structure" {
			compareMembers(t, m, operation, of, typ)
		}
	}
}
