package ec2_test

import (
	"fmt"
	"os"
	"testing"
)

// The test binary is also, run as "churn FILE", a control plane that is to be killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "churn" {
		fmt.Fprintln(os.Stderr, churn(os.Args[2]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}
