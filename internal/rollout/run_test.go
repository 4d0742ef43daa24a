package rollout

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
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
const inside = "ENILAB_ROLLOUT_TEST_INSIDE"

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
func target(t *testing.T, subnet, event string) Target {
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
			Subnets:        []netlab.SubnetSpec{{ID: "subnet", CIDR: netip.MustParsePrefix(subnet)}},
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
		Payload: []byte(event),
		Create: lambda.CreateFunctionInput{
			StoreKey: "go.zip", Runtime: "provided.al2023", Handler: "bootstrap", Timeout: 20 * time.Second,
			VpcConfig: lambda.VpcConfig{SubnetIDs: []string{"subnet"}, SecurityGroupIDs: []string{"sg"}},
		},
		Used: func() (enis, addresses int) {
			n := len(l.Network.VPC("vpc").Interfaces())
			return n, n
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

// A whole rollout: nobody notices it but by the time that things take, and every function is served the way that its
// step says.
func TestRun(t *testing.T) {
	nstest.NoLeaks(t)
	goal := target(t, "10.0.1.0/24", "{}")
	var seen []Progress
	o := Options{From: lambda.Legacy, Functions: 4, Steps: Steps{0, 50, 100}, Hold: time.Second, Rate: 20, Fresh: 0.25, Seed: 1, Progress: func(p Progress) { seen = append(seen, p) }}
	r, err := Run(t.Context(), goal, o)
	must(t, err)
	if r.Err() != nil || len(r.Notes()) > 0 && r.Behind <= tardy.Microseconds() {
		t.Errorf("%v: %q", r.Err(), r.Notes())
	}
	if len(r.Steps) != 3 || len(r.Samples) < 3 || len(seen) != len(r.Samples) || seen[0].Of != 3*time.Second {
		t.Fatalf("%d steps, %d samples, progress %+v", len(r.Steps), len(r.Samples), seen)
	}
	for n, s := range r.Steps {
		if s.Percent != o.Steps[n] || s.Functions != 2*n || s.Began > s.Done || s.Done > s.Ended || s.Ended < int64(n+1)*1e6 || n > 0 && s.Began < r.Steps[n-1].Ended {
			t.Errorf("step %d: %+v", n, s)
		}
	}
	// One of the four may have been given up for the request that comes next.
	if from, to := r.Steps[0], r.Steps[2]; from.ENIs < 2 || from.Addresses != from.ENIs || to.ENIs != 1 || to.Addresses != 1 {
		t.Errorf("ENIs: %d of 4 functions before, %d after; addresses: %d, %d", from.ENIs, to.ENIs, from.Addresses, to.Addresses)
	}

	sent := first(o, len(r.Invocations))
	if len(sent) < 60 || sent[59].due > 3*time.Second {
		t.Fatalf("%d invocations, want 60", len(sent))
	}
	cold := map[string]int{}
	for n, i := range r.Invocations {
		if q := sent[n]; i.At != q.due.Microseconds() || i.Function != q.function || i.Fresh != q.fresh {
			t.Errorf("%+v was sent, %+v was due", i, q)
		}
		if i.Fresh && !i.Cold || i.Cold != (i.Attach > 0) || i.Took <= i.Attach+i.Late || i.Late < 0 {
			t.Errorf("%+v", i)
		}
		want := ""
		for _, s := range r.Steps { // while a function changes, either may serve
			switch moving := i.Function >= s.Functions-2 && i.Function < s.Functions; {
			case i.At >= s.Done && i.Function < s.Functions:
				want = "shared"
			case i.At >= s.Began && moving, i.At+i.Took >= s.Began && i.At < s.Began && moving:
				want = "either"
			}
		}
		if want == "" {
			want = "legacy"
		}
		if i.Mode != want && (want != "either" || i.Mode == "") {
			t.Errorf("%+v: want it %s", i, want)
		}
		if i.Cold {
			cold[i.Mode]++
		}
	}
	if cold["legacy"] < 6 || cold["shared"] < 6 {
		t.Errorf("cold starts by mode: %v", cold)
	}
	if left := goal.Lambda.ListFunctions(); len(left) != 0 {
		t.Errorf("%d functions are left", len(left))
	}
}

// What a lab cannot do is seen: requests are sent whether others are answered or not, and those that find no address
// fail, are counted, and say so.
func TestRunBeyondTheSubnet(t *testing.T) {
	nstest.NoLeaks(t)
	goal := target(t, "10.0.1.0/28", `{"do":"sleep:1s"}`) // 11 addresses
	r, err := Run(t.Context(), goal, Options{From: lambda.LegacyInPlace, Functions: 1, Steps: Steps{0}, Hold: time.Second, Rate: 18, Fresh: 1})
	must(t, err)
	if len(r.Invocations) != 18 {
		t.Errorf("%d invocations, want 18: none may wait for the ones before", len(r.Invocations))
	}
	failed := 0
	for _, i := range r.Invocations {
		if i.Failure == "" {
			if i.Mode != "legacy-inplace" || !i.Cold || i.Took < 1e6 {
				t.Errorf("%+v", i)
			}
			continue
		}
		failed++
		if !strings.Contains(i.Failure, "address") || i.Mode != "" {
			t.Errorf("%+v", i)
		}
	}
	if failed < 5 || failed > 7 || r.Err() == nil || !strings.Contains(strings.Join(r.Notes(), "\n"), "Failed") {
		t.Errorf("%d failed, want 6 or so: %v, %q", failed, r.Err(), r.Notes())
	}
	if w := r.Steps[0].Waiting; w < 9 {
		t.Errorf("%d waited at the end, want 11 or so", w)
	}
}

// A caller that goes away ends a rollout at once, and a function that fails from the start is no workload.
func TestRunFails(t *testing.T) {
	nstest.NoLeaks(t)
	goal := target(t, "10.0.1.0/24", "{}")
	o := usual()
	o.Functions, o.Steps = 2, Steps{0, 100}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("seen enough")
	o.Progress = func(Progress) { cancel(why) }
	o.Hold = 10 * time.Minute // the test's own end, if it is not cut short
	if _, err := Run(ctx, goal, o); !errors.Is(err, why) {
		t.Errorf("canceled: %v", err)
	}
	for f := range o.Functions {
		must(t, goal.Lambda.DeleteFunction(lambda.FunctionRef{Name: name(f)}))
	}
	goal.Payload = []byte(`{"do":"dance"}`)
	if _, err := Run(t.Context(), goal, o); err == nil || !strings.Contains(err.Error(), "invoke rollout-0: ") || !strings.Contains(err.Error(), "dance") {
		t.Errorf("a function that fails: %v", err)
	}
	o.Steps = nil
	if _, err := Run(t.Context(), goal, o); err == nil || !strings.HasPrefix(err.Error(), "steps") {
		t.Errorf("no steps: %v", err)
	}
}
