package lambda_test

import (
	"strings"
	"testing"
	"time"

	"enilab/internal/lambda"
	"enilab/internal/nstest"
)

func versionNames(t *testing.T, b *bed, function string) (names []string) {
	t.Helper()
	list, err := b.ListVersionsByFunction(function)
	must(t, err)
	for _, c := range list {
		names = append(names, c.Version)
	}
	return names
}

// A version is what its function was: code, settings, network and environments of its own, whatever becomes of $LATEST.
func TestVersions(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	say := func(what string) lambda.CreateFunctionInput {
		in := bash(t, "handler() { REPLY='\""+what+" '$AWS_LAMBDA_FUNCTION_VERSION'\"'; }")
		in.FunctionName, in.VpcConfig = "f", vpcOf("blue")
		return in
	}
	b.create(t, say("one"))
	latest, err := b.GetFunctionConfiguration(lambda.FunctionRef{Name: "f"})
	must(t, err)
	publish := func(in lambda.PublishVersionInput) (lambda.FunctionConfiguration, error) {
		in.FunctionName = "f"
		c, err := b.PublishVersion(t.Context(), in)
		if err == nil {
			must(t, b.WaitFunctionActive(within(t, 10*time.Second), b.ref(t, c.FunctionARN)))
		}
		return c, err
	}
	description := "the first"
	_, err = publish(lambda.PublishVersionInput{RevisionID: "stale"})
	refused(t, err, lambda.PreconditionFailed, 412, "Revision Id")
	_, err = publish(lambda.PublishVersionInput{CodeSha256: "other"})
	refused(t, err, lambda.InvalidParameterValue, 400, "CodeSHA256 (other)", latest.CodeSha256)
	one, err := publish(lambda.PublishVersionInput{RevisionID: latest.RevisionID, CodeSha256: latest.CodeSha256, Description: &description})
	must(t, err)
	if one.Version != "1" || one.Description != description || one.FunctionARN != latest.FunctionARN+":1" || one.CodeSha256 != latest.CodeSha256 || one.State != lambda.Active || one.LastUpdateStatus != lambda.UpdateSuccessful {
		t.Errorf("%+v", one)
	}
	if again, err := publish(lambda.PublishVersionInput{}); err != nil || again.Version != "1" {
		t.Errorf("nothing has changed, and yet: %+v, %v", again, err)
	}

	two, err := b.UpdateFunctionCode(t.Context(), lambda.UpdateFunctionCodeInput{FunctionName: "f", ZipFile: say("two").ZipFile, Publish: true, RevisionID: latest.RevisionID})
	must(t, err)
	if two.Version != "2" || two.CodeSha256 == one.CodeSha256 {
		t.Errorf("%+v", two)
	}
	must(t, b.WaitFunctionActive(within(t, 10*time.Second), lambda.FunctionRef{Name: "f"}))
	must(t, b.WaitFunctionActive(within(t, 10*time.Second), lambda.FunctionRef{Name: "f", Qualifier: "2"}))
	green := vpcOf("green")
	_, err = b.UpdateFunctionConfiguration(t.Context(), lambda.UpdateFunctionConfigurationInput{FunctionName: "f", VpcConfig: &green})
	must(t, err)
	must(t, b.WaitFunctionActive(within(t, 10*time.Second), lambda.FunctionRef{Name: "f"}))

	for name, want := range map[string]string{"f": "two $LATEST", "f:$LATEST": "two $LATEST", "f:1": "one 1", latest.FunctionARN + ":2": "two 2"} {
		out := b.invoke(t, name, nil)
		if string(out.Payload) != `"`+want+`"` || out.ExecutedVersion != want[4:] || !strings.Contains(string(out.LogTail), "Version: "+want[4:]+"\n") {
			t.Errorf("%s: version %s answers %s, log %s", name, out.ExecutedVersion, out.Payload, out.LogTail)
		}
	}
	for name, network := range map[string]string{"f:1": "vpc-blue", "f:2": "vpc-blue", "f": "vpc-green"} {
		if c, err := b.GetFunctionConfiguration(b.ref(t, name)); err != nil || c.VpcConfig.VpcID != network || c.State != lambda.Active {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
		if n := len(b.IdleEnvironments(b.ref(t, name))); n < 1 {
			t.Errorf("%s has no environment", name)
		}
	}
	if names := versionNames(t, b, "f"); strings.Join(names, " ") != "$LATEST 1 2" {
		t.Errorf("versions %v", names)
	}
	if n := len(b.interfaces("blue", lambda.Shared)); n != 1 {
		t.Errorf("blue has %d ENIs, want the versions' one", n)
	}

	for _, name := range []string{"f:3", "f:live", "f:01", "f:0"} {
		_, err := b.try(t, name, nil)
		refused(t, err, lambda.ResourceNotFound, 404, "function:"+name)
	}
	refused(t, b.DeleteFunction(lambda.FunctionRef{Name: "f", Qualifier: "$LATEST"}), lambda.InvalidParameterValue, 400, "$LATEST version cannot be deleted")
	must(t, b.DeleteFunction(lambda.FunctionRef{Name: "f", Qualifier: "2"}))
	must(t, b.DeleteFunction(lambda.FunctionRef{Name: "f", Qualifier: "2"})) // gone already
	if three, err := publish(lambda.PublishVersionInput{}); err != nil || three.Version != "3" {
		t.Errorf("after the deletion of 2: %+v, %v", three, err)
	}
	must(t, b.DeleteFunction(lambda.FunctionRef{Name: "f", Qualifier: "1"}))
	must(t, b.Settle())
	if n := len(b.interfaces("blue", lambda.Shared)); n != 0 {
		t.Errorf("blue has %d ENIs that no version uses", n)
	}
	if kept := stored(t, b); len(kept) != 1 {
		t.Errorf("the store keeps %v, want the one archive of $LATEST and 3", kept)
	}
	must(t, b.DeleteFunction(lambda.FunctionRef{Name: "f"}))
	must(t, b.Settle())
	if kept := stored(t, b); len(kept) != 0 || len(b.Environments()) != 0 {
		t.Errorf("left: %v, %+v", kept, b.Environments())
	}
}

func TestCreateFunctionPublishes(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t, func(c *lambda.Config) {
		c.RoleExists = func(arn string) error {
			if strings.HasSuffix(arn, "/absent") {
				return errHungUp
			}
			return nil
		}
	})
	in := bash(t, "handler() { REPLY=1; }")
	in.FunctionName, in.Publish, in.Tags, in.Role = "f", true, map[string]string{"team": "net"}, "arn:aws:iam::123456789012:role/absent"
	_, err := b.CreateFunction(t.Context(), in)
	refused(t, err, lambda.InvalidParameterValue, 400, "The role defined for the function cannot be assumed by Lambda.")
	in.Role = "me"
	_, err = b.CreateFunction(t.Context(), in)
	refused(t, err, lambda.ValidationException, 400, "'me' at 'role'")
	in.Role = "arn:aws:iam::123456789012:role/there"
	c, err := b.CreateFunction(t.Context(), in)
	must(t, err)
	if c.Version != "1" || c.State != lambda.Pending || c.Role != in.Role || c.Runtime != "provided.al2023" || c.PackageType != "Zip" || c.EphemeralStorage != 512 || c.RevisionID == "" {
		t.Errorf("%+v", c)
	}
	must(t, b.WaitFunctionActive(within(t, 10*time.Second), lambda.FunctionRef{Name: "f", Qualifier: "1"}))
	d, err := b.GetFunction(lambda.FunctionRef{Name: "f"})
	must(t, err)
	if d.Configuration.Version != "$LATEST" || d.Tags["team"] != "net" || !d.Uploaded || d.ReservedConcurrency != nil {
		t.Errorf("%+v", d)
	}
	must(t, b.WaitFunctionActive(within(t, 10*time.Second), lambda.FunctionRef{Name: "f"}))
	before, _ := b.GetFunctionConfiguration(lambda.FunctionRef{Name: "f"})
	dry, err := b.UpdateFunctionCode(t.Context(), lambda.UpdateFunctionCodeInput{FunctionName: "f", ZipFile: goFunction(t), DryRun: true})
	if after, _ := b.GetFunctionConfiguration(lambda.FunctionRef{Name: "f"}); err != nil || dry.CodeSha256 == before.CodeSha256 || after.CodeSha256 != before.CodeSha256 || len(stored(t, b)) != 1 {
		t.Errorf("a dry run answers %+v, %v and leaves %+v, %v", dry, err, after, stored(t, b))
	}
	_, err = b.UpdateFunctionCode(t.Context(), lambda.UpdateFunctionCodeInput{FunctionName: "f", ZipFile: goFunction(t), RevisionID: "stale"})
	refused(t, err, lambda.PreconditionFailed, 412)
	runtime := "ruby3.4"
	_, err = b.UpdateFunctionConfiguration(t.Context(), lambda.UpdateFunctionConfigurationInput{FunctionName: "f", Runtime: &runtime})
	refused(t, err, lambda.InvalidParameterValue, 400, "ruby3.4", "bootstrap")
	if a := b.GetAccountSettings(); a.FunctionCount != 1 || a.TotalCodeSize != 2*before.CodeSize || a.ConcurrentExecutions != 1000 {
		t.Errorf("%+v", a)
	}
}
