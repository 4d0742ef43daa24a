package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"enilab/internal/netns"
	"enilab/internal/nstest"
	"enilab/sandbox"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == sandbox.InitArg {
		sandbox.Init()
	}
	if len(os.Args) > 1 && os.Args[1] == hostileArg {
		hostile()
		os.Exit(0)
	}
	if len(os.Args) > 1 && os.Args[1] == labArg {
		shortLab()
	}
	if len(os.Args) > 1 && os.Args[1] == changeArg {
		changeProgram()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// machineRoot says that uid 0 here is the machine's.
func machineRoot() bool {
	b, _ := os.ReadFile("/proc/self/uid_map")
	f := strings.Fields(string(b))
	return len(f) == 3 && f[1] == "0"
}

var env = []string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG=C.UTF-8"}

// code makes a code directory with a bootstrap.
func code(tb testing.TB, bootstrap string) string {
	tb.Helper()
	dir := tb.TempDir()
	for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			tb.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "bootstrap"), []byte(bootstrap), 0o755); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// output is a writer that a test may read while it is written to.
type output struct {
	mu      sync.Mutex // guards b
	b       bytes.Buffer
	written chan struct{} // has a token after writes
}

func newOutput() *output { return &output{written: make(chan struct{}, 1)} }

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.written <- struct{}{}:
	default:
	}
	return o.b.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// await waits until the output contains want.
func (o *output) await(t *testing.T, want string) {
	t.Helper()
	timeout := time.After(2 * time.Minute)
	for !strings.Contains(o.String(), want) {
		select {
		case <-o.written:
		case <-timeout:
			t.Fatalf("no %q in output %q", want, o)
		}
	}
}

// setup is all that an environment needs to know.
type setup struct {
	sandbox.ParkConfig
	sandbox.Config
	zygote *sandbox.Zygote
}

// launch parks and starts at once.
func launch(ctx context.Context, c setup) (*sandbox.Process, error) {
	l, err := c.zygote.Park(ctx, c.ParkConfig)
	if err != nil {
		return nil, err
	}
	return l.Start(ctx, c.Config)
}

// zygote makes a zygote that ends with the test.
func zygote(tb testing.TB) *sandbox.Zygote {
	z := new(sandbox.Zygote)
	tb.Cleanup(func() {
		if err := z.Close(); err != nil {
			tb.Error(err)
		}
	})
	return z
}

// config runs a bash script, as an id of its own if there are several, in an empty network namespace.
func config(tb testing.TB, script string) setup {
	tb.Helper()
	c := setup{sandbox.ParkConfig{NetNS: nstest.NS(tb)}, sandbox.Config{Code: code(tb, "#!/bin/bash\n"+script), Env: env}, zygote(tb)}
	if !nstest.Rootless() {
		c.UID, c.GID = 61001, 61001
	}
	return c
}

func start(tb testing.TB, c setup) *sandbox.Process {
	tb.Helper()
	p, err := launch(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.Close(); err != nil {
			tb.Error(err)
		}
	})
	return p
}

func await(t *testing.T, p *sandbox.Process) sandbox.ExitState {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(2 * time.Minute):
		t.Fatal("the environment does not end")
	}
	return p.Exit()
}

// python is for what bash cannot do; machines without it skip that.
func python(t *testing.T, script string) string {
	t.Helper()
	const path = "/usr/bin/python3"
	if _, err := os.Stat(path); err != nil {
		t.Skip(err)
	}
	return code(t, "#!"+path+"\n"+script)
}

// run runs a script to its end and returns what it printed.
func run(t *testing.T, script string) string {
	t.Helper()
	o := newOutput()
	c := config(t, script)
	c.Output = o
	if e := await(t, start(t, c)); e.Code != 0 {
		t.Fatalf("%v; output:\n%s", e, o)
	}
	return o.String()
}

// variants runs a test with an id of the machine's and, on any machine, with uid 0 of a user namespace.
func variants(t *testing.T, test func(t *testing.T, with func(setup) setup)) {
	t.Run("userns", func(t *testing.T) {
		test(t, func(c setup) setup { c.UID, c.GID = 0, 0; return c })
	})
	t.Run("uid", func(t *testing.T) {
		if nstest.Rootless() {
			t.Skip("no ids to give here")
		}
		test(t, func(c setup) setup { return c })
	})
}

func TestOutputAndEnvironment(t *testing.T) {
	nstest.NoLeaks(t)
	got := run(t, "echo out; echo err >&2; pwd; hostname; env | sort | grep -v ^_=; cat; echo -n x > /dev/null && echo null")
	want := "out\nerr\n/var/task\nsandbox\nLANG=C.UTF-8\nPATH=" + strings.TrimPrefix(env[0], "PATH=") + "\nPWD=/var/task\nSHLVL=1\nnull\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestExit(t *testing.T) {
	nstest.NoLeaks(t)
	for script, want := range map[string]sandbox.ExitState{
		"exit 0":  {},
		"exit 42": {Code: 42},
		// The first process of a pid namespace ignores what it does not handle, except faults, so a child dies here.
		"bash -c 'kill -TERM $$'": {Code: 128 + 15},
	} {
		c := config(t, script)
		if got := await(t, start(t, c)); got != want {
			t.Errorf("%s: %+v, want %+v", script, got, want)
		}
	}
}

func TestFatalSignal(t *testing.T) {
	nstest.NoLeaks(t)
	c := config(t, "")
	c.Code = python(t, "import ctypes; ctypes.string_at(0)")
	if e := await(t, start(t, c)); e.Signal != syscall.SIGSEGV || e.Code != -1 || e.Killed {
		t.Errorf("%+v", e)
	}
}

func TestKillEndsGrandchildren(t *testing.T) {
	nstest.NoLeaks(t)
	o := newOutput()
	c := config(t, "trap '' TERM INT HUP; (setsid bash -c 'trap \"\" TERM; sleep 1000 & echo up; wait' & wait) & wait")
	c.Output = o
	p := start(t, c)
	o.await(t, "up")
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	// Done needs the end of the output, which each process of the environment could write to.
	if e := await(t, p); !e.Killed || e.Signal != syscall.SIGKILL {
		t.Errorf("%+v", e)
	}
	if err := p.Kill(); err != nil {
		t.Errorf("second Kill: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := p.Kill(); err != nil {
		t.Errorf("Kill after Close: %v", err)
	}
}

// TestOutputGivenAway: an environment has ended when its processes have, though somebody else can still write to its output, and
// does. What it had printed itself is not lost, and the other cannot make it last.
func TestOutputGivenAway(t *testing.T) {
	nstest.NoLeaks(t)
	c, o := config(t, "echo first; read -r x < <(sleep 1000)"), newOutput()
	c.Output = o
	p := start(t, c)
	o.await(t, "first")
	taken, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/1", p.Pid()), os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrPermission) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	var flood sync.WaitGroup
	flood.Go(func() {
		for err := error(nil); err == nil; {
			_, err = taken.WriteString("mine\n")
		}
	})
	defer flood.Wait()
	defer taken.Close()
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if e := await(t, p); !e.Killed {
		t.Errorf("%+v", e)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if !strings.HasPrefix(o.String(), "first\n") {
		t.Errorf("output %.20q", o)
	}
}

func TestOutputFloodAndFailingWriter(t *testing.T) {
	nstest.NoLeaks(t)
	c := config(t, "head -c 5000000 /dev/zero")
	c.Output = failingWriter{}
	if e := await(t, start(t, c)); e.Code != 0 {
		t.Errorf("%v: a writer that fails must not stop the environment", e)
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("full") }

// What cannot start gives an error that names the step and the object, and nothing is left.
func TestStartErrors(t *testing.T) {
	nstest.NoLeaks(t)
	ok := config(t, "exit 0")
	sub := func(change func(*setup)) setup { c := ok; change(&c); return c }
	for _, tt := range []struct {
		name string
		setup
		step string
		text string
		is   error
	}{
		{"no netns", sub(func(c *setup) { c.NetNS = nil }), "", "no network namespace", nil},
		{"no code", sub(func(c *setup) { c.Code = "" }), "", "no code directory", nil},
		{"uid only", sub(func(c *setup) { c.UID, c.GID = 7, 0 }), "", "uid 7 with gid 0", nil},
		{"negative", sub(func(c *setup) { c.TmpSize = -1 }), "", "-1 bytes in /tmp", nil},
		{"huge environment", sub(func(c *setup) { c.Env = []string{strings.Repeat("x", 200<<10)} }), "", "the limit is 131072", nil},
		{"code missing", sub(func(c *setup) { c.Code = "/nonexistent/code" }), "mount", "bind /nonexistent/code: no such file", fs.ErrNotExist},
		{"code is a file", sub(func(c *setup) { c.Code += "/bootstrap" }), "mount", "/bootstrap: not a directory", syscall.ENOTDIR},
		{"hostname too long", sub(func(c *setup) { c.Hostname = strings.Repeat("h", 65) }), "hostname", "invalid argument", syscall.EINVAL},
		{"tmp size", sub(func(c *setup) { c.Pids, c.TmpSize = 1<<40, 1<<62 }), "", "", nil}, // absurd, but harmless
		{"no bootstrap", sub(func(c *setup) {
			c.Code = t.TempDir()
			os.Chmod(c.Code, 0o755)
			os.Chmod(filepath.Dir(c.Code), 0o755)
		}), "exec", "none of /var/task/bootstrap, /opt/bootstrap", fs.ErrNotExist},
		{"no interpreter", sub(func(c *setup) { c.Code = code(t, "#!/nonexistent -x\n") }), "exec", `/var/task/bootstrap: its interpreter "/nonexistent" is not in the sandbox`, fs.ErrNotExist},
		{"not a program", sub(func(c *setup) { c.Code = code(t, "hello") }), "exec", "neither a program for", syscall.ENOEXEC},
		{"no command", sub(func(c *setup) { c.Command = []string{"/usr/bin/nosuch", "x"} }), "exec", "exec /usr/bin/nosuch: no such file", fs.ErrNotExist},
		{"not executable", sub(func(c *setup) { c.Code = code(t, ""); os.Chmod(c.Code+"/bootstrap", 0o644) }), "exec", "not a file that the function's user may execute", fs.ErrPermission},
	} {
		t.Run(tt.name, func(t *testing.T) {
			nstest.NoLeaks(t)
			tt.zygote = zygote(t)
			p, err := launch(t.Context(), tt.setup)
			if p != nil {
				await(t, p)
				p.Close()
			}
			if tt.text == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil {
				t.Fatal("it started")
			}
			var step *sandbox.StartError
			if errors.As(err, &step) != (tt.step != "") || step != nil && step.Step != tt.step {
				t.Errorf("step %+v, want %q", step, tt.step)
			}
			if !strings.Contains(err.Error(), tt.text) {
				t.Errorf("%q does not say %q", err, tt.text)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%q is not %v", err, tt.is)
			}
		})
	}
}

// The code directory may be closed to everybody but its owner: then the function's user cannot enter it.
// A file that is open for writing cannot be executed. That passes, or is told.
func TestBootstrapOpenForWriting(t *testing.T) {
	nstest.NoLeaks(t)
	for name, held := range map[string]time.Duration{"for a moment": 50 * time.Millisecond, "for good": time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := config(t, "exit 3")
			f, err := os.OpenFile(c.Code+"/bootstrap", os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			defer time.AfterFunc(held, func() { f.Close() }).Stop()
			p, err := launch(t.Context(), c)
			if err != nil {
				if held < time.Second || !errors.Is(err, syscall.ETXTBSY) {
					t.Error(err)
				}
				return
			}
			if x := p.Exit(); x.Code != 3 || held > time.Second {
				t.Errorf("started, and ended with %v", x)
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestClosedCodeDirectory(t *testing.T) {
	nstest.NoLeaks(t)
	if nstest.Rootless() {
		t.Skip("the only user there is owns the directory")
	}
	c := config(t, "")
	os.Chmod(c.Code, 0o700)
	_, err := launch(t.Context(), c)
	var step *sandbox.StartError
	if !errors.As(err, &step) || step.Step != "code" || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v", err)
	}
}

func TestStartIsBoundedByContext(t *testing.T) {
	nstest.NoLeaks(t)
	c := config(t, "sleep 1000")
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("changed my mind")
	cancel(why)
	p, err := launch(ctx, c)
	if err == nil {
		// The bootstrap can have been executed first; then it runs on.
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	} else if !errors.Is(err, why) {
		t.Error(err)
	}
}

func TestManyAtOnce(t *testing.T) {
	nstest.NoLeaks(t)
	const n = 40
	c := config(t, "echo $HOSTNAME; exec sleep 1000")
	var wg sync.WaitGroup
	ps := make([]*sandbox.Process, n)
	for i := range n {
		wg.Go(func() {
			ns, err := netns.New()
			if err != nil {
				t.Error(err)
				return
			}
			defer ns.Close()
			o, c := newOutput(), c
			c.NetNS, c.Output, c.Hostname = ns, o, fmt.Sprintf("env-%d", i)
			if !nstest.Rootless() {
				c.UID, c.GID = uint32(62000+i), uint32(62000+i)
			}
			p, err := launch(t.Context(), c)
			if err != nil {
				t.Error(err)
				return
			}
			ps[i] = p
			o.await(t, c.Hostname+"\n")
		})
	}
	wg.Wait()
	for _, p := range slices.Backward(ps) {
		if p != nil {
			wg.Go(func() {
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
}
