package api

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"enilab/internal/nstest"
)

// withoutEffect are the members of requests that no handler reads. Each is in docs/differences.md, or makes no difference by
// its nature, for the reason that stands here.
var withoutEffect = map[string]string{
	"ec2api.PrefixListId.Description":                                 "prefix lists are refused",
	"ec2api.UserIdGroupPair.PeeringStatus":                            "answers alone have it",
	"ec2api.UserIdGroupPair.VpcId":                                    "a group's id says which VPC it is in, and a name means the group of the same VPC",
	"ec2api.DescribeAvailabilityZonesRequest.AllAvailabilityZones":    "all are available",
	"ec2api.DescribeRegionsRequest.AllRegions":                        "there is one, and it is enabled",
	"ec2api.DescribeNetworkInterfacesRequest.IncludeManagedResources": "there are none",
	"ec2api.DetachNetworkInterfaceRequest.Force":                      "what is refused is refused by force, too",
	"stsapi.AssumeRoleRequest.Policy":                                 "docs/differences.md",
	"stsapi.AssumeRoleRequest.PolicyArns":                             "docs/differences.md",
	"stsapi.AssumeRoleRequest.ProvidedContexts":                       "docs/differences.md",
	"stsapi.AssumeRoleRequest.SerialNumber":                           "docs/differences.md",
	"stsapi.AssumeRoleRequest.Tags":                                   "docs/differences.md",
	"stsapi.AssumeRoleRequest.TokenCode":                              "docs/differences.md",
	"stsapi.AssumeRoleRequest.TransitiveTagKeys":                      "docs/differences.md",
}

// TestEveryMemberIsRead holds that nothing is accepted and dropped: every member of every request is read by a handler, which
// carries it out or refuses it, or is named above. A member that a newer model brings fails it.
func TestEveryMemberIsRead(t *testing.T) {
	if nstest.Rootless() {
		t.Skip("needs Go's module cache, which nobody has; it makes no difference who runs it")
	}
	files, pkg, read := checkedSources(t)
	if len(files) == 0 {
		t.Fatal("no sources")
	}
	left, operations := maps.Clone(withoutEffect), 0
	for _, imported := range pkg.Imports() {
		service := imported.Name()
		if !slices.Contains([]string{"ec2api", "iamapi", "stsapi"}, service) {
			continue
		}
		seen := map[types.Type]bool{}
		var walk func(types.Type)
		walk = func(typ types.Type) {
			named, fields := structOf(typ)
			if fields == nil || named.Obj().Pkg() != imported || seen[named] {
				return
			}
			seen[named] = true
			for f := range fields.Fields() {
				name := service + "." + named.Obj().Name() + "." + f.Name()
				if _, ok := left[name]; ok {
					delete(left, name)
					continue
				}
				if !read[f] {
					t.Errorf("%s is accepted and dropped: read it in a handler, or give the reason in withoutEffect", name)
				}
				if _, inner := structOf(f.Type()); inner == nil || !readAny(inner, read) {
					continue // plain, or refused as a whole
				}
				walk(f.Type())
			}
		}
		for _, name := range imported.Scope().Names() {
			if op, ok := imported.Scope().Lookup(name).Type().(*types.Named); ok && op.TypeArgs().Len() == 2 { // a wire.Operation
				walk(op.TypeArgs().At(0))
				operations++
			}
		}
	}
	if operations < 70 {
		t.Errorf("looked at %d operations", operations)
	}
	for name := range left {
		t.Errorf("%s is in withoutEffect, and no request has it", name)
	}
}

func readAny(s *types.Struct, read map[*types.Var]bool) bool {
	for f := range s.Fields() {
		if read[f] {
			return true
		}
	}
	return false
}

// structOf looks through pointers and lists.
func structOf(typ types.Type) (*types.Named, *types.Struct) {
	for {
		switch u := typ.(type) {
		case *types.Pointer:
			typ = u.Elem()
			continue
		case *types.Slice:
			typ = u.Elem()
			continue
		case *types.Named:
			s, _ := u.Underlying().(*types.Struct)
			return u, s
		}
		return nil, nil
	}
}

// checkedSources are this package's files with their types, and the fields that they read.
func checkedSources(t *testing.T) ([]*ast.File, *types.Package, map[*types.Var]bool) {
	t.Helper()
	var said bytes.Buffer
	list := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f", "{{.ImportPath}}={{.Export}}", ".")
	list.Stderr = &said
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, said.String())
	}
	exports := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "=")
		exports[path] = file
	}
	fset := token.NewFileSet()
	var files []*ast.File
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
	}
	info := &types.Info{Selections: map[*ast.SelectorExpr]*types.Selection{}}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		file := exports[path]
		if file == "" {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(file)
	})}
	pkg, err := config.Check("enilab/internal/api", fset, files, info)
	if err != nil {
		t.Fatal(err)
	}
	read := map[*types.Var]bool{}
	for _, s := range info.Selections {
		if v, ok := s.Obj().(*types.Var); ok {
			read[v] = true
		}
	}
	return files, pkg, read
}
