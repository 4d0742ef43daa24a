package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a run may take before it counts as hanging. It is no measurement: an emulated machine takes minutes.
const patience = 15 * time.Minute

// identity is who runs the program.
type identity struct {
	name       string
	rootless   bool // it has no rights but those that user namespaces give
	contained  bool // it is root in a user namespace that this test runs in
	noGroups   bool // control groups are out of its reach
	credential *syscall.Credential
	number, of int // among those that the test runs as
}

const nobody = 65534

// identities are those that this test can take on: root and nobody for root, else the caller.
func identities(t *testing.T) []identity {
	t.Helper()
	user := identity{name: "user", rootless: true, noGroups: true}
	if os.Geteuid() != 0 {
		return numbered(allowed(t, user))
	}
	m, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Fields(string(m))[2] != "4294967295" {
		return numbered(identity{name: "root of a user namespace", rootless: true, contained: true, noGroups: true})
	}
	user.credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	return numbered(identity{name: "root"}, allowed(t, user))
}

func numbered(all ...identity) []identity {
	for i := range all {
		all[i].number, all[i].of = i, len(all)
	}
	return all
}

// takes deals cases out, one after another, to those that the test runs as.
func (who identity) takes(i int) bool { return i%who.of == who.number }

// owns tells apart what belongs to those that the test runs as, at the same time.
func (who identity) owns(uid uint32) bool { return who.of == 1 || (uid == nobody) == who.rootless }

// allowed skips the test where an ordinary user may not make user namespaces.
func allowed(t *testing.T, user identity) identity {
	t.Helper()
	cmd := exec.Command("unshare", "--user", "--map-root-user", "--net", "true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: user.credential}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("user namespaces are not allowed to ordinary users here: %v: %s", err, out)
	}
	return user
}

// asEach runs a test as everybody that it can be run as, at once.
func asEach(t *testing.T, test func(t *testing.T, who identity)) {
	for _, who := range identities(t) {
		t.Run("as "+who.name, func(t *testing.T) {
			t.Parallel()
			test(t, who)
		})
	}
}

// asRoot is the first of the identities, if it is root.
func asRoot(t *testing.T) identity {
	t.Helper()
	who := identities(t)[0]
	if who.rootless {
		t.Skip("needs root")
	}
	return who
}

// command prepares a run of the program, in a process group of its own.
func (who identity) command(args ...string) *run { return who.other(enilab, args...) }

// other prepares a run of another program, which is to start the one under test.
func (who identity) other(program string, args ...string) *run {
	cmd := exec.Command(program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: who.credential}
	cmd.WaitDelay = 10 * time.Second // for orphans to end, which hold its output
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/"}
	r := &run{Cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &r.out, &r.err
	return r
}

// run is one run of the program.
type run struct {
	*exec.Cmd
	out, err output
	done     chan struct{} // closed when it has ended and all output is read
}

// start starts it; the end of the test ends it.
func (r *run) start(t *testing.T) *run {
	t.Helper()
	if err := r.Start(); err != nil {
		t.Fatalf("start %v: %v", r.Args, err)
	}
	started.add(r.Process.Pid)
	go func() {
		defer close(r.done)
		_ = r.Wait() // how it ended is in ProcessState
	}()
	t.Cleanup(func() {
		select {
		case <-r.done:
		default:
			_ = syscall.Kill(-r.Process.Pid, syscall.SIGKILL)
			<-r.done
		}
	})
	return r
}

// pids are those of processes that this test has started: labs bear them in their names.
type pids struct {
	mu  sync.Mutex // guards all
	all map[string]bool
}

var started = pids{all: map[string]bool{}}

func (p *pids) add(pid int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all[strconv.Itoa(pid)] = true
}

func (p *pids) has(pid string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all[pid]
}

// result waits for the end.
func (r *run) result(t *testing.T) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case <-r.done:
	case <-ctx.Done():
		t.Fatalf("%v hangs; so far it printed\n%s%s", r.Args, r.out.String(), r.err.String())
	}
	status := r.ProcessState.Sys().(syscall.WaitStatus)
	res := result{args: r.Args, code: status.ExitStatus(), stdout: r.out.String(), stderr: r.err.String()}
	if status.Signaled() {
		res.signal = status.Signal()
	}
	return res
}

// do starts it and waits for its end.
func (r *run) do(t *testing.T) result {
	t.Helper()
	return r.start(t).result(t)
}

// until waits for something to become true of a run. It tells whether it did before the run ended.
func (r *run) until(t *testing.T, what string, is func() bool) bool {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		if is() {
			return true
		}
		select {
		case <-r.done:
			return is()
		case <-time.After(2 * time.Millisecond): // nobody tells of other processes' doings: look again
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v: waited in vain until %s; so far it printed\n%s%s", r.Args, what, r.out.String(), r.err.String())
		}
	}
}

// untilSaid waits until the run has printed something.
func (r *run) untilSaid(t *testing.T, text string) {
	t.Helper()
	if !r.until(t, "it says "+text, func() bool { return strings.Contains(r.out.String(), text) }) {
		t.Fatalf("%v ended without saying %q:\n%s%s", r.Args, text, r.out.String(), r.err.String())
	}
}

// signal sends it to the process that was started, or to its whole group.
func (r *run) signal(t *testing.T, group bool, s syscall.Signal) {
	t.Helper()
	pid := r.Process.Pid
	if group {
		pid = -pid
	}
	if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatalf("send %v: %v", s, err)
	}
}

// result is how a run ended.
type result struct {
	args           []string
	code           int            // -1 after a signal
	signal         syscall.Signal // zero: it exited
	stdout, stderr string
}

func (r result) String() string {
	end := fmt.Sprintf("exit code %d", r.code)
	if r.signal != 0 {
		end = "ended by " + r.signal.String()
	}
	return fmt.Sprintf("%v: %s\nstdout:\n%s\nstderr:\n%s", r.args, end, r.stdout, r.stderr)
}

// want fails the test unless the run ended with the code, and said on stderr what it should.
func (r result) want(t *testing.T, code int, said ...string) result {
	t.Helper()
	if r.code != code {
		t.Fatalf("want exit code %d; %v", code, r)
	}
	for _, s := range said {
		if !strings.Contains(r.stderr, s) {
			t.Errorf("stderr does not say %q; %v", s, r)
		}
	}
	return r
}

// wantLine is want for errors: one line on stderr that begins with the program's name, nothing on stdout.
func (r result) wantLine(t *testing.T, code int, said ...string) {
	t.Helper()
	r.want(t, code, said...)
	if !strings.HasPrefix(r.stderr, "enilab: ") || strings.Count(r.stderr, "\n") != 1 || r.stdout != "" {
		t.Errorf("want one line on stderr, and it alone; %v", r)
	}
}

// output collects what a process prints.
type output struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
