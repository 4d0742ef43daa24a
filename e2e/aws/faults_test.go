package aws_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"enilab/internal/nstest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// tell runs a verb that may hang, and returns its exit code and all that it says.
func (l *lab) tell(t *testing.T, args ...string) (code int, said string) {
	t.Helper()
	cmd := l.command(args...)
	hangs := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() }) // it may have ended
	defer hangs.Stop()
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// stop stops a process.
func stop(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	nstest.Eventually(t, time.Minute, func() error {
		stat := try(os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)))(t)
		if !strings.Contains(string(stat), ") T ") {
			return errors.New("it is not stopped yet")
		}
		return nil
	})
}

// A daemon or a keeper that is stopped is nothing that verbs wait for: 'up' says what it takes, and 'down' ends the lab.
func TestStoppedProcesses(t *testing.T) {
	t.Parallel()
	l := up(t, empty)
	for who, pid := range map[string]func() int{"daemon": func() int { return l.DaemonPID }, "keeper": func() int { return l.KeeperPID }} {
		if name := try(os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid())))(t); string(name) != "enilab\n" {
			t.Errorf("ps shows the %s as %s", who, name)
		}
		stop(t, pid())
		want := fmt.Sprintf("process %d, is stopped", pid())
		if code, said := l.tell(t, "up", "--name", l.name, "-t", l.file); code != 1 || !strings.Contains(said, want) || !strings.Contains(said, fmt.Sprintf("kill -CONT %d", pid())) {
			t.Errorf("%s: up: %d: %s", who, code, said)
		}
		if who == "daemon" {
			for _, args := range [][]string{
				{"inspect", "enis"}, {"invoke", "f"}, {"check"}, {"logs", "f"}, {"logs", "-f", "f"}, {"events"}, {"mode", "f", "shared"}, {"exec", "worker", "--", "true"}, {"env"},
			} {
				if code, said := l.tell(t, args...); code != 1 || !strings.Contains(said, want) {
					t.Errorf("%v: %d: %s", args, code, said)
				}
			}
		}
		if code, said := l.tell(t, "list"); code != 0 || !strings.Contains(said, l.name) {
			t.Errorf("%s: list: %d: %s", who, code, said)
		}
		if code, said := l.tell(t, "down", "--name", l.name); code != 0 || !strings.Contains(said, "is down") {
			t.Errorf("%s: down: %d: %s", who, code, said)
		}
		if runs(l.DaemonPID) || runs(l.KeeperPID) {
			t.Errorf("%s: %d or %d is left", who, l.KeeperPID, l.DaemonPID)
		}
		l.listed = listed{}
		l.up()
	}
}

// A lab whose disk is full can be ended all the same.
func TestFullDisk(t *testing.T) {
	nstest.NeedRoot(t)
	runtime.LockOSThread() // for good: the mount is seen by this thread and its children alone
	if err := syscall.Unshare(syscall.CLONE_NEWNS | syscall.CLONE_FS); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	l := planned(t, dir, empty)
	if err := os.Mkdir(l.home, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", l.home, "tmpfs", 0, "size=6m,mode=0700"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(l.home, syscall.MNT_DETACH) }) // it goes with the thread otherwise
	l.up()
	fill := try(os.Create(filepath.Join(l.home, "fill")))(t)
	defer fill.Close()
	for block := make([]byte, 64<<10); len(block) > 0; { // to the last byte
		if _, err := fill.Write(block); errors.Is(err, syscall.ENOSPC) {
			block = block[:len(block)/2]
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if code, said := l.tell(t, "down", "--name", l.name); code != 0 || !strings.Contains(said, "is down") {
		t.Errorf("down: %d: %s", code, said)
	}
	if runs(l.DaemonPID) || runs(l.KeeperPID) {
		t.Error("the lab is left")
	}
	if err := os.Remove(fill.Name()); err != nil {
		t.Fatal(err)
	}
}

// A control plane with few files to open keeps enough of them for its own work, however many connections others hold.
func TestFewFiles(t *testing.T) {
	l := planned(t, t.TempDir(), strings.ReplaceAll(two, "STORE", functions))
	l.program = filepath.Join(t.TempDir(), "limited")
	if err := os.WriteFile(l.program, []byte(fmt.Sprintf("#!/bin/sh\nulimit -n 256 && exec %s \"$@\"\n", enilab)), 0o755); err != nil {
		t.Fatal(err)
	}
	l.up()
	for range 400 {
		c := try(net.Dial("tcp", l.Listen))(t)
		defer c.Close()
	}
	invoke := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		out, err := l.lambda().Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("steady-shared"), Payload: []byte(askWhoami)})
		if err == nil && out.FunctionError != nil {
			err = fmt.Errorf("%s", out.Payload)
		}
		return err
	}
	if err := invoke(); err != nil {
		t.Errorf("beside 400 connections: %v", err)
	}
	// Servers are looked at, and started again.
	server := func() map[string]any { return l.inspect("resources")[0] }
	before := server()
	if before["health"] != "ok" || before["restarts"] != 0.0 {
		t.Errorf("%v", before)
	}
	if err := l.runIn(t, "vpc-blue", int(before["pid"].(float64))); err != nil {
		t.Fatal(err)
	}
	nstest.Eventually(t, time.Minute, func() error {
		if now := server(); now["health"] != "ok" || now["restarts"] == 0.0 {
			return fmt.Errorf("%v", now)
		}
		return invoke()
	})
}

// runIn ends a process of a lab by the number that it has inside.
func (l *lab) runIn(t *testing.T, node string, pid int) error {
	t.Helper()
	_, err := l.run("exec", node, "--", "kill", "-KILL", fmt.Sprint(pid))
	return err
}
