package lambda_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"enilab/internal/lambda"
	"enilab/internal/nstest"
	"enilab/internal/state"
	"enilab/sandbox"
)

// durable gives a bed's control plane a state, and uploads a directory of their own.
func durable(t testing.TB) (path string, change func(*lambda.Config)) {
	path = filepath.Join(t.TempDir(), "lab.state")
	return path, func(c *lambda.Config) {
		db, err := state.Open(path)
		must(t, err)
		c.State = db
		c.Uploads = sandbox.Store{Dir: filepath.Join(filepath.Dir(c.Store.Dir), "uploads")}
	}
}

// crash puts another control plane in the place of the bed's, with the records as they were at a moment. It returns where
// they are now.
func (b *bed) crash(t testing.TB, path string, meanwhile func()) (again string) {
	t.Helper()
	moment := path + fmt.Sprint(time.Now().UnixNano())
	from, err := os.Open(path)
	must(t, err)
	to, err := os.Create(moment)
	must(t, err)
	_, err = io.Copy(to, from)
	must(t, errors.Join(err, from.Close(), to.Close()))
	config := b.Service.Config
	meanwhile()
	must(t, b.Service.Close())
	must(t, config.State.Close())
	config.State, err = state.Open(moment)
	must(t, err)
	b.Service = lambda.New(config)
	b.undo.Push(config.State.Close)
	b.undo.Push(b.Service.Close)
	must(t, b.Restore(within(t, 20*time.Second)))
	return moment
}

func uploads(t *testing.T, b *bed) (keys []string) {
	t.Helper()
	entries, err := os.ReadDir(b.Uploads.Dir)
	must(t, err)
	for _, e := range entries {
		keys = append(keys, e.Name())
	}
	return keys
}

// What was Active serves when Restore returns, what was answered is finished, and what was deleted stays so.
func TestRestore(t *testing.T) {
	nstest.NoLeaks(t)
	path, change := durable(t)
	b := newBed(t, change)
	code := func(what string) []byte { return bash(t, "handler() { REPLY='\""+what+"\"'; }").ZipFile }
	make := func(name, what string) lambda.CreateFunctionInput {
		return lambda.CreateFunctionInput{FunctionName: name, ZipFile: code(what), Handler: "function.handler", VpcConfig: vpcOf("blue")}
	}
	must(t, os.MkdirAll(b.store, 0o755))
	must(t, os.WriteFile(b.store+"/mine.zip", code("mine"), 0o644))
	for _, name := range []string{"active", "updated", "deleted"} {
		b.create(t, make(name, name))
	}
	in := make("legacy", "")
	in.ZipFile, in.StoreKey, in.Mode = nil, "mine.zip", lambda.LegacyInPlace
	b.create(t, in)
	_, err := b.PublishVersion(t.Context(), lambda.PublishVersionInput{FunctionName: "active"})
	must(t, err)
	must(t, b.WaitFunctionActive(within(t, 10*time.Second), lambda.FunctionRef{Name: "active", Qualifier: "1"}))
	must(t, b.PutFunctionConcurrency("active", 7))
	must(t, b.DeleteFunction(lambda.FunctionRef{Name: "deleted"}))
	must(t, b.Settle())
	for _, name := range []string{"active", "updated", "legacy"} {
		b.invoke(t, name, nil)
	}
	enis := b.interfaces("blue", lambda.Shared)
	before := b.ListFunctions()

	// One is being created and one changed when the end comes, and an upload has no function yet.
	release := b.HoldENIs()
	pending := make("pending", "pending")
	pending.VpcConfig = vpcOf("green")
	_, err = b.CreateFunction(t.Context(), pending)
	must(t, err)
	_, err = b.UpdateFunctionCode(t.Context(), lambda.UpdateFunctionCodeInput{FunctionName: "updated", ZipFile: code("new")})
	must(t, err)
	must(t, b.PutFunctionConcurrency("legacy", 0))
	late := b.send(t, "legacy", event{"late": true})
	b.crash(t, path, func() {
		release()
		must(t, os.WriteFile(filepath.Join(b.Uploads.Dir, "function.half.zip"), []byte("half"), 0o644))
	})

	for name, want := range map[string]string{"active": "active", "active:1": "active", "legacy": "mine"} {
		if name == "legacy" {
			must(t, b.DeleteFunctionConcurrency(name))
		}
		if out := b.invoke(t, name, nil); string(out.Payload) != `"`+want+`"` {
			t.Errorf("%s answers %s %s", name, out.FunctionError, out.Payload)
		}
	}
	for name, want := range map[string]string{"pending": "pending", "updated": "new"} {
		must(t, b.WaitFunctionActive(within(t, 10*time.Second), b.ref(t, name)))
		if out := b.invoke(t, name, nil); string(out.Payload) != `"`+want+`"` {
			t.Errorf("%s answers %s %s", name, out.FunctionError, out.Payload)
		}
	}
	nstest.Eventually(t, 10*time.Second, func() error {
		if count(b.lines(t, "legacy"), "START RequestId: "+late.RequestID) == 0 {
			return errors.New("the event that waited is lost")
		}
		return nil
	})
	must(t, b.Settle())
	var names []string
	for _, c := range b.ListFunctions() {
		names = append(names, c.FunctionName)
		at := slices.IndexFunc(before, func(o lambda.FunctionConfiguration) bool { return o.FunctionName == c.FunctionName })
		if c.FunctionName == "active" && (c.RevisionID != before[at].RevisionID || !c.LastModified.Equal(before[at].LastModified)) {
			t.Errorf("%+v was %+v", c, before[at])
		}
	}
	if strings.Join(names, " ") != "active legacy pending updated" {
		t.Errorf("functions %v", names)
	}
	if n, err := b.GetFunctionConcurrency("active"); err != nil || n == nil || *n != 7 {
		t.Errorf("reserved %v, %v", n, err)
	}
	if kept := uploads(t, b); len(kept) != 3 {
		t.Errorf("uploads %v, want those of active, pending and updated", kept)
	}
	if again := b.interfaces("blue", lambda.Shared); len(enis) != 1 || len(again) != 1 || again[0].ID != enis[0].ID || again[0].Address != enis[0].Address {
		t.Errorf("ENIs %+v were %+v", again, enis)
	}
	if two, err := b.PublishVersion(t.Context(), lambda.PublishVersionInput{FunctionName: "updated"}); err != nil || two.Version != "1" {
		t.Errorf("%+v, %v", two, err)
	}
	for _, name := range names {
		must(t, b.WaitFunctionActive(within(t, 10*time.Second), b.ref(t, name)))
		must(t, b.DeleteFunction(b.ref(t, name)))
	}
	must(t, b.Settle())
	if n := len(b.interfaces("blue", lambda.Shared)) + len(b.interfaces("green", lambda.Shared)); n != 0 {
		t.Errorf("%d ENIs without a function", n)
	}
	if kept := uploads(t, b); len(kept) != 0 {
		t.Errorf("uploads %v without a function", kept)
	}
}
