package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// newer are members that the SDK has and the models' release has not, each with the reason why that is good enough: as all
// that is in no model they are refused by their names.
var newer = map[string]string{
	"FileSystemConfig.S3FilesConfig":            "FileSystemConfigs are refused as a whole",
	"AssumeRoleRequest.MinimumSessionTokenSize": "no client asks for it by itself",
}

// TestModelsAreAsNewAsTheSDK compares the generated requests with the release of aws-sdk-go-v2 in go.mod: a request's member
// that the SDK knows and the models do not is refused, and should be carried out, or be told of in docs/differences.md.
func TestModelsAreAsNewAsTheSDK(t *testing.T) {
	seen := map[string]bool{}
	for pkg, client := range map[string]reflect.Type{
		"lambdaapi": reflect.TypeFor[*lambda.Client](), "ec2api": reflect.TypeFor[*ec2.Client](),
		"iamapi": reflect.TypeFor[*iam.Client](), "stsapi": reflect.TypeFor[*sts.Client](),
	} {
		g := readGenerated(t, pkg)
		for _, s := range services {
			if s.pkg != pkg {
				continue
			}
			for _, name := range s.operations {
				method, ok := client.MethodByName(name)
				if !ok {
					t.Errorf("the SDK has no %s", name)
					continue
				}
				g.compare(t, seen, name, g.requests[name], method.Type.In(2).Elem())
			}
		}
	}
	for member := range newer {
		if !seen[member] {
			t.Errorf("%s is not newer than the models any more", member)
		}
	}
}

// TestRuntimes: the names of runtimes are the SDK's.
func TestRuntimes(t *testing.T) {
	var want []string
	for _, r := range types.Runtime("").Values() {
		want = append(want, string(r))
	}
	if !slices.Equal(runtimes, want) {
		t.Errorf("runtimes are\n%q, the SDK's\n%q; then: go generate ./internal/wire", runtimes, want)
	}
}

// generated is what a generated package declares: the request of each operation, and of each structure the name of each
// member's type, without pointers and lists, by the member's name in lower case.
type generated struct {
	requests map[string]string
	structs  map[string]map[string]string
}

func readGenerated(t *testing.T, pkg string) generated {
	t.Helper()
	g := generated{map[string]string{}, map[string]map[string]string{}}
	files, err := filepath.Glob(filepath.Join("..", pkg, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec: // CreateFunction = wire.Operation[CreateFunctionRequest, …]{…}
				for i, v := range n.Values {
					if literal, ok := v.(*ast.CompositeLit); ok {
						if types, ok := literal.Type.(*ast.IndexListExpr); ok {
							g.requests[n.Names[i].Name] = typeName(types.Indices[0])
						}
					}
				}
			case *ast.TypeSpec:
				if s, ok := n.Type.(*ast.StructType); ok {
					members := map[string]string{}
					for _, field := range s.Fields.List {
						for _, name := range field.Names {
							members[strings.ToLower(name.Name)] = typeName(field.Type)
						}
					}
					g.structs[n.Name.Name] = members
				}
			}
			return true
		})
	}
	return g
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.ArrayType:
		return typeName(e.Elt)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

func (g generated) compare(t *testing.T, seen map[string]bool, operation, structure string, sdk reflect.Type) {
	t.Helper()
	for f := range sdk.Fields() {
		if f.PkgPath != "" || f.Name == "ResultMetadata" {
			continue
		}
		of, ok := g.structs[structure][strings.ToLower(f.Name)]
		if !ok {
			member := structure + "." + f.Name
			seen[member] = true
			if newer[member] == "" {
				t.Errorf("%s: the models of botocore %s have no %s: generate from a newer release", operation, release, member)
			}
			continue
		}
		typ := f.Type
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() == reflect.Struct && typ != reflect.TypeFor[time.Time]() && g.structs[of] != nil {
			g.compare(t, seen, operation, of, typ)
		}
	}
}
