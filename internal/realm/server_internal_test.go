package realm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
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
