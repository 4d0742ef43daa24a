package topology

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"enilab/netlab"
)

var update = flag.Bool("update", false, "rewrite golden files and the schema")

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// golden compares with a file, or writes it.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		must(t, os.WriteFile(file, got, 0o644))
		return
	}
	want, err := os.ReadFile(file)
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test -update rewrites it); got:\n%s", file, got)
	}
}

// Everything that is wrong with a file is said at once, each where it is.
func TestBrokenFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*" + Suffix)
	must(t, err)
	if len(files) == 0 {
		t.Fatal("no broken files")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, err := load(file)
			errs := Errors(nil)
			if !errors.As(err, &errs) {
				t.Fatalf("got %v, want Errors", err)
			}
			golden(t, strings.TrimSuffix(file, Suffix)+".golden", []byte(errs.Error()+"\n"))
		})
	}
}

func TestDefaults(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "{}"} {
		got, err := Parse("x.lab.yml", []byte(text))
		must(t, err)
		got.file, got.dir, got.where = "", "", nil
		want := &Topology{Region: "us-east-1", Account: "123456789012", Workers: 1, Pool: Pool{Shared: 8}, Model: "none", TimeScale: 1, Internet: true}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

const whole = `
name: whole
region: eu-west-1
account: 012345678901
internet: false
pool: {shared: 0}
store: ../store
quotas: {idle: 90, keepInterfaces: 1m, ec2CallsPerSecond: 2}
vpcs:
  vpc-a:
    cidr: 10.0.0.0/16
    subnets:
      subnet-a: 10.0.1.0/24
      subnet-b: {cidr: 10.0.2.0/24, az: eu-west-1c}
    securityGroups:
      sg-a: {}
      sg-b:
        ingress: [tcp 80-90 from sg-a, {protocol: udp, ports: 53, cidr: 10.0.0.0/8}, all from anywhere]
        egress: []
    resources:
      web:
        command: [sleep, 100, "{address}"]
        subnet: subnet-a
        securityGroups: [sg-b]
        health: {command: [test, -e, /x]}
      cache: {serve: redis, data: {n: 1}, subnet: subnet-a, securityGroups: [sg-a], address: 10.0.1.10}
roles:
  r:
    inline:
      short: {actions: ["ec2:*"]}
      long: {Statement: [{Effect: Deny, Action: "*", Resource: "*"}]}
layers:
  deps: ./deps
  tools: tools.zip
functions:
  f: {code: ./f, concurrency: 0, timeout: 30, vpc: {subnets: [subnet-a], securityGroups: [sg-a]}}
  g: {code: g.zip, role: r, layers: [tools, deps], environment: {PORT: 80, ON: true}}
`

func TestWhole(t *testing.T) {
	top, err := Parse("/labs/here/x.lab.yml", []byte(whole))
	must(t, err)
	if top.Internet || top.Pool.Shared != 0 || top.Account != "012345678901" || top.Store != "/labs/store" {
		t.Errorf("%+v", top)
	}
	if q := (Quotas{Idle: 90 * time.Second, KeepInterfaces: time.Minute, EC2CallsPerSecond: 2}); top.Quotas != q {
		t.Errorf("quotas %+v", top.Quotas)
	}
	f, g := top.Functions[0], top.Functions[1]
	if f.Code != (Code{Path: "/labs/here/f"}) || *f.Concurrency != 0 || f.Timeout != 30*time.Second || f.Role != DefaultRole || f.Memory != 128 {
		t.Errorf("f: %+v", f)
	}
	if g.Code != (Code{Key: "g.zip"}) || g.Concurrency != nil || g.Environment["PORT"] != "80" || g.Environment["ON"] != "true" || g.VPC != nil {
		t.Errorf("g: %+v", g)
	}
	if want := []Layer{{"deps", Code{Path: "/labs/here/deps"}}, {"tools", Code{Key: "tools.zip"}}}; !reflect.DeepEqual(top.Layers, want) || strings.Join(g.Layers, " ") != "tools deps" {
		t.Errorf("layers %+v, of g %v", top.Layers, g.Layers)
	}
	if len(top.Roles) != 2 || top.Roles[1].Name != DefaultRole {
		t.Fatalf("roles %+v", top.Roles)
	}
	for i, want := range []string{
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ec2:*"],"Resource":["*"]}]}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["*"],"Resource":["*"]}]}`,
	} {
		if got := top.Roles[0].Inline[i].Document(); got != want {
			t.Errorf("policy %s", got)
		}
	}

	spec := top.Network([]string{"serve", "{address}"}).VPCs[0]
	if spec.Subnets[0].AZ != "eu-west-1a" || spec.Subnets[1].AZ != "eu-west-1c" {
		t.Errorf("%+v", spec.Subnets)
	}
	groups := spec.SecurityGroups
	if groups[0].Egress != nil || groups[1].Egress == nil || groups[1].Ingress[2] != netlab.All || groups[1].Ingress[0] != (netlab.Rule{Protocol: "tcp", FromPort: 80, ToPort: 90, Group: "sg-a"}) {
		t.Errorf("%+v", groups)
	}
	web, cache := spec.Resources[0], spec.Resources[1]
	if web.Command[1] != "100" || web.Check[0] != "test" || web.Interval != 2*time.Second {
		t.Errorf("%+v", web)
	}
	if cache.Port != RedisPort || cache.Command[0] != "redis-server" || top.VPCs[0].Resources[1].Data["n"] != "1" {
		t.Errorf("%+v", cache)
	}
}

// load reads a topology as the program does.
func load(file string) (*Topology, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Read("", file, f)
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	if _, err := Find(dir); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), dir) {
		t.Errorf("empty directory: %v", err)
	}
	must(t, os.WriteFile(filepath.Join(dir, "a.lab.yml"), []byte("name: first"), 0o600))
	file, err := Find(dir)
	must(t, err)
	if top, err := load(file); err != nil || top.Name != "first" {
		t.Errorf("%+v, %v", top, err)
	}
	must(t, os.WriteFile(filepath.Join(dir, "b.lab.yml"), nil, 0o600))
	if _, err := Find(dir); err == nil || !strings.Contains(err.Error(), "a.lab.yml, b.lab.yml") {
		t.Errorf("two files: %v", err)
	}
	if _, err := Read("", "stdin", strings.NewReader(strings.Repeat("#", maxSize+1))); err == nil || !strings.HasPrefix(err.Error(), "stdin:1:1: ") {
		t.Errorf("too large: %v", err)
	}
}

// What aliases expand to is bounded, however they do it.
func TestAliasesAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("functions:\n  f:\n    code: x\n    environment: &e\n")
	for i := range 300 {
		fmt.Fprintf(&b, "      K%d: v\n", i)
	}
	for i := range 1000 {
		fmt.Fprintf(&b, "  f%d: {code: x, environment: *e}\n", i)
	}
	_, err := Parse("x", []byte(b.String()))
	if err == nil || strings.Count(err.Error(), "\n") != 0 || !strings.Contains(err.Error(), "aliases expand") {
		t.Errorf("got %.300v", err)
	}
}

// A thousand functions fit, with room to spare.
func TestThousandFunctions(t *testing.T) {
	var b strings.Builder
	b.WriteString("vpcs:\n  vpc-a:\n    cidr: 10.0.0.0/16\n    subnets: {subnet-a: 10.0.1.0/24}\n    securityGroups: {sg-a: {}}\nfunctions:\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "  f%d:\n    code: go.zip\n    handler: a.b\n    memory: 256\n    environment: {A1: x, B1: y, C1: z}\n    vpc: {subnets: [subnet-a], securityGroups: [sg-a]}\n", i)
	}
	top, err := Parse("x", []byte(b.String()))
	must(t, err)
	if len(top.Functions) != 1000 {
		t.Errorf("%d functions", len(top.Functions))
	}
}

func TestCheckFiles(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"store", "good", "empty"} {
		must(t, os.Mkdir(filepath.Join(dir, d), 0o700))
	}
	for _, f := range []string{"store/go.zip", "good/bootstrap", "a.zip"} {
		must(t, os.WriteFile(filepath.Join(dir, f), nil, 0o700))
	}
	top, err := Parse(filepath.Join(dir, "x.lab.yml"), []byte(`store: store
functions:
  a: {code: go.zip}
  b: {code: no.zip}
  c: {code: ./good}
  d: {code: ./empty}
  e: {code: ./a.zip}
  f: {code: ./gone.zip}
  g: {code: ./empty, runtime: python3.13, handler: app.handler}
  h: {code: ./empty, layers: [empty, brings]}
  i: {code: ./empty, layers: [archive]}
  j: {code: ./empty, layers: [empty]}
layers:
  empty: ./empty
  brings: ./good
  archive: ./a.zip
  g: ./gone
`))
	must(t, err)
	errs := Errors(nil)
	if err := top.CheckFiles(); !errors.As(err, &errs) || len(errs) != 5 {
		t.Fatalf("%v", err)
	}
	for i, want := range [][2]int{{4, 13}, {6, 13}, {8, 13}, {12, 13}, {17, 3}} {
		if errs[i].Line != want[0] || errs[i].Column != want[1] {
			t.Errorf("%v: want %v", errs[i], want)
		}
	}
}

// A file of any bytes is a topology, or has problems that are somewhere in it; and a topology's networks are sound.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*" + Suffix, "../../examples/labs/*" + Suffix} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Add([]byte(whole))
	f.Fuzz(func(t *testing.T, b []byte) {
		top, err := Parse("x.lab.yml", b)
		if err != nil {
			errs := Errors(nil)
			if !errors.As(err, &errs) || len(errs) == 0 {
				t.Fatalf("%T: %v", err, err)
			}
			lines := bytes.Count(b, []byte("\n")) + bytes.Count(b, []byte("\r")) + 1
			for _, e := range errs {
				if e.File == "" || e.Line < 1 || e.Line > lines || e.Column < 1 || e.Message == "" {
					t.Errorf("%+v", e)
				}
			}
			return
		}
		if err := top.Network([]string{"whoami"}).Validate(); err != nil {
			t.Error(err)
		}
	})
}
