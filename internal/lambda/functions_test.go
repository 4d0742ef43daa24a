package lambda_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"enilab/internal/lambda"
	"enilab/internal/nstest"
	"enilab/sandbox"
)

func TestCreateFunctionRefuses(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t, func(c *lambda.Config) { c.Limits.Unzipped = 16 << 20 })
	b.create(t, lambda.CreateFunctionInput{FunctionName: "taken"})
	must(t, os.WriteFile(b.store+"/broken.zip", []byte("no zip"), 0o644))
	must(t, os.Mkdir(b.store+"/directory", 0o755))

	vpc := func(change func(*lambda.VpcConfig)) func(*lambda.CreateFunctionInput) {
		return func(in *lambda.CreateFunctionInput) {
			in.VpcConfig = vpcOf("blue")
			change(&in.VpcConfig)
		}
	}
	variable := func(name, value string) func(*lambda.CreateFunctionInput) {
		return func(in *lambda.CreateFunctionInput) { in.Environment = map[string]string{name: value} }
	}
	code := func(entries ...entry) func(*lambda.CreateFunctionInput) {
		return func(in *lambda.CreateFunctionInput) { in.ZipFile = zipOf(entries...) }
	}
	bootstrap := entry{"bootstrap", 0o755, "#!/bin/sh\n"}
	many := func(n int) (ids []string) {
		for i := range n {
			ids = append(ids, fmt.Sprint("id-", i))
		}
		return ids
	}
	for name, c := range map[string]struct {
		change func(*lambda.CreateFunctionInput)
		words  []string
	}{
		"no name":             {func(in *lambda.CreateFunctionInput) { in.FunctionName = "" }, []string{`""`, "1 to 64"}},
		"long name":           {func(in *lambda.CreateFunctionInput) { in.FunctionName = strings.Repeat("n", 65) }, []string{"at 'functionName'", "less than or equal to 64"}},
		"path as a name":      {func(in *lambda.CreateFunctionInput) { in.FunctionName = "../x" }, []string{`"../x"`}},
		"newline in a name":   {func(in *lambda.CreateFunctionInput) { in.FunctionName = "x\n" }, []string{`"x\n"`}},
		"memory 127":          {func(in *lambda.CreateFunctionInput) { in.MemorySize = 127 }, []string{"127 MB", "128 to 10240"}},
		"memory 10241":        {func(in *lambda.CreateFunctionInput) { in.MemorySize = 10_241 }, []string{"10241 MB"}},
		"negative memory":     {func(in *lambda.CreateFunctionInput) { in.MemorySize = -1 }, []string{"-1 MB"}},
		"short timeout":       {func(in *lambda.CreateFunctionInput) { in.Timeout = time.Second - 1 }, []string{"999.999999ms", "1s"}},
		"long timeout":        {func(in *lambda.CreateFunctionInput) { in.Timeout = 15*time.Minute + 1 }, []string{"15m0s"}},
		"mode":                {func(in *lambda.CreateFunctionInput) { in.Mode = "sharde" }, []string{`"sharde"`, "legacy-inplace", "shared"}},
		"variable 1st":        {variable("1ST", ""), []string{`"1ST"`}},
		"variable _x":         {variable("_x", ""), []string{`"_x"`}},
		"variable of one":     {variable("X", ""), []string{`"X"`, "at least two"}},
		"variable with =":     {variable("A=B", ""), []string{`"A=B"`}},
		"NUL in a value":      {variable("AB", "x\x00y"), []string{`"AB"`, "NUL"}},
		"variables too large": {variable("BIG", strings.Repeat("x", 4094)), []string{"exceeded the 4KB limit. String measured: {\"BIG\":"}},
		"reserved AWS_REGION": {variable("AWS_REGION", "x"), []string{"reserved keys", "AWS_REGION"}},
		"reserved handler":    {variable("_HANDLER", "x"), []string{"_HANDLER"}},
		"reserved runtime":    {variable("AWS_LAMBDA_RUNTIME_API", "x"), []string{"reserved keys"}},
		"reserved name":       {variable("AWS_LAMBDA_FUNCTION_NAME", "x"), []string{"reserved keys"}},
		"reserved credential": {variable("AWS_SECRET_ACCESS_KEY", "x"), []string{"reserved keys"}},
		"another processor": {func(in *lambda.CreateFunctionInput) {
			in.Architecture = map[string]string{"amd64": "arm64", "arm64": "x86_64"}[runtime.GOARCH]
		}, []string{"architecture", "this machine is"}},
		"no subnets":          {vpc(func(c *lambda.VpcConfig) { c.SubnetIDs = nil }), []string{"must coexist or be both empty"}},
		"17 subnets":          {vpc(func(c *lambda.VpcConfig) { c.SubnetIDs = many(17) }), []string{"17 subnets"}},
		"no groups":           {vpc(func(c *lambda.VpcConfig) { c.SecurityGroupIDs = nil }), []string{"must coexist or be both empty"}},
		"6 groups":            {vpc(func(c *lambda.VpcConfig) { c.SecurityGroupIDs = many(6) }), []string{"6 security groups"}},
		"unknown subnet":      {vpc(func(c *lambda.VpcConfig) { c.SubnetIDs = []string{"subnet-x"} }), []string{"InvalidSubnetID.NotFound", "'subnet-x'"}},
		"unknown group":       {vpc(func(c *lambda.VpcConfig) { c.SecurityGroupIDs = []string{"sg-x"} }), []string{"InvalidGroup.NotFound. EC2 Error Message: The security group 'sg-x' does not exist"}},
		"unknown VPC":         {vpc(func(c *lambda.VpcConfig) { c.VpcID = "vpc-x" }), []string{"InvalidSubnetID.NotFound"}},
		"subnet in two VPCs":  {vpc(func(c *lambda.VpcConfig) { c.VpcID = "" }), []string{`"subnet-app"`, "vpc-blue vpc-green", "VpcId"}},
		"subnets of two VPCs": {vpc(func(c *lambda.VpcConfig) { c.SubnetIDs = []string{"subnet-blue", "subnet-green"} }), []string{`"subnet-green"`, "vpc-blue"}},
		"no code":             {func(in *lambda.CreateFunctionInput) { in.ZipFile = nil }, []string{"code of x", "either"}},
		"two codes":           {func(in *lambda.CreateFunctionInput) { in.StoreKey = "y" }, []string{"either"}},
		"unknown key":         {func(in *lambda.CreateFunctionInput) { in.ZipFile, in.StoreKey = nil, "absent.zip" }, []string{`"absent.zip"`, "put it there"}},
		"path as a key":       {func(in *lambda.CreateFunctionInput) { in.ZipFile, in.StoreKey = nil, "../etc/passwd" }, []string{"../etc/passwd"}},
		"broken key":          {func(in *lambda.CreateFunctionInput) { in.ZipFile, in.StoreKey = nil, "broken.zip" }, []string{"broken.zip", "is not a whole zip", "make it anew"}},
		"no zip":              {func(in *lambda.CreateFunctionInput) { in.ZipFile = []byte("#!/bin/sh") }, []string{"Could not unzip uploaded file. Please check your file, then try to upload again.", "is not a whole zip", "make it anew"}},
		"out of the zip":      {code(bootstrap, entry{"../evil", 0o644, "x"}), []string{`"../evil"`, "relative paths"}},
		"link":                {code(bootstrap, entry{"link", os.ModeSymlink | 0o777, "/etc/passwd"}), []string{`"link"`, "-y"}},
		"device":              {code(bootstrap, entry{"sda", os.ModeDevice | 0o666, ""}), []string{`"sda"`}},
		"too many zeros":      {code(bootstrap, entry{"zeros", 0o644, strings.Repeat("\x00", 17<<20)}), []string{`"zeros"`, "leave out"}},
	} {
		in := lambda.CreateFunctionInput{FunctionName: "x", ZipFile: zipOf(bootstrap)}
		c.change(&in)
		_, err := b.CreateFunction(t.Context(), in)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		refused(t, err, lambda.InvalidParameterValue, 400, c.words...)
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q has more than one line", name, err)
		}
		if e := (*lambda.Error)(nil); errors.As(err, &e) && strings.Contains(e.Message, filepath.Dir(b.store)) {
			t.Errorf("%s: clients are told where the host keeps its files: %s", name, e.Message)
		}
	}
	in := lambda.CreateFunctionInput{FunctionName: "directory", StoreKey: "directory"}
	_, err := b.CreateFunction(t.Context(), in)
	refused(t, err, lambda.ServiceException, 500, "directory", "remove it")
	in = lambda.CreateFunctionInput{FunctionName: "large", ZipFile: make([]byte, 50<<20+1)}
	_, err = b.CreateFunction(t.Context(), in)
	refused(t, err, lambda.RequestEntityTooLarge, 413, "Zipped size must be smaller than 52428800 bytes")
	in = lambda.CreateFunctionInput{FunctionName: "taken", ZipFile: zipOf(bootstrap)}
	_, err = b.CreateFunction(t.Context(), in)
	refused(t, err, lambda.ResourceConflict, 409, "taken")

	_, err = b.Invoke(t.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: "nobody"}})
	refused(t, err, lambda.ResourceNotFound, 404, "function:nobody")
	_, err = b.GetFunctionConfiguration(lambda.FunctionRef{Name: "nobody"})
	refused(t, err, lambda.ResourceNotFound, 404)
	refused(t, b.DeleteFunction(lambda.FunctionRef{Name: "nobody"}), lambda.ResourceNotFound, 404)
	refused(t, b.WaitFunctionActive(t.Context(), lambda.FunctionRef{Name: "nobody"}), lambda.ResourceNotFound, 404)
	memory := 64
	_, err = b.UpdateFunctionConfiguration(t.Context(), lambda.UpdateFunctionConfigurationInput{FunctionName: "taken", MemorySize: &memory})
	refused(t, err, lambda.InvalidParameterValue, 400, "64 MB")
	_, err = b.UpdateFunctionCode(t.Context(), lambda.UpdateFunctionCodeInput{FunctionName: "taken", ZipFile: []byte("no zip")})
	refused(t, err, lambda.InvalidParameterValue, 400, "Could not unzip")

	// Nothing of all that was refused is there, and the one function is as it was.
	list := b.ListFunctions()
	if len(list) != 1 || list[0].FunctionName != "taken" || list[0].State != lambda.Active || list[0].LastUpdateStatus != lambda.UpdateSuccessful {
		t.Errorf("functions %+v, want the one", list)
	}
	if a, _ := b.ask(t, "taken", nil); a.Invocation != 1 {
		t.Errorf("answer %+v", a)
	}
	if kept := stored(t, b); len(kept) != 1 {
		t.Errorf("the store keeps %v, want one upload", kept)
	}
}

// stored lists what was uploaded with requests and is still in the store.
func stored(t *testing.T, b *bed) (keys []string) {
	t.Helper()
	entries, err := os.ReadDir(b.store)
	must(t, err)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "function.") || strings.HasPrefix(e.Name(), ".") {
			keys = append(keys, e.Name())
		}
	}
	return keys
}

func TestFunctionDescribesItself(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	subnets := []string{subnet}
	in := lambda.CreateFunctionInput{
		FunctionName: "f", ZipFile: goFunction(t), Environment: map[string]string{"COLOUR": "blue", "TZ": "CET"}, MemorySize: 256,
		VpcConfig: lambda.VpcConfig{VpcID: "vpc-blue", SubnetIDs: subnets, SecurityGroupIDs: []string{"sg-app"}},
	}
	b.create(t, in)
	subnets[0], in.Environment["COLOUR"] = "changed", "changed" // the caller's own
	b.create(t, lambda.CreateFunctionInput{FunctionName: "a"})
	c, err := b.GetFunctionConfiguration(lambda.FunctionRef{Name: "f"})
	must(t, err)
	if c.FunctionARN != "arn:aws:lambda:us-east-1:123456789012:function:f" || c.Version != "$LATEST" || c.Handler != "bootstrap" || c.MemorySize != 256 ||
		c.Mode != lambda.Shared || c.State != lambda.Active || c.StateReasonCode != "" || c.CodeSize != int64(len(in.ZipFile)) || len(c.CodeSha256) != 44 ||
		c.VpcConfig.VpcID != "vpc-blue" || !slices.Equal(c.VpcConfig.SubnetIDs, []string{subnet}) || c.Environment["COLOUR"] != "blue" {
		t.Errorf("%+v", c)
	}
	var names []string
	for _, c := range b.ListFunctions() {
		names = append(names, c.FunctionName)
	}
	if !slices.Equal(names, []string{"a", "f"}) {
		t.Errorf("functions %v", names)
	}
	a, _ := b.ask(t, c.FunctionARN, event{"do": "env"})
	want := map[string]string{
		"COLOUR": "blue", "TZ": "CET", "_HANDLER": "bootstrap", "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
		"AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
		"AWS_LAMBDA_RUNTIME_API": sandbox.RuntimeAPIAddress.String(), "LAMBDA_TASK_ROOT": "/var/task", "LANG": "en_US.UTF-8",
	}
	for name, value := range want {
		if a.Outcome.Env[name] != value {
			t.Errorf("$%s = %q, want %q", name, a.Outcome.Env[name], value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.Outcome.Env)) {
		if os.Getenv(name) != "" && want[name] == "" && !slices.Contains([]string{"PATH", "PWD", "HOME"}, name) {
			t.Errorf("$%s came from the lab", name)
		}
	}
}

// A function that is Pending, or whose update is in progress, refuses what Lambda refuses; one whose update is in
// progress serves with what it had.
func TestStates(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	release := b.HoldENIs()
	_, err := b.CreateFunction(t.Context(), lambda.CreateFunctionInput{FunctionName: "f", ZipFile: goFunction(t), VpcConfig: vpcOf("blue")})
	must(t, err)
	update := func(c lambda.VpcConfig) error {
		_, err := b.UpdateFunctionConfiguration(t.Context(), lambda.UpdateFunctionConfigurationInput{FunctionName: "f", VpcConfig: &c})
		return err
	}
	code := func() error {
		_, err := b.UpdateFunctionCode(t.Context(), lambda.UpdateFunctionCodeInput{FunctionName: "f", ZipFile: goFunction(t)})
		return err
	}
	_, err = b.try(t, "f", nil)
	refused(t, err, lambda.ResourceConflict, 409, "Pending")
	refused(t, update(vpcOf("green")), lambda.ResourceConflict, 409, "Pending")
	refused(t, code(), lambda.ResourceConflict, 409, "Pending")
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("tired of waiting")
	cancel(why)
	if err := b.WaitFunctionActive(ctx, lambda.FunctionRef{Name: "f"}); !errors.Is(err, why) {
		t.Errorf("wait: %v", err)
	}
	release()
	must(t, b.WaitFunctionActive(within(t, 10*time.Second), lambda.FunctionRef{Name: "f"}))

	release = b.HoldENIs()
	must(t, update(vpcOf("green")))
	if c, _ := b.GetFunctionConfiguration(lambda.FunctionRef{Name: "f"}); c.State != lambda.Active || c.LastUpdateStatus != lambda.UpdateInProgress || c.VpcConfig.VpcID != "vpc-green" {
		t.Errorf("during the update: %+v", c)
	}
	if a, _ := b.ask(t, "f", everything); a.Tenant != "blue" {
		t.Errorf("during the update %q answers, want blue", a.Tenant)
	}
	refused(t, update(vpcOf("blue")), lambda.ResourceConflict, 409, "An update is in progress for resource: arn:aws:lambda:us-east-1:123456789012:function:f")
	refused(t, code(), lambda.ResourceConflict, 409, "An update is in progress")
	release()
	must(t, b.WaitFunctionActive(within(t, 10*time.Second), lambda.FunctionRef{Name: "f"}))
	if a, _ := b.ask(t, "f", everything); a.Tenant != "green" {
		t.Errorf("after the update %q answers, want green", a.Tenant)
	}

	// Deleted while it is being created: nothing comes of it.
	release = b.HoldENIs()
	_, err = b.CreateFunction(t.Context(), lambda.CreateFunctionInput{FunctionName: "g", ZipFile: goFunction(t), VpcConfig: vpcOf("blue", "sg-other")})
	must(t, err)
	must(t, b.DeleteFunction(lambda.FunctionRef{Name: "g"}))
	release()
	must(t, b.Settle())
	if list := b.interfaces("blue", lambda.Shared); len(list) != 0 {
		t.Errorf("a function that is gone has %d ENIs", len(list))
	}
	if kept := stored(t, b); len(kept) != 1 {
		t.Errorf("the store keeps %v, want f's", kept)
	}
}

// The best observable contrast: shared fails when the function is created, legacy when it is invoked.
func TestSubnetFull(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	small := vpcOf("blue")
	small.SubnetIDs = []string{smallSubnet}
	b.create(t, lambda.CreateFunctionInput{FunctionName: "legacy", VpcConfig: small, Mode: lambda.LegacyInPlace})
	b.create(t, lambda.CreateFunctionInput{FunctionName: "shared", VpcConfig: small})

	burst := func(function string, n int) (failed []error) {
		var mu sync.Mutex
		var wg sync.WaitGroup
		start := make(chan struct{})
		for range n {
			wg.Go(func() {
				<-start
				out, err := b.Invoke(t.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: function}, Fresh: true})
				if err == nil && out.FunctionError != "" {
					err = errors.New(string(out.Payload))
				}
				if err != nil {
					mu.Lock()
					failed = append(failed, err)
					mu.Unlock()
				}
			})
		}
		close(start)
		wg.Wait()
		return failed
	}
	if failed := burst("shared", 20); len(failed) != 0 {
		t.Errorf("shared: %d of 20 failed: %v", len(failed), failed[0])
	}
	if n := len(b.interfaces("blue", lambda.Shared)); n != 1 {
		t.Errorf("20 environments in shared mode have %d ENIs, want 1", n)
	}
	b.RetireIdle("shared")
	must(t, b.Settle())

	if failed := burst("legacy", 10); len(failed) != 0 { // 11 addresses, and the shared ENI has one
		t.Fatalf("legacy: %d of 10 failed: %v", len(failed), failed[0])
	}
	_, err := b.Invoke(t.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: "legacy"}, Fresh: true})
	refused(t, err, lambda.SubnetIPAddressLimit, 502, smallSubnet, "subnet subnet-small of VPC vpc-blue")

	// The subnet is full: nothing more can be created or moved into it in shared mode.
	other := small
	other.SecurityGroupIDs = []string{"sg-other"}
	c, err := b.CreateFunction(t.Context(), lambda.CreateFunctionInput{FunctionName: "late", VpcConfig: other, ZipFile: goFunction(t)})
	must(t, err)
	if err := b.WaitFunctionActive(within(t, 10*time.Second), lambda.FunctionRef{Name: "late"}); err == nil || !strings.Contains(err.Error(), "SubnetOutOfIPAddresses") {
		t.Errorf("wait for %s: %v", c.FunctionName, err)
	}
	if c, _ := b.GetFunctionConfiguration(lambda.FunctionRef{Name: "late"}); c.State != lambda.Failed || c.StateReasonCode != lambda.ReasonSubnetFull || !strings.HasPrefix(c.StateReason, "Lambda was not able to set up VPC access") || strings.Contains(c.StateReason, smallSubnet) || !strings.Contains(c.Cause, smallSubnet) {
		t.Errorf("late is %s, %s: %s (%s)", c.State, c.StateReasonCode, c.StateReason, c.Cause)
	}
	_, err = b.try(t, "late", nil)
	refused(t, err, lambda.ResourceConflict, 409, "Failed")
	_, err = b.UpdateFunctionConfiguration(t.Context(), lambda.UpdateFunctionConfigurationInput{FunctionName: "shared", VpcConfig: &other})
	must(t, err)
	if err := b.WaitFunctionActive(within(t, 10*time.Second), lambda.FunctionRef{Name: "shared"}); err == nil {
		t.Error("the update into a full subnet succeeded")
	}
	if c, _ := b.GetFunctionConfiguration(lambda.FunctionRef{Name: "shared"}); c.State != lambda.Active || c.LastUpdateStatus != lambda.UpdateFailed || c.LastUpdateStatusReasonCode != lambda.ReasonSubnetFull {
		t.Errorf("shared is %s, its update %s: %s", c.State, c.LastUpdateStatus, c.LastUpdateStatusReasonCode)
	}
	b.invoke(t, "shared", nil) // with what it had

	// Retired environments give their addresses back.
	b.RetireIdle("legacy")
	must(t, b.Settle())
	if failed := burst("legacy", 10); len(failed) != 0 {
		t.Errorf("legacy, after the others are gone: %d of 10 failed: %v", len(failed), failed[0])
	}
}

func TestHyperplaneENIsAreShared(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	names := []string{"one", "two", "three"}
	var wg sync.WaitGroup
	for _, name := range names { // at once: one of them makes the ENI
		wg.Go(func() {
			if _, err := b.CreateFunction(t.Context(), lambda.CreateFunctionInput{FunctionName: name, ZipFile: goFunction(t), VpcConfig: vpcOf("blue", "sg-app", "sg-other")}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, name := range names {
		must(t, b.WaitFunctionActive(within(t, 10*time.Second), lambda.FunctionRef{Name: name}))
	}
	b.create(t, lambda.CreateFunctionInput{FunctionName: "order", VpcConfig: vpcOf("blue", "sg-other", "sg-app", "sg-other")}) // the same set
	enis := b.HyperplaneENIs()
	if len(enis) != 1 || enis[0].Users != 4 || enis[0].VPC != "vpc-blue" || !strings.HasPrefix(enis[0].Interface.Description, "AWS Lambda VPC ENI-") {
		t.Fatalf("ENIs %+v, want one with 4 users", enis)
	}
	shared := b.interfaces("blue", lambda.Shared)
	if len(shared) != 1 || shared[0] != enis[0].Interface {
		t.Fatalf("the VPC has %d", len(shared))
	}
	both := vpcOf("blue")
	both.SubnetIDs = append(both.SubnetIDs, "subnet-blue")
	b.create(t, lambda.CreateFunctionInput{FunctionName: "subset", VpcConfig: vpcOf("blue")})
	b.create(t, lambda.CreateFunctionInput{FunctionName: "subnets", VpcConfig: both}) // one of them is there
	b.create(t, lambda.CreateFunctionInput{FunctionName: "green", VpcConfig: vpcOf("green", "sg-app", "sg-other")})
	if n, m := len(b.interfaces("blue", lambda.Shared)), len(b.interfaces("green", lambda.Shared)); n != 3 || m != 1 {
		t.Errorf("%d ENIs in blue and %d in green, want 3 and 1", n, m)
	}
	for i, name := range []string{"two", "one", "order"} {
		must(t, b.DeleteFunction(lambda.FunctionRef{Name: name}))
		must(t, b.Settle())
		if n := len(b.interfaces("blue", lambda.Shared)); n != 3 {
			t.Errorf("%d ENIs when %d users are left, want 3", n, 3-i)
		}
	}
	if a, _ := b.ask(t, "three", everything); !strings.HasPrefix(a.Whoami, "blue "+enis[0].ENI.Address.String()+":") {
		t.Errorf("whoami saw %q, want the ENI's address %s", a.Whoami, enis[0].ENI.Address)
	}
	for _, name := range []string{"three", "subnets", "subset", "green"} {
		must(t, b.DeleteFunction(lambda.FunctionRef{Name: name}))
	}
	must(t, b.Settle())
	for _, customer := range []string{"blue", "green"} {
		if list := b.interfaces(customer, lambda.Shared); len(list) != 0 || len(b.HyperplaneENIs()) != 0 {
			t.Errorf("%s: %d ENIs without a function", customer, len(list))
		}
		for _, id := range []string{subnet, "subnet-" + customer} {
			if _, used, _, _ := b.network.VPC("vpc-" + customer).Subnet(id); used != 0 {
				t.Errorf("%s of %s has %d addresses in use", id, customer, used)
			}
		}
	}
	if kept := stored(t, b); len(kept) != 0 {
		t.Errorf("the store keeps %v of functions that are gone", kept)
	}
}

func TestUpdateFunctionCode(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	version := func(v string) []byte {
		return bash(t, "handler() { REPLY='\""+v+"\"'; }").ZipFile
	}
	in := bash(t, "handler() { REPLY='\"old\"'; }")
	in.FunctionName = "f"
	b.create(t, in)
	before, _ := b.GetFunctionConfiguration(lambda.FunctionRef{Name: "f"})

	// The old version was never fetched: it must still be there while it serves.
	release := b.HoldENIs()
	_, err := b.UpdateFunctionCode(t.Context(), lambda.UpdateFunctionCodeInput{FunctionName: "f", ZipFile: version("new")})
	must(t, err)
	if out := b.invoke(t, "f", nil); string(out.Payload) != `"old"` {
		t.Errorf("during the update: %s %s", out.FunctionError, out.Payload)
	}
	release()
	must(t, b.WaitFunctionActive(within(t, 10*time.Second), lambda.FunctionRef{Name: "f"}))
	if out := b.invoke(t, "f", nil); string(out.Payload) != `"new"` {
		t.Errorf("after the update: %s", out.Payload)
	}
	after, _ := b.GetFunctionConfiguration(lambda.FunctionRef{Name: "f"})
	if after.CodeSha256 == before.CodeSha256 || after.LastModified.Before(before.LastModified) {
		t.Errorf("before %+v, after %+v", before, after)
	}
	must(t, b.Settle())
	if kept := stored(t, b); len(kept) != 1 {
		t.Errorf("the store keeps %v, want the one version", kept)
	}
	must(t, os.WriteFile(b.store+"/mine.zip", version("mine"), 0o644))
	_, err = b.UpdateFunctionCode(t.Context(), lambda.UpdateFunctionCodeInput{FunctionName: "f", StoreKey: "mine.zip"})
	must(t, err)
	must(t, b.WaitFunctionActive(within(t, 10*time.Second), lambda.FunctionRef{Name: "f"}))
	if out := b.invoke(t, "f", nil); string(out.Payload) != `"mine"` {
		t.Errorf("from the store: %s", out.Payload)
	}
	must(t, b.DeleteFunction(lambda.FunctionRef{Name: "f"}))
	must(t, b.Settle())
	if _, err := os.Stat(b.store + "/mine.zip"); err != nil || len(stored(t, b)) != 0 {
		t.Errorf("a function's end takes its own uploads and no other code: %v, %v", stored(t, b), err)
	}
}

// Invocations run on while VPC, mode and memory are changed under them. Each is wholly in the old network or the new.
func TestMakeBeforeBreak(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	b.create(t, lambda.CreateFunctionInput{FunctionName: "f", VpcConfig: vpcOf("blue")})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	served := map[string]int{}
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				out, err := b.try(t, "f", everything)
				if err != nil || out.FunctionError != "" {
					t.Errorf("an invocation failed: %v %s", err, out.Payload)
					return
				}
				a := parse(t, out)
				who, _, _ := strings.Cut(a.Whoami, " ")
				if who != a.Tenant {
					t.Errorf("the Redis of %s and the whoami of %s answered one event", a.Tenant, who)
				}
				mu.Lock()
				served[a.Tenant]++
				mu.Unlock()
			}
		})
	}
	for i := range 8 {
		tenant, mode := []string{"green", "blue"}[i%2], lambda.Modes[i%len(lambda.Modes)]
		vpc := vpcOf(tenant)
		_, err := b.UpdateFunctionConfiguration(t.Context(), lambda.UpdateFunctionConfigurationInput{FunctionName: "f", VpcConfig: &vpc, Mode: &mode})
		must(t, err)
		must(t, b.WaitFunctionActive(within(t, 10*time.Second), lambda.FunctionRef{Name: "f"}))
		if a, _ := b.ask(t, "f", everything); a.Tenant != tenant {
			t.Errorf("update %d: %s answers an event that came after it, want %s", i, a.Tenant, tenant)
		}
	}
	close(stop)
	wg.Wait()
	must(t, b.Settle())
	t.Logf("served %v", served)
	if served["blue"] == 0 || served["green"] == 0 {
		t.Errorf("served %v: the stream did not see both networks", served)
	}
	// The last update went to blue, legacy-inplace: nothing else is left.
	for _, mode := range []lambda.Mode{lambda.Legacy, lambda.Shared} {
		if n := len(b.interfaces("green", mode)); n != 0 {
			t.Errorf("green has %d ENIs of %s", n, mode)
		}
	}
	if n := len(b.interfaces("blue", lambda.Shared)); n != 0 {
		t.Errorf("blue has %d shared ENIs", n)
	}
}

func TestDeleteFunctionWhileItServes(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	b.create(t, lambda.CreateFunctionInput{FunctionName: "f", VpcConfig: vpcOf("blue")})
	b.invoke(t, "f", nil)
	answered := make(chan lambda.InvokeOutput, 1)
	go func() {
		out, err := b.try(t, "f", event{"do": "sleep:300ms", "redis": everything["redis"]})
		if err != nil {
			t.Error(err)
		}
		answered <- out
	}()
	nstest.Eventually(t, 5*time.Second, func() error {
		if len(b.IdleEnvironments(lambda.FunctionRef{Name: "f"})) > 0 {
			return errors.New("the event was not taken")
		}
		return nil
	})
	must(t, b.DeleteFunction(lambda.FunctionRef{Name: "f"}))
	_, err := b.try(t, "f", nil)
	refused(t, err, lambda.ResourceNotFound, 404)
	if a := parse(t, <-answered); a.Tenant != "blue" {
		t.Errorf("the event in hand: %+v", a)
	}
	b.create(t, lambda.CreateFunctionInput{FunctionName: "f", VpcConfig: vpcOf("green")}) // the name is free
	if a, _ := b.ask(t, "f", everything); a.Tenant != "green" {
		t.Errorf("its successor: %+v", a)
	}
	must(t, b.Settle())
	if n := len(b.interfaces("blue", lambda.Shared)); n != 0 {
		t.Errorf("blue has %d ENIs", n)
	}
}
