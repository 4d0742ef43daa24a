package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"enilab/internal/realm"
)

// silentArg makes this test program a keeper that never answers: it stops itself.
const silentArg = "__silent"

func serveNobody() {
	err := syscall.Listen(3, 8)
	if err == nil {
		err = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	}
	fmt.Fprintln(os.Stderr, "it goes on:", err)
	os.Exit(1)
}

// A keeper that does not answer, and is not known to be one that may be ended from here, keeps its lab: down says so and removes
// nothing.
func TestDownOfASilentKeeperElsewhere(t *testing.T) {
	c := newCaller(t)
	p, err := c.env.roots.Of("blue")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Make(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.DB(), []byte("state"), 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	socket := os.NewFile(uintptr(fd), "keeper.sock")
	defer socket.Close()
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: filepath.Join(p.Run, "keeper.sock")}); err != nil {
		t.Fatal(err)
	}
	keeper := exec.CommandContext(t.Context(), "/proc/self/exe", silentArg)
	keeper.ExtraFiles = []*os.File{socket}
	keeper.Stderr = os.Stderr
	if err := keeper.Start(); err != nil {
		t.Fatal(err)
	}
	defer keeper.Wait()         //nolint:errcheck // killed
	defer keeper.Process.Kill() //nolint:errcheck // it lives
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(keeper.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("%v, %#x", err, status)
	}
	here, err := realm.ThisLab("up")
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := here
	elsewhere.PIDNS++
	for name, owner := range map[string]string{"not recorded": "", "in another pid namespace": elsewhere.String()} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(p.Run, "keeper"), []byte(owner), 0o600); err != nil {
				t.Fatal(err)
			}
			c.call("down", "--name", "blue").wantLine(t, 1, "lab blue: ", "it does not answer", "run it where the lab was started")
			for _, left := range []string{p.DB(), filepath.Join(p.Run, "keeper.sock"), filepath.Join(p.Run, "keeper")} {
				if _, err := os.Stat(left); err != nil {
					t.Errorf("removed: %v", err)
				}
			}
		})
	}
	if b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", keeper.Process.Pid)); !strings.Contains(string(b), ") T ") {
		t.Errorf("the keeper: %s", b)
	}
}
