package lab_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"enilab/internal/lab"
	"enilab/internal/lambda"
	"enilab/internal/netns"
	"enilab/internal/nstest"
	"enilab/internal/realm"
	"enilab/internal/testlab"
	"enilab/netlab"
	"enilab/sandbox"
)

const whoamiArg = "__whoami"

// A lab lives in a realm: so do its tests.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case sandbox.InitArg:
			sandbox.Init()
		case whoamiArg:
			fmt.Fprintln(os.Stderr, whoami(os.Args[2]))
			os.Exit(1)
		case realm.Arg:
			if _, err := realm.Enter(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Args = append(os.Args[:1], os.Args[2:]...)
			os.Exit(m.Run())
		}
	}
	if os.Geteuid() != 0 { // the tests will say what they need
		os.Exit(m.Run())
	}
	code, err := realm.Run(context.Background(), realm.Config{Args: os.Args[1:], Stdout: os.Stdout, Stderr: os.Stderr})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func whoami(listen string) error {
	l, err := net.Listen("tcp4", listen)
	if err != nil {
		return err
	}
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{"client": r.RemoteAddr})
	}))
}

func server(listen string) []string { return []string{"/proc/self/exe", whoamiArg, listen} }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTwoTenantsAreValid(t *testing.T) {
	spec := lab.TwoTenants(server("{address}:80"))
	if err := spec.Validate(); err != nil {
		t.Error(err)
	}
	if len(spec.VPCs) != 2 || spec.VPCs[0].CIDR != spec.VPCs[1].CIDR {
		t.Errorf("%+v: want two with one CIDR", spec)
	}
}

// The lab as it is shown: two tenants with the same addresses, a function of each that sees its own, and names for those
// who look inside; then nothing of it.
func TestBuildShowAndClose(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is missing; scripts/deps.sh test installs it")
	}
	name := testlab.Name(t, "test")
	store := t.TempDir()
	l, err := lab.Build(t.Context(), lab.Config{Name: name, Network: lab.TwoTenants(server("{address}:80")), Internet: server("0.0.0.0:80"), Store: store})
	must(t, err)
	defer l.Close()
	must(t, l.SeedTenants(t.Context()))
	code := bashFunction(t)
	for _, tenant := range lab.Tenants {
		_, err := l.Lambda.CreateFunction(t.Context(), lambda.CreateFunctionInput{
			FunctionName: tenant, ZipFile: code, Runtime: "provided.al2023", Handler: "function.handler", Timeout: 20 * time.Second,
			VpcConfig: lambda.VpcConfig{SubnetIDs: []string{lab.AppSubnet(tenant)}, SecurityGroupIDs: []string{"sg-app"}},
		})
		must(t, err)
		must(t, l.Lambda.WaitFunctionActive(t.Context(), lambda.FunctionRef{Name: tenant}))
		out, err := l.Lambda.Invoke(t.Context(), lambda.InvokeInput{
			Function: lambda.FunctionRef{Name: tenant}, Payload: fmt.Appendf(nil, `{"redis":"%s","whoami":"http://%s/"}`, lab.RedisAddress, lab.WhoamiAddress.Addr()),
		})
		must(t, err)
		var a struct{ Tenant, Whoami string }
		if err := json.Unmarshal(out.Payload, &a); err != nil || a.Tenant != tenant {
			t.Fatalf("%s: %s %s", tenant, out.FunctionError, out.Payload)
		}
		from, err := netip.ParseAddrPort(a.Whoami)
		if env := l.Lambda.IdleEnvironments(lambda.FunctionRef{Name: tenant}); err != nil || len(env) != 1 || env[0].Address != from.Addr() {
			t.Errorf("%s: whoami saw %q, the environment is %+v", tenant, a.Whoami, env)
		}
	}
	if (l.Limits == nil) == realm.Rootless() {
		t.Errorf("limits: %v", l.Limits)
	}

	for range 2 { // as often as somebody wants to look
		names, unpin, err := l.Pin()
		must(t, err)
		want := []string{"hyperplane", "vpc-blue", "vpc-green", "worker"}
		for _, e := range l.Lambda.HyperplaneENIs() {
			want = append(want, e.ENI.Node.Name)
		}
		slices.Sort(want)
		if !slices.Equal(names, want) || !slices.Equal(pins(t), want) {
			t.Errorf("pins %v, in the directory %v, want %v", names, pins(t), want)
		}
		ns, err := netns.Open(filepath.Join(netns.PinDir, "worker"))
		must(t, err)
		if err := errors.Join(ns.Do(func() error { _, err := net.InterfaceByName("und0"); return err }), ns.Close()); err != nil {
			t.Errorf("the pin is not the worker's namespace: %v", err)
		}
		must(t, unpin())
		if left := pins(t); len(left) != 0 {
			t.Errorf("pins %v are left", left)
		}
	}

	must(t, l.Close())
	must(t, l.Close())
	labs, err := sandbox.CgroupLabs()
	if err == nil && slices.Contains(labs, name) {
		t.Errorf("control groups of %s are left", name)
	}
	if left, _ := filepath.Glob(filepath.Join(realm.RunDir, "enilab", name, "*")); len(left) != 0 {
		t.Errorf("%v are left", left)
	}
	if left, _ := os.ReadDir(store); len(left) != 0 {
		t.Errorf("the store keeps %v", left)
	}
}

func pins(t *testing.T) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(netns.PinDir)
	must(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// A lab that cannot be built says which part failed and leaves nothing.
func TestBuildFailsWhole(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	good := netlab.Spec{VPCs: []netlab.VPCSpec{{ID: "vpc-good", CIDR: netip.MustParsePrefix("10.0.0.0/16")}}}
	for name, c := range map[string]struct {
		config lab.Config
		words  []string
	}{
		"bad network": {lab.Config{Name: "x", Network: netlab.Spec{VPCs: []netlab.VPCSpec{{ID: "vpc-bad", CIDR: netip.MustParsePrefix("10.0.0.0/8")}}}}, []string{`"vpc-bad"`, "/16 and /28"}},
		"no internet": {lab.Config{Name: "x", Network: good, Internet: []string{"/no/such/server"}}, []string{"internet", "/no/such/server"}},
		"server that ends": {
			lab.Config{Name: "x", Network: good, Internet: []string{"/bin/sh", "-c", "echo out of order >&2; exit 1"}},
			[]string{"internet", "port 80", "out of order"},
		},
	} {
		l, err := lab.Build(t.Context(), c.config)
		if err == nil {
			l.Close()
			t.Errorf("%s: it was built", name)
			continue
		}
		for _, w := range c.words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q does not say %q", name, err, w)
			}
		}
	}
}

// bashFunction is the Bash example as a zip.
func bashFunction(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for file, mode := range map[string]os.FileMode{"bootstrap": 0o755, "function.sh": 0o644} {
		text, err := os.ReadFile("../../examples/functions/bash/" + file)
		must(t, err)
		h := &zip.FileHeader{Name: file}
		h.SetMode(mode)
		f, err := w.CreateHeader(h)
		must(t, err)
		_, err = f.Write(text)
		must(t, err)
	}
	must(t, w.Close())
	return b.Bytes()
}
