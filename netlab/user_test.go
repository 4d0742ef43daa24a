package netlab_test

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"enilab/internal/nstest"
)

// TestServersOfAContainer: in a user namespace that has some ids, as an unprivileged container's, servers start, contained like
// all, and so do their checks.
func TestServersOfAContainer(t *testing.T) {
	nstest.NeedRoot(t)
	if nstest.Rootless() {
		t.Skip("there are no ids to give to a user namespace")
	}
	nstest.NoLeaks(t)
	self, err := os.Executable()
	must(t, err)
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 65536}} // from 0 on, so that it may read what it executes
	cmd := exec.CommandContext(t.Context(), self, "-test.v", "-test.run", "^(TestServersAreContained|TestServerFromAPrivateDirectory)$")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET, // as a realm has them
		UidMappings: ids, GidMappings: ids, GidMappingsEnableSetgroups: true,
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"TestServersAreContained", "TestServerFromAPrivateDirectory"} {
		if !strings.Contains(string(out), "--- PASS: "+name+" ") {
			t.Errorf("%s did not run:\n%s", name, out)
		}
	}
}
