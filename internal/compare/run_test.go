package compare

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"enilab/internal/lab"
	"enilab/internal/lambda"
	"enilab/internal/nstest"
	"enilab/internal/testlab"
	"enilab/netlab"
	"enilab/sandbox"
)

// inside marks the test program in a mount namespace of its own, whose /run is in memory: a lab keeps its things there.
const inside = "ENILAB_COMPARE_TEST_INSIDE"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == sandbox.InitArg {
		sandbox.Init()
	}
	if os.Geteuid() != 0 { // the tests will say what they need
		os.Exit(m.Run())
	}
	if os.Getenv(inside) == "" {
		again := exec.Command("/proc/self/exe", os.Args[1:]...)
		again.Args[0] = os.Args[0]
		again.Env = append(os.Environ(), inside+"=1")
		again.Stdout, again.Stderr = os.Stdout, os.Stderr
		again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
		if err := again.Run(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if err := errors.Join(
		syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""),
		syscall.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755"),
	); err != nil {
		fmt.Fprintln(os.Stderr, "private /run:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// target is the Go example in a VPC with a subnet for it.
func target(t *testing.T) Target {
	t.Helper()
	nstest.NeedRoot(t)
	code, err := goFunction()
	must(t, err)
	store := t.TempDir()
	must(t, os.WriteFile(filepath.Join(store, "go.zip"), code, 0o644))
	l, err := lab.Build(t.Context(), lab.Config{
		Name: testlab.Name(t, "test"), Store: store,
		Network: netlab.Spec{VPCs: []netlab.VPCSpec{{
			ID: "vpc", CIDR: netip.MustParsePrefix("10.0.0.0/16"),
			Subnets:        []netlab.SubnetSpec{{ID: "subnet", CIDR: netip.MustParsePrefix("10.0.1.0/24")}},
			SecurityGroups: []netlab.SecurityGroupSpec{{ID: "sg"}},
		}}},
	})
	must(t, err)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return Target{
		Lambda:  l.Lambda,
		Payload: []byte("{}"),
		Create: lambda.CreateFunctionInput{
			StoreKey: "go.zip", Runtime: "provided.al2023", Handler: "bootstrap", Timeout: 20 * time.Second,
			VpcConfig: lambda.VpcConfig{SubnetIDs: []string{"subnet"}, SecurityGroupIDs: []string{"sg"}},
		},
		Used: func(mode lambda.Mode) (enis, addresses int) {
			for _, i := range l.Network.VPC("vpc").Interfaces() {
				if lambda.IsOf(mode, i.Description) {
					enis++
				}
			}
			return enis, enis
		},
	}
}

// goFunction is the Go example as a zip, built once.
var goFunction = sync.OnceValues(func() ([]byte, error) { return nstest.ExampleZip("../..") })

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A whole comparison: every variant is measured as often as was asked for, and what it reports fits together.
func TestRun(t *testing.T) {
	nstest.NoLeaks(t)
	goal := target(t)
	const runs, burst = 2, 3
	var progress []int
	variants, err := Run(t.Context(), goal, Options{
		Runs: runs, Burst: burst,
		Progress: func(done, of int) {
			if of != 3*(runs+2) {
				t.Errorf("of %d", of)
			}
			progress = append(progress, done)
		},
		Failed: func(variant string, err error) { t.Errorf("%s: %v", variant, err) },
	})
	must(t, err)
	if want := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}; !slices.Equal(progress, want) {
		t.Errorf("progress %v", progress)
	}
	steps := map[string]string{
		"legacy":         "attach attach/reserve attach/create attach/move attach/configure attach/publish attach/up",
		"legacy-inplace": "attach attach/reserve attach/create attach/configure attach/publish attach/up",
		"shared":         "attach attach/slot-to-eni attach/eni-to-slot",
	}
	if len(variants) != len(steps) {
		t.Fatalf("%d variants", len(variants))
	}
	for _, v := range variants {
		var names []string
		var sum float64
		for _, p := range v.Phases {
			names = append(names, p.Name)
			if p.Kind != "measured" || p.N != runs || p.P50 <= 0 || p.P50 > p.P90 || p.P90 > p.P99 || p.P99 > p.Max {
				t.Errorf("%s: %+v", v.Name, p)
			}
			if !strings.Contains(p.Name, "/") {
				sum += p.Max
			}
		}
		if want := "place " + steps[v.Name] + " spawn init invoke other"; strings.Join(names, " ") != want {
			t.Errorf("%s: phases %v, want %s", v.Name, names, want)
		}
		if v.Runs != runs || v.Failures != 0 || v.Burst.N != burst || v.Burst.Failures != 0 {
			t.Errorf("%s: %+v", v.Name, v)
		}
		for name, s := range map[string]Stats{"ready": v.Ready, "total": v.Total, "warm": v.Warm} {
			if s.N != runs {
				t.Errorf("%s: %d of %s", v.Name, s.N, name)
			}
		}
		if v.Burst.Attach.N != burst || v.Burst.Total.N != burst || float64(v.Burst.WallUS) < v.Burst.Total.Max*0.99 {
			t.Errorf("%s: burst %+v", v.Name, v.Burst)
		}
		if v.Total.Max > sum*1.01 || v.Ready.Max > v.Total.Max || v.Warm.P50 > v.Total.P50 {
			t.Errorf("%s: total %+v, sum of the phases %v, ready %+v, warm %+v", v.Name, v.Total, sum, v.Ready, v.Warm)
		}
		want := burst
		if v.Name == "shared" {
			want = 1
		}
		if v.ENIs != want || v.SubnetAddresses != want {
			t.Errorf("%s: %d ENIs, %d addresses, want %d", v.Name, v.ENIs, v.SubnetAddresses, want)
		}
	}
	if left := goal.Lambda.ListFunctions(); len(left) != 0 {
		t.Errorf("%d functions are left", len(left))
	}
}

// Failures are counted and told; a lab where nothing works, or a caller that goes away, ends the comparison.
func TestRunFails(t *testing.T) {
	nstest.NoLeaks(t)
	goal := target(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("seen enough")
	_, err := Run(ctx, goal, Options{Runs: 1000, Progress: func(done, _ int) {
		if done == 4 {
			cancel(why)
		}
	}})
	if !errors.Is(err, why) {
		t.Errorf("canceled: %v", err)
	}
	for _, v := range lambda.Modes {
		must(t, goal.Lambda.DeleteFunction(lambda.FunctionRef{Name: "compare-" + string(v)}))
	}
	goal.Payload = []byte(`{"do":"dance"}`)
	if _, err := Run(t.Context(), goal, Options{Runs: 1}); err == nil || !strings.Contains(err.Error(), "legacy: ") || !strings.Contains(err.Error(), "dance") {
		t.Errorf("a function that fails: %v", err)
	}
}
