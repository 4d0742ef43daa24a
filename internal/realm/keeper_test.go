package realm_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"enilab/internal/nstest"
	"enilab/internal/realm"
)

// lab is a keeper with a daemon that listens where the test made it.
type lab struct {
	*realm.Keeper
	t      *testing.T
	log    *os.File
	addr   string
	socket string
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func in(t *testing.T, allowed time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), allowed)
	t.Cleanup(cancel)
	return ctx
}

func keeper(t *testing.T) *lab {
	t.Helper()
	nstest.NeedRoot(t)
	nstest.NoLeaks(t)
	log, err := os.OpenFile(filepath.Join(t.TempDir(), "log"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	must(t, err)
	dir := filepath.Join(t.TempDir(), "run")
	k, err := realm.StartKeeper(in(t, 20*time.Second), realm.KeeperConfig{Dir: dir, Name: "test", Log: log})
	must(t, err)
	l := &lab{Keeper: k, t: t, log: log, socket: filepath.Join(dir, "keeper.sock")}
	t.Cleanup(func() {
		if err := k.Stop(in(t, 20*time.Second)); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			b, _ := os.ReadFile(log.Name())
			t.Logf("log:\n%s", b)
		}
		log.Close()
	})
	return l
}

// serve starts a daemon with a listener of this namespace.
func (l *lab) serve() {
	l.t.Helper()
	tcp, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(l.t, err)
	defer tcp.Close()
	f, err := tcp.File()
	must(l.t, err)
	defer f.Close()
	must(l.t, l.Start(in(l.t, 2*time.Minute), []string{serveArg}, f))
	l.addr = tcp.Addr().String()
}

// say has the daemon do something; in the realm, its answer.
func (l *lab) say(format string, args ...any) string {
	l.t.Helper()
	c, err := net.DialTimeout("tcp4", l.addr, 5*time.Second)
	must(l.t, err)
	defer c.Close()
	c.SetDeadline(time.Now().Add(2 * time.Minute))
	fmt.Fprintf(c, format+"\n", args...)
	b, err := io.ReadAll(c)
	must(l.t, err)
	return string(b)
}

func (l *lab) status() realm.DaemonStatus {
	l.t.Helper()
	s, err := l.Daemon()
	must(l.t, err)
	return s
}

func TestDaemonIsKilledAndStartedAgain(t *testing.T) {
	l := keeper(t)
	if s := l.status(); s.Alive || s.Starts != 0 {
		t.Errorf("before the first: %+v", s)
	}
	must(t, l.WaitDaemon(in(t, 5*time.Second))) // there is none
	l.serve()
	exe := func(pid int) os.FileInfo {
		info, err := os.Stat(fmt.Sprintf("/proc/%d/exe", pid))
		must(t, err)
		return info
	}
	if !os.SameFile(exe(l.PID()), exe(l.status().PID)) {
		t.Error("the program is in memory twice")
	}
	server := l.say("start exec sleep 1000")
	if err := l.WaitDaemon(in(t, 10*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("wait for one that lives: %v", err)
	}
	for i := range 5 {
		s := l.status()
		if !s.Alive || s.Starts != i+1 || s.PID == 0 {
			t.Fatalf("%+v", s)
		}
		if err := l.Start(in(t, 5*time.Second), []string{serveArg}); err == nil || !strings.Contains(err.Error(), "a daemon lives") {
			t.Errorf("a second daemon: %v", err)
		}
		must(t, syscall.Kill(s.PID, syscall.SIGKILL))
		must(t, l.WaitDaemon(in(t, 5*time.Second)))
		if s := l.status(); s.Alive || s.PID != 0 || s.Exit != "signal 9 (killed)" || s.Code != 137 {
			t.Errorf("after a kill: %+v", s)
		}
		if c, err := net.Dial("tcp4", l.addr); err == nil {
			c.Close()
			t.Error("somebody holds the dead daemon's listener")
		}
		l.serve()
		if got := l.say("sh kill -0 %s && ps -o ppid= -p %s", server, server); strings.TrimSpace(got) != "1" {
			t.Errorf("the server's parent: %q", got)
		}
	}
	l.say("exit 3")
	must(t, l.WaitDaemon(in(t, 5*time.Second)))
	if s := l.status(); s.Code != 3 || s.Exit != "exit code 3" {
		t.Errorf("%+v", s)
	}
	for range 20 {
		must(t, l.Start(in(t, 5*time.Second), []string{crashArg}))
		must(t, l.WaitDaemon(in(t, 5*time.Second)))
	}
	if s := l.status(); s.Code != 7 || s.Starts != 26 {
		t.Errorf("%+v", s)
	}
	if b, err := os.ReadFile(l.log.Name()); err != nil || strings.Count(string(b), "the daemon serves") != 6 {
		t.Errorf("log: %s, %v", b, err)
	}
}

func TestDaemonInheritsNothingElse(t *testing.T) {
	l := keeper(t)
	l.serve()
	// 3 is the directory that ls reads.
	if got := l.say("sh ls /proc/self/fd | tr '\\n' ' '"); got != "0 1 2 3" {
		t.Errorf("a child of the daemon has descriptors %s", got)
	}
	fds := l.say("sh ls -l /proc/1/fd")
	if n := strings.Count(fds, "socket:"); n > 1 {
		t.Errorf("the keeper holds %d sockets:\n%s", n, fds)
	}
	if soft := l.say("sh ulimit -n"); soft != l.say("sh ulimit -Hn") {
		t.Errorf("the daemon may open %s files", soft)
	}
}

func TestOrphansAreReaped(t *testing.T) {
	l := keeper(t)
	l.serve()
	for range 5 {
		l.say("sh for i in 1 2 3 4 5 6 7 8; do (sh -c 'sleep 0.01' &); done")
	}
	nstest.Eventually(t, 5*time.Second, func() error {
		if left := l.say("sh ps -e -o stat=,comm= | grep -e sleep -e ^Z"); !strings.HasPrefix(left, ": exit") {
			return fmt.Errorf("left: %s", left)
		}
		return nil
	})
	if s := l.status(); !s.Alive {
		t.Errorf("%+v", s)
	}
}

func TestReapOthersSparesThoseNamed(t *testing.T) {
	l := keeper(t)
	l.serve()
	// One leads a session with children; one of those leads its own. Of the other nothing is to be left.
	kept := l.say("start sleep 1001 & setsid sleep 1002 & exec sleep 1003")
	lost := l.say("start trap '' TERM; sleep 2001 & setsid sh -c 'while :; do setsid sleep 2002 & sleep 0.02; done' & exec sleep 2003")
	nstest.Eventually(t, 5*time.Second, func() error {
		if n := l.say("sh ps -e -o args= | grep -c '^sleep [12]00[123]'"); len(n) == 1 && n < "6" {
			return fmt.Errorf("%s of them run", n)
		}
		return nil
	})
	must(t, syscall.Kill(l.status().PID, syscall.SIGKILL))
	must(t, l.WaitDaemon(in(t, 5*time.Second)))
	l.serve()
	start := l.say("sh sed 's/.*)//' /proc/%s/stat | cut -d ' ' -f 21", kept) // the 22nd of all
	if n, err := strconv.ParseUint(start, 10, 64); err != nil || n == 0 {
		t.Fatalf("start %q", start)
	}
	ended := strings.Fields(l.say("reap %s/%s", kept, start))
	if len(ended) < 4 {
		t.Errorf("ended %v", ended)
	}
	for _, pid := range ended {
		if pid == kept {
			t.Error("it ended the one to keep")
		}
	}
	var found []string
	for line := range strings.Lines(l.say("sh ps -e -o args= | grep 'sleep [12]00' | grep -v grep | sort")) {
		found = append(found, strings.TrimSpace(line))
	}
	if got := strings.Join(found, ","); got != "sleep 1001,sleep 1002,sleep 1003" {
		t.Errorf("left: %s (%s was to end)", got, lost)
	}
	if got := l.say("reap %s/%s", kept, start); got != "" {
		t.Errorf("a second time it ended %s", got)
	}
	// Another process, at another time, that happens to have the number.
	if got := strings.Fields(l.say("reap %s/%s1", kept, start)); !slices.Contains(got, kept) {
		t.Errorf("it took %s for the one to keep, and ended %s", kept, got)
	}
	if _, err := realm.ReapOthers(context.Background(), nil); err == nil {
		t.Error("it would end this machine's processes")
	}
}

func TestStopEndsAll(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *lab){
		"stop":   func(t *testing.T, l *lab) { must(t, l.Stop(in(t, 2*time.Minute))) },
		"killed": func(t *testing.T, l *lab) { must(t, syscall.Kill(l.PID(), syscall.SIGKILL)) },
		"term":   func(t *testing.T, l *lab) { must(t, syscall.Kill(l.PID(), syscall.SIGTERM)) },
		"stop of a stopped": func(t *testing.T, l *lab) {
			must(t, syscall.Kill(l.PID(), syscall.SIGSTOP))
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			must(t, l.Stop(ctx))
		},
	} {
		t.Run(name, func(t *testing.T) {
			ns := nstest.NS(t)
			l := keeper(t)
			l.serve()
			if out := l.say("sh ip netns add pinned"); out != "" {
				t.Fatal(out)
			}
			must(t, ns.Do(func() error {
				out, err := exec.Command("ip", "link", "add", "watch", "type", "veth", "peer", "name", "b", "netns", fmt.Sprintf("/proc/%d/root/run/netns/pinned", l.PID())).CombinedOutput()
				if err != nil {
					return fmt.Errorf("%s: %w", out, err)
				}
				return nil
			}))
			l.say("start exec sleep 1000")
			server := l.status().PID
			if l.Lab().Dead() {
				t.Error("its owner counts as dead")
			}
			end(t, l)
			must(t, l.Stop(in(t, 2*time.Minute))) // once more, or to wait
			if !l.Lab().Dead() {
				t.Error("its owner does not count as dead")
			}
			if err := syscall.Kill(server, 0); !errors.Is(err, syscall.ESRCH) {
				t.Errorf("the daemon: %v", err)
			}
			if _, err := l.Daemon(); !errors.Is(err, realm.ErrNoKeeper) {
				t.Errorf("status: %v", err)
			}
			nstest.Eventually(t, 10*time.Second, func() error {
				return ns.Do(func() error {
					if exec.Command("ip", "link", "show", "watch").Run() == nil {
						return errors.New("the pinned namespace is left")
					}
					return nil
				})
			})
		})
	}
}

// A keeper that is stopped is no dead one: that is told, with the way out, and it can be ended without its help.
func TestStoppedKeeper(t *testing.T) {
	l := keeper(t)
	l.serve()
	dir := filepath.Dir(l.socket)
	must(t, syscall.Kill(l.PID(), syscall.SIGSTOP))
	nstest.Eventually(t, time.Minute, func() error { // the kernel stops it when it gets to it
		if !realm.IsStopped(l.PID()) {
			return errors.New("it is not stopped")
		}
		return nil
	})
	_, err := realm.OpenKeeper(dir)
	if !errors.Is(err, realm.ErrSilent) || !strings.Contains(fmt.Sprint(err), fmt.Sprintf("kill -CONT %d", l.PID())) {
		t.Errorf("stopped: %v", err)
	}
	again, err := realm.RecordedKeeper(dir)
	must(t, err)
	if again.PID() != l.PID() || again.Lab() != l.Lab() {
		t.Errorf("%d %v, recorded %d %v", l.PID(), l.Lab(), again.PID(), again.Lab())
	}
	must(t, again.Stop(in(t, 2*time.Minute)))
	if _, err := realm.OpenKeeper(dir); !errors.Is(err, realm.ErrNoKeeper) {
		t.Errorf("ended: %v", err)
	}
	if _, err := realm.RecordedKeeper(dir); !errors.Is(err, realm.ErrNoKeeper) {
		t.Errorf("ended, recorded: %v", err)
	}
}

func TestOneKeeperOnly(t *testing.T) {
	nstest.NeedRoot(t)
	nstest.NoLeaks(t)
	dir := filepath.Join(t.TempDir(), "run")
	if _, err := realm.OpenKeeper(dir); !errors.Is(err, realm.ErrNoKeeper) {
		t.Errorf("where nothing is: %v", err)
	}
	for range 2 { // the second finds the socket of the first
		k, err := realm.StartKeeper(in(t, 2*time.Minute), realm.KeeperConfig{Dir: dir, Name: "test"})
		must(t, err)
		if _, err := realm.StartKeeper(in(t, 2*time.Minute), realm.KeeperConfig{Dir: dir, Name: "test"}); !errors.Is(err, realm.ErrKeeperAlive) {
			t.Errorf("a second one: %v", err)
		}
		same, err := realm.OpenKeeper(dir)
		must(t, err)
		if same.PID() != k.PID() || same.Lab() != k.Lab() || k.Lab().Verb != "up" || k.Lab().PID != k.PID() {
			t.Errorf("%d %v, opened %d %v", k.PID(), k.Lab(), same.PID(), same.Lab())
		}
		must(t, syscall.Kill(k.PID(), syscall.SIGKILL))
		nstest.Eventually(t, 5*time.Second, func() error {
			if _, err := realm.OpenKeeper(dir); !errors.Is(err, realm.ErrNoKeeper) {
				return fmt.Errorf("of a killed one: %v", err)
			}
			return nil
		})
		nstest.Eventually(t, 5*time.Second, func() error {
			if !k.Lab().Dead() {
				return errors.New("it is not dead")
			}
			return nil
		})
	}
}

// Who hears that no keeper lives can count on the end of all that was in its realm.
func TestNoKeeperMeansNoRealm(t *testing.T) {
	for range 3 {
		l := keeper(t)
		l.serve()
		l.say("start for i in $(seq 200); do sleep 1000 & done; wait")
		nstest.Eventually(t, 20*time.Second, func() error {
			if n := l.say("sh pgrep -c sleep"); n != "200" {
				return fmt.Errorf("%s processes", n)
			}
			return nil
		})
		world, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", l.PID()))
		must(t, err)
		must(t, syscall.Kill(l.PID(), syscall.SIGKILL))
		for deadline := in(t, 20*time.Second); !errors.Is(err, realm.ErrNoKeeper) && deadline.Err() == nil; {
			_, err = realm.OpenKeeper(filepath.Dir(l.socket)) // without rest: the moment is short
		}
		all, _ := filepath.Glob("/proc/[0-9]*/ns/pid")
		for _, path := range all {
			if ns, _ := os.Readlink(path); ns == world { // of the ended it is nothing
				t.Fatalf("no keeper lives, and of its realm does %s", path)
			}
		}
		if !l.Lab().Dead() {
			t.Fatal("no keeper lives, and it is not dead")
		}
	}
}

// A keeper whose starter is killed before it is ready ends, and nobody has been answered who would then count on it.
func TestKeeperWithoutStarter(t *testing.T) {
	nstest.NeedRoot(t)
	nstest.NoLeaks(t)
	for range 10 {
		dir := t.TempDir()
		l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: filepath.Join(dir, "keeper.sock"), Net: "unixpacket"})
		must(t, err)
		l.SetUnlinkOnClose(false)
		socket, err := l.File()
		must(t, err)
		result, write, err := os.Pipe()
		must(t, err)
		cmd := exec.Command("/proc/self/exe", realm.Arg, realm.KeepVerb)
		cmd.ExtraFiles = []*os.File{write, socket}
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		}
		must(t, cmd.Start())
		for _, c := range []io.Closer{result, write, socket, l} {
			must(t, c.Close())
		}
		if k, err := realm.OpenKeeper(dir); !errors.Is(err, realm.ErrNoKeeper) {
			t.Errorf("it answers: %v, %v", k, err)
		}
		if err := cmd.Wait(); err == nil {
			t.Error("it has not failed")
		}
	}
}

// A keeper stays when those who started it are gone, and their terminal.
func TestKeeperOutlivesItsStarter(t *testing.T) {
	nstest.NeedRoot(t)
	nstest.NoLeaks(t)
	outlives(t, nil)
}

// Without root the realm lies in a user namespace.
func TestRootless(t *testing.T) {
	nstest.NeedRoot(t)
	if realm.Rootless() {
		t.Skip("there is one user id here")
	}
	nstest.NoLeaks(t)
	outlives(t, &syscall.Credential{Uid: 65534, Gid: 65534})
}

func outlives(t *testing.T, who *syscall.Credential) {
	dir, err := os.MkdirTemp("", "keeper-") // others cannot get into t.TempDir
	must(t, err)
	defer os.RemoveAll(dir)
	if who != nil {
		must(t, os.Chown(dir, int(who.Uid), int(who.Gid)))
	}
	cmd := exec.Command("/proc/self/exe", startArg, startArg, dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: who}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if who != nil && strings.Contains(string(out), "no rights") {
		t.Skip(string(out))
	}
	if who != nil { // a keeper answers its own user alone, and root is another
		if _, err := realm.OpenKeeper(dir); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("is served by user %d", who.Uid)) {
			t.Errorf("opened by root: %v", err)
		}
		must(t, syscall.Setreuid(-1, int(who.Uid)))
		defer func() { must(t, syscall.Setreuid(-1, 0)) }()
	}
	k, err := realm.OpenKeeper(dir)
	must(t, err)
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGPIPE} {
		must(t, syscall.Kill(k.PID(), s))
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", k.PID()))
	must(t, err)
	uid := 0
	if who != nil {
		uid = int(who.Uid)
	}
	if want := fmt.Sprintf("Uid:\t%d\t", uid); !strings.Contains(string(b), want) {
		t.Errorf("no %q in %s", want, b)
	}
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "VmRSS") || strings.HasPrefix(line, "RssAnon") {
			t.Log(strings.TrimSpace(line))
		}
	}
	must(t, k.Stop(in(t, 2*time.Minute)))
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestBadStartIsTold(t *testing.T) {
	nstest.NeedRoot(t)
	nstest.NoLeaks(t)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := realm.StartKeeper(ctx, realm.KeeperConfig{Dir: dir, Name: "test"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	l := keeper(t)
	if err := l.Start(in(t, 5*time.Second), []string{serveArg, strings.Repeat("x", 1<<20)}); err == nil {
		t.Error("an argument of 1 MB passed")
	}
	if err := l.Start(in(t, 5*time.Second), []string{"nul \x00"}); err == nil {
		t.Error("an argument with a NUL passed")
	}
	if s := l.status(); s.Alive || s.Starts != 0 {
		t.Errorf("%+v", s)
	}
}

// What clients send does the keeper no harm, nor do those who send nothing.
func TestKeeperStandsBadClients(t *testing.T) {
	l := keeper(t)
	l.serve()
	null, err := os.Open(os.DevNull)
	must(t, err)
	defer null.Close()
	dial := func() *net.UnixConn {
		c, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: l.socket, Net: "unixpacket"})
		must(t, err)
		return c
	}
	open := l.say("sh ls /proc/1/fd | wc -l")
	for _, files := range []int{0, 1, 64, 65, 200} {
		for _, b := range []string{"{", "[]", "null", `{"do":"start"}`, `{"do":"start","args":[1]}`, `{"do":"no"}`, strings.Repeat("x", 150<<10)} {
			c := dial()
			c.WriteMsgUnix([]byte(b), syscall.UnixRights(slices.Repeat([]int{int(null.Fd())}, files)...), nil)
			c.Close()
		}
	}
	var hanging []net.Conn
	for range 40 {
		hanging = append(hanging, dial())
	}
	if s := l.status(); !s.Alive || s.Starts != 1 {
		t.Errorf("%+v", s)
	}
	for _, c := range hanging {
		c.Close()
	}
	nstest.Eventually(t, 5*time.Second, func() error {
		if now := l.say("sh ls /proc/1/fd | wc -l"); now != open {
			return fmt.Errorf("the keeper has %s descriptors open, not %s", now, open)
		}
		return nil
	})
}

// A realm's end does not wait for who has entered it and does not hear of that: one that is stopped, say, as Ctrl-Z does.
func TestStopWithAVisitorStopped(t *testing.T) {
	l := keeper(t)
	l.serve()
	dir := filepath.Dir(l.socket)
	args := []string{fmt.Sprintf("--target=%d", l.PID()), "--mount", "--pid", "--ipc", "--uts", "--net"}
	if !realm.Privileged() {
		args = append(args, "--user", "--preserve-credentials")
	}
	visitor := exec.Command("nsenter", append(args, "--", "sh", "-c", "echo inside; exec sleep 1000")...)
	out, err := visitor.StdoutPipe()
	must(t, err)
	must(t, visitor.Start())
	defer func() {
		must(t, visitor.Process.Signal(syscall.SIGCONT))
		visitor.Wait() // whatever it makes of the end of its child
		nstest.Eventually(t, 0, func() error {
			if err := syscall.Kill(l.PID(), 0); !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("the keeper: %w", err)
			}
			return nil
		})
	}()
	if _, err := io.ReadFull(out, make([]byte, len("inside\n"))); err != nil {
		t.Fatal(err)
	}
	must(t, visitor.Process.Signal(syscall.SIGSTOP))
	nstest.Eventually(t, 0, func() error {
		if !realm.IsStopped(visitor.Process.Pid) {
			return errors.New("it is not stopped")
		}
		return nil
	})
	must(t, l.Stop(in(t, 2*time.Minute)))
	if err := syscall.Kill(l.PID(), 0); err != nil {
		t.Errorf("the kernel has let go of the keeper: this tests nothing: %v", err)
	}
	if !l.Lab().Dead() {
		t.Error("its owner does not count as dead")
	}
	if _, err := realm.OpenKeeper(dir); !errors.Is(err, realm.ErrNoKeeper) {
		t.Errorf("ended: %v", err)
	}
	next, err := realm.StartKeeper(in(t, 2*time.Minute), realm.KeeperConfig{Dir: dir, Name: "test", Log: l.log})
	must(t, err)
	must(t, next.Stop(in(t, 2*time.Minute)))
}
