package netlab_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"syscall"
	"testing"

	"enilab/internal/nstest"

	"golang.org/x/sys/unix"
)

const realmVariable = "NETLAB_TEST_REALM"

// inRealm runs the calling test once more, as the first process of pid and mount namespaces of its own, as a lab's keeper
// is: it inherits orphans, and its pins are nobody else's. There it returns true.
func inRealm(t *testing.T) bool {
	t.Helper()
	nstest.NeedRoot(t)
	if os.Getenv(realmVariable) != "" {
		must(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		must(t, unix.Mount("proc", "/proc", "proc", 0, ""))
		must(t, unix.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755"))
		return true
	}
	again := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.v", "-test.run=^"+regexp.QuoteMeta(t.Name())+"$")
	again.Env = append(os.Environ(), realmVariable+"=1")
	again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}
	if out, err := again.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// controlPlane runs this program as one, which builds what its arguments say, tells about it, and lives on until kill.
func controlPlane(t *testing.T, told any, args ...string) (kill func()) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	kill = func() {
		cmd.Process.Kill()
		cmd.Wait()
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		kill()
		t.Fatalf("the control plane failed: %v", err)
	}
	must(t, json.Unmarshal(line, told))
	return kill
}
