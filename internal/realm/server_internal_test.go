package realm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"enilab/internal/nstest"
)

// fakeArg is a variable that has the test binary be a keeper that somebody else has put there: its socket, and the process that it
// answers with.
const fakeArg = "ENILAB_TEST_FAKE_KEEPER"

func fakeKeeper(socket string, pid int) error {
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: socket, Net: "unixpacket"})
	if err != nil {
		return err
	}
	if err := os.Chmod(socket, 0o777); err != nil {
		return err
	}
	victim, err := openProcess(pid)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return err
		}
		var r request
		if _, err := receive(c, &r); err == nil {
			_ = send(c, answer{Lab: "up-1-2-3"}, victim, victim) // who has gone needs none
		}
		c.Close()
	}
}

// TestForeignKeeper: a keeper of another user's names a process for us to end. It is not asked, and nothing of ours ends.
func TestForeignKeeper(t *testing.T) {
	if os.Getenv(fakeArg) != "" { // the process below
		var pid int
		var socket string
		if _, err := fmt.Sscan(os.Getenv(fakeArg), &pid, &socket); err != nil {
			t.Fatal(err)
		}
		t.Fatal(fakeKeeper(socket, pid))
	}
	nstest.NeedRoot(t)
	if nstest.Rootless() {
		t.Skip("no ids to give here")
	}
	const stranger = 23664
	victim := exec.CommandContext(t.Context(), "sleep", "1000")
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = victim.Process.Kill()
		_ = victim.Wait()
	}()
	dir, err := os.MkdirTemp("", "enilab-foreign-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chown(dir, stranger, stranger); err != nil {
		t.Fatal(err)
	}
	program, err := os.Open("/proc/self/exe") // that user may not walk to it
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	fake := exec.CommandContext(t.Context(), "/proc/self/fd/3", "-test.run", "^TestForeignKeeper$")
	fake.ExtraFiles, fake.Dir = []*os.File{program}, "/"
	fake.Env = []string{fmt.Sprintf("%s=%d %s", fakeArg, victim.Process.Pid, filepath.Join(dir, "keeper.sock"))}
	fake.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: stranger, Gid: stranger}}
	said, err := fake.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := fake.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = fake.Process.Kill()
		_ = fake.Wait()
	}()
	if line, err := bufio.NewReader(said).ReadString('\n'); line != "ready\n" {
		t.Fatal(line, err)
	}
	for what, use := range map[string]func() error{
		"open":   func() error { _, err := OpenKeeper(dir); return err },
		"stop":   func() error { return (&Keeper{dir: dir}).Stop(t.Context()) },
		"start":  func() error { return (&Keeper{dir: dir}).Start(t.Context(), nil) },
		"daemon": func() error { _, err := (&Keeper{dir: dir}).Daemon(); return err },
		"wait":   func() error { return (&Keeper{dir: dir}).WaitDaemon(t.Context()) },
	} {
		if err := use(); err == nil || !strings.Contains(err.Error(), "is served by user 23664") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if stateOf(strconv.Itoa(victim.Process.Pid)) != 'S' {
		t.Errorf("the process that it named is %c", stateOf(strconv.Itoa(victim.Process.Pid)))
	}
}

// TestSlowIsNotDead: a keeper that closes a connection without an answer, as one does whose client was too slow, is asked again
// as long as it lives.
func TestSlowIsNotDead(t *testing.T) {
	nstest.NoLeaks(t)
	dir := t.TempDir()
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: filepath.Join(dir, "keeper.sock"), Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() {
		served <- func() error {
			for range 3 {
				c, err := l.AcceptUnix()
				if err != nil {
					return err
				}
				c.Close()
			}
			c, err := l.AcceptUnix()
			if err != nil {
				return err
			}
			defer c.Close()
			self, err := openProcess(os.Getpid())
			if err != nil {
				return err
			}
			defer self.Close()
			var r request
			if _, err := receive(c, &r); err != nil {
				return err
			}
			return send(c, answer{Lab: "up-1-2-3"}, self)
		}()
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	a, files, err := (&Keeper{dir: dir}).call(ctx, request{Do: doStatus})
	closeAll(files)
	if err != nil || a.Lab != "up-1-2-3" {
		t.Errorf("%+v, %v", a, err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	l.Close()
	if _, _, err := (&Keeper{dir: dir}).call(ctx, request{Do: doStatus}); !errors.Is(err, ErrNoKeeper) {
		t.Errorf("it has ended: %v", err)
	}
}

// TestWhoHasAskedIsAnswered: however many clients come that ask nothing, one whose request is being carried out is not sent
// away. It would believe that nothing was done.
func TestWhoHasAskedIsAnswered(t *testing.T) {
	nstest.NoLeaks(t)
	path := filepath.Join(t.TempDir(), "keeper.sock")
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	self, err := openProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	k := &keeper{self: self, lab: "up-1-2-3"}
	accepted := make(chan struct{})
	go func() {
		defer close(accepted)
		k.accept(l)
	}()
	dial := func() *net.UnixConn {
		c, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: path, Net: "unixpacket"})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	has := func(silent, asked int) {
		t.Helper()
		nstest.Eventually(t, 0, func() error {
			k.clients.mu.Lock()
			defer k.clients.mu.Unlock()
			if s, a := len(k.clients.silent), len(k.clients.asked); s != silent || a != asked {
				return fmt.Errorf("%d clients have asked and %d have not, want %d and %d", a, s, asked, silent)
			}
			return nil
		})
	}

	k.mu.Lock() // whatever is asked takes long
	first := dial()
	if err := send(first, request{Do: doStatus}); err != nil {
		t.Fatal(err)
	}
	has(0, 1)
	hanging := dial()
	for n := range maxClients + 5 {
		defer dial().Close()
		has(min(n+2, maxClients-1), 1)
	}
	if _, err := receive(hanging, new(answer)); !errors.Is(err, io.EOF) {
		t.Errorf("who has hung for longest: %v, want that it has made room", err)
	}
	hanging.Close()

	// When all that are there have asked, the next waits for one of them.
	asking := []*net.UnixConn{first}
	for n := 1; n < maxClients; n++ {
		c := dial()
		has(maxClients-n, n)
		if err := send(c, request{Do: doStatus}); err != nil {
			t.Fatal(err)
		}
		has(maxClients-n-1, n+1)
		asking = append(asking, c)
	}
	late := dial()
	if err := send(late, request{Do: doStatus}); err != nil {
		t.Fatal(err)
	}
	k.mu.Unlock()
	for i, c := range append(asking, late) {
		var a answer
		files, err := receive(c, &a)
		closeAll(files)
		if err != nil || a.Lab != "up-1-2-3" {
			t.Errorf("client %d is answered %+v, %v", i, a, err)
		}
		c.Close()
	}
	l.Close()
	<-accepted
}
