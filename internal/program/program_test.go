package program_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"enilab/internal/nstest"
	"enilab/internal/program"

	"golang.org/x/sys/unix"
)

// TestMain is also what the copy does when it is executed.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "again" {
		os.Exit(again())
	}
	os.Exit(m.Run())
}

// again tells which file it was executed from, and which it would execute.
func again() int {
	self, err := os.Stat(program.Path)
	if err != nil {
		println(err.Error())
		return 1
	}
	f, err := program.Open()
	if err != nil {
		println(err.Error())
		return 1
	}
	info, err := f.Stat()
	if err != nil || !os.SameFile(self, info) {
		println("a copy of the copy was made")
		return 1
	}
	program.SetName()
	if name, err := os.ReadFile("/proc/self/comm"); err != nil || string(name) != "enilab\n" {
		println("it is named", string(name))
		return 1
	}
	return 0
}

func open(t *testing.T) *os.File {
	t.Helper()
	f, err := program.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestCopyIsThePrograms has the copy execute, and use itself and no further copy.
func TestCopyIsThePrograms(t *testing.T) {
	f := open(t)
	cmd := exec.CommandContext(t.Context(), program.Exec(f), "again")
	cmd.ExtraFiles = []*os.File{os.Stdin, os.Stdin, os.Stdin} // they do not get in its way
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	to, err := os.Readlink(program.Exec(f))
	if err != nil || !strings.HasPrefix(to, "/memfd:enilab ") {
		t.Errorf("it is %q (%v), want a file in memory", to, err)
	}
}

// TestCopyForEveryUser: the copy executes as a user who may not look where the program lies.
func TestCopyForEveryUser(t *testing.T) {
	if os.Geteuid() != 0 || nstest.Rootless() {
		t.Skip("needs root, to be another user")
	}
	const nobody = 65534
	f := open(t)
	for name, path := range map[string]string{"by descriptor": program.Exec(f), "as the running program": program.Path} {
		cmd := exec.CommandContext(t.Context(), path, "again")
		if path == program.Path {
			cmd = exec.CommandContext(t.Context(), program.Exec(f), "again") // the child's own path is the copy's
		}
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}

// TestCopyCannotBeChanged tries, as its owner, what CVE-2019-5736 did.
func TestCopyCannotBeChanged(t *testing.T) {
	f := open(t)
	if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EBADF) {
		t.Errorf("write: %v", err)
	}
	if w, err := os.OpenFile(program.Exec(f), os.O_RDWR, 0); err == nil {
		defer w.Close()
		for what, try := range map[string]func() error{
			"write":    func() error { _, err := w.WriteAt([]byte("x"), 0); return err },
			"truncate": func() error { return w.Truncate(0) },
			"grow":     func() error { return w.Truncate(1 << 30) },
			"map": func() error {
				_, err := unix.Mmap(int(w.Fd()), 0, 4096, unix.PROT_WRITE, unix.MAP_SHARED)
				return err
			},
			"unseal": func() error { _, err := unix.FcntlInt(w.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_FUTURE_WRITE); return err },
		} {
			if err := try(); !errors.Is(err, unix.EPERM) {
				t.Errorf("%s: %v, want EPERM", what, err)
			}
		}
	}
}

// TestCopyIsMendedOfItsMode: a copy whose mode its user's function has taken away executes again, whatever the kernel.
func TestCopyIsMendedOfItsMode(t *testing.T) {
	f := open(t)
	if err := f.Chmod(0o444); err != nil {
		if !errors.Is(err, unix.EPERM) {
			t.Fatal(err)
		}
		return // the kernel has sealed it as well
	}
	if err := f.Chmod(0o555); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program.Exec(f), "again")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
