package netns_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"enilab/internal/netns"
	"enilab/internal/nstest"

	"golang.org/x/sys/unix"
)

// TestVisitor: what is mounted during a visit is in the visited process's mounts, and nothing of the caller moves.
func TestVisitor(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	dir := t.TempDir()
	host := exec.Command("sleep", "1000")
	pidfd := -1
	host.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, PidFD: &pidfd}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	process := os.NewFile(uintptr(pidfd), "pidfd")
	defer process.Close()
	end := func() {
		host.Process.Kill()
		host.Wait()
	}
	defer end()

	var v netns.Visitor
	defer v.Close()
	here, err := os.Readlink("/proc/thread-self/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	failed := errors.New("failed")
	for range 3 {
		if err := v.In(process, func() error { return failed }); !errors.Is(err, failed) {
			t.Errorf("got %v", err)
		}
	}
	err = v.In(process, func() error {
		if there, err := os.Readlink("/proc/thread-self/ns/mnt"); err != nil || there == here {
			t.Errorf("in %s: %v", there, err)
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return err
		}
		if err := unix.Mount("visit", dir, "tmpfs", 0, ""); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, "seen"), nil, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "seen")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the mount shows here: %v", err)
	}
	if now, _ := os.Readlink("/proc/thread-self/ns/mnt"); now != here {
		t.Errorf("the caller is in %s", now)
	}
	v.Close()
	if err := v.In(process, func() error { _, err := os.Stat(filepath.Join(dir, "seen")); return err }); err != nil {
		t.Errorf("after Close: %v", err)
	}
	end()
	if err := v.In(process, func() error { t.Error("ran"); return nil }); !errors.Is(err, unix.ESRCH) {
		t.Errorf("of a process that has ended: %v", err)
	}
}
