package lambda_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"enilab/internal/lambda"
	"enilab/internal/nstest"
	"enilab/sandbox"
)

func (b *bed) publish(t *testing.T, name string, entries ...entry) lambda.LayerVersion {
	t.Helper()
	v, err := b.PublishLayerVersion(lambda.PublishLayerVersionInput{LayerName: name, ZipFile: zipOf(entries...)})
	must(t, err)
	return v
}

// archives are the layers' that lie in the store.
func (b *bed) archives(t *testing.T) int {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(b.store, "layer.*"))
	must(t, err)
	return len(list)
}

// A function sees its layers at /opt, in their order, and has them as long as it names them, deleted or not.
func TestLayers(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	one := b.publish(t, "one", entry{"lib/a", 0o644, "a of one"}, entry{"lib/b", 0o644, "b of one"})
	two := b.publish(t, "two", entry{"lib/b", 0o644, "b of two"}, entry{"bin/tool", 0o755, "#!/bin/sh\necho tool\n"})
	if one.Version != 1 || one.ARN != one.LayerARN+":1" || !strings.HasSuffix(one.LayerARN, ":layer:one") || one.CodeSha256 == "" || one.CodeSize == 0 {
		t.Errorf("%+v", one)
	}
	f := b.create(t, lambda.CreateFunctionInput{
		FunctionName: "f", ZipFile: inside(`cat /opt/lib/a; echo -n ' '; cat /opt/lib/b; echo -n ' '; tool; touch /opt/x`), Layers: []string{one.ARN, two.ARN},
	})
	const want = "a of one b of two tool\ntouch: cannot touch '/opt/x': Read-only file system"
	if got := tell(t, b.invoke(t, f, event{})); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	c, err := b.GetFunctionConfiguration(b.ref(t, f))
	must(t, err)
	if len(c.Layers) != 2 || c.Layers[0].ARN != one.ARN || c.Layers[1].CodeSize != two.CodeSize {
		t.Errorf("%+v", c.Layers)
	}

	must(t, b.DeleteLayerVersion("one", 1))
	must(t, b.DeleteLayerVersion("one", 1))
	_, err = b.GetLayerVersion("one", 1)
	refused(t, err, lambda.ResourceNotFound, 404, "The resource you requested does not exist.")
	b.RetireIdle(f)
	must(t, b.Settle())
	if got := tell(t, b.invoke(t, f, event{})); got != want {
		t.Errorf("with a deleted layer: %q, want %q", got, want)
	}
	if again := b.publish(t, "one", entry{"x", 0o644, "x"}); again.Version != 2 {
		t.Errorf("a deleted version's number is used again: %+v", again)
	}

	_, err = b.UpdateFunctionConfiguration(t.Context(), lambda.UpdateFunctionConfigurationInput{FunctionName: f, Layers: &[]string{}})
	must(t, err)
	must(t, b.WaitFunctionActive(t.Context(), b.ref(t, f)))
	if got := tell(t, b.invoke(t, f, event{})); !strings.Contains(got, "/opt/lib/a: No such file") {
		t.Errorf("without layers: %q", got)
	}
	must(t, b.Settle())
	if n := b.archives(t); n != 2 { // two:1 and one:2
		t.Errorf("%d archives of layers are left", n)
	}
}

// A layer that is deleted while an update gives it to a function is there when the function needs it.
func TestALayerIsDeletedDuringAnUpdate(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	l := b.publish(t, "l", entry{"a", 0o644, "a of l"})
	f := b.create(t, lambda.CreateFunctionInput{FunctionName: "f", ZipFile: inside(`cat /opt/a`)})
	update, err := b.HoldFunction(f)
	must(t, err)
	updated, vpc := make(chan error, 1), vpcOf("blue")
	go func() {
		_, err := b.UpdateFunctionConfiguration(t.Context(), lambda.UpdateFunctionConfigurationInput{FunctionName: f, Layers: &[]string{l.ARN}, VpcConfig: &vpc})
		updated <- err
	}()
	nstest.Eventually(t, 2*time.Minute, func() error {
		if n := b.LayerUsers(l.ARN); n != 1 {
			return fmt.Errorf("the layer has %d users", n)
		}
		return nil
	})
	must(t, b.DeleteLayerVersion("l", 1))

	settle := b.HoldENIs() // from the call's end until then, the function's record alone speaks for the layer
	err = b.TidyLayers(func() {
		update()
		if err := <-updated; err != nil {
			t.Error(err)
		}
	})
	settle()
	must(t, err)
	must(t, b.WaitFunctionActive(t.Context(), b.ref(t, f)))
	if got := tell(t, b.invoke(t, f, event{})); got != "a of l" {
		t.Errorf("%q", got)
	}

	must(t, b.DeleteFunction(b.ref(t, f)))
	must(t, b.Settle())
	if n := b.archives(t); n != 0 {
		t.Errorf("%d archives of layers are left", n)
	}
}

// A function does not become Active without a layer that it names. What it had before serves on.
func TestALayerThatIsGone(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	l := b.publish(t, "l", entry{"a", 0o644, "a of l"})
	f := b.create(t, lambda.CreateFunctionInput{FunctionName: "f", ZipFile: inside(`cat /opt/a`), Layers: []string{l.ARN}})
	b.invoke(t, f, event{})
	b.LoseLayer("l")
	vpc := vpcOf("blue")
	_, err := b.UpdateFunctionConfiguration(t.Context(), lambda.UpdateFunctionConfigurationInput{FunctionName: f, VpcConfig: &vpc})
	must(t, err)
	if err := b.WaitFunctionActive(t.Context(), b.ref(t, f)); err == nil || !strings.Contains(err.Error(), "Layer version "+l.ARN+" does not exist.") {
		t.Errorf("the update ends with %v", err)
	}
	c, err := b.GetFunctionConfiguration(b.ref(t, f))
	must(t, err)
	if c.State != lambda.Active || c.LastUpdateStatus != lambda.UpdateFailed || c.VpcConfig.VpcID != "" {
		t.Errorf("%s, %s, in %q", c.State, c.LastUpdateStatus, c.VpcConfig.VpcID)
	}
	if got := tell(t, b.invoke(t, f, event{})); got != "a of l" {
		t.Errorf("%q", got)
	}
	must(t, b.Settle())
	if list := b.interfaces("blue", lambda.Shared); len(list) != 0 {
		t.Errorf("the update that failed has left %d interfaces", len(list))
	}
}

// A runtime may be in a layer, and so may be extensions, which the lab does not start.
func TestRuntimeInALayer(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	runtime, err := os.ReadFile("../../examples/functions/bash/bootstrap")
	must(t, err)
	layer := b.publish(t, "runtime", entry{"bootstrap", 0o755, string(runtime)}, entry{"extensions/agent", 0o755, "#!/bin/sh\nexit 1\n"})
	f := b.create(t, lambda.CreateFunctionInput{
		FunctionName: "f", Handler: "function.handler", Layers: []string{layer.ARN},
		ZipFile: zipOf(entry{"function.sh", 0o644, `handler() { REPLY='"from a layer"'; }`}),
	})
	if got := tell(t, b.invoke(t, f, event{})); got != "from a layer" {
		t.Errorf("%q", got)
	}
	if log := b.printed(t, f); !strings.HasPrefix(log, "The lab has no Extensions API: what is in /opt/extensions is not started\nSTART RequestId: ") {
		t.Errorf("nothing says that extensions are not started:\n%s", log)
	}
}

// What AWS refuses, in its words (localstack/localstack, test_lambda_api.snapshot.json, TestLambdaLayer).
func TestLayerQuotas(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t, func(c *lambda.Config) { c.Region = "us-east-1"; c.Limits = sandbox.ArchiveLimits{Unzipped: 10_000} })
	first := b.publish(t, "l", entry{"a", 0o644, "a"})
	second := b.publish(t, "l", entry{"a", 0o644, "b"})
	big := b.publish(t, "big", entry{"a", 0o644, strings.Repeat("x", 9_000)})
	code := inside("true")
	const prefix = "arn:aws:lambda:us-east-1:123456789012:layer:"
	for name, c := range map[string]struct {
		layers []string
		says   string
	}{
		"six":           {[]string{prefix + "a:1", prefix + "b:1", prefix + "c:1", prefix + "d:1", prefix + "e:1", prefix + "f:1"}, "Cannot reference more than 5 layers."},
		"two versions":  {[]string{first.ARN, second.ARN}, "Two different versions of the same layer are not allowed to be referenced in the same function. " + first.ARN + " and " + second.ARN + " are versions of the same layer."},
		"not there":     {[]string{prefix + "l:9"}, "Layer version " + prefix + "l:9 does not exist."},
		"no version":    {[]string{prefix + "l"}, "does not exist."},
		"other Region":  {[]string{"arn:aws:lambda:eu-west-1:123456789012:layer:l:1"}, "Layers are not in the same region as the function. Layers are expected to be in region us-east-1."},
		"other account": {[]string{"arn:aws:lambda:us-east-1:999999999999:layer:l:1"}, "does not exist."},
		"too large":     {[]string{big.ARN, first.ARN}, "Function code combined with layers exceeds the maximum allowed size of 10000 bytes. The actual size is "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.CreateFunction(t.Context(), lambda.CreateFunctionInput{FunctionName: "f", ZipFile: code, Layers: c.layers})
			if name == "too large" { // the function alone has a few hundred bytes
				_, err = b.CreateFunction(t.Context(), lambda.CreateFunctionInput{
					FunctionName: "f", Layers: c.layers,
					ZipFile: zipOf(entry{"bootstrap", 0o755, "#!/bin/sh\n" + strings.Repeat("#", 2_000)}),
				})
			}
			refused(t, err, lambda.InvalidParameterValue, 400, c.says)
		})
	}
	for _, version := range []int64{0, -1} {
		_, err := b.GetLayerVersion("l", version)
		refused(t, err, lambda.InvalidParameterValue, 400, "Layer Version Cannot be less than 1")
	}
	_, err := b.PublishLayerVersion(lambda.PublishLayerVersionInput{LayerName: "no name", ZipFile: code})
	refused(t, err, lambda.InvalidParameterValue, 400, "no name")
	_, err = b.PublishLayerVersion(lambda.PublishLayerVersionInput{LayerName: "x", ZipFile: []byte("no zip")})
	refused(t, err, lambda.InvalidParameterValue, 400)
	if n := b.archives(t); n != 3 {
		t.Errorf("%d archives of layers, want 3", n)
	}
}

// Layers, and functions that have them, outlive the control plane.
func TestLayersAreRestored(t *testing.T) {
	nstest.NoLeaks(t)
	path, change := durable(t)
	b := newBed(t, change)
	kept := b.publish(t, "kept", entry{"a", 0o644, "kept"})
	deleted := b.publish(t, "deleted", entry{"b", 0o644, "deleted"})
	f := b.create(t, lambda.CreateFunctionInput{FunctionName: "f", ZipFile: inside(`cat /opt/a /opt/b`), Layers: []string{kept.ARN, deleted.ARN}})
	must(t, b.DeleteLayerVersion(deleted.LayerARN, 1))

	b.crash(t, path, func() {})
	if got := tell(t, b.invoke(t, f, event{})); got != "keptdeleted" {
		t.Errorf("%q", got)
	}
	if list := b.ListLayers(); len(list) != 1 || list[0].LayerName != "kept" || list[0].Version != 1 {
		t.Errorf("%+v", list)
	}
	if next := b.publish(t, "deleted", entry{"b", 0o644, "anew"}); next.Version != 2 {
		t.Errorf("%+v", next)
	}
}
