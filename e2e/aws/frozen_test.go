package aws_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"enilab/internal/nstest"
)

// frozen invokes a function and returns the first process of its environment once that is frozen, as people see it.
func (l *lab) frozen(t *testing.T, function string) (pid int) {
	t.Helper()
	l.say(t, "invoke", function)
	nstest.Eventually(t, 2*time.Minute, func() error {
		for _, e := range l.inspect("envs") {
			if strings.HasPrefix(e["env"].(string), function+"/") && e["state"] == "frozen" {
				pid = l.onHost(t, fmt.Sprint(e["pid"]))
				return nil
			}
		}
		return errors.New("no environment of " + function + " is frozen")
	})
	return pid
}

// onHost finds the process of the daemon's that has an id in the realm, and 1 in its own pid namespace.
// https://man7.org/linux/man-pages/man5/proc_pid_status.5.html
func (l *lab) onHost(t *testing.T, pid string) int {
	t.Helper()
	statuses, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, file := range statuses {
		b, _ := os.ReadFile(file) // it may have ended
		_, rest, _ := strings.Cut(string(b), "\nPPid:")
		parent, rest, _ := strings.Cut(rest, "\n")
		_, rest, _ = strings.Cut(rest, "\nNSpid:")
		ids, _, _ := strings.Cut(rest, "\n")
		if f := strings.Fields(ids); strings.TrimSpace(parent) == strconv.Itoa(l.DaemonPID) && len(f) == 3 && f[1] == pid && f[2] == "1" {
			return try(strconv.Atoi(f[0]))(t)
		}
	}
	t.Fatalf("the daemon, %d, has no environment that is process %s of the realm", l.DaemonPID, pid)
	return 0
}

func ended(t *testing.T, pid int) {
	t.Helper()
	nstest.Eventually(t, 2*time.Minute, func() error {
		if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); !errors.Is(err, fs.ErrNotExist) {
			return errorf("process %d, which was frozen, is still there: %v", pid, err)
		}
		return nil
	})
}

// Frozen environments end like others when the daemon is killed, and the keeper, and the lab is taken down.
func TestFrozenEnvironmentsEnd(t *testing.T) {
	t.Parallel()
	l := up(t, strings.ReplaceAll(two, "STORE", functions))
	first := l.frozen(t, "steady-shared")
	l.kill()
	l.up()
	ended(t, first)
	if again := l.frozen(t, "steady-shared"); again == first {
		t.Errorf("process %d serves on", again)
	}
	if err := syscall.Kill(l.KeeperPID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	nstest.Eventually(t, 2*time.Minute, func() error {
		if now := l.list(); now.Status != "down" {
			return errorf("the lab is %s", now.Status)
		}
		return nil
	})
	l.up()
	l.frozen(t, "steady-shared") // down ends it, and looks for what is left
}
