package lambda_test

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"enilab/internal/lambda"
	"enilab/internal/nstest"
	"enilab/internal/testlab"
	"enilab/internal/undo"
	"enilab/nat"
	"enilab/netlab"
	"enilab/sandbox"
)

// bed is a lab with two customers, blue and green, whose networks are the same to the last address: a subnet for
// functions, a full and a small one, and a server at the same address.
type bed struct {
	*lambda.Service
	network  *netlab.Lab
	internet *netlab.Internet
	hub      *netlab.Node
	worker   *netlab.Node
	underlay *netlab.Underlay
	store    string
	cgroups  string // the lab's name there; empty without control groups

	undo undo.Stack
}

const (
	subnet      = "subnet-app"
	smallSubnet = "subnet-small" // a /28: 11 addresses
)

var (
	server   = netip.MustParseAddr("10.0.2.10")
	everyone = netip.MustParsePrefix("0.0.0.0/0")
)

func customer(name string) netlab.VPCSpec {
	return netlab.VPCSpec{
		ID: "vpc-" + name, CIDR: netip.MustParsePrefix("10.0.0.0/16"),
		Subnets: []netlab.SubnetSpec{
			{ID: subnet, CIDR: netip.MustParsePrefix("10.0.1.0/24")},
			{ID: "subnet-data", CIDR: netip.MustParsePrefix("10.0.2.0/24")},
			{ID: smallSubnet, CIDR: netip.MustParsePrefix("10.0.3.0/28")},
			{ID: "subnet-" + name, CIDR: netip.MustParsePrefix("10.0.4.0/24")},
		},
		SecurityGroups: []netlab.SecurityGroupSpec{
			{ID: "sg-app"},
			{ID: "sg-other"},
			{ID: "sg-open", Ingress: []netlab.Rule{{Protocol: "tcp", FromPort: listenPort, Group: "sg-data"}}},
			{ID: "sg-data", Ingress: []netlab.Rule{
				{Protocol: "tcp", FromPort: redisPort, CIDR: everyone},
				{Protocol: "tcp", FromPort: whoamiPort, CIDR: everyone},
				{Protocol: "udp", FromPort: datagramPort, CIDR: everyone},
			}},
		},
		Resources: []netlab.ResourceSpec{{
			Name: "server", Subnet: "subnet-data", SecurityGroups: []string{"sg-data"}, Address: server, Port: redisPort,
			Command: []string{"/proc/self/exe", serveArg, name},
		}},
	}
}

var beds atomic.Int32

func newBed(t testing.TB, changes ...func(*lambda.Config)) *bed {
	t.Helper()
	nstest.NeedRoot(t)
	b, dir := new(bed), openDir(t)
	t.Cleanup(func() { // before that of dir
		if err := b.close(); err != nil {
			t.Errorf("close the lab: %v", err)
		}
	})
	var err error
	b.network, err = netlab.Spec{VPCs: []netlab.VPCSpec{customer("blue"), customer("green")}}.Build(t.Context())
	must(t, err)
	b.undo.Push(b.network.Close)
	b.internet, err = netlab.NewInternet(t.Context(), []string{"/proc/self/exe", serveArg, "internet"})
	must(t, err)
	b.undo.Push(b.internet.Close)
	b.hub, b.worker = b.node(t, "hyperplane"), b.node(t, "worker")
	underlay, err := netlab.NewUnderlay(b.hub)
	must(t, err)
	b.underlay = underlay
	vtep, err := underlay.Connect(t.Context(), b.worker)
	must(t, err)

	b.store = filepath.Join(dir, "store")
	config := lambda.Config{
		Network: b.network, Internet: b.internet, Hyperplane: nat.NewNode(b.hub, underlay.HubVTEP),
		Workers: []*sandbox.Worker{{Node: b.worker, VTEP: vtep, Tunnels: sandbox.TunnelConfig{Network: nat.LambdaVPC, RouterMAC: nat.ENIMAC, Port: nat.TunnelPort}}},
		Store:   sandbox.Store{Dir: b.store}, CodeDir: filepath.Join(dir, "code"),
	}
	if !nstest.Rootless() {
		config.FirstUID = 1_950_000_000
	}
	name := testlab.Name(t, fmt.Sprintf("test%d", beds.Add(1)))
	if groups, err := sandbox.NewCgroups(name); err == nil {
		config.Cgroups, b.cgroups = groups, name
		b.undo.Push(groups.Close)
	} else if !nstest.Rootless() {
		t.Logf("without control groups: %v", err)
	}
	for _, change := range changes {
		change(&config)
	}
	b.Service = lambda.New(config)
	b.undo.Push(b.Service.Close)
	return b
}

func (b *bed) close() error { return b.undo.Close() }

func (b *bed) node(t testing.TB, name string) *netlab.Node {
	t.Helper()
	n, err := netlab.NewNode(name)
	must(t, err)
	b.undo.Push(n.Close)
	return n
}

// openDir is a directory of the test's that environments may pass through.
func openDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o755))
	}
	return dir
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// within bounds a wait that ends at once if all is well.
func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), max(d, 2*time.Minute)) // a hang, and not a slow machine, is to fail
	t.Cleanup(cancel)
	return ctx
}

// vpcOf is a VpcConfig for the functions' subnet of a customer.
func vpcOf(customer string, groups ...string) lambda.VpcConfig {
	if len(groups) == 0 {
		groups = []string{"sg-app"}
	}
	return lambda.VpcConfig{VpcID: "vpc-" + customer, SubnetIDs: []string{subnet}, SecurityGroupIDs: groups}
}

// create makes a function and waits until it is active. Without code given it is the Go example.
func (b *bed) create(t testing.TB, in lambda.CreateFunctionInput) string {
	t.Helper()
	if in.ZipFile == nil && in.StoreKey == "" {
		in.ZipFile = goFunction(t)
	}
	in.Timeout = cmp.Or(in.Timeout, 20*time.Second)
	c, err := b.CreateFunction(t.Context(), in)
	must(t, err)
	if c.State != lambda.Pending || c.StateReasonCode != lambda.ReasonCreating {
		t.Errorf("%s is created %s (%s), want Pending (Creating)", in.FunctionName, c.State, c.StateReasonCode)
	}
	must(t, b.WaitFunctionActive(within(t, 20*time.Second), lambda.FunctionRef{Name: in.FunctionName}))
	return in.FunctionName
}

// CreateFunction is the control plane's, of a function that brings its runtime unless it says otherwise.
func (b *bed) CreateFunction(ctx context.Context, in lambda.CreateFunctionInput) (lambda.FunctionConfiguration, error) {
	in.Runtime, in.Handler = cmp.Or(in.Runtime, "provided.al2023"), cmp.Or(in.Handler, "bootstrap")
	return b.Service.CreateFunction(ctx, in)
}

type event map[string]any

// everything asks the server for all that it has to tell.
var everything = event{"redis": fmt.Sprintf("%s:%d", server, redisPort), "whoami": fmt.Sprintf("http://%s/", server)}

// answer is the Go example's.
type answer struct {
	Tenant, Whoami, Instance string
	Invocation               int
	Outcome                  struct {
		Outcome, Detail string
		Count           int
		Env             map[string]string
	}
}

func (b *bed) invoke(t testing.TB, function string, e any) lambda.InvokeOutput {
	t.Helper()
	out, err := b.try(t, function, e)
	if err != nil {
		t.Fatalf("invoke %s: %v", function, err)
	}
	return out
}

func (b *bed) try(t testing.TB, function string, e any) (lambda.InvokeOutput, error) {
	t.Helper()
	payload, err := json.Marshal(e)
	must(t, err)
	return b.Invoke(t.Context(), lambda.InvokeInput{Function: b.ref(t, function), Payload: payload, LogTail: true})
}

// ref reads a name as requests have it.
func (b *bed) ref(t testing.TB, name string) lambda.FunctionRef {
	t.Helper()
	ref, err := b.Ref(name, "")
	must(t, err)
	return ref
}

func (b *bed) ask(t testing.TB, function string, e event) (answer, lambda.InvokeOutput) {
	t.Helper()
	out := b.invoke(t, function, e)
	return parse(t, out), out
}

func parse(t testing.TB, out lambda.InvokeOutput) (a answer) {
	t.Helper()
	if out.FunctionError != "" {
		t.Fatalf("%s: %s %s", out.Environment, out.FunctionError, out.Payload)
	}
	if err := json.Unmarshal(out.Payload, &a); err != nil {
		t.Fatalf("answer %q: %v", out.Payload, err)
	}
	return a
}

// failure is the payload of an invocation that failed.
func failure(t testing.TB, out lambda.InvokeOutput) (kind, message string) {
	t.Helper()
	if out.FunctionError != "Unhandled" {
		t.Fatalf("FunctionError %q with %q, want Unhandled", out.FunctionError, out.Payload)
	}
	var p struct{ ErrorType, ErrorMessage string }
	if err := json.Unmarshal(out.Payload, &p); err != nil {
		t.Fatalf("payload %q: %v", out.Payload, err)
	}
	return p.ErrorType, p.ErrorMessage
}

// refused checks that an error is the API's.
func refused(t testing.TB, err error, code lambda.Code, status int, words ...string) {
	t.Helper()
	var e *lambda.Error
	if !errors.As(err, &e) {
		t.Errorf("%v: want %s", err, code)
		return
	}
	if e.Code != code || e.Status() != status {
		t.Errorf("%d %v: want %d %s", e.Status(), e, status, code)
	}
	for _, w := range words {
		if !strings.Contains(e.Message, w) {
			t.Errorf("%q does not say %q", e.Message, w)
		}
	}
}

// interfaces lists the ENIs of a mode that a VPC has.
func (b *bed) interfaces(customer string, mode lambda.Mode) (list []*netlab.Interface) {
	for _, i := range b.network.VPC("vpc-" + customer).Interfaces() {
		if lambda.IsOf(mode, i.Description) {
			list = append(list, i)
		}
	}
	return list
}

// goFunction is the Go example as a zip, built once.
func goFunction(t testing.TB) []byte {
	t.Helper()
	code, err := goZip()
	must(t, err)
	return code
}

var goZip = sync.OnceValues(func() ([]byte, error) { return nstest.ExampleZip("../..") })

// bash is a function in Bash: a script that defines handler, behind the Bash example's bootstrap.
func bash(t testing.TB, script string) lambda.CreateFunctionInput {
	t.Helper()
	bootstrap, err := os.ReadFile("../../examples/functions/bash/bootstrap")
	must(t, err)
	return lambda.CreateFunctionInput{
		Handler: "function.handler",
		ZipFile: zipOf(entry{"bootstrap", 0o755, string(bootstrap)}, entry{"function.sh", 0o644, script}),
	}
}

type entry struct {
	name string
	mode os.FileMode
	text string
}

func zipOf(entries ...entry) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Store} // to deflate takes seconds under the race detector
		h.SetMode(e.mode)
		f, err := w.CreateHeader(h)
		if err != nil {
			panic(err) // a buffer takes everything
		}
		f.Write([]byte(e.text))
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}
