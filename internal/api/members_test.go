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
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"enilab/internal/nstest"
)

// unread are the members of requests that no handler reads, and that make no difference by their nature, for the reason that
// stands here. The others are in docs/differences.md.
var unread = map[string]string{
	"ec2api.PrefixListId.Description":                                 "prefix lists are refused",
	"ec2api.UserIdGroupPair.PeeringStatus":                            "answers alone have it",
	"ec2api.UserIdGroupPair.VpcId":                                    "a group's id says which VPC it is in, and a name means the group of the same VPC",
	"ec2api.DescribeAvailabilityZonesRequest.AllAvailabilityZones":    "all are available",
	"ec2api.DescribeRegionsRequest.AllRegions":                        "there is one, and it is enabled",
	"ec2api.DescribeNetworkInterfacesRequest.IncludeManagedResources": "there are none",
	"ec2api.DetachNetworkInterfaceRequest.Force":                      "what is refused is refused by force, too",
	"lambdaapi.CreateFunctionUrlConfigRequest.AuthType":               "function URLs are refused",
	"lambdaapi.CreateFunctionUrlConfigRequest.Cors":                   "function URLs are refused",
	"lambdaapi.CreateFunctionUrlConfigRequest.InvokeMode":             "function URLs are refused",
	"lambdaapi.ListEventSourceMappingsRequest.EventSourceArn":         "there are none",
	"lambdaapi.ListEventSourceMappingsRequest.FunctionName":           "there are none, and AWS does not look whether there is such a function",
}

// TestEveryMemberIsRead holds that nothing is accepted and dropped: every member of every request is read by a handler, which
// carries it out or refuses it, or is named above or in docs/differences.md. A member that a newer model brings fails it; what
// no model has is refused in internal/wire.
func TestEveryMemberIsRead(t *testing.T) {
	if nstest.Rootless() {
		t.Skip("needs Go's module cache, which nobody has; it makes no difference who runs it")
	}
	pkg, read := checkedSources(t, ".")
	operation := map[string]bool{} // of any service
	for _, p := range pkg.Imports() {
		for _, name := range p.Scope().Names() {
			if _, ok := p.Scope().Lookup(name).(*types.Var); ok && strings.HasPrefix(p.Path(), "enilab/internal/wire/") {
				operation[name] = true
			}
		}
	}
	page := readDifferences(t)
	left, operations, refused := maps.Clone(unread), 0, map[string]bool{}
	for _, imported := range pkg.Imports() {
		service := imported.Name()
		if !slices.Contains([]string{"lambdaapi", "ec2api", "iamapi", "stsapi"}, service) {
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
					if read[f] {
						t.Errorf("%s is in unread, and a handler reads it", name)
					}
					continue
				}
				if service == "lambdaapi" && slices.Contains(unsupportedMembers, f.Name()) {
					refused[f.Name()] = true
					continue
				}
				kept := page.kept.has(strings.TrimSuffix(named.Obj().Name(), "Request"), f.Name(), func(name string) bool {
					return operation[name] || imported.Scope().Lookup(name) != nil
				})
				if !read[f] && !kept {
					t.Errorf("%s is accepted and dropped: read it in a handler, say in docs/differences.md that it is kept without effect, or give the reason in unread", name)
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
	if operations < 110 {
		t.Errorf("looked at %d operations", operations)
	}
	for name := range left {
		t.Errorf("%s is in unread, and no request has it", name)
	}
	for _, name := range unsupportedMembers {
		if !refused[name] {
			t.Errorf("%s is in unsupportedMembers, and no request has it", name)
		}
		if !slices.Contains(page.refused, name) {
			t.Errorf("%s is refused by name, and docs/differences.md does not say so", name)
		}
	}
	for _, name := range page.refused {
		if !refused[name] {
			t.Errorf("docs/differences.md says that %s is refused by name, and it is not", name)
		}
	}
	for _, name := range page.kept.left() {
		t.Errorf("docs/differences.md says that %s is without effect, and no request has it", name)
	}
}

// differences is what docs/differences.md says of requests' members.
type differences struct {
	refused []string // by name
	kept    keptRows // without effect
}

// keptRows are the names in the first columns: of operations and structures, of members, or of both; each with whether a
// request has it.
type keptRows []map[string]bool

// readDifferences reads the rows whose third column says "refused by name" or "without effect".
func readDifferences(t *testing.T) differences {
	t.Helper()
	text, err := os.ReadFile("../../docs/differences.md")
	if err != nil {
		t.Fatal(err)
	}
	var d differences
	word := regexp.MustCompile(`[A-Z][A-Za-z0-9]+`)
	for line := range strings.Lines(string(text)) {
		columns := strings.Split(line, "|")
		if len(columns) < 4 {
			continue
		}
		members, _, _ := strings.Cut(columns[1], ";") // what comes after it are no members
		names := word.FindAllString(members, -1)
		switch what := columns[3]; {
		case strings.Contains(what, "refused by name"):
			d.refused = append(d.refused, slices.DeleteFunc(names, func(n string) bool { return n == strings.ToUpper(n) })...) // without values, such as REFERENCE
		case strings.Contains(what, "without effect"):
			row := map[string]bool{}
			for _, name := range names {
				row[name] = false
			}
			d.kept = append(d.kept, row)
		}
	}
	if len(d.refused) == 0 || len(d.kept) == 0 {
		t.Fatal("docs/differences.md has no rows of what is refused by name or without effect any more")
	}
	return d
}

// has tells whether a row is about a member of a request or structure. A row that names owners is about no others; one that
// names no members, about all of its owners.
func (rows keptRows) has(owner, member string, isOwner func(string) bool) (found bool) {
	for _, row := range rows {
		var owners, members []string
		for name := range row {
			if isOwner(name) {
				owners = append(owners, name)
			} else {
				members = append(members, name)
			}
		}
		if (len(owners) == 0 || slices.Contains(owners, owner)) && (len(members) == 0 || slices.Contains(members, member)) && len(row) > 0 {
			found = true
			for _, name := range []string{owner, member} {
				if _, ok := row[name]; ok {
					row[name] = true
				}
			}
		}
	}
	return found
}

// left are the names that no request has.
func (rows keptRows) left() (names []string) {
	for _, row := range rows {
		for name, used := range row {
			if !used {
				names = append(names, name)
			}
		}
	}
	return names
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

// TestEveryInputIsUsed holds the same one level below: what handlers hand over to the control plane is read there.
func TestEveryInputIsUsed(t *testing.T) {
	if nstest.Rootless() {
		t.Skip("needs Go's module cache, which nobody has; it makes no difference who runs it")
	}
	pkg, read := checkedSources(t, "../lambda")
	inputs := 0
	for _, name := range pkg.Scope().Names() {
		_, fields := structOf(pkg.Scope().Lookup(name).Type())
		if fields == nil || !strings.HasSuffix(name, "Input") {
			continue
		}
		inputs++
		for f := range fields.Fields() {
			if !read[f] {
				t.Errorf("the control plane drops %s.%s", name, f.Name())
			}
		}
	}
	if inputs < 8 {
		t.Errorf("looked at %d inputs", inputs)
	}
}

// checkedSources is the package in a directory with its types, and the fields that it reads.
func checkedSources(t *testing.T, dir string) (*types.Package, map[*types.Var]bool) {
	t.Helper()
	var said bytes.Buffer
	list := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f", "{{.ImportPath}}={{.Export}}", "./"+dir)
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
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, "_test.go") {
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
	pkg, err := config.Check(dir, fset, files, info)
	if err != nil {
		t.Fatal(err)
	}
	read := map[*types.Var]bool{}
	for _, s := range info.Selections {
		if v, ok := s.Obj().(*types.Var); ok {
			read[v] = true
		}
	}
	return pkg, read
}
