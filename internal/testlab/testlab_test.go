package testlab_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"enilab/internal/nstest"
	"enilab/internal/testlab"
	"enilab/sandbox"
)

// TestKilledTestsLeaveNothing: the next test removes the control groups of one that was killed.
func TestKilledTestsLeaveNothing(t *testing.T) {
	const variable = "ENILAB_TEST_KILLED"
	if os.Getenv(variable) != "" { // the process below
		g, err := sandbox.NewCgroups(testlab.Name(t, "killed"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.New("env", sandbox.Limits{Pids: 10}); err != nil {
			t.Fatal(err)
		}
		testlab.MemoryGroup(t, "killed", 1<<30)
		os.Stdout.WriteString("ready\n")
		select {}
	}
	nstest.NeedRoot(t)
	if err := sandbox.CheckCgroups(); err != nil {
		t.Skip(err)
	}
	name := testlab.Name(t, "killed")
	testlab.MemoryGroup(t, "here", 1<<30) // or it skips
	before := groups(t)
	killed := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run", "^"+t.Name()+"$")
	killed.Env = append(os.Environ(), variable+"=1")
	out, err := killed.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	said, _ := bufio.NewReader(out).ReadString('\n')
	_ = killed.Process.Kill()
	_ = killed.Wait()
	if said != "ready\n" {
		t.Fatalf("the test to be killed says %q", said)
	}
	if left := groups(t); len(left) < len(before)+2 {
		t.Errorf("the killed test has left nothing: %v", left)
	}
	t.Run("the next", func(t *testing.T) {
		if next := testlab.Name(t, "killed"); next != name {
			t.Errorf("%s is called %s", name, next)
		}
		testlab.MemoryGroup(t, "next", 1<<30)
	})
	if left := groups(t); len(left) > len(before) {
		t.Errorf("left: %v; before %v", left, before)
	}
}

// groups are those that this test makes when it is to be killed.
func groups(t *testing.T) (all []string) {
	t.Helper()
	for _, pattern := range []string{"*/enilab/killed-*", "enilab/killed-*", "*/enilab-test-killed-*", "enilab-test-killed-*"} {
		found, err := filepath.Glob("/sys/fs/cgroup/" + pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	return all
}
