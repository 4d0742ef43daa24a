package api

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"enilab/internal/ec2"
	"enilab/internal/iam"
	"enilab/internal/lambda"
	"enilab/internal/nstest"
	"enilab/internal/wire"
	"enilab/internal/wire/wiretest"
	"enilab/nat"
	"enilab/netlab"
	"enilab/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
)

const internetArg = "__internet"

// TestMain lets this test program be an environment's first process, and the internet's server.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case sandbox.InitArg:
			sandbox.Init()
		case internetArg:
			fmt.Fprintln(os.Stderr, serveInternet())
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// serveInternet serves nobody: here functions need their way out, but nothing there.
func serveInternet() error {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp4", ":80")
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		_ = c.Close()
	}
}

// functions is a lab's whole API, with a role that functions may have.
type functions struct {
	region
	lambda  *awslambda.Client
	service *lambda.Service // behind it
	store   string          // directory of the function store
	role    string
}

func newFunctions(t testing.TB) *functions {
	t.Helper()
	nstest.NeedRoot(t)
	nstest.NoLeaks(t)
	dir := openDir(t)
	lab := netlab.NewLab()
	closes(t, lab)
	internet := answer(netlab.NewInternet(t.Context(), []string{"/proc/self/exe", internetArg}))(t)
	closes(t, internet)
	hub, worker := answer(netlab.NewNode("hyperplane"))(t), answer(netlab.NewNode("worker"))(t)
	closes(t, hub)
	closes(t, worker)
	underlay := answer(netlab.NewUnderlay(hub))(t)
	vtep := answer(underlay.Connect(t.Context(), worker))(t)
	roles := iam.New(iam.Config{})
	config := lambda.Config{
		Network: lab, Internet: internet, Hyperplane: nat.NewNode(hub, underlay.HubVTEP),
		Workers: []*sandbox.Worker{{Node: worker, VTEP: vtep, Tunnels: sandbox.TunnelConfig{Network: nat.LambdaVPC, RouterMAC: nat.ENIMAC, Port: nat.TunnelPort}}},
		Store:   sandbox.Store{Dir: filepath.Join(dir, "store")}, CodeDir: filepath.Join(dir, "code"),
		Allowed: roles.Allowed, RoleExists: roles.RoleExists,
	}
	if !nstest.Rootless() {
		config.FirstUID = 1_960_000_000
	}
	var inside *Inside
	config.Identify = func(role, function string) (lambda.Identity, error) { return inside.Identify(role, function) }
	l := lambda.New(config)
	inside = NewInside(Config{Lambda: l, EC2: ec2.New(ec2.Config{Network: lab}), IAM: roles, Region: "us-east-1", Account: "123456789012"})
	closes(t, inside)
	closes(t, l)
	front := httptest.NewServer(wire.As(wire.Caller{Access: wire.Free}, New(Config{Lambda: l, EC2: ec2.New(ec2.Config{Network: lab}), IAM: roles})))
	t.Cleanup(front.Close)
	c := aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(front.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "secret", ""),
		HTTPClient:  wiretest.Client{Transport: &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: time.Minute}},
	}
	f := &functions{region: region{t, lab, c}, lambda: awslambda.NewFromConfig(c), service: l, store: filepath.Join(dir, "store")}
	f.role = f.newRole("f", iam.LambdaTrust, "AWSLambdaVPCAccessExecutionRole")
	return f
}

func closes(t testing.TB, c interface{ Close() error }) {
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

// openDir is a directory of the test's that environments may pass through.
func openDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// raw sends what the SDK would not, and returns the answer with its body.
func (f *functions) raw(method, path, body string, header ...string) (*http.Response, string) {
	f.Helper()
	r := answer(http.NewRequestWithContext(f.Context(), method, *f.BaseEndpoint+path, strings.NewReader(body)))(f)
	for pair := range slices.Chunk(header, 2) {
		r.Header.Set(pair[0], pair[1])
	}
	res := answer(f.HTTPClient.Do(r))(f)
	defer res.Body.Close()
	return res, string(answer(io.ReadAll(res.Body))(f))
}

// newRole makes a role; without a policy it may do nothing.
func (f *functions) newRole(name, trust, policy string) (arn string) {
	f.Helper()
	c := awsiam.NewFromConfig(f.Config)
	r := answer(c.CreateRole(f.Context(), &awsiam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust}))(f)
	if policy != "" {
		policy = "arn:aws:iam::aws:policy/service-role/" + policy
		answer(c.AttachRolePolicy(f.Context(), &awsiam.AttachRolePolicyInput{RoleName: &name, PolicyArn: &policy}))(f)
	}
	return *r.Role.Arn
}

// echo is a function that answers with its version, a variable and its client's context. Asked to, it says hello in its
// log, or fails.
const echo = `handler() {
  case $1 in
    *fail*) ERROR_TYPE=Trouble ERROR_MESSAGE=asked; return 1 ;;
    *hello*) echo hello ;;
  esac
  REPLY="$AWS_LAMBDA_FUNCTION_VERSION $COLOR ${CONTEXT:-none}"
  json_string "$REPLY"
}`

// script is code in Bash behind the example's bootstrap, which here lets it see its client's context.
func script(t testing.TB, text string) []byte {
	t.Helper()
	const known = "content-length:*)"
	bootstrap := string(answer(os.ReadFile("../../examples/functions/bash/bootstrap"))(t))
	if !strings.Contains(bootstrap, known) {
		t.Fatal("the example in Bash reads its headers otherwise")
	}
	bootstrap = strings.Replace(bootstrap, known, "lambda-runtime-client-context:*) CONTEXT=${line#*: } ;;\n"+known, 1)
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, file := range [][2]string{{"bootstrap", bootstrap}, {"function.sh", text}} {
		h := &zip.FileHeader{Name: file[0], Method: zip.Store}
		h.SetMode(0o755)
		answer(answer(w.CreateHeader(h))(t).Write([]byte(file[1])))(t)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// input asks for a function that echoes.
func (f *functions) input(name string) *awslambda.CreateFunctionInput {
	f.Helper()
	return &awslambda.CreateFunctionInput{
		FunctionName: &name, Role: &f.role, Runtime: types.RuntimeProvidedal2023, Handler: aws.String("function.handler"), Timeout: aws.Int32(10),
		Code: &types.FunctionCode{ZipFile: script(f, echo)},
	}
}

// active waits as users do.
func (f *functions) active(name string) {
	f.Helper()
	fast := func(o *awslambda.FunctionActiveV2WaiterOptions) { o.MinDelay = 10 * time.Millisecond }
	err := awslambda.NewFunctionActiveV2Waiter(f.lambda).Wait(f.Context(), &awslambda.GetFunctionInput{FunctionName: &name}, time.Minute, fast)
	if err != nil {
		f.Fatal(err)
	}
}

func (f *functions) updated(name string) {
	f.Helper()
	fast := func(o *awslambda.FunctionUpdatedV2WaiterOptions) { o.MinDelay = 10 * time.Millisecond }
	err := awslambda.NewFunctionUpdatedV2Waiter(f.lambda).Wait(f.Context(), &awslambda.GetFunctionInput{FunctionName: &name}, time.Minute, fast)
	if err != nil {
		f.Fatal(err)
	}
}

// create makes a function that echoes, and waits for it.
func (f *functions) create(name string) *awslambda.CreateFunctionOutput {
	f.Helper()
	out := answer(f.lambda.CreateFunction(f.Context(), f.input(name)))(f)
	f.active(name)
	return out
}

// says is what a function answers to an empty event.
func (f *functions) says(name string) string {
	f.Helper()
	out := answer(f.lambda.Invoke(f.Context(), &awslambda.InvokeInput{FunctionName: &name}))(f)
	if out.FunctionError != nil {
		f.Errorf("%s: %s", name, out.Payload)
	}
	return strings.Trim(string(out.Payload), `"`)
}

// complaint is an error as a client is to see it.
type complaint struct {
	code   string
	status int
	words  string // in the message
}

// is holds that a call failed so.
func (want complaint) is(t testing.TB, what string, err error) {
	t.Helper()
	var (
		api  smithy.APIError
		http interface{ HTTPStatusCode() int }
	)
	if !errors.As(err, &api) || !errors.As(err, &http) {
		t.Errorf("%s: got %v, want %+v", what, err, want)
		return
	}
	if api.ErrorCode() != want.code || http.HTTPStatusCode() != want.status || !strings.Contains(api.ErrorMessage(), want.words) {
		t.Errorf("%s: got %d %s: %s, want %+v", what, http.HTTPStatusCode(), api.ErrorCode(), api.ErrorMessage(), want)
	}
}

// failed is a call's error.
func failed[In, Out any](t testing.TB, call func(context.Context, *In, ...func(*awslambda.Options)) (*Out, error), in *In) error {
	_, err := call(t.Context(), in)
	return err
}
