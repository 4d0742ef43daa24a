package aws_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"enilab/internal/nstest"
)

func TestWalkthroughWithTheCLI(t *testing.T) {
	t.Parallel()
	nstest.OnlyThorough(t, "the AWS CLI takes a second for each of its fifty calls")
	const cli = "/usr/bin/aws" // Debian's awscli, whatever else is in PATH
	if _, err := os.Stat(cli); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("CI must have Debian's awscli")
		}
		t.Skip("Debian's package awscli is not installed")
	}
	l := up(t, empty)
	cmd := exec.CommandContext(t.Context(), "../../examples/aws-cli/walkthrough.sh", filepath.Join(functions, "go.zip"))
	cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL=http://"+l.Listen, "AWS_CLI="+cli)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"none failed", "DependencyViolation", "REPORT RequestId", "interface", "\ndone\n"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("its output has no %q:\n%s", want, out)
		}
	}
	if left := l.inspect("enis"); len(left) > 0 {
		t.Errorf("ENIs are left: %v", left)
	}
}
