package daemon

import (
	"archive/zip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"enilab/internal/events"
	"enilab/internal/nstest"
	"enilab/internal/realm"
	"enilab/internal/state"
	"enilab/internal/testlab"
	"enilab/sandbox"
)

const whoamiArg = "__whoami"

// A daemon lives in a realm: so do its tests.
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

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bed is a lab with a daemon that serves nobody: the test applies topologies to it. It has a store with a.zip and b.zip, code
// of functions that nobody calls, and text.zip, which is none.
type bed struct {
	*Daemon
	dir string // of topologies, and of the store
}

func newBed(t *testing.T, s Settings) *bed {
	t.Helper()
	nstest.NeedRoot(t)
	nstest.NoLeaks(t)
	dir := openDir(t)
	for _, name := range []string{"a", "b"} {
		writeCode(t, filepath.Join(dir, name+".zip"), "#!/bin/sh\n# "+name+"\n")
	}
	must(t, os.WriteFile(filepath.Join(dir, "text.zip"), []byte("this is no zip"), 0o644))
	s.Region, s.Account, s.Workers, s.Store = DefaultRegion, "123456789012", 1, dir
	d := &Daemon{
		Config: Config{
			Name: "bed", Cgroups: testlab.Name(t, "test"), Uploads: filepath.Join(dir, "uploads"), Settings: &s,
			Whoami: []string{"/proc/self/exe", whoamiArg, "{address}:80"}, Internet: []string{"/proc/self/exe", whoamiArg, "0.0.0.0:80"},
			Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		},
		events: new(events.Bus),
	}
	var err error
	d.db, err = state.Open(filepath.Join(dir, "state.db"))
	must(t, err)
	t.Cleanup(func() { must(t, d.db.Close()) })
	must(t, d.loadSettings())
	d.declared = state.TableOf[declaration](d.db, "declared")
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() { d.leave() })
	d.begin(t)
	must(t, d.restoreRoles(ctx))
	must(t, d.build(ctx))
	t.Cleanup(func() { must(t, d.lab.Close()) })
	t.Cleanup(func() { must(t, d.undo.Close()) })
	t.Cleanup(cancel)
	must(t, d.restoreNetworks(ctx))
	must(t, d.restoreResources(ctx))
	must(t, d.restoreFunctions(ctx))
	return &bed{d, dir}
}

// begin has what is applied carried through until leave.
func (d *Daemon) begin(t *testing.T) {
	life, leave := context.WithCancelCause(t.Context())
	d.life, d.leave = life, func() { leave(errEnds) }
}

// openDir is a directory of the test's that others may pass through.
func openDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && len(d) > 1; d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o755))
	}
	return dir
}

func writeCode(t *testing.T, path, bootstrap string) {
	t.Helper()
	file, err := os.Create(path)
	must(t, err)
	defer file.Close()
	z := zip.NewWriter(file)
	header := &zip.FileHeader{Name: "bootstrap"}
	header.SetMode(0o755)
	w, err := z.CreateHeader(header)
	must(t, err)
	_, err = io.WriteString(w, bootstrap)
	must(t, err)
	must(t, z.Close())
}

// applied is what an apply, or a dry run, has said.
type applied struct {
	lines  []string
	failed []string // steps
	err    error    // a refusal
}

func (b *bed) up(ctx context.Context, text string, dryRun bool) (a applied) {
	in := ApplyRequest{File: "bed.lab.yml", Dir: b.dir, Topology: []byte(text), Store: b.dir, DryRun: dryRun}
	a.err = b.apply(ctx, in, func(said Applied) {
		c := said.Change
		a.lines = append(a.lines, fmt.Sprintf("%s %s %s: %s", c.Action, c.Kind, c.Name, c.Detail))
		if said.Error != "" {
			a.failed = append(a.failed, fmt.Sprintf("%s %s %s: %s", c.Action, c.Kind, c.Name, said.Error))
		}
	})
	return a
}
